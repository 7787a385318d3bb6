"""What somebody tries by each route of the service, about a referral that is named."""

import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any

import httpx

from tests.api.secrets import Names, bundle
from tests.factories import KIEN_AN, observation, offer, request, summary

# Nobody else looks through the eyes of this one: not a patient is its own.
STRANGER = "binh-giang-medical-centre"
"""No other test signs it in: whatever it found would be somebody else's."""
PATCH = "application/json-patch+json"
_SHOWN = {"_total", "_summary", "_include", "_revinclude"}
"""What says how matches are shown, and is no condition."""
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/fhir+json"}

Build = Callable[[Names], Iterator[httpx.Request]]
Route = tuple[str, str]


OPEN: frozenset[Route] = frozenset(
    {
        ("GET", "/docs"),
        ("GET", "/docs/"),
        ("GET", "/docs/start.js"),
        ("GET", "/docs/swagger-ui-bundle.js"),
        ("GET", "/docs/swagger-ui.css"),
        ("GET", "/healthz"),
        ("GET", "/metrics"),
        ("GET", "/openapi.json"),
        ("GET", "/readyz"),
        ("GET", "/.well-known/smart-configuration"),
        ("GET", "/fhir/.well-known/smart-configuration"),
        ("GET", "/fhir/metadata"),
        ("POST", "/oauth/token"),
    }
)
"""What is for everyone; it holds nothing about anybody."""


def ask(method: str, address: str, content: Any = None, **headers: str) -> httpx.Request:
    """A request to an address below the FHIR base."""
    body = content if isinstance(content, bytes | None) else json.dumps(content).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Request(method, f"http://hub/fhir{address}", content=body, headers=JSON | named)


def reads(names: Names) -> Iterator[httpx.Request]:
    for resource_type, resource_id in names.resources.items():
        yield ask("GET", f"/{resource_type}/{resource_id}")
        yield ask("GET", f"/{resource_type}/{resource_id}", If_None_Match='W/"1"')
    yield ask("GET", f"/Observation/{names.note}")


def version_reads(names: Names) -> Iterator[httpx.Request]:
    for resource_type, resource_id in names.resources.items():
        for version in ("1", "2", "9"):
            yield ask("GET", f"/{resource_type}/{resource_id}/_history/{version}")


def histories(names: Names) -> Iterator[httpx.Request]:
    for resource_type, resource_id in names.resources.items():
        yield ask("GET", f"/{resource_type}/{resource_id}/_history")
        yield ask("GET", f"/{resource_type}/{resource_id}/_history?_since=2999")


def type_histories(names: Names) -> Iterator[httpx.Request]:
    for resource_type in names.resources:
        yield ask("GET", f"/{resource_type}/_history")
        yield ask("GET", f"/{resource_type}/_history?_since=2000-01-01")


def _changes(names: Names) -> Iterator[tuple[str, bytes]]:
    """Patches of hidden resources."""
    for status in ("revoked", "cancelled", "accepted"):
        for resource_type, resource_id in names.resources.items():
            operation = {"op": "add", "path": "/status", "value": status}
            yield f"/{resource_type}/{resource_id}", json.dumps([operation]).encode()


def patches(names: Names) -> Iterator[httpx.Request]:
    for address, body in _changes(names):
        yield ask("PATCH", address, body, Content_Type=PATCH)
        yield ask("PATCH", address, body, Content_Type=PATCH, If_Match='W/"1"')


def _by_search(names: Names) -> Iterator[str]:
    for resource_type, pairs in _questions(names):
        shown = {name: value for name, value in pairs.items() if name not in _SHOWN}
        yield f"/{resource_type}?{httpx.QueryParams(shown)}"


def patches_by_search(names: Names) -> Iterator[httpx.Request]:
    for address in _by_search(names):
        yield ask("PATCH", address, b"[]", Content_Type=PATCH)


def updates_by_search(names: Names) -> Iterator[httpx.Request]:
    for address in _by_search(names):
        yield ask("PUT", address, plain(address[1:].partition("?")[0], "x"), If_Match='W/"1"')


def deletes_by_search(names: Names) -> Iterator[httpx.Request]:
    for address in _by_search(names):
        yield ask("DELETE", address)


def deletes(names: Names) -> Iterator[httpx.Request]:
    for resource_type, resource_id in names.resources.items():
        yield ask("DELETE", f"/{resource_type}/{resource_id}")


def _questions(names: Names) -> Iterator[tuple[str, dict[str, str]]]:
    """Searches that name something of the referral."""
    for resource_type, resource_id in names.resources.items():
        yield resource_type, {"_id": resource_id}
        yield resource_type, {"_id": resource_id, "_total": "accurate"}
        yield resource_type, {"_id": resource_id, "_summary": "count"}
    for resource_type in ("Patient", "Observation", "Condition", "DocumentReference", "Communication"):
        yield resource_type, {"identifier": names.person_number}
    for resource_type in ("ServiceRequest", "Task"):
        yield resource_type, {"identifier": names.number, "_include": f"{resource_type}:patient"}
    yield "Task", {"group-identifier": names.number}
    yield "Patient", {"name": names.family, "_revinclude": "Task:patient"}


def searches(names: Names) -> Iterator[httpx.Request]:
    for resource_type, pairs in _questions(names):
        yield ask("GET", f"/{resource_type}?{httpx.QueryParams(pairs)}")


def posted_searches(names: Names) -> Iterator[httpx.Request]:
    for resource_type, pairs in _questions(names):
        body = str(httpx.QueryParams(pairs)).encode()
        yield ask("POST", f"/{resource_type}/_search", body, Content_Type=FORM["Content-Type"])


def _drafts(names: Names) -> Iterator[dict[str, Any]]:
    """New resources of a stranger that name hidden ones where they must be known."""
    subject = {"identifier": {"system": "urn:test:person", "value": names.person_number}}
    yield observation(names.patient)
    yield observation(names.patient, subject={"type": "Patient"} | subject)
    yield summary(names.patient)
    yield {"resourceType": "Condition", "subject": {"reference": f"Patient/{names.patient}"}}
    yield request(names.patient, KIEN_AN)
    yield request(names.patient, KIEN_AN, status="draft")
    yield request(names.patient, KIEN_AN, subject=subject)
    yield offer(names.request, STRANGER)
    yield offer(names.request, KIEN_AN)
    for element, kind in (("basedOn", "ServiceRequest"), ("partOf", "Task")):
        named = {"reference": f"{kind}/{names.resources[kind]}"}
        yield {"resourceType": "Communication", "status": "completed", element: [named]}
    yield {
        "resourceType": "Communication",
        "status": "completed",
        "subject": {"reference": f"Patient/{names.patient}"},
    }


def creates(names: Names) -> Iterator[httpx.Request]:
    for draft in _drafts(names):
        yield ask("POST", f"/{draft['resourceType']}", draft)


def _moves(names: Names) -> Iterator[dict[str, Any]]:
    """What a stranger would like a referral and its offer to become."""
    yield request(names.patient, KIEN_AN, id=names.request)
    yield request(names.patient, KIEN_AN, id=names.request, status="revoked")
    for status in ("accepted", "completed", "cancelled"):
        yield offer(names.request, KIEN_AN, id=names.task, status=status)


def updates(names: Names) -> Iterator[httpx.Request]:
    for content in _moves(names):
        address = f"/{content['resourceType']}/{content['id']}"
        yield ask("PUT", address, content)
        yield ask("PUT", address, content, If_Match='W/"1"')
        yield ask("PUT", address, content, If_Match='W/"7"')
    for resource_type, resource_id in names.resources.items():
        content = plain(resource_type, resource_id)
        yield ask("PUT", f"/{resource_type}/{resource_id}", content, If_Match='W/"1"')


def plain(resource_type: str, resource_id: str) -> dict[str, Any]:
    """A small resource of a type under this id, with no reference to anything."""
    more: dict[str, dict[str, Any]] = {
        "Patient": {"gender": "male"},
        "ServiceRequest": {"status": "active", "intent": "plan", "subject": {"display": "nobody"}},
        "Task": {"status": "draft", "intent": "plan"},
        "Observation": {"status": "final", "code": {"text": "x"}},
        "Condition": {"subject": {"display": "nobody"}},
        "DocumentReference": {"status": "current", "content": [{"attachment": {"title": "x"}}]},
        "Communication": {"status": "completed"},
    }
    return {"resourceType": resource_type, "id": resource_id} | more[resource_type]


def transactions(names: Names) -> Iterator[httpx.Request]:
    for path in ("", "/"):
        own = {"resourceType": "Patient", "gender": "male"}
        for draft in _drafts(names):
            kind = draft["resourceType"]
            yield ask("POST", path, bundle(("POST", "Patient", own), ("POST", kind, draft)))
        for content in _moves(names):
            address = f"{content['resourceType']}/{content['id']}"
            yield ask("POST", path, bundle(("POST", "Patient", own), ("PUT", address, content)))
        for address, body in _changes(names):
            binary = {"resourceType": "Binary", "contentType": PATCH, "data": b64encode(body).decode()}
            yield ask("POST", path, bundle(("POST", "Patient", own), ("PATCH", address[1:], binary)))
        for address in _by_search(names):
            if address.startswith("/Patient?"):
                named = observation("x", subject={"reference": address[1:]})
                yield ask("POST", path, bundle(("POST", "Patient", own), ("POST", "Observation", named)))


def moves(names: Names) -> Iterator[httpx.Request]:
    for kind in ("ServiceRequest", "Task"):
        for method in ("GET", "POST"):
            yield ask(method, f"/{kind}/{names.resources[kind]}/$moves")


def claims(names: Names) -> Iterator[httpx.Request]:
    """The right number and any birth date; who knows both is let in."""
    given = [
        {"name": "number", "valueString": names.number},
        {"name": "birthDate", "valueDate": "1999-09-09"},
    ]
    yield ask("POST", "/ServiceRequest/$claim", {"resourceType": "Parameters", "parameter": given})


def suggestions(names: Names) -> Iterator[httpx.Request]:
    address = f"/ServiceRequest/{names.request}/$suggest-targets"
    yield ask("POST", address)
    yield ask("POST", address, {"resourceType": "Parameters"})


def packages(names: Names) -> Iterator[httpx.Request]:
    yield ask("GET", f"/ServiceRequest/{names.request}/$everything")
    yield ask("GET", f"/ServiceRequest/{names.request}/$everything?_count=1")


def suggestions_by_query(names: Names) -> Iterator[httpx.Request]:
    yield ask("GET", f"/ServiceRequest/{names.request}/$suggest-targets")
    yield ask("GET", f"/ServiceRequest/{names.request}/$suggest-targets?excluded=true")


def suggestions_for_drafts(names: Names) -> Iterator[httpx.Request]:
    logical = {"identifier": {"system": "urn:test:person", "value": names.person_number}}
    for subject in ({"reference": f"Patient/{names.patient}"}, logical):
        # The draft has the id of the hidden request: its rejections and its patient must not count.
        sent = request(names.patient, id=names.request, subject=subject)
        parameter = [{"name": "serviceRequest", "resource": sent}, {"name": "excluded", "valueBoolean": True}]
        yield ask(
            "POST", "/ServiceRequest/$suggest-targets", {"resourceType": "Parameters", "parameter": parameter}
        )


def validations(names: Names) -> Iterator[httpx.Request]:
    for draft in _drafts(names):
        yield ask("POST", f"/{draft['resourceType']}/$validate?mode=create", draft)


def validations_of_stored(names: Names) -> Iterator[httpx.Request]:
    for content in _moves(names):
        address = f"/{content['resourceType']}/{content['id']}/$validate?mode=update"
        yield ask("POST", address, content)
        yield ask("POST", address, content, If_Match='W/"1"')
    for resource_type, resource_id in names.resources.items():
        yield ask("POST", f"/{resource_type}/{resource_id}/$validate?mode=delete")


CASES: dict[Route, Build] = {
    ("GET", "/fhir/{resource_type}/{resource_id}"): reads,
    ("DELETE", "/fhir/{resource_type}/{resource_id}"): deletes,
    ("DELETE", "/fhir/{resource_type}"): deletes_by_search,
    ("PATCH", "/fhir/{resource_type}/{resource_id}"): patches,
    ("PATCH", "/fhir/{resource_type}"): patches_by_search,
    ("PUT", "/fhir/{resource_type}"): updates_by_search,
    ("GET", "/fhir/{resource_type}/{resource_id}/_history"): histories,
    ("GET", "/fhir/{resource_type}/{resource_id}/_history/{version}"): version_reads,
    ("GET", "/fhir/{resource_type}/_history"): type_histories,
    ("PUT", "/fhir/{resource_type}/{resource_id}"): updates,
    ("GET", "/fhir/{resource_type}"): searches,
    ("POST", "/fhir/{resource_type}"): creates,
    ("POST", "/fhir/{resource_type}/_search"): posted_searches,
    ("POST", "/fhir"): transactions,
    ("POST", "/fhir/"): transactions,
    ("GET", "/fhir/ServiceRequest/{resource_id}/$moves"): moves,
    ("POST", "/fhir/ServiceRequest/{resource_id}/$moves"): moves,
    ("GET", "/fhir/Task/{resource_id}/$moves"): moves,
    ("POST", "/fhir/Task/{resource_id}/$moves"): moves,
    ("POST", "/fhir/ServiceRequest/$claim"): claims,
    ("POST", "/fhir/ServiceRequest/{resource_id}/$suggest-targets"): suggestions,
    ("GET", "/fhir/ServiceRequest/{resource_id}/$everything"): packages,
    ("GET", "/fhir/ServiceRequest/{resource_id}/$suggest-targets"): suggestions_by_query,
    ("POST", "/fhir/ServiceRequest/$suggest-targets"): suggestions_for_drafts,
    ("POST", "/fhir/{resource_type}/$validate"): validations,
    ("POST", "/fhir/{resource_type}/{resource_id}/$validate"): validations_of_stored,
}
"""What a stranger tries by each route. The requests for hidden names and for invented ones are the same."""

ANSWERED = {
    validations,
    validations_of_stored,
    suggestions_for_drafts,
    searches,
    posted_searches,
    type_histories,
}
"""Tries that are answered, with nothing of the referral; all others are refused."""
