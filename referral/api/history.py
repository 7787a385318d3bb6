"""History of a resource and of a type. https://hl7.org/fhir/R4/http.html#history"""

from collections.abc import Iterable, Iterator
from typing import Final

import orjson
from starlette.requests import Request
from starlette.responses import Response

from referral.actions.draft import instant
from referral.api.actor import current_actor
from referral.api.body import read_pairs
from referral.api.errors import MEDIA_TYPE
from referral.api.respond import preference
from referral.api.route import Route
from referral.api.search import link
from referral.api.services import Services, services_of
from referral.api.told_moves import read_move
from referral.domain.errors import NotFound
from referral.domain.scope import Interaction, check_scope
from referral.fhir.history_query import HistoryQuery, history_cursor, parse_history
from referral.fhir.primitives import ID
from referral.fhir.resources import check_versioned
from referral.store.history import Change, InstancePage, Place, instance_history, type_history

# By its kind the request that made a version, and the answer to it. A patch is told by what it made.
_ASKED: Final = {
    "create": ("POST", "201 Created"),
    "put": ("PUT", "201 Created"),
    "update": ("PUT", "200 OK"),
    "restore": ("PUT", "201 Created"),
    "delete": ("DELETE", "204 No Content"),
}

# Transaction, row, and the first transaction to look at.
_TYPE_NUMBERS = 3


async def history_of_instance(request: Request) -> Response:
    """The versions of a resource that the actor sees now, the last one first, also when it is deleted."""
    services = services_of(request)
    actor = await current_actor(request)
    resource_type, resource_id = request.path_params["resource_type"], request.path_params["resource_id"]
    check_versioned(resource_type)
    check_scope(actor.scope, resource_type, Interaction.READ)
    about = f"{resource_type}/{resource_id}"
    query = _query(request, about, 1)
    page = None
    if ID.fullmatch(resource_id):
        page = await instance_history(
            services.store,
            actor.facility,
            resource_type,
            resource_id,
            count=query.count,
            since=query.since,
            before=query.cursor[0] if query.cursor else None,
        )
        if page is None:
            page = await _of_move(services, actor.facility, resource_type, resource_id, query)
    if page is None:
        raise NotFound(f"There is no such {resource_type}, or you may not see it.")
    following = (page.changes[-1].version,) if page.more else None
    return _bundle(services, about, query, page.changes, following)


async def _of_move(
    services: Services, facility: str, resource_type: str, name: str, query: HistoryQuery
) -> InstancePage | None:
    """The one version of a Provenance that the hub renders."""
    told = await read_move(services, facility, resource_type, name)
    if told is None:
        return None
    is_in = query.cursor is None and (query.since is None or told.updated_at >= query.since)
    change = Change(name, 1, told.updated_at, "create", told.content)
    return InstancePage((change,) if is_in else (), more=False)


async def history_of_type(request: Request) -> Response:
    """What changed of a type, the last commit first, of what the actor sees now.

    A change is told when all that began before it has ended: so a later page, or a later question, misses
    none. A page may hold fewer than asked for and yet have a next one.
    """
    services = services_of(request)
    actor = await current_actor(request)
    resource_type = request.path_params["resource_type"]
    check_versioned(resource_type)
    check_scope(actor.scope, resource_type, Interaction.SEARCH)
    query = _query(request, resource_type, _TYPE_NUMBERS)
    page = await type_history(
        services.store,
        actor.facility,
        resource_type,
        count=query.count,
        since=query.since,
        after=Place(*query.cursor) if query.cursor else None,
    )
    return _bundle(services, resource_type, query, page.changes, page.next)


def _query(request: Request, about: str, numbers: int) -> HistoryQuery:
    pairs = read_pairs(request.scope["query_string"])
    lenient = preference(request, "handling") == "lenient"
    key = services_of(request).store.id_key
    return parse_history(about, pairs, numbers=numbers, lenient=lenient, key=key)


def _bundle(
    services: Services,
    about: str,
    query: HistoryQuery,
    changes: Iterable[Change],
    following: Iterable[int] | None,
) -> Response:
    """The Bundle; resources go in as the store gives them, without being read."""
    address = f"{services.fhir_base}/{about}/_history"
    links = [{"relation": "self", "url": link(address, query.self_pairs)}]
    if following is not None:
        cursor = history_cursor(about, tuple(following), services.store.id_key)
        links.append({"relation": "next", "url": link(address, (*query.self_pairs, ("_cursor", cursor)))})
    entries = b",".join(_entries(services.fhir_base, about.partition("/")[0], changes))
    # FHIR knows no empty lists.
    shown = b',"entry":[%b]' % entries if entries else b""
    body = b'{"resourceType":"Bundle","type":"history","link":%b%b}' % (orjson.dumps(links), shown)
    return Response(body, media_type=MEDIA_TYPE)


def _entries(fhir_base: str, resource_type: str, changes: Iterable[Change]) -> Iterator[bytes]:
    for one in changes:
        address = f"{resource_type}/{one.id}"
        method, status = _ASKED[one.kind]
        entry: dict[str, object] = {"fullUrl": f"{fhir_base}/{address}"}
        if one.content is not None and one.kind != "delete":
            entry["resource"] = orjson.Fragment(one.content)
        entry["request"] = {"method": method, "url": resource_type if method == "POST" else address}
        entry["response"] = {
            "status": status,
            "etag": f'W/"{one.version}"',
            "lastModified": instant(one.at),
        }
        yield orjson.dumps(entry)


routes = [
    Route("/fhir/{resource_type}/{resource_id}/_history", history_of_instance),
    Route("/fhir/{resource_type}/_history", history_of_type),
]
