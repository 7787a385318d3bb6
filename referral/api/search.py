"""Search of one type, by GET and by POST `_search`. https://hl7.org/fhir/R4/http.html#search"""

from urllib.parse import parse_qsl, urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response

from referral.api.actor import current_actor
from referral.api.body import check_type, media_type_of, read_at_most
from referral.api.errors import MEDIA_TYPE
from referral.api.respond import preference
from referral.api.route import Route
from referral.api.services import services_of
from referral.domain.errors import InvalidElement, WrongMediaType
from referral.domain.scope import Interaction, check_scope
from referral.domain.search import SearchQuery
from referral.fhir.resources import SUPPORTED
from referral.fhir.search_cursor import encode_cursor
from referral.fhir.search_query import parse_search
from referral.store.search import FoundResource, SearchPage, search_as

_FORM = "application/x-www-form-urlencoded"
_LARGEST_FORM = 256 * 1024
# More than `parse_search` takes, so that it is the one to say so.
_MOST_PAIRS = 1000


async def search(request: Request) -> Response:
    """A page of what the actor sees, as a searchset Bundle; parameters of address and form count together."""
    services = services_of(request)
    actor = await current_actor(request)
    resource_type = request.path_params["resource_type"]
    check_type(resource_type)
    check_scope(actor.scope, resource_type, Interaction.SEARCH)
    pairs = _pairs(request.scope["query_string"])
    if request.method == "POST":
        pairs += await _form(request)
    query = parse_search(
        resource_type,
        pairs,
        lenient=preference(request, "handling") == "lenient",
        base=services.fhir_base,
    )
    readable = [each for each in SUPPORTED if actor.scope.allows(each, Interaction.READ)]
    page = await search_as(services.store, actor.facility, query, include_types=readable)
    return Response(_bundle(services.fhir_base, query, page), media_type=MEDIA_TYPE)


def _pairs(text: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            text.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_PAIRS
        )
    except ValueError:
        raise InvalidElement("The parameters of a search are UTF-8 text, not too many of them.") from None


async def _form(request: Request) -> list[tuple[str, str]]:
    body = request.state.form = await read_at_most(request, _LARGEST_FORM)
    # A search with everything in its address has no body to name the type of.
    if body and media_type_of(request) != _FORM:
        raise WrongMediaType(f"Send {_FORM}.")
    return _pairs(body)


def _bundle(fhir_base: str, query: SearchQuery, page: SearchPage) -> bytes:
    """The Bundle. Resources go in as the store gives them, without being read."""
    address = f"{fhir_base}/{query.resource_type}"
    links = [{"relation": "self", "url": _link(address, query.self_pairs)}]
    if page.next is not None:
        cursor = encode_cursor(query.sort, page.next.value, page.next.id)
        links.append({"relation": "next", "url": _link(address, (*query.self_pairs, ("_cursor", cursor)))})
    total = b"" if page.total is None else b',"total":%d' % page.total
    base = orjson.dumps(fhir_base)[1:-1].decode()
    entries = [_entry(base, found, "match") for found in page.matches]
    entries += [_entry(base, found, "include") for found in page.included]
    # FHIR knows no empty lists.
    shown = f',"entry":[{",".join(entries)}]'.encode() if entries else b""
    return b'{"resourceType":"Bundle","type":"searchset"%b,"link":%b%b}' % (total, orjson.dumps(links), shown)


def _link(address: str, pairs: tuple[tuple[str, str], ...]) -> str:
    # What may stand in a query as it is (RFC 3986, 3.4) stays readable.
    return f"{address}?{urlencode(pairs, safe='/:')}" if pairs else address


def _entry(base: str, found: FoundResource, mode: str) -> str:
    # `base` is JSON text already, and in a type and an id there is nothing to escape.
    address = f"{base}/{found.type}/{found.id}"
    return f'{{"fullUrl":"{address}","resource":{found.content},"search":{{"mode":"{mode}"}}}}'


routes = [
    Route("/fhir/{resource_type}", search),
    Route("/fhir/{resource_type}/_search", search, methods=["POST"]),
]
