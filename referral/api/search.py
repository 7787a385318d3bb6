"""Search of one type, by GET and by POST `_search`. https://hl7.org/fhir/R4/http.html#search"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final
from urllib.parse import urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response

from referral.actions.check_search import check_search
from referral.api.actor import current_actor
from referral.api.body import media_type_of, read_at_most, read_pairs
from referral.api.errors import MEDIA_TYPE
from referral.api.read_only import search_read_only
from referral.api.respond import preference
from referral.api.route import Route
from referral.api.services import services_of
from referral.api.told_moves import with_moves
from referral.domain.errors import WrongMediaType
from referral.domain.scope import Interaction, Scopes, check_scope
from referral.domain.search import SearchQuery
from referral.fhir.resources import STORED, check_type
from referral.fhir.search_cursor import encode_cursor
from referral.fhir.search_query import parse_search
from referral.fhir.summary import shown_elements, subset
from referral.store.search import FoundResource, SearchPage, WorkPage, search_as

_FORM = "application/x-www-form-urlencoded"
_LARGEST_FORM = 256 * 1024
# What needs no escape in a query, but for the commas.
_PLAIN: Final = re.compile(r"[A-Za-z0-9_.~/:,=&-]*")
# Those who look at a worklist again and again ask for it in the same words; in none of them is a patient's
# name or number. Other searches are forgotten with their answer.
_REMEMBERED: Final = 512
_LONGEST_REMEMBERED: Final = 1000  # bytes
_OF_A_LIST: Final = re.compile(
    rb"(?:(?:(?:owner|performer|requester)=Organization(?:/|%2F)|status=|_include=|_sort=|_count=)"
    rb"[A-Za-z0-9_.:,%-]*(?:&|$))+"
)


async def search(request: Request) -> Response:
    """A page of what the actor sees, as a searchset Bundle; parameters of address and form count together."""
    services = services_of(request)
    actor = await current_actor(request)
    resource_type = request.path_params["resource_type"]
    check_type(resource_type)
    check_scope(actor.scope, resource_type, Interaction.SEARCH)
    asked, lenient = request.scope["query_string"], preference(request, "handling") == "lenient"
    if request.method == "POST":
        pairs = read_pairs(asked) + await _form(request)
        query = parse_search(resource_type, pairs, lenient=lenient, base=services.fhir_base)
    else:
        of_a_list = len(asked) <= _LONGEST_REMEMBERED and _OF_A_LIST.fullmatch(asked)
        read = _read if of_a_list else _read.__wrapped__
        query = read(resource_type, asked, lenient=lenient, base=services.fhir_base)
    check_search(actor.scope, query)
    if resource_type not in STORED:
        told = await search_read_only(services, actor, query)
        return Response(_bundle(services.fhir_base, query, told), media_type=MEDIA_TYPE)
    readable = _readable(actor.scope)
    page = await search_as(services.store, services.versions, actor.facility, query, include_types=readable)
    if isinstance(page, SearchPage):
        page = await with_moves(services, actor.facility, query, page, readable)
    return Response(_bundle(services.fhir_base, query, page), media_type=MEDIA_TYPE)


@lru_cache(_REMEMBERED)
def _read(resource_type: str, asked: bytes, *, lenient: bool, base: str) -> SearchQuery:
    return parse_search(resource_type, read_pairs(asked), lenient=lenient, base=base)


@lru_cache(_REMEMBERED)
def _readable(scope: Scopes) -> tuple[str, ...]:
    """The types that may come along."""
    return tuple(each for each in STORED if scope.allows(each, Interaction.READ))


async def _form(request: Request) -> list[tuple[str, str]]:
    body = request.state.form = await read_at_most(request, _LARGEST_FORM)
    # A search with everything in its address has no body to name the type of.
    if body and media_type_of(request) != _FORM:
        raise WrongMediaType(f"Send {_FORM}.")
    return read_pairs(body)


def _bundle(fhir_base: str, query: SearchQuery, page: SearchPage | WorkPage) -> bytes:
    """The Bundle. Resources go in as the store gives them, without being read."""
    address = f"{fhir_base}/{query.resource_type}"
    links = [{"relation": "self", "url": link(address, query.self_pairs)}]
    if page.next is not None:
        cursor = encode_cursor(query.sort, page.next.value, page.next.id)
        links.append({"relation": "next", "url": link(address, (*query.self_pairs, ("_cursor", cursor)))})
    total = b""
    if isinstance(page, WorkPage):
        entries = _work_entries(fhir_base, page)
    else:
        total = b"" if page.total is None else b',"total":%d' % page.total
        entries = _entries(fhir_base, query, page)
    # FHIR knows no empty lists.
    shown = b',"entry":[%b]' % entries if entries else b""
    return b'{"resourceType":"Bundle","type":"searchset"%b,"link":%b%b}' % (total, orjson.dumps(links), shown)


def _entries(fhir_base: str, query: SearchQuery, page: SearchPage) -> bytes:
    base = orjson.dumps(fhir_base)[1:-1].decode()
    entries = [entry(base, found, "match") for found in _shown(query, page.matches, query.elements)]
    entries += [entry(base, found, "include") for found in _shown(query, page.included, ())]
    return ",".join(entries).encode()


def _work_entries(fhir_base: str, page: WorkPage) -> bytes:
    # In a type and an id there is nothing to escape.
    opening = b'{"fullUrl":"%b/' % orjson.dumps(fhir_base)[1:-1]
    entries = []
    for mode, found in ((b"match", page.matches), (b"include", page.included)):
        closing = b',"search":{"mode":"%b"}}' % mode
        if found:
            entries.append(opening + (closing + b"," + opening).join(found) + closing)
    return b",".join(entries)


def _shown(
    query: SearchQuery, found: Sequence[FoundResource], elements: Sequence[str]
) -> Iterator[FoundResource]:
    """As much of each as is asked for. `_elements` are those of the type that is searched."""
    if query.summary is None and not elements:
        yield from found
        return
    shown_of = {kind: shown_elements(kind, query.summary, elements) for kind in {one.type for one in found}}
    for one in found:
        shown = shown_of[one.type]
        yield one if shown is None else one._replace(content=subset(one.content, shown))


def link(address: str, pairs: tuple[tuple[str, str], ...]) -> str:
    """An address with its query."""
    if not pairs:
        return address
    text = "&".join("=".join(pair) for pair in pairs)
    marks = 2 * len(pairs) - 1
    if not _PLAIN.fullmatch(text) or text.count("=") + text.count("&") != marks:
        # What may stand in a query as it is (RFC 3986, 3.4) stays readable.
        text = urlencode(pairs, safe="/:")
    return f"{address}?{text.replace(',', '%2C')}"


def entry(base: str, found: FoundResource, mode: str) -> str:
    """An entry of a searchset as JSON text. base: address of the FHIR endpoint, as it stands in JSON."""
    # `base` is JSON text already, and in a type and an id there is nothing to escape.
    address = f"{base}/{found.type}/{found.id}"
    return f'{{"fullUrl":"{address}","resource":{found.content},"search":{{"mode":"{mode}"}}}}'


routes = [
    Route("/fhir/{resource_type}", search),
    Route("/fhir/{resource_type}/_search", search, methods=["POST"]),
]
