"""Searches in the database: what matches, in which order, and who sees it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from referral.domain.errors import InvalidElement
from referral.fhir.resources import SUPPORTED
from referral.fhir.search_query import parse_search
from referral.store import search as search_store
from referral.store.change_set import ChangeSet
from referral.store.pool import Store
from referral.store.search import SearchPage, search_documents
from tests.owner import behind_the_wall
from tests.store.documents import BASE, START, add_document, add_network, put, write


async def find(
    store: Store, address: str, facility: str = "station", types: Any = SUPPORTED, **changes: Any
) -> SearchPage:
    """The page of a search written as in an address, `Type?name=value&name=value`, undecoded."""
    resource_type, _, text = address.partition("?")
    pairs = [tuple(pair.split("=", 1)) for pair in text.split("&") if pair]
    query = parse_search(resource_type, pairs, lenient=False, base=BASE)  # type: ignore[arg-type]
    async with store.reading(facility) as connection:
        return await search_documents(connection, facility, replace(query, **changes), include_types=types)


async def ids(store: Store, address: str, facility: str = "station", **more: Any) -> str:
    """Ids of the matches, in order, with spaces between."""
    return " ".join(found.id for found in (await find(store, address, facility, **more)).matches)


def reference(target: str) -> dict[str, str]:
    return {"reference": target}


def coded(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


@pytest.fixture
async def patients(store: Store) -> None:
    changes = ChangeSet()
    add_document(
        changes,
        "Patient",
        "a",
        gender="male",
        birthDate="1960-05-17",
        active=True,
        name=[{"text": "Nguyễn Văn Đức"}],
        identifier=[{"system": "urn:card", "value": "1"}],
    )
    add_document(
        changes,
        "Patient",
        "b",
        gender="female",
        birthDate="1960-06",
        name=[{"family": "Trần", "given": ["Thị", "Nguyên"]}],
        identifier=[{"system": "urn:card", "value": "2"}, {"value": "1"}],
    )
    add_document(
        changes,
        "Patient",
        "c",
        birthDate="1961",
        name=[{"text": "O'Brien; DROP TABLE document; -- 100%_"}],
        identifier=[{"system": "urn:other", "value": "1"}],
    )
    add_document(changes, "Patient", "x", ["elsewhere"], gender="male", name=[{"text": "Nguyễn"}])
    await write(store, changes)


MATCHES = {
    # token
    "": "a b c",
    "gender=male": "a",
    "gender=male,female": "a b",
    "gender=male&gender=female": "",
    "gender:not=male": "b c",
    "gender:not=male,female": "c",
    "gender:missing=true": "c",
    "gender:missing=false": "a b",
    "gender=http://hl7.org/fhir/administrative-gender|male": "a",
    "gender=urn:other|male": "",
    "gender:not=urn:other|male": "a b c",
    "active=true": "a",
    "identifier=1": "a b c",
    "identifier=urn:card|1": "a",
    "identifier=|1": "b",
    "identifier=urn:card|": "a b",
    "identifier=urn:card|2,urn:other|": "b c",
    "identifier=urn:card|1,2": "a b",
    "identifier=urn:card|1&identifier=urn:other|1": "",
    # string
    "name=nguyen": "a b",
    "name=NGUYỄN": "a b",
    "name=nguyen van d": "a",
    "name=duc": "",
    "name:contains=duc": "a",
    "name:contains=duc,bri": "a c",
    "name:exact=Nguyễn Văn Đức": "a",
    "name:exact=nguyen van duc": "",
    "name=tran,o'b": "b c",
    "family=tran": "b",
    "family:missing=true": "a c",
    # date
    "birthdate=1960-05-17": "a",
    "birthdate=1960": "a b",
    "birthdate=1960-05,1961": "a c",
    "birthdate=gt1960-06": "c",
    "birthdate=ge1960-06": "b c",
    "birthdate=lt1960-06": "a",
    "birthdate=le1960-06": "a b",
    "birthdate=ne1960-05-17": "b c",
    "birthdate=sa1960-06": "c",
    "birthdate=eb1960-06": "a",
    "birthdate=ap1960-05-17": "a",
    "birthdate=ge1960-05&birthdate=lt1960-06": "a",
    "birthdate=lt0001": "",
    "birthdate=gt9999": "",
    # columns
    "_id=a": "a",
    "_id=a,c,zzz": "a c",
    "_id=x": "",
    "_lastUpdated=ge2026": "a b c",
    "_lastUpdated=lt2026": "",
    "_lastUpdated=ne2026-03-01": "",
    "_lastUpdated=le9999": "a b c",
    # more than one
    "gender=male&name=nguyen": "a",
    "gender=female&identifier=1": "b",
    "gender=male&name=tran": "",
}


@pytest.mark.parametrize("query", MATCHES)
async def test_matches(store: Store, patients: None, query: str) -> None:
    assert await ids(store, f"Patient?{query}") == MATCHES[query]


async def test_a_stranger_finds_nothing(store: Store, patients: None) -> None:
    for query in MATCHES:
        found = await find(store, f"Patient?{query}&_total=accurate", "stranger")
        assert found == SearchPage((), (), None, 0), query


@pytest.mark.parametrize(
    "value",
    [
        "'",
        "' OR '1'='1",
        "'; DROP TABLE document; --",
        "%",
        "_",
        "\\\\",
        "$1",
        "{0}",
        "a' \\|\\| 'b",
        "O'Brien; DROP",
    ],
)
@pytest.mark.parametrize("parameter", ["name", "name:exact", "name:contains", "identifier", "gender:not"])
async def test_a_value_is_never_sql(store: Store, patients: None, parameter: str, value: str) -> None:
    found = set((await ids(store, f"Patient?{parameter}={value}")).split())
    expected = {"gender:not": {"a", "b", "c"}}.get(parameter, set())
    if parameter == "name:contains":
        expected = {"%": {"c"}, "_": {"c"}, "'": {"c"}}.get(value, set())
    if value == "O'Brien; DROP" and parameter in ("name", "name:contains"):
        expected = {"c"}
    assert found == expected


@pytest.fixture
async def requests(store: Store) -> None:
    await add_network(store, "north", "NO", ["station", "hospital"])
    changes = ChangeSet()
    for network in ("station", "hospital"):
        add_document(changes, "Organization", network, ["north"], name=network)
    add_document(changes, "Patient", "p1", ["station"])
    add_document(changes, "Patient", "p2", ["station", "hospital"])
    for number, patient, performer in ((1, "p1", "hospital"), (2, "p2", "hospital"), (3, "p2", "other")):
        add_document(
            changes,
            "ServiceRequest",
            f"r{number}",
            ["station", "hospital"] if number == 2 else ["station"],
            status="active",
            subject=reference(f"Patient/{patient}"),
            requester=reference("Organization/station"),
            performer=[reference(f"Organization/{performer}")],
        )
    add_document(
        changes,
        "Task",
        "t1",
        ["station", "hospital"],
        status="requested",
        focus=reference("ServiceRequest/r1"),
        owner=reference("Organization/hospital"),
        requester={"identifier": {"system": "urn:f", "value": "1"}},
    )
    add_document(
        changes,
        "Task",
        "t2",
        ["station", "hospital"],
        status="accepted",
        focus=reference("ServiceRequest/r2"),
        owner=reference("Organization/hospital"),
        partOf=[reference("Task/t1")],
    )
    add_document(
        changes, "Task", "t3", ["station"], status="requested", owner=reference("Practitioner/hospital")
    )
    await write(store, changes)


@pytest.mark.parametrize(
    ("query", "expected"),
    {
        "Task?owner=Organization/hospital": "t1 t2",
        "Task?owner=hospital": "t1 t2 t3",
        "Task?owner:Practitioner=hospital": "t3",
        f"Task?owner={BASE}/Organization/hospital": "t1 t2",
        "Task?owner=https://elsewhere.example/Organization/hospital": "",
        "Task?owner=Organization/hospital&status=requested": "t1",
        "Task?owner=Organization/hospital&status=requested,accepted": "t1 t2",
        "Task?owner=Organization/hospital,Practitioner/hospital&status:not=accepted": "t1 t3",
        "Task?focus=ServiceRequest/r2": "t2",
        "Task?focus:missing=true": "t3",
        "Task?requester:identifier=urn:f|1": "t1",
        "Task?requester:identifier=urn:f|2": "",
        "ServiceRequest?patient=p2": "r2 r3",
        "ServiceRequest?patient=Patient/p2&performer=hospital": "r2",
        "ServiceRequest?patient:missing=true": "",
        "ServiceRequest?patient:missing=false": "r1 r2 r3",
    }.items(),
)
async def test_references(store: Store, requests: None, query: str, expected: str) -> None:
    assert await ids(store, query) == expected


async def included(store: Store, query: str, facility: str, **more: Any) -> str:
    page = await find(store, query, facility, **more)
    return " ".join(f"{found.type}/{found.id}" for found in page.included)


@pytest.mark.parametrize(
    ("query", "facility", "expected"),
    [
        ("Task?_include=Task:focus", "station", "ServiceRequest/r1 ServiceRequest/r2"),
        ("Task?_include=Task:focus", "hospital", "ServiceRequest/r2"),
        ("Task?_include=Task:focus", "stranger", ""),
        ("Task?_include=Task:focus:Patient", "station", ""),
        ("Task?_id=t1&_include=Task:focus", "hospital", ""),
        (
            "Task?_id=t2&_include=Task:owner&_include=Task:focus",
            "hospital",
            "Organization/hospital ServiceRequest/r2",
        ),
        ("Task?_id=t2&_include=Task:part-of", "hospital", "Task/t1"),
        ("Task?_include=Task:part-of", "hospital", ""),
        ("ServiceRequest?_include=ServiceRequest:patient", "hospital", "Patient/p2"),
        ("ServiceRequest?_include=ServiceRequest:patient", "station", "Patient/p1 Patient/p2"),
        ("Patient?_revinclude=ServiceRequest:patient", "hospital", "ServiceRequest/r2"),
        (
            "Patient?_id=p2&_revinclude=ServiceRequest:subject",
            "station",
            "ServiceRequest/r2 ServiceRequest/r3",
        ),
        ("ServiceRequest?_id=r1&_revinclude=Task:focus", "station", "Task/t1"),
        ("ServiceRequest?_id=r1&_revinclude=Task:focus", "hospital", ""),
    ],
)
async def test_included_is_what_the_facility_sees(
    store: Store, requests: None, query: str, facility: str, expected: str
) -> None:
    assert await included(store, query, facility) == expected


async def test_included_are_only_the_types_that_may_come_along(store: Store, requests: None) -> None:
    query = "Task?_include=Task:focus&_include=Task:owner"
    assert await included(store, query, "hospital", types=["Task", "Organization"]) == "Organization/hospital"


async def test_too_many_included_resources_are_an_error(
    store: Store, requests: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_store, "MOST_INCLUDED", 2)
    assert await included(store, "ServiceRequest?_include=ServiceRequest:patient", "station")
    with pytest.raises(InvalidElement, match="_count"):
        await find(store, "ServiceRequest?_include=ServiceRequest:patient&_include=ServiceRequest:performer")


async def test_the_directory_is_found_in_ones_own_networks(store: Store, requests: None) -> None:
    await add_network(store, "south", "SO", ["stranger"])
    await put(store, "Organization", "far", ["south"], name="hospital far")
    assert await ids(store, "Organization?name=hospital") == "hospital"
    assert await ids(store, "Organization?name=hospital", "north") == "hospital"
    assert await ids(store, "Organization?name=hospital", "stranger") == "far"
    assert await ids(store, "Organization", "nobody") == ""


async def test_access_that_ended_finds_nothing(store: Store, requests: None) -> None:
    async with behind_the_wall(store) as connection:
        await connection.execute("UPDATE access SET until = $1 WHERE facility = 'hospital'", START)
    assert await ids(store, "Task", "hospital") == ""
    assert await ids(store, "Task") == "t1 t2 t3"


async def test_access_by_several_ways_is_one_match(store: Store, patients: None) -> None:
    async with behind_the_wall(store) as connection:
        await connection.execute(
            "INSERT INTO access (facility, type, id, scope, via, since)"
            " VALUES ('station', 'Patient', 'a', 'package', 'offer', $1)",
            START,
        )
    found = await find(store, "Patient?_total=accurate")
    assert ([each.id for each in found.matches], found.total) == (["a", "b", "c"], 3)


async def test_what_is_deleted_is_not_found(store: Store, requests: None) -> None:
    await put(store, "ServiceRequest", "r2", version=2, deleted=True, status="active")
    assert await ids(store, "ServiceRequest?status=active") == "r1 r3"
    assert await included(store, "Task?_include=Task:focus", "station") == "ServiceRequest/r1"


async def test_a_search_finds_the_newest_version_only(store: Store, patients: None) -> None:
    await put(store, "Patient", "a", version=2, gender="other")
    assert await ids(store, "Patient?gender=male") == ""
    assert await ids(store, "Patient?gender=other") == "a"


async def test_the_number_of_matches_is_told_when_asked(store: Store, patients: None) -> None:
    assert (await find(store, "Patient?_count=1")).total is None
    assert (await find(store, "Patient?_count=1&_total=none")).total is None
    found = await find(store, "Patient?_count=1&_total=accurate&_id=a,b")
    assert (len(found.matches), found.total) == (1, 2)
    assert await find(store, "Patient?_summary=count") == SearchPage((), (), None, 3)
    assert await find(store, "Patient?_count=0&gender=male") == SearchPage((), (), None, 1)


@pytest.fixture
async def dated(store: Store) -> None:
    """Tasks whose ids, dates and moments of change come in three different orders, with ties and gaps."""
    changes = ChangeSet()
    rows = [("a", "2024-03", 5), ("b", "2024-03", 4), ("c", None, 4), ("d", "2024-01-05", 3), ("e", None, 1)]
    rows += [("f", "2024", 2), ("g", "2024-03", 4)]
    for name, authored, minute in rows:
        content = {"authoredOn": authored} if authored else {}
        add_document(changes, "Task", name, at=START + timedelta(minutes=minute), **content)
    await write(store, changes)


ORDERS = {
    "_id": "a b c d e f g",
    "-_id": "g f e d c b a",
    "_lastUpdated": "e f d b c g a",
    "-_lastUpdated": "a b c g d f e",
    "authored-on": "f d a b g c e",
    "-authored-on": "f a b g d c e",
}


@pytest.mark.parametrize("sort", ORDERS)
@pytest.mark.parametrize("count", [1, 2, 3, 7, 50])
async def test_pages_follow_each_other_in_order(store: Store, dated: None, sort: str, count: int) -> None:
    seen: list[str] = []
    cursor = None
    while True:
        page = await find(store, f"Task?_sort={sort}&_count={count}", cursor=cursor)
        assert len(page.matches) <= count
        seen += [found.id for found in page.matches]
        cursor = page.next
        if cursor is None:
            break
    assert " ".join(seen) == ORDERS[sort]


@pytest.mark.parametrize("sort", ORDERS)
async def test_paging_neither_skips_nor_repeats_while_rows_are_added(
    store: Store, dated: None, sort: str
) -> None:
    seen: list[str] = []
    cursor = None
    added = 0
    while True:
        page = await find(store, f"Task?_sort={sort}&_count=2", cursor=cursor)
        seen += [found.id for found in page.matches]
        cursor = page.next
        if cursor is None:
            break
        # One before everything and one in the middle of it, in every order.
        for name, authored, minute in ((f"0{added}", "2020", -added), (f"c{added}", "2024-02", 4)):
            await put(store, "Task", name, at=START + timedelta(minutes=minute), authoredOn=authored)
        added += 1
    assert len(seen) == len(set(seen))
    assert [name for name in seen if len(name) == 1] == ORDERS[sort].split()
