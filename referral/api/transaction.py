"""Transaction: all of a Bundle or nothing. https://hl7.org/fhir/R4/http.html#transaction"""

from collections.abc import Iterator

import orjson
from starlette.requests import Request
from starlette.responses import Response

from referral.actions.draft import Draft, Written, instant
from referral.api.actor import current_actor
from referral.api.body import read_body, read_resource, read_version
from referral.api.errors import MEDIA_TYPE
from referral.api.replay import write_once
from referral.api.respond import location, outcome_of, preference
from referral.api.route import Route
from referral.api.services import services_of
from referral.domain.search import SearchQuery
from referral.fhir.bundle import Entry, read_transaction, response_bundle
from referral.fhir.condition import read_condition
from referral.fhir.validation import check_resource
from referral.store.replay import Answer


async def transaction(request: Request) -> Response:
    """Write every entry in one transaction; the answer has an entry for each, in their order."""
    services = services_of(request)
    actor = await current_actor(request)
    body = await read_body(request)
    bundle = read_resource(body, "Bundle")
    check_resource("Bundle", bundle)
    entries = read_transaction(bundle, services.new_id, services.fhir_base)
    drafts = [
        Draft(
            entry.type,
            entry.id,
            entry.content,
            entry.is_create,
            read_version(entry.if_match, entry.place.replace("resource", "request.ifMatch")),
            entry.place,
            _condition(entry, services.fhir_base),
        )
        for entry in entries
    ]
    wanted = preference(request, "return")

    def render(written: list[Written]) -> Answer:
        answered = response_bundle("transaction-response", _entries(written, services.fhir_base, wanted))
        return Answer(200, {"Content-Type": MEDIA_TYPE}, answered)

    return await write_once(request, actor, body, drafts, render)


def _condition(entry: Entry, fhir_base: str) -> SearchQuery | None:
    if entry.if_none_exist is None:
        return None
    place = entry.place.replace("resource", "request.ifNoneExist")
    return read_condition(entry.type, entry.if_none_exist, base=fhir_base, expression=place)


def _entries(written: list[Written], fhir_base: str, wanted: str | None) -> Iterator[bytes]:
    for one in written:
        response: dict[str, object] = {
            "status": "201 Created" if one.created else "200 OK",
            "location": location(fhir_base, one),
            "etag": f'W/"{one.version}"',
            "lastModified": instant(one.at),
        }
        entry: dict[str, object] = {"fullUrl": f"{fhir_base}/{one.type}/{one.id}", "response": response}
        if wanted == "OperationOutcome":
            response["outcome"] = orjson.Fragment(outcome_of(one))
        elif wanted != "minimal":
            entry["resource"] = orjson.Fragment(one.content)
        yield orjson.dumps(entry)


routes = [Route("/fhir", transaction, methods=["POST"]), Route("/fhir/", transaction, methods=["POST"])]
