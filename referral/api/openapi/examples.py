"""Examples for the OpenAPI document: the worked examples of our package, and what is made of them."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from referral.actions.issue_token import ASSERTION_TYPE, GRANT_TYPE
from referral.fhir.profiles import examples
from referral.fhir.resources import SUPPORTED

Example = dict[str, Any]

_SENDABLE: Final[Mapping[str, str]] = {
    "ServiceRequest": "ServiceRequest/referral-up",
    "Task": "Task/offer-requested",
}
_AT: Final = "https://hub.example/fhir"


def all_examples() -> dict[str, Any]:
    """Every example by its name."""
    found = {name: make() for name, make in _MADE.items()}
    found |= {name.replace("/", "."): resource for name, resource in examples().items()}
    for resource_type in sorted(SUPPORTED):
        found[f"Searchset.{resource_type}"] = _searchset(resource_type)
    return found


def example_of(schema: str, resource_type: str | None, *, sent: bool) -> str | None:
    """The name of the example of a schema at the address of a type (None: of any); None where there is none.

    sent: of what a client sends.
    """
    if schema == "Searchset" and resource_type is not None:
        return f"{schema}.{resource_type}"
    if schema in _MADE:
        return schema
    named = "Patient" if schema == "Resource" else schema
    if sent and named in _SENDABLE:
        return _SENDABLE[named].replace("/", ".")
    return next((name.replace("/", ".") for name in examples() if name.startswith(f"{named}/")), None)


def _of_type(resource_type: str) -> Example | None:
    return next((found for name, found in examples().items() if name.startswith(f"{resource_type}/")), None)


def _patient() -> Example:
    return examples()["Patient/example-patient"]


def _searchset(resource_type: str) -> Example:
    return _bundle("searchset", f"{_AT}/{resource_type}", resource_type, {"search": {"mode": "match"}})


def _history() -> Example:
    entry = {
        "request": {"method": "POST", "url": "Patient"},
        "response": {
            "status": "201 Created",
            "etag": 'W/"1"',
            "lastModified": "2026-03-01T08:00:00.000Z",
        },
    }
    return _bundle("history", f"{_AT}/Patient/_history", "Patient", entry)


def _bundle(kind: str, address: str, resource_type: str, entry: Example) -> Example:
    """With the example of the type, where there is one."""
    bundle: Example = {
        "resourceType": "Bundle",
        "type": kind,
        "link": [{"relation": "self", "url": address}],
    }
    found = _of_type(resource_type)
    if found is None:
        return bundle
    whole = {"fullUrl": f"{_AT}/{resource_type}/{found['id']}", "resource": found, **entry}
    return bundle | {"entry": [whole]}


def _transaction() -> Example:
    """A patient and what is known of her, under ids of the client, and the referral that names both."""
    entries: list[Example] = [
        {
            "fullUrl": f"{_AT}/{name}",
            "resource": examples()[name],
            "request": {"method": "PUT", "url": name},
        }
        for name in ("Patient/example-patient", "Observation/example-observation")
    ]
    referral: Example = {
        "fullUrl": "urn:uuid:0c3b0a52-0c52-4f0c-9f53-3a5b9b1f0003",
        "resource": examples()["ServiceRequest/referral-up"],
        "request": {"method": "POST", "url": "ServiceRequest"},
    }
    return {"resourceType": "Bundle", "type": "transaction", "entry": [*entries, referral]}


def _written() -> Example:
    response = {
        "status": "201 Created",
        "etag": 'W/"1"',
        "location": f"{_AT}/Patient/{_patient()['id']}/_history/1",
        "lastModified": "2026-03-01T08:00:00.000Z",
    }
    return {"resourceType": "Bundle", "type": "transaction-response", "entry": [{"response": response}]}


def _question() -> Example:
    asked = {"name": "serviceRequest", "resource": examples()["ServiceRequest/referral-draft"]}
    return {
        "resourceType": "Parameters",
        "parameter": [asked, {"name": "count", "valuePositiveInt": 3}],
    }


_MADE: Final[Mapping[str, Callable[[], Any]]] = {
    "History": _history,
    "BundleSent": _transaction,
    "BundleAnswered": _written,
    "Question": _question,
    "Suggestions": lambda: examples()["Parameters/suggestion-two-targets"],
    "Moves": lambda: examples()["Parameters/moves-of-a-receiver"],
    "Claim": lambda: {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "number", "valueString": "HI000000011"},
            {"name": "birthDate", "valueDate": "1961-05-04"},
        ],
    },
    "Parameters": lambda: {
        "resourceType": "Parameters",
        "parameter": [{"name": "excluded", "valueBoolean": True}],
    },
    "ToValidate": _patient,
    "OperationOutcome": lambda: {
        "resourceType": "OperationOutcome",
        "issue": [
            {"severity": "information", "code": "informational", "diagnostics": "No problems were found."}
        ],
    },
    "JsonPatch": lambda: [{"op": "add", "path": "/language", "value": "vi"}],
    "TokenRequest": lambda: {
        "grant_type": GRANT_TYPE,
        "scope": "system/*.cruds",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": "<signed assertion>",
    },
    "Token": lambda: {
        "access_token": "<token>",
        "token_type": "bearer",
        "expires_in": 300,
        "scope": "system/*.cruds",
    },
    "OAuthError": lambda: {"error": "invalid_client", "error_description": "The client is not known."},
    "State": lambda: {"status": "ready"},
}
