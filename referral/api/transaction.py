"""Transaction: all of a Bundle or nothing. https://hl7.org/fhir/R4/http.html#transaction"""

from collections.abc import Iterator

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from referral.actions.workspace import Draft, Written, instant
from referral.actions.write_resources import write_resources
from referral.api.actor import current_actor
from referral.api.body import read_resource, read_version
from referral.api.errors import MEDIA_TYPE
from referral.api.respond import location, outcome_of, preference
from referral.api.services import services_of
from referral.fhir.bundle import read_transaction, response_bundle
from referral.fhir.validation import check_resource


async def transaction(request: Request) -> Response:
    """Write every entry in one transaction; the answer has an entry for each, in their order."""
    services = services_of(request)
    actor = await current_actor(request)
    bundle = await read_resource(request, "Bundle")
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
        )
        for entry in entries
    ]
    written = await write_resources(
        services.store,
        drafts,
        actor=actor,
        base=services.fhir_base,
        now=services.now(),
        new_id=services.new_id,
        request_id=request.state.request_id,
    )
    body = response_bundle(
        "transaction-response", _entries(written, services.fhir_base, preference(request, "return"))
    )
    return Response(body, media_type=MEDIA_TYPE)


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
