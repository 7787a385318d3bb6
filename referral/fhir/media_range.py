"""Which media ranges take what we answer with: JSON of FHIR 4.0. https://hl7.org/fhir/R4/http.html#mime-type"""

from typing import Final

_RANGES: Final = frozenset(
    {"application/fhir+json", "application/json", "application/json+fhir", "text/json"}
    | {"application/*", "*/*"}
)
# An unescaped "+" arrives as a space.
_FORMATS: Final = frozenset({"json", "application/fhir json", "application/json fhir"}) | _RANGES
_VERSIONS: Final = frozenset({"", "4.0", "4.0.1"})
_CHARSETS: Final = frozenset({"utf-8", "utf8", "us-ascii"})


def accepted(accept: str) -> bool:
    """Whether an `Accept` takes our form."""
    return any(_takes(each, _RANGES) for each in accept.lower().split(","))


def is_format(value: str) -> bool:
    """Whether a `_format` asks for our form."""
    return _takes(value.lower(), _FORMATS)


def is_ours(parameters: str) -> bool:
    """Whether the parameters of a body's media type say what we read: UTF-8 of FHIR 4.0, as without them."""
    named = dict(part.strip().partition("=")[::2] for part in parameters.lower().split(";"))
    said = {name: value.strip(' "') for name, value in named.items()}
    return said.get("charset", "utf-8") in _CHARSETS and said.get("fhirversion", "") in _VERSIONS


def _takes(text: str, ours: frozenset[str]) -> bool:
    """Whether a media range, with its parameters, takes what we have."""
    name, *parameters = (part.strip() for part in text.split(";"))
    named = dict(parameter.partition("=")[::2] for parameter in parameters)
    wanted = named.get("q", "1").strip().rstrip("0.") != ""
    return name in ours and wanted and named.get("fhirversion", "").strip(' "') in _VERSIONS
