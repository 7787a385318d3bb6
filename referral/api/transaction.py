"""Transaction: all of a Bundle or nothing. https://hl7.org/fhir/R4/http.html#transaction"""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from referral.actions.draft import Draft, Written, instant
from referral.actions.run_aside import run_aside
from referral.api.actor import current_actor
from referral.api.batch import batch
from referral.api.body import read_body, read_expected, read_resource
from referral.api.errors import MEDIA_TYPE
from referral.api.replay import write_once
from referral.api.respond import location, outcome_of, preference
from referral.api.route import Route
from referral.api.services import Services, services_of
from referral.api.transaction_reads import read_entries
from referral.domain.errors import InvalidElement, NotSupported
from referral.domain.search import SearchQuery
from referral.fhir.bundle import (
    Entry,
    check_types,
    entries_of,
    is_read,
    read_transaction,
    reads_of,
    references_by_search,
    response_bundle,
)
from referral.fhir.condition import read_condition
from referral.fhir.resources import STORED
from referral.fhir.validation import check_resource
from referral.store.pool import Store
from referral.store.replay import Answer


async def transaction(request: Request) -> Response:
    """Write every entry in one transaction, then read; the answer has an entry for each, in their order.

    What is read stands as the writes leave it; what cannot be read undoes them. A batch comes to the same
    address, and is answered by `batch`.
    """
    services = services_of(request)
    actor = await current_actor(request)
    body = await read_body(request)
    bundle = await run_aside(len(body), read_resource, body, "Bundle")
    if bundle.get("type") == "batch":
        return await batch(request, bundle)
    if bundle.get("type") != "transaction":
        check_resource("Bundle", bundle)
        raise NotSupported("Of Bundles, transactions and batches are taken here.", "Bundle.type")
    drafts = await run_aside(len(body), _drafts, bundle, services)
    reads = reads_of(bundle)
    wanted = preference(request, "return")
    answers: list[bytes] = []

    async def follow(store: Store, written: list[Written]) -> None:
        ids = _ids(bundle, written)
        answers.extend([one async for one in read_entries(request, actor, store, reads, ids)])

    def render(written: list[Written]) -> Answer:
        writes, asked = _entries(written, services.fhir_base, wanted), iter(answers)
        entries = (next(asked if is_read(entry) else writes) for _, entry in entries_of(bundle))
        answered = response_bundle("transaction-response", entries)
        return Answer(200, {"Content-Type": MEDIA_TYPE}, answered)

    return await write_once(request, actor, body, drafts, render, follow=follow if reads else None)


def _ids(bundle: Mapping[str, Any], written: list[Written]) -> dict[str, str]:
    """What the entries that are there now are to be called, by their fullUrl."""
    writes = (entry for _, entry in entries_of(bundle) if not is_read(entry))
    return {
        entry["fullUrl"]: f"{one.type}/{one.id}"
        for entry, one in zip(writes, written, strict=True)
        if "fullUrl" in entry and not one.deleted
    }


def _drafts(bundle: dict[str, Any], services: Services) -> list[Draft]:
    check_types(bundle)
    check_resource("Bundle", bundle)
    entries = read_transaction(bundle, services.new_id, services.fhir_base)
    return [_draft(entry, services.fhir_base) for entry in entries]


def _draft(entry: Entry, fhir_base: str) -> Draft:
    asked = entry.place.removesuffix(".resource") + ".request"
    condition = None
    if entry.if_none_exist is not None:
        place = f"{asked}.ifNoneExist"
        condition = read_condition(entry.type, entry.if_none_exist, base=fhir_base, expression=place)
    elif entry.criteria is not None:
        place = f"{asked}.url"
        condition = read_condition(entry.type, entry.criteria, base=fhir_base, expression=place)
    return Draft(
        entry.type,
        entry.id,
        entry.content,
        entry.is_create,
        read_expected(entry.if_match, entry.if_none_match, asked),
        entry.place,
        condition,
        is_delete=entry.is_delete,
        patch=entry.patch,
        named=tuple(_named(entry.content, entry.place, fhir_base)),
    )


def _named(content: Mapping[str, Any], place: str, fhir_base: str) -> Iterator[tuple[str, SearchQuery]]:
    for text, resource_type, path in references_by_search(content, place):
        if resource_type not in STORED:
            raise InvalidElement(f"The service stores no {resource_type}.", path)
        yield text, read_condition(resource_type, text, base=fhir_base, expression=path)


def _entries(written: list[Written], fhir_base: str, wanted: str | None) -> Iterator[bytes]:
    for one in written:
        response: dict[str, object] = {"status": "204 No Content"}
        entry: dict[str, object] = {}
        if one.version:
            response["etag"] = f'W/"{one.version}"'
        if not one.deleted:
            entry["fullUrl"] = f"{fhir_base}/{one.type}/{one.id}"
            response["status"] = "201 Created" if one.created else "200 OK"
            response["location"] = location(fhir_base, one)
            response["lastModified"] = instant(one.at)
        if wanted == "OperationOutcome":
            response["outcome"] = orjson.Fragment(outcome_of(one))
        elif wanted != "minimal" and not one.deleted:
            entry["resource"] = orjson.Fragment(one.content)
        yield orjson.dumps(entry | {"response": response})


routes = [Route("/fhir", transaction, methods=["POST"]), Route("/fhir/", transaction, methods=["POST"])]
