"""Searches that look into other resources: chains, `_has`, inclusions that iterate; orders of every kind."""

from typing import Any

import pytest

from referral.store.change_set import ChangeSet
from referral.store.pool import Store
from tests.store.documents import add_document, add_network, write
from tests.store.test_search import find, ids, reference


@pytest.fixture
async def records(store: Store) -> None:
    """Of the station: patients, requests, tasks, observations; and what it does not see."""
    await add_network(store, "net", "NN", ["station", "hospital"])
    await add_network(store, "far", "FA", ["elsewhere"])
    changes = ChangeSet()

    def add(kind: str, made: str, seen_by: Any = ("station",), **content: Any) -> None:
        add_document(changes, kind, made, seen_by, **content)

    add("Organization", "hospital", ["net"], name="Bệnh viện Kiến An", active=True)
    add("Organization", "clinic", ["net"], name="Phòng khám", partOf=reference("Organization/hospital"))
    add("Organization", "secret", ["far"], name="Bệnh viện xa")
    card = {"identifier": [{"system": "urn:card", "value": "1"}]}
    add("Patient", "an", name=[{"text": "Nguyễn An"}], gender="male", **card)
    add("Patient", "binh", name=[{"text": "Trần Bình"}], gender="female")
    add("Patient", "hidden", ["elsewhere"], name=[{"text": "Nguyễn Ẩn"}], gender="male", **card)
    add("Patient", "gone", name=[{"text": "Nguyễn Cũ"}], deleted=True)
    for name, subject, owner, priority in (
        ("1", "an", "hospital", "urgent"),
        ("2", "binh", "clinic", "routine"),
        ("3", "hidden", "secret", "stat"),
        ("4", "gone", "hospital", None),
    ):
        about = {"subject": reference(f"Patient/{subject}"), "status": "active", "intent": "order"}
        ranked = {"priority": priority} if priority else {}
        add("ServiceRequest", f"r{name}", **about, **ranked)
        add(
            "Task",
            f"t{name}",
            status="requested" if name in "13" else "accepted",
            focus=reference(f"ServiceRequest/r{name}"),
            owner=reference(f"Organization/{owner}"),
            **{"for": reference(f"Patient/{subject}")},
        )
        code = {"coding": [{"system": "http://loinc.org", "code": f"8480-{name}"}]}
        add("Observation", f"o{name}", status="final", code=code, subject=reference(f"Patient/{subject}"))
    add("Observation", "far", ["elsewhere"], status="final", code=code, subject=reference("Patient/an"))
    await write(store, changes)


MATCHES = {
    "Task?subject:Patient.name=nguyen": "t1",
    "Task?patient.name=nguyen,tran": "t1 t2",
    "Task?patient.identifier=urn:card|1": "t1",
    "Task?patient.gender:not=male": "t2",
    "Task?patient.gender:missing=false": "t1 t2",
    "Task?patient._id=an,hidden,gone": "t1",
    "Task?owner.name=benh vien": "t1 t4",
    "Task?owner:Organization.name:contains=kham": "t2",
    "Task?owner:Organization.partof=hospital": "t2",
    "Task?focus:ServiceRequest.priority=urgent,stat": "t1 t3",
    "Task?patient.name=nguyen&owner.name=phong": "",
    "Task?patient.name=nguyen&status=accepted": "",
    "ServiceRequest?patient.name=tran": "r2",
    "ServiceRequest?subject.name=tran": "r2",
    "Patient?_has:Observation:patient:code=http://loinc.org|8480-1": "an",
    "Patient?_has:Observation:patient:code=8480-1,8480-2": "an binh",
    "Patient?_has:Observation:subject:code:not=8480-1": "binh",
    "Patient?_has:Observation:patient:_id=far": "",
    "Patient?_has:Task:patient:status=requested": "an",
    "Patient?_has:Task:patient:status=requested&_has:Observation:patient:code=8480-2": "",
    "ServiceRequest?_has:Task:focus:owner=Organization/clinic": "r2",
    "Organization?_has:Organization:partof:name=phong": "hospital",
}


@pytest.mark.parametrize("address", MATCHES)
async def test_what_another_resource_must_meet(store: Store, records: None, address: str) -> None:
    assert await ids(store, address) == MATCHES[address]
    assert await ids(store, address, facility="stranger") == ""
    total = (await find(store, f"{address}&_count=0")).total
    assert total == len(MATCHES[address].split())


ORDERS = {
    "status": "t2 t4 t1 t3",
    "-status": "t1 t3 t2 t4",
    "owner": "t2 t1 t4 t3",
    "-patient": "t3 t4 t2 t1",
    "priority": "t1 t2 t3 t4",
}


@pytest.mark.parametrize("count", [1, 3, 50])
@pytest.mark.parametrize("sort", ORDERS)
async def test_orders_of_every_kind(store: Store, records: None, sort: str, count: int) -> None:
    seen: list[str] = []
    cursor: Any = None
    while not seen or cursor:
        page = await find(store, f"Task?_sort={sort}&_count={count}", cursor=cursor)
        seen += [found.id for found in page.matches]
        cursor = page.next
    assert " ".join(seen) == ORDERS[sort]


async def test_names_are_an_order_and_what_has_none_is_last(store: Store, records: None) -> None:
    assert await ids(store, "Patient?_sort=-name") == "binh an"
    assert await ids(store, "ServiceRequest?_sort=priority") == "r2 r3 r1 r4"
    assert await ids(store, "ServiceRequest?_sort=-priority,_id") == "r1 r3 r2 r4"


BROUGHT = {
    "Task?_id=t2&_include=Task:owner": "Organization/clinic",
    "Task?_id=t2&_include=Task:owner&_include:iterate=Organization:partof": (
        "Organization/clinic Organization/hospital"
    ),
    "Task?_id=t1&_include=Task:focus&_include:iterate=ServiceRequest:patient": "Patient/an ServiceRequest/r1",
    "Task?_id=t3&_include=Task:focus&_include:iterate=ServiceRequest:patient": "ServiceRequest/r3",
    "Task?_id=t1&_include=Task:patient&_revinclude:iterate=Observation:patient": "Observation/o1 Patient/an",
    # From a match, too.
    "Organization?_id=clinic&_include:iterate=Organization:partof": "Organization/hospital",
    # One round.
    "Patient?_id=an&_revinclude=ServiceRequest:patient&_revinclude:iterate=Task:focus": (
        "ServiceRequest/r1 Task/t1"
    ),
}


@pytest.mark.parametrize("address", BROUGHT)
async def test_what_comes_along_brings_more_once(store: Store, records: None, address: str) -> None:
    page = await find(store, address)
    assert " ".join(sorted(f"{found.type}/{found.id}" for found in page.included)) == BROUGHT[address]
    assert len(page.matches) == 1
