"""Bundles of requests: what their entries ask for, and the answer. https://hl7.org/fhir/R4/http.html#transaction"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import unquote_plus

from referral.domain.errors import InvalidElement, MissingElement, NotSupported
from referral.fhir.json_patch import Operation, patch_of_binary
from referral.fhir.resources import SUPPORTED, check_written

MOST_ENTRIES: Final = 10_000

MOST_READS: Final = 100
"""Of a transaction: what it has written is locked meanwhile."""

READS: Final = frozenset({"GET", "HEAD"})

_ADDRESS: Final = re.compile(r"([A-Za-z]{1,64})(?:/([A-Za-z0-9\-.]{1,64}))?(?:\?(.*))?", re.DOTALL)
_WRITTEN: Final = re.compile(r"/?([A-Z][A-Za-z]{1,63})(?:[/?]|$)")
_BY_SEARCH: Final = re.compile(r"([A-Z][A-Za-z]{1,63})\?.+", re.DOTALL)
_RELATIVE: Final = re.compile(r"[A-Z][A-Za-z]{1,63}/[A-Za-z0-9\-.]{1,64}")
# The service that a resource was taken from, by its full address.
_AT_HOME: Final = re.compile(r"(https?://.+)/[A-Z][A-Za-z]{1,63}/[A-Za-z0-9\-.]{1,64}")
_VERSION: Final = re.compile(r"/_history/[A-Za-z0-9\-.]{1,64}")
_REFERRING: Final = {"reference", "url", "valueUri", "valueUrl"}
# Which conditions a method takes.
_CONDITIONS: Final[Mapping[str, frozenset[str]]] = {
    "POST": frozenset({"ifNoneExist"}),
    "PUT": frozenset({"ifMatch", "ifNoneMatch"}),
    "PATCH": frozenset({"ifMatch"}),
    "DELETE": frozenset({"ifMatch"}),
    "GET": frozenset({"ifNoneMatch", "ifModifiedSince"}),
    "HEAD": frozenset({"ifNoneMatch", "ifModifiedSince"}),
}
# Behind the address of a resource: `_history/1`.
_MOST_BEHIND: Final = 2


@dataclass(frozen=True, slots=True)
class Entry:
    """One write of a transaction.

    place: its path; is_create: POST; the conditions are as sent. criteria: the search that says what it is
    of, `id` is then that of a new resource. patch: what is to be done; it and a DELETE have no content.
    """

    type: str
    id: str
    content: dict[str, Any]
    is_create: bool
    if_match: str | None
    place: str
    if_none_exist: str | None = None
    criteria: str | None = None
    patch: tuple[Operation, ...] | None = None
    is_delete: bool = False
    if_none_match: str | None = None


def read_transaction(bundle: Mapping[str, Any], new_id: Callable[[], str], base: str) -> list[Entry]:
    """The writes of a transaction, their references to each other resolved to the ids that they get.

    The bundle is valid R4. Raises NotSupported for a condition, InvalidElement for an address that does not
    fit or a resource written twice, MissingElement for an entry without its parts.
    """
    sent = [(path, entry) for path, entry in entries_of(bundle) if not is_read(entry)]
    entries = [_entry(entry, path, new_id, base) for path, entry in sent]
    seen: set[tuple[str, str]] = set()
    ids: dict[str, str] = {}
    for entry, (_, asked) in zip(entries, sent, strict=True):
        if entry.criteria is None:
            if (entry.type, entry.id) in seen:
                raise InvalidElement("A transaction writes a resource once.", entry.place)
            seen.add((entry.type, entry.id))
        if "fullUrl" in asked and not entry.is_delete:
            if asked["fullUrl"] in ids:
                raise InvalidElement("Two entries have the same fullUrl.", entry.place)
            ids[asked["fullUrl"]] = f"{entry.type}/{entry.id}"
    resolved = []
    for entry, (_, asked) in zip(entries, sent, strict=True):
        meant = _meaning(ids, asked.get("fullUrl", ""))
        resolve_references(entry.content, meant)
        patch = None if entry.patch is None else tuple(resolve_patch(entry.patch, meant))
        resolved.append(replace(entry, patch=patch))
    return resolved


def check_types(bundle: Mapping[str, Any]) -> None:
    """Check that clients write the types that a transaction writes, before what is sent is looked at.

    bundle: as it was sent. Raises ReadOnly, as for a request alone.
    """
    entries = bundle.get("entry")
    for position, entry in enumerate(entries if isinstance(entries, list) else ()):
        request = entry.get("request") if isinstance(entry, dict) else None
        if isinstance(request, dict) and request.get("method") in {"POST", "PUT", "PATCH", "DELETE"}:
            named = _WRITTEN.match(str(request.get("url", "")))
            if named is not None and named[1] in SUPPORTED:
                check_written(named[1], f"Bundle.entry[{position}].request.url")


def reads_of(bundle: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """What a transaction asks for when all is written: path and Bundle.entry.request of each read.

    Raises InvalidElement where they are too many, MissingElement and NotSupported as `read_transaction` does.
    """
    reads = [(path, entry) for path, entry in entries_of(bundle) if is_read(entry)]
    if len(reads) > MOST_READS:
        text = f"A transaction has at most {MOST_READS} reads here: ask in a batch."
        raise InvalidElement(text, f"{reads[MOST_READS][0]}.request")
    for path, entry in reads:
        _check_request(entry["request"], path)
    return [(path, entry["request"]) for path, entry in reads]


def is_read(entry: Mapping[str, Any]) -> bool:
    """Whether an entry asks for something and writes nothing."""
    return entry.get("request", {}).get("method") in READS


def resolve_address(url: str, ids: Mapping[str, str]) -> str:
    """The address of a read, with `Type/id` where it names an entry by its fullUrl.

    That is the address, or what stands before `/_history/1` or an operation; or a value of a search.
    """
    head, mark, query = url.partition("?")
    behind = ""
    for _ in range(_MOST_BEHIND):
        if head in ids:
            break
        head, slash, last = head.rpartition("/")
        behind = f"{slash}{last}{behind}"
    head = ids.get(head, head)
    return f"{head}{behind}{mark}{'&'.join(_resolved_pair(pair, ids) for pair in query.split('&'))}"


def _resolved_pair(pair: str, ids: Mapping[str, str]) -> str:
    name, equals, value = pair.partition("=")
    if name.endswith("_id"):
        ids = {full_url: address.rpartition("/")[2] for full_url, address in ids.items()}
    values = (ids.get(unquote_plus(each), each) for each in value.split(","))
    return f"{name}{equals}{','.join(values)}"


def entries_of(bundle: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The entries with their paths. Raises InvalidElement where they are too many."""
    entries = bundle.get("entry", ())
    if len(entries) > MOST_ENTRIES:
        raise InvalidElement(f"A Bundle has at most {MOST_ENTRIES} entries.", "Bundle.entry")
    for position, entry in enumerate(entries):
        yield f"Bundle.entry[{position}]", entry


def _entry(entry: Mapping[str, Any], path: str, new_id: Callable[[], str], base: str) -> Entry:
    method, (resource_type, resource_id, criteria) = _request(entry, path, base)
    request = entry["request"]
    common = {"if_match": request.get("ifMatch"), "criteria": criteria}
    if method == "DELETE":
        return Entry(resource_type, resource_id or new_id(), {}, False, place=path, is_delete=True, **common)
    if "resource" not in entry:
        raise MissingElement("An entry of a transaction needs its resource.", f"{path}.resource")
    content, place = entry["resource"], f"{path}.resource"
    if method == "PATCH":
        patch = patch_of_binary(content, place)
        return Entry(resource_type, resource_id or new_id(), {}, False, place=place, patch=patch, **common)
    if content["resourceType"] != resource_type:
        raise InvalidElement(
            f"The address of this entry must be of {content['resourceType'][:64]}.", f"{path}.request.url"
        )
    if method == "POST":
        condition = request.get("ifNoneExist")
        return Entry(resource_type, new_id(), content, True, None, place, if_none_exist=condition)
    if resource_id is not None and content.get("id") != resource_id:
        raise InvalidElement("The id of the resource must be that of the address.", f"{place}.id")
    if_none_match = request.get("ifNoneMatch")
    resource_id = content.get("id") or new_id()
    return Entry(
        *(resource_type, resource_id, content, False), place=place, if_none_match=if_none_match, **common
    )


def _request(
    entry: Mapping[str, Any], path: str, base: str
) -> tuple[str, tuple[str, str | None, str | None]]:
    """The method of an entry, and type, id and search in its address."""
    request = entry.get("request", {})
    _check_request(request, path)
    method = request["method"]
    address = _ADDRESS.fullmatch(request["url"].removeprefix(base + "/").removeprefix("/"))
    if address is None:
        raise InvalidElement(
            "The address of an entry is Type, Type/id or Type?search.", f"{path}.request.url"
        )
    resource_type, resource_id, criteria = address.groups()
    check_written(resource_type, f"{path}.request.url")
    # It is of a new resource, of one by its id, or of one by a search.
    if [method == "POST", resource_id is not None, criteria is not None].count(True) != 1:
        text = "POST is to Type; PUT, PATCH and DELETE are to Type/id or Type?search."
        raise InvalidElement(text, f"{path}.request.url")
    return method, (resource_type, resource_id, criteria)


def _check_request(request: Mapping[str, Any], path: str) -> None:
    for name in ("method", "url"):
        if name not in request:
            raise MissingElement(f"An entry of a transaction needs its {name}.", f"{path}.request.{name}")
    method = request["method"]
    conditions = {"ifMatch", "ifNoneMatch", "ifModifiedSince", "ifNoneExist"} & request.keys()
    for name in sorted(conditions - _CONDITIONS[method]):
        raise NotSupported(f"{name} is not supported with {method}.", f"{path}.request.{name}")


def _meaning(ids: Mapping[str, str], full_url: str) -> Callable[[str], str | None]:
    """What a reference of one entry means: an entry by its fullUrl, as it stands or seen from its home."""
    home = _AT_HOME.fullmatch(full_url)

    def meant(reference: str) -> str | None:
        plain = _VERSION.sub("", reference) if "/_history/" in reference else reference
        found = ids.get(plain)
        if found is None and home is not None and _RELATIVE.fullmatch(plain):
            found = ids.get(f"{home[1]}/{plain}")
        return found

    return meant


def resolve_references(value: Any, meant: Callable[[str], str | None]) -> None:
    """Put other addresses where these stand, such as our ids for those of the bundle; None: it stays."""
    if isinstance(value, dict):
        for name, below in value.items():
            if name in _REFERRING and isinstance(below, str):
                value[name] = meant(below) or below
            elif isinstance(below, dict | list):
                resolve_references(below, meant)
    elif isinstance(value, list):
        for below in value:
            resolve_references(below, meant)


def resolve_patch(patch: Iterable[Operation], meant: Callable[[str], str | None]) -> Iterator[Operation]:
    """The operations, with other addresses in what they bring, as `resolve_references` does."""
    for operation in patch:
        resolve_references(operation.value, meant)
        value = operation.value
        # The value alone may be the address, for a path that ends in `reference`.
        if isinstance(value, str) and operation.path[-1] in _REFERRING:
            value = meant(value) or value
        yield replace(operation, value=value)


def references_by_search(content: Any, path: str) -> Iterator[tuple[str, str, str]]:
    """References such as `Patient?identifier=12345`: the text, the type, the path of the element."""
    if isinstance(content, dict):
        text = content.get("reference")
        found = _BY_SEARCH.fullmatch(text) if isinstance(text, str) else None
        if found is not None:
            yield found[0], found[1], f"{path}.reference"
        for name, below in content.items():
            if isinstance(below, dict | list):
                yield from references_by_search(below, f"{path}.{name}")
    elif isinstance(content, list):
        for position, below in enumerate(content):
            yield from references_by_search(below, f"{path}[{position}]")


def response_bundle(kind: str, entries: Iterable[bytes]) -> bytes:
    """A Bundle of this type from entries that are JSON already."""
    joined = b",".join(entries)
    head = b'{"resourceType":"Bundle","type":"' + kind.encode() + b'"'
    return head + (b',"entry":[' + joined + b"]}" if joined else b"}")
