"""Transaction Bundles: what they ask for, and the answer. https://hl7.org/fhir/R4/http.html#transaction"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from referral.domain.errors import InvalidElement, MissingElement, NotSupported
from referral.fhir.resources import SUPPORTED

_ADDRESS = re.compile(r"([A-Za-z]{1,64})(?:/([A-Za-z0-9\-.]{1,64}))?")
_REFERRING = {"reference", "url", "valueUri", "valueUrl"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One write of a transaction. place: its path; is_create: POST, else PUT; the conditions are as sent."""

    type: str
    id: str
    content: dict[str, Any]
    is_create: bool
    if_match: str | None
    place: str
    if_none_exist: str | None = None


def read_transaction(bundle: Mapping[str, Any], new_id: Callable[[], str], base: str) -> list[Entry]:
    """The writes of a transaction, their references to each other resolved to the ids that they get.

    The bundle is valid R4. Raises NotSupported for another kind of bundle or method, InvalidElement for an
    address that does not fit or a resource written twice, MissingElement for an entry without its parts.
    """
    if bundle.get("type") != "transaction":
        raise NotSupported("Of Bundles, only transactions are taken here.", "Bundle.type")
    entries = [
        _entry(entry, f"Bundle.entry[{position}]", new_id, base)
        for position, entry in enumerate(bundle.get("entry", ()))
    ]
    seen: set[tuple[str, str]] = set()
    ids: dict[str, str] = {}
    for entry, sent in zip(entries, bundle.get("entry", ()), strict=True):
        if (entry.type, entry.id) in seen:
            raise InvalidElement("A transaction writes a resource once.", entry.place)
        seen.add((entry.type, entry.id))
        if "fullUrl" in sent:
            if sent["fullUrl"] in ids:
                raise InvalidElement("Two entries have the same fullUrl.", entry.place)
            ids[sent["fullUrl"]] = f"{entry.type}/{entry.id}"
    for entry in entries:
        resolve_references(entry.content, ids)
    return entries


def _entry(entry: Mapping[str, Any], path: str, new_id: Callable[[], str], base: str) -> Entry:
    request = entry.get("request", {})
    for name in ("method", "url"):
        if name not in request:
            raise MissingElement(f"An entry of a transaction needs its {name}.", f"{path}.request.{name}")
    if request["method"] not in {"POST", "PUT"}:
        raise NotSupported(
            f"A transaction takes POST and PUT here, not {request['method']}.", f"{path}.request.method"
        )
    if "resource" not in entry:
        raise MissingElement("An entry of a transaction needs its resource.", f"{path}.resource")
    content = entry["resource"]
    unknown = {"ifNoneMatch", "ifModifiedSince"} | ({"ifNoneExist"} if request["method"] == "PUT" else set())
    for name in sorted(unknown & request.keys()):
        raise NotSupported(f"{name} is not supported here.", f"{path}.request.{name}")
    resource_type = content["resourceType"]
    if resource_type not in SUPPORTED:
        raise NotSupported(
            f"The resource type {resource_type[:64]!r} is not supported here.",
            f"{path}.resource.resourceType",
        )
    found = _ADDRESS.fullmatch(request["url"].removeprefix(base + "/").removeprefix("/"))
    if found is None or found[1] != resource_type:
        raise InvalidElement(f"The address of this entry must be of {resource_type}.", f"{path}.request.url")
    is_create = request["method"] == "POST"
    if is_create is not (found[2] is None):
        raise InvalidElement("POST is to Type, PUT to Type/id.", f"{path}.request.url")
    place = f"{path}.resource"
    if is_create:
        return Entry(resource_type, new_id(), content, True, None, place, request.get("ifNoneExist"))
    if content.get("id") != found[2]:
        raise InvalidElement("The id of the resource must be that of the address.", f"{place}.id")
    return Entry(resource_type, found[2], content, False, request.get("ifMatch"), place)


def resolve_references(value: Any, ids: Mapping[str, str]) -> None:
    """Put other addresses where these stand, such as our ids for those of the bundle."""
    if isinstance(value, dict):
        for name, below in value.items():
            if name in _REFERRING and isinstance(below, str):
                value[name] = ids.get(below, below)
            else:
                resolve_references(below, ids)
    elif isinstance(value, list):
        for below in value:
            resolve_references(below, ids)


def response_bundle(kind: str, entries: Iterator[bytes]) -> bytes:
    """A Bundle of this type from entries that are JSON already."""
    joined = b",".join(entries)
    head = b'{"resourceType":"Bundle","type":"' + kind.encode() + b'"'
    return head + (b',"entry":[' + joined + b"]}" if joined else b"}")
