"""Required bindings of R4, from the official definitions. https://hl7.org/fhir/R4/terminologies.html#required

The R4B models name the codes of most, cut long lists short and are silent on CodeableConcepts, so they are
not asked. `r4_rules.json` is made by scripts/make_fhir_rules.py. In R4, elements of type code and
CodeableConcept have required bindings, and no Coding, Quantity or uri.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

_RULES: Final = json.loads(files("referral.fhir").joinpath("r4_rules.json").read_bytes())
_BINDINGS: Final[Mapping[str, str]] = _RULES["bindings"]
INVARIANTS: Final[Mapping[str, Mapping[str, str]]] = _RULES["invariants"]
"""The invariants of severity error in words, by the path of their element and their key."""
SIMPLE_QUANTITIES: Final[frozenset[str]] = frozenset(_RULES["simpleQuantities"])
"""The elements, as `Model.element`, that hold a SimpleQuantity."""

# Codes of code systems that others own and FHIR does not list: what can be told is their form.
_FORMS: Final = {
    # https://www.rfc-editor.org/rfc/rfc6838#section-4.2, with parameters after it
    "http://hl7.org/fhir/ValueSet/mimetypes": (r"[A-Za-z0-9][\w.+!#$&^-]*/[\w.+!#$&^-]+(?: ?;.*)?"),
    "http://hl7.org/fhir/ValueSet/currencies": r"[A-Z]{3}",
}
# https://hl7.org/fhir/R4/capabilitystatement-definitions.html#CapabilityStatement.format: also json, xml, ttl
_SHORT_FORMATS: Final = {"CapabilityStatement.format", "CapabilityStatement.patchFormat"}
_MOST_NAMED: Final = 40


class _Form:
    """Codes of one form, as a container of them."""

    def __init__(self, pattern: str) -> None:
        self._matches = re.compile(pattern).fullmatch

    def __contains__(self, code: object) -> bool:
        return isinstance(code, str) and self._matches(code) is not None


@dataclass(frozen=True, slots=True)
class Binding:
    """A required value set. codes: of all its systems; systems: the codes by their systems."""

    value_set: str
    codes: "frozenset[str] | _Form"
    systems: Mapping[str, frozenset[str]]

    def has(self, system: object, code: object) -> bool:
        """Whether a coding is in the value set."""
        return isinstance(system, str) and code in self.systems.get(system, ())

    def __str__(self) -> str:
        """What may stand there, in words."""
        if isinstance(self.codes, _Form) or len(self.codes) > _MOST_NAMED:
            return f"of the value set {self.value_set}"
        return f"one of: {', '.join(sorted(self.codes))}"


def _made(value_set: str, listed: Mapping[str, str]) -> Binding:
    systems = {system: frozenset(words.split()) for system, words in listed.items()}
    return Binding(value_set, frozenset().union(*systems.values()), systems)


_VALUE_SETS: Final = {url: _made(url, listed) for url, listed in _RULES["valueSets"].items()} | {
    url: Binding(url, _Form(pattern), {}) for url, pattern in _FORMS.items()
}


def binding_of(element: str) -> Binding | None:
    """The required binding of `Model.element`, a choice without its type; None where R4 has none.

    None, too, for the value sets of UCUM and LOINC on concepts: R4 does not list their codes.
    """
    if element in _SHORT_FORMATS:
        return None
    return _VALUE_SETS.get(_BINDINGS.get(element, ""))
