"""The parts that operations of the OpenAPI document share: bodies, parameters, headers.

FHIR itself says what a resource holds: here stands its outer form, with a link to its page of R4.
"""

from collections.abc import Mapping
from typing import Any, Final

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from referral.actions.issue_token import ASSERTION_TYPE, GRANT_TYPE
from referral.domain.search import Summary, Total
from referral.fhir.capability import MEDIA_TYPE as FHIR
from referral.fhir.primitives import ID
from referral.fhir.resources import SUPPORTED
from referral.fhir.search_query import DEFAULT_COUNT, MAX_COUNT

Schema = dict[str, Any]
Content = Mapping[str, str]
"""Names of schemas by media type, alternatives with a | between. `{type}` is the type of the address."""

FORM: Final = "application/x-www-form-urlencoded"
JSON: Final = "application/json"
SIGNED_OUTSIDE: Final = "An assertion that the client signs with its private key."

RESOURCE: Final[Content] = {FHIR: "{type}"}
WRITTEN: Final[Content] = {FHIR: "{type}|OperationOutcome"}
OUTCOME: Final[Content] = {FHIR: "OperationOutcome"}
SEARCHSET: Final[Content] = {FHIR: "Searchset"}
HISTORY: Final[Content] = {FHIR: "History"}
SUGGESTIONS: Final[Content] = {FHIR: "Suggestions"}
QUESTION: Final[Content] = {FHIR: "Question"}
MOVES: Final[Content] = {FHIR: "Moves"}
CLAIM: Final[Content] = {FHIR: "Claim"}
OFFER: Final[Content] = {FHIR: "Task"}
PARAMETERS_SENT: Final[Content] = {FHIR: "Parameters"}
TO_VALIDATE: Final[Content] = {FHIR: "ToValidate"}
BUNDLE_SENT: Final[Content] = {FHIR: "BundleSent"}
BUNDLE_ANSWERED: Final[Content] = {FHIR: "BundleAnswered"}
CAPABILITIES: Final[Content] = {FHIR: "CapabilityStatement"}
SMART: Final[Content] = {JSON: "SmartConfiguration"}
TOKEN: Final[Content] = {JSON: "Token"}
OAUTH_ERROR: Final[Content] = {JSON: "OAuthError"}
STATE: Final[Content] = {JSON: "State"}
OPENAPI: Final[Content] = {JSON: "OpenApi"}
PAGE: Final[Content] = {"text/html": "Text"}
PAGE_PART: Final[Content] = {"text/css": "Text", "text/javascript": "Text"}
METRICS: Final[Content] = {CONTENT_TYPE_PLAIN_0_0_4.partition(";")[0]: "Text"}

_TEXT: Final[Schema] = {"type": "string"}


def _object(required: str = "", **properties: Schema) -> Schema:
    schema: Schema = {"type": "object", "properties": properties}
    return schema | {"required": required.split()} if required else schema


def _resource(name: str, required: str = "", **properties: Schema) -> Schema:
    schema = _object(
        f"resourceType {required}", resourceType={"type": "string", "enum": [name]}, **properties
    )
    return schema | {"externalDocs": {"url": f"https://hl7.org/fhir/R4/{name.lower()}.html"}}


def _stored(name: str) -> Schema:
    return _resource(name, id={"type": "string", "pattern": f"^{ID.pattern}$"}, meta={"type": "object"})


def _bundle(kinds: str, required: str = "", **entry: Schema) -> Schema:
    its = _object(required, **entry)
    kind = {"type": "string", "enum": kinds.split()}
    link = {"type": "array", "items": _object("relation url", relation=_TEXT, url=_TEXT)}
    total = {"type": "integer", "minimum": 0}
    entries = {"type": "array", "items": its}
    return _resource("Bundle", "type", type=kind, link=link, total=total, entry=entries)


_OBJECT: Final[Schema] = {"type": "object"}
_ENTRY_REQUEST: Final = _object(
    "method url",
    method={"type": "string", "enum": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]},
    url=_TEXT,
    ifMatch=_TEXT,
    ifNoneExist=_TEXT,
)
_PREFERENCE: Final = "(return=(minimal|representation|OperationOutcome)|handling=(strict|lenient))"
_OPERATIONS: Final = ("add", "remove", "replace", "move", "copy", "test")
_ISSUE: Final = _object(
    "severity code diagnostics",
    severity={"type": "string", "enum": ["fatal", "error", "warning", "information"]},
    code={"type": "string", "description": "Of http://hl7.org/fhir/issue-type."},
    diagnostics={"type": "string", "description": "A sentence for a person."},
    expression={"type": "array", "items": _TEXT, "description": "FHIRPath of the element, where known."},
)

SCHEMAS: Final[dict[str, Schema]] = {
    **{name: _stored(name) for name in sorted(SUPPORTED)},
    "Resource": _object("resourceType", resourceType={"type": "string", "enum": sorted(SUPPORTED)}, id=_TEXT),
    "OperationOutcome": _resource(
        "OperationOutcome", "issue", issue={"type": "array", "minItems": 1, "items": _ISSUE}
    ),
    "Searchset": _bundle(
        "searchset", "fullUrl resource search", fullUrl=_TEXT, resource=_OBJECT, search=_OBJECT
    ),
    "History": _bundle(
        "history",
        "fullUrl request response",
        fullUrl=_TEXT,
        request=_OBJECT,
        response=_OBJECT,
        resource=_OBJECT,
    ),
    "BundleSent": _bundle(
        "transaction batch", "request", fullUrl=_TEXT, resource=_OBJECT, request=_ENTRY_REQUEST
    ),
    "BundleAnswered": _bundle(
        *("transaction-response batch-response", "response"), resource=_OBJECT, response=_OBJECT
    ),
    "Parameters": _resource("Parameters", parameter={"type": "array", "items": _object("name", name=_TEXT)}),
    "Question": _resource(
        "Parameters",
        "parameter",
        parameter={"type": "array", "minItems": 1, "items": _object("name", name=_TEXT)},
    ),
    "Suggestions": _resource(
        "Parameters",
        parameter={"type": "array", "items": _object("name part", name=_TEXT, part={"type": "array"})},
    ),
    "Moves": _resource("Parameters", parameter={"type": "array", "items": _object("name", name=_TEXT)}),
    "Claim": _resource(
        "Parameters",
        "parameter",
        parameter={"type": "array", "minItems": 2, "maxItems": 2, "items": _object("name", name=_TEXT)},
    ),
    "ToValidate": _object("resourceType", resourceType=_TEXT),
    "CapabilityStatement": _resource("CapabilityStatement", "status kind fhirVersion format rest"),
    "JsonPatch": {
        "type": "array",
        "items": _object(
            "op path",
            op={"type": "string", "enum": list(_OPERATIONS)},
            path=_TEXT,
            value={},
            **{"from": _TEXT},
        ),
        "externalDocs": {"url": "https://www.rfc-editor.org/rfc/rfc6902"},
    },
    "TokenRequest": _object(
        "grant_type scope client_assertion_type client_assertion",
        grant_type={"type": "string", "enum": [GRANT_TYPE]},
        scope={"type": "string", "description": "SMART v2 system scopes, separated by spaces."},
        client_assertion_type={"type": "string", "enum": [ASSERTION_TYPE]},
        client_assertion={"type": "string", "description": SIGNED_OUTSIDE},
    ),
    "Token": _object(
        "access_token token_type expires_in scope",
        access_token=_TEXT,
        token_type={"type": "string", "enum": ["bearer"]},
        expires_in={"type": "integer", "description": "Seconds."},
        scope=_TEXT,
    ),
    "OAuthError": _object("error error_description", error=_TEXT, error_description=_TEXT),
    "SmartConfiguration": _object("token_endpoint grant_types_supported capabilities", token_endpoint=_TEXT),
    "State": _object("status", status=_TEXT),
    "OpenApi": _object("openapi info paths", openapi=_TEXT, info=_OBJECT, paths=_OBJECT),
    "Text": _TEXT,
}
"""By name. What stands here as an object and no more may hold all that FHIR lets it hold."""


def _parameter(name: str, place: str, description: str, **schema: Any) -> Schema:
    its = {"type": "string"} | schema
    return {"name": name, "in": place, "description": description, "schema": its}


RESULT_PARAMETERS: Final[Mapping[str, Schema]] = {
    each["name"]: each
    for each in (
        _parameter(
            *("_count", "query", f"How many to a page: {DEFAULT_COUNT} where absent, {MAX_COUNT} at most."),
            type="integer",
            minimum=0,
        ),
        _parameter("_cursor", "query", "From a link `next`, never made by a client."),
        _parameter("_elements", "query", "The elements to show, with commas between."),
        _parameter("_format", "query", "In place of `Accept`: JSON is what there is.", enum=["json", FHIR]),
        _parameter("_include", "query", "What the matches refer to, such as `Task:focus`; also `:iterate`."),
        _parameter("_pretty", "query", "With line breaks and indentation.", enum=["true", "false"]),
        _parameter(
            "_revinclude", "query", "What refers to the matches, such as `Task:focus`; also `:iterate`."
        ),
        _parameter(
            "_sort", "query", "`_id`, `_lastUpdated` or a parameter of the type; `-` before it: descending."
        ),
        _parameter("_summary", "query", "How much of each is shown.", enum=list(Summary)),
        _parameter("_total", "query", "Whether to count all matches.", enum=list(Total)),
    )
}
"""What says how matches are shown, by name."""

PARAMETERS: Final[Mapping[str, Schema]] = {
    each["name"]: each
    for each in (
        *RESULT_PARAMETERS.values(),
        _parameter("_since", "query", "Changes from this moment on, such as `2026-03-01T08:00:00Z`."),
        _parameter("count", "query", "How many targets at most.", type="integer", minimum=1),
        _parameter("excluded", "query", "Also who is ruled out, and by which rule.", enum=["true", "false"]),
        _parameter(
            *("mode", "query", "Would this be taken, too? Without it the content alone is looked at."),
            enum=["create", "update", "delete", "profile"],
        ),
        _parameter("profile", "query", "A profile to hold it against, by its canonical address."),
        _parameter(
            *("If-Match", "header"),
            'The version that is changed, as `W/"3"`; needed for referrals and offers.',
            pattern='^(W/)?"[0-9]{1,9}"$',
        ),
        _parameter("If-None-Exist", "header", "A search; created only where nothing meets it."),
        _parameter("If-None-Match", "header", "Answers 304 where this version is the newest."),
        _parameter("If-Modified-Since", "header", "Answers 304 where nothing changed since."),
        _parameter("X-Security-Context", "header", "The patient whom bytes are about, as `Patient/id`."),
        _parameter(
            *(
                "Prefer",
                "header",
                "What a write answers with, if anything; what becomes of unknown parameters.",
            ),
            pattern=f"^{_PREFERENCE}(, {_PREFERENCE})*$",
        ),
        _parameter("X-Request-ID", "header", "The same write under the same id is done once."),
        _parameter(
            *(
                "Idempotency-Key",
                "header",
                "A write under this key is done once; another one under it is refused.",
            ),
            pattern="^[!-~]{1,255}$",
        ),
    )
}
"""By name, which is unique across places."""

NEW_ONLY: Final = "If-None-Match.update"
"""The component of what an update says in the header that tells a read something else."""

COMPONENTS: Final[Mapping[str, Schema]] = {
    **PARAMETERS,
    NEW_ONLY: _parameter("If-None-Match", "header", "Only where there is none yet.", enum=["*"]),
}
"""By the name of the component."""

HEADERS: Final[Mapping[str, Schema]] = {
    name: {"description": description, "schema": _TEXT}
    for name, description in (
        ("ETag", 'The version, as `W/"3"`.'),
        ("Last-Modified", "The moment of its change."),
        ("Location", "Address of the version."),
        ("X-Replayed", "`true`: the write was done before, and this is its answer again."),
        ("WWW-Authenticate", "How to sign in."),
        ("Retry-After", "Seconds to wait."),
        ("Allow", "What the address does take."),
    )
}
