"""`$everything` of a request: the referral, then its package, as far as the caller sees it.

https://hl7.org/fhir/R4/operations.html; as for a patient (https://hl7.org/fhir/R4/patient-operation-everything.html)
the answer is a searchset Bundle.
"""

import re
from typing import Final

import orjson
from starlette.requests import Request
from starlette.responses import Response

from referral.actions.recognise_results import with_recognised_results
from referral.api.actor import current_actor
from referral.api.body import check_id, read_pairs
from referral.api.errors import MEDIA_TYPE
from referral.api.respond import preference
from referral.api.route import Route
from referral.api.search import entry, link
from referral.api.services import services_of
from referral.domain.errors import Gone, InvalidElement, NotFound
from referral.domain.scope import Interaction, check_scope
from referral.domain.search import Kind, SortKey
from referral.fhir.resources import SUPPORTED
from referral.fhir.search_cursor import decode_cursor, encode_cursor
from referral.fhir.search_query import DEFAULT_COUNT, MAX_COUNT
from referral.store.document import read_document
from referral.store.package import BEGINNING, PackagePlace, read_package
from referral.store.search import FoundResource

PATH: Final = "/fhir/ServiceRequest/{resource_id}/$everything"

_PARAMETERS: Final = ("_count", "_cursor", "_format", "_pretty")
_ORDER: Final = SortKey("_package", kind=Kind.STRING)
_PLACE: Final = re.compile(r"([012])/([A-Za-z]{0,64})")
_COUNT: Final = re.compile(r"[0-9]{1,9}")


async def everything(request: Request) -> Response:
    """A page; the referral stands at the head of the first, for its receiver with the results it may rely on.

    What is hidden is a 404, as what is not there.
    """
    services = services_of(request)
    actor = await current_actor(request)
    check_scope(actor.scope, "ServiceRequest", Interaction.READ)
    name = request.path_params["resource_id"]
    check_id(name)
    pairs, count, after = _asked(request)
    found = await read_document(services.store, actor.facility, "ServiceRequest", name)
    if found is None:
        raise NotFound("There is no such ServiceRequest, or you may not see it.")
    if found.deleted:
        raise Gone("This ServiceRequest is deleted.")
    request.state.version = found.version
    readable = [each for each in SUPPORTED if actor.scope.allows(each, Interaction.READ)]
    first = after == BEGINNING
    page = await read_package(
        services.store, actor.facility, name, types=readable, count=count - first, after=after
    )
    base = orjson.dumps(services.fhir_base)[1:-1].decode()
    entries = [entry(base, one, "include") for one in page.resources]
    if first:
        shown = await with_recognised_results(
            services.store,
            services.snapshots.current,
            actor.facility,
            found.content,
            base=services.fhir_base,
            now=services.now(),
        )
        entries.insert(0, entry(base, FoundResource("ServiceRequest", name, shown), "match"))
    address = f"{services.fhir_base}/ServiceRequest/{name}/$everything"
    links = [{"relation": "self", "url": link(address, pairs)}]
    if page.next is not None:
        cursor = encode_cursor(_ORDER, f"{page.next.place}/{page.next.type}", page.next.id or name)
        links.append({"relation": "next", "url": link(address, (*pairs, ("_cursor", cursor)))})
    # FHIR knows no empty lists.
    listed = f',"entry":[{",".join(entries)}]'.encode() if entries else b""
    body = b'{"resourceType":"Bundle","type":"searchset","link":%b%b}' % (orjson.dumps(links), listed)
    return Response(body, media_type=MEDIA_TYPE)


def _asked(request: Request) -> tuple[tuple[tuple[str, str], ...], int, PackagePlace]:
    """What was understood without the cursor, how many are wanted, and where the page begins."""
    lenient = preference(request, "handling") == "lenient"
    given: dict[str, str] = {}
    for name, value in read_pairs(request.scope["query_string"]):
        if name not in _PARAMETERS and not lenient:
            raise InvalidElement(f"$everything takes {', '.join(_PARAMETERS)}.")
        if name in given:
            raise InvalidElement(f"Parameter {name}: it is given once.")
        if name in _PARAMETERS and value:
            given[name] = value
    count, after = DEFAULT_COUNT, BEGINNING
    if "_count" in given:
        if not _COUNT.fullmatch(given["_count"]) or int(given["_count"]) == 0:
            raise InvalidElement(f"Parameter _count: a number from 1; a page has at most {MAX_COUNT}.")
        count = min(int(given["_count"]), MAX_COUNT)
    if "_cursor" in given:
        cursor = decode_cursor(given.pop("_cursor"), _ORDER)
        place = _PLACE.fullmatch(str(cursor.value))
        if place is None:
            raise InvalidElement("Parameter _cursor: it is not from a next link of this search.")
        after = PackagePlace(int(place[1]), place[2], cursor.id)
    return tuple(given.items()), count, after


routes = [Route(PATH, everything)]
