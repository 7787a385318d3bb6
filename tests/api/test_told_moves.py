"""The story of a referral as Provenances: one for each move, for who sees what was moved."""

from typing import Any

import httpx

from tests.factories import (
    AN_LAO,
    KIEN_AN,
    LE_CHAN,
    OFFICE,
    Case,
    arrived,
    completed,
    created,
    offer,
    offered,
)
from tests.running_service import RunningService

Resource = dict[str, Any]


async def told(client: httpx.AsyncClient, **asked: str) -> list[Resource]:
    """The matches of a search of Provenances, of all its pages."""
    found, address = [], f"Provenance?{httpx.QueryParams(asked)}"
    while address:
        answer = await client.get(address)
        assert answer.status_code == 200, answer.text
        found += [entry["resource"] for entry in answer.json().get("entry", ())]
        links = {link["relation"]: link["url"] for link in answer.json()["link"]}
        address = links.get("next", "")
    return found


def moves(found: list[Resource]) -> list[str]:
    """What was done, in the order of the answer."""
    return [one["activity"]["coding"][0]["code"] for one in found]


def request_of(case: Case) -> str:
    return f"ServiceRequest/{case.request['id']}"


async def test_each_move_is_told_with_who_when_and_why(service: RunningService):
    case = await completed(service, "returned-to-referrer")
    found = await told(case.sender, target=request_of(case), _sort="recorded")
    assert moves(found) == ["submit", "offer", "acknowledge", "accept", "arrive", "complete"]
    last = found[-1]
    assert [one["reference"].split("/_history/")[0] for one in last["target"]] == [
        f"Task/{case.offer_id}",
        request_of(case),
    ]
    assert last["agent"][0]["who"] == {"reference": f"Organization/{KIEN_AN}"}
    assert last["agent"][0]["role"][0]["coding"][0]["code"] == "receiver"
    assert last["reason"][0]["coding"][0]["code"] == "returned-to-referrer"
    assert found[0]["agent"][0]["who"] == {"reference": f"Organization/{LE_CHAN}"}
    # Of the offer alone, what was done to it.
    assert (
        moves(await told(case.receiver, target=f"Task/{case.offer_id}", _sort="recorded")) == moves(found)[1:]
    )


async def test_it_is_read_by_its_id_with_its_one_version(service: RunningService):
    case = await arrived(service)
    *_, last = await told(case.sender, target=request_of(case), _sort="recorded")
    address = f"Provenance/{last['id']}"
    for one in (address, f"{address}/_history/1"):
        answer = await case.receiver.get(one)
        assert (answer.status_code, answer.json()) == (200, last)
        assert answer.headers["ETag"] == 'W/"1"'
    history = (await case.receiver.get(f"{address}/_history")).json()
    assert [entry["resource"] for entry in history["entry"]] == [last]
    late = (await case.receiver.get(f"{address}/_history?_since=2999-01-01")).json()
    assert "entry" not in late
    stranger = await service.system("vinh-bao-medical-centre")
    for one in (address, f"{address}/_history/1", f"{address}/_history", "Provenance/move-1"):
        assert (await stranger.get(one)).status_code == 404
    other = address[:-1] + ("1" if address.endswith("0") else "0")
    for one in (f"{address}/_history/2", "Provenance/move-0", "Provenance/move-7", other, f"{address}0"):
        assert (await case.sender.get(one)).status_code == 404
    assert await told(stranger, target=request_of(case)) == []


async def test_nobody_writes_one_that_looks_like_the_hubs(service: RunningService):
    case = await offered(service)
    written = {
        "resourceType": "Provenance",
        "target": [{"reference": request_of(case)}],
        "recorded": "2026-03-01T08:00:00Z",
        "agent": [{"who": {"reference": f"Organization/{LE_CHAN}"}}],
    }
    for name in ("move-1", "move-abc", "move-", "move-0123456789abcdef"):
        own = await case.sender.put(f"Provenance/{name}", json=written | {"id": name})
        assert (own.status_code, own.json()["issue"][0]["code"]) == (405, "not-supported")


async def test_they_stand_among_those_that_clients_wrote(service: RunningService):
    case = await arrived(service)
    written = {
        "resourceType": "Provenance",
        "target": [{"reference": request_of(case)}],
        "recorded": "2026-03-01T08:00:00Z",
        "agent": [{"who": {"reference": f"Organization/{LE_CHAN}"}}],
    }
    own = await created(case.sender, written)
    expected = {"submit", "offer", "acknowledge", "accept", "arrive"}
    for order in ("recorded", "-recorded", "_id", "-_id", "_lastUpdated", "-_lastUpdated", "when", "-when"):
        every = await told(case.sender, target=request_of(case), _sort=order)
        paged = await told(case.sender, target=request_of(case), _sort=order, _count="2")
        assert paged == every, order
        assert len({one["id"] for one in every}) == len(every) == 6
        assert {one["id"] for one in every} > {own["id"]}
        assert set(moves([one for one in every if "activity" in one])) == expected
    ids = [one["id"] for one in await told(case.sender, target=request_of(case), _sort="_id")]
    assert ids == sorted(ids)
    by_agent = {"target": request_of(case), "agent": f"Organization/{KIEN_AN}", "_sort": "recorded"}
    assert moves(await told(case.sender, **by_agent)) == ["acknowledge", "accept", "arrive"]
    since = {"target": request_of(case), "recorded": "lt2026-06-01"}
    assert [one["id"] for one in await told(case.sender, **since)] == [own["id"]]
    for asked, count in (
        ({"agent-role": "receiver"}, 3),
        ({"agent-role:not": "receiver"}, 3),
        ({"when:missing": "true"}, 1),
        ({"agent:missing": "true"}, 0),
        ({"agent-role:missing": "false"}, 5),
        ({"_lastUpdated": "gt2026-01-01"}, 6),
        ({"recorded": "ne2026-03-01"}, 5),
        ({"entity": "Task/none"}, 0),
    ):
        assert len(await told(case.sender, target=request_of(case), **asked)) == count, asked
    total = {"target": request_of(case), "_summary": "count"}
    assert (await case.sender.get("Provenance", params=total)).json()["total"] == 6
    one = await told(case.sender, target=request_of(case), _id=ids[-1])
    assert [found["id"] for found in one] == [ids[-1]]


async def test_they_come_along_with_what_was_moved(service: RunningService):
    case = await arrived(service)
    for kind, one, count in (("Task", case.offer_id, 4), ("ServiceRequest", case.request["id"], 5)):
        asked = {"_id": one, "_revinclude": "Provenance:target"}
        entries = (await case.receiver.get(kind, params=asked)).json()["entry"]
        brought = [entry["resource"] for entry in entries if entry["search"]["mode"] == "include"]
        assert len(brought) == count


async def test_who_said_no_is_not_told_what_the_next_one_did(service: RunningService):
    case = await offered(service)
    await case.moved(case.receiver, "rejected", statusReason={"text": "No bed"})
    await created(case.sender, offer(case.request["id"], AN_LAO))
    seen = await told(case.receiver, target=request_of(case), _sort="recorded")
    assert moves(seen) == ["submit", "offer", "reject"]
    assert {one["agent"][0]["who"]["reference"] for one in seen} == {
        f"Organization/{LE_CHAN}",
        f"Organization/{KIEN_AN}",
    }
    assert seen[-1]["reason"] == [
        {
            "coding": [{"system": "http://referral.example/fhir/CodeSystem/reject-reason", "code": "other"}],
            "text": "No bed",
        }
    ]
    office = await service.system(OFFICE)
    assert moves(await told(office, target=request_of(case), _sort="recorded")) == [*moves(seen), "offer"]
