"""Searches by value, address, place, sound and pair."""

from typing import Any

import pytest

from referral.fhir.content import read_content
from referral.store.change_set import ChangeSet
from referral.store.pool import Store
from tests.store.documents import add_document, add_network, write
from tests.store.test_search import find, ids, reference

UCUM = "http://unitsofmeasure.org"
PROFILE = "http://referral.example/fhir/StructureDefinition/"


def value(number: str, **more: Any) -> dict[str, Any]:
    """A Quantity with the digits that were sent."""
    found: dict[str, Any] = read_content(b'{"value": %b}' % number.encode())
    return found | more


@pytest.fixture
async def measured(store: Store) -> None:
    changes = ChangeSet()
    kilograms = {"unit": "kg", "system": UCUM, "code": "kg"}
    for name, quantity in {
        "a": value("5.4", **kilograms),
        "b": value("5.40", unit="kilograms", system=UCUM, code="kg"),
        "c": value("5.44", **kilograms),
        "d": value("5400", unit="g", system=UCUM, code="g"),
        "e": value("-3", **kilograms),
        "f": value("10", comparator=">", **kilograms),
        "g": value("6", unit="kg"),
    }.items():
        add_document(changes, "Observation", name, status="final", valueQuantity=quantity)
    add_document(changes, "Observation", "h", status="final")
    await write(store, changes)


VALUES = {
    "5.4": "a b c",
    "5.40": "a b",
    "5": "a b c",
    "5.4||kg": "a b c",
    f"5.4|{UCUM}|kg": "a b c",
    f"5.4|{UCUM}|g": "",
    f"5400|{UCUM}|g": "d",
    "6||kg": "g",
    f"6|{UCUM}|kg": "",
    "5.4||kilograms": "b",
    "5.4,6": "a b c g",
    "54e2": "d",
    "gt5.4": "c d f g",
    "ge5.4": "a b c d f g",
    "sa5.44": "d f g",
    "lt5.4": "e",
    "le5.4": "a b e",
    "eb5.44": "a b e",
    "ne5.4": "d e f g",
    "ap6||kg": "a b c g",
    "ap-3": "e",
    "gt1000||kg": "f",
}


@pytest.mark.parametrize("asked", VALUES)
async def test_values(store: Store, measured: None, asked: str) -> None:
    assert await ids(store, f"Observation?value-quantity={asked}") == VALUES[asked]


async def test_values_are_an_order_and_may_be_missing(store: Store, measured: None) -> None:
    seen: list[str] = []
    assert await ids(store, "Observation?value-quantity:missing=true") == "h"
    assert await ids(store, "Observation?_sort=value-quantity") == "e a b c g f d h"
    cursor: Any = None
    while not seen or cursor:
        page = await find(store, "Observation?_sort=-value-quantity&_count=2", cursor=cursor)
        seen += [found.id for found in page.matches]
        cursor = page.next
    assert " ".join(seen) == "f d g c a b e h"


@pytest.fixture
async def places(store: Store) -> None:
    await add_network(store, "net", "NN", ["station"])
    changes = ChangeSet()
    for name, latitude, longitude in (
        ("haiphong", "20.8449", "106.6881"),
        ("kienan", "20.8066", "106.6286"),
        ("hanoi", "21.0278", "105.8342"),
        ("suva", "-18.1416", "178.4419"),
        ("apia", "-13.8333", "-171.7667"),
    ):
        place = read_content(f'{{"latitude": {latitude}, "longitude": {longitude}}}'.encode())
        add_document(changes, "Location", name, ["net"], position=place, name=name)
    add_document(changes, "Location", "nowhere", ["net"], name="nowhere")
    await write(store, changes)


PLACES = {
    "20.8449|106.6881|1": "haiphong",
    "20.8449|106.6881|10|km": "haiphong kienan",
    "20.8449|106.6881|7400|m": "haiphong",
    "20.8449|106.6881|7600|m": "haiphong kienan",
    "20.8449|106.6881|60|[mi_i]": "haiphong hanoi kienan",
    "20.8449|106.6881|95|km": "haiphong hanoi kienan",
    "20.8449|106.6881|88|km": "haiphong kienan",
    "20.8449|106.6881": "haiphong kienan",
    "-18|-180|200|km": "suva",
    "-18|180|1200": "apia suva",
    "21.0278|105.8342|1,-13.83|-171.77|5": "apia hanoi",
    "90|0|30000": "apia haiphong hanoi kienan suva",
}


@pytest.mark.parametrize("asked", PLACES)
async def test_places_near(store: Store, places: None, asked: str) -> None:
    assert await ids(store, f"Location?near={asked}") == PLACES[asked]


async def test_a_place_may_be_missing(store: Store, places: None) -> None:
    assert await ids(store, "Location?near:missing=true") == "nowhere"


@pytest.fixture
async def papers(store: Store) -> None:
    changes = ChangeSet()
    for name, profiles, replaced in (
        ("a", ["summary"], None),
        ("b", ["summary-short"], "a"),
        ("c", [], "b"),
    ):
        meta = {"meta": {"profile": [f"{PROFILE}{each}" for each in profiles]}} if profiles else {}
        relates = (
            [{"code": "replaces", "target": reference(f"DocumentReference/{replaced}")}] if replaced else []
        )
        more = meta | ({"relatesTo": relates} if relates else {})
        add_document(changes, "DocumentReference", name, status="current", **more)
    for name, family in (("p", "Smith"), ("q", "Smyth"), ("r", "Tran")):
        add_document(changes, "Patient", name, name=[{"family": family}])
    await write(store, changes)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (f"DocumentReference?_profile={PROFILE}summary", "a"),
        (f"DocumentReference?_profile={PROFILE}summary,{PROFILE}summary-short", "a b"),
        (f"DocumentReference?_profile:below={PROFILE}summary", "a b"),
        (f"DocumentReference?_profile:below={PROFILE}other", ""),
        ("DocumentReference?_profile:missing=true", "c"),
        ("DocumentReference?relationship=replaces$DocumentReference/a", "b"),
        ("DocumentReference?relationship=replaces$DocumentReference/a,replaces$DocumentReference/b", "b c"),
        ("DocumentReference?relationship=signs$DocumentReference/a", ""),
        ("Patient?phonetic=smith", "p q"),
        ("Patient?phonetic=smyth", "p q"),
        ("Patient?phonetic=tran", "r"),
    ],
)
async def test_addresses_pairs_and_sounds(store: Store, papers: None, address: str, expected: str) -> None:
    assert await ids(store, address) == expected
