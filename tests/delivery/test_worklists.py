"""Who owes the next step, who waits for it, since when too long: over HTTP, for each who may see it."""

from dataclasses import replace
from datetime import datetime, timedelta

import httpx
import pytest

from tests.delivery.conftest import ClockedHub
from tests.factories import (
    AN_LAO,
    KIEN_AN,
    LE_CHAN,
    OFFICE,
    VIET_TIEP,
    Case,
    created,
    offer,
    offered,
    patient,
    request,
)


async def ids(client: httpx.AsyncClient, search: str) -> list[str]:
    """The matches of a search, page after page."""
    found: list[str] = []
    address = search
    while address:
        answer = await client.get(address)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += [
            each["resource"]["id"] for each in page.get("entry", []) if each["search"]["mode"] == "match"
        ]
        address = next((link["url"] for link in page["link"] if link["relation"] == "next"), "")
    return found


async def moves(client: httpx.AsyncClient, case: Case) -> dict[str, str]:
    """Who owes, and until when, as `$moves` of the offer says."""
    answer = await client.get(f"Task/{case.offer_id}/$moves")
    parts = answer.json()["parameter"]
    return {each["name"]: each.get("valueCode", each.get("valueDateTime", "")) for each in parts}


async def test_each_sees_what_waits_for_it_and_what_it_waits_for(clocked: ClockedHub) -> None:
    case = await offered(clocked.service, priority="urgent")
    station, hospital = case.sender, case.receiver
    mine, theirs = f"waiting-for=Organization/{KIEN_AN}", f"awaited-by=Organization/{LE_CHAN}"
    assert case.offer_id in await ids(hospital, f"Task?{mine}&_sort=due")
    assert case.offer_id in await ids(station, f"Task?{theirs}&_sort=due")
    assert case.request["id"] in await ids(hospital, f"ServiceRequest?{mine}&_sort=due")
    assert case.offer_id not in await ids(station, f"Task?waiting-for={LE_CHAN}")
    # It has its own words in other searches, too.
    narrowed = f"Task?_id={case.offer_id}"
    for criterion, seen in {
        mine: True,
        f"waiting-for:not=Organization/{KIEN_AN}": False,
        "waiting-for:missing=false": True,
        "owes=receiver": True,
        "owes=sender": False,
        "owes:not=sender": True,
        "overdue=false": True,
        "overdue=true": False,
        "escalated=true,false": True,
        "due=ge2026": True,
        "due=lt2026": False,
        "due:missing=true": False,
        f"{theirs}&owes=receiver": True,
    }.items():
        assert (await ids(hospital, f"{narrowed}&{criterion}") == [case.offer_id]) is seen, criterion
    told = await moves(hospital, case)
    step = await clocked.deadline(case.request["id"])
    assert told["owes"] == "receiver"
    assert datetime.fromisoformat(told["due"]) == step["due_at"].replace(microsecond=0)
    await case.moved(hospital, "accepted")
    assert "due" not in await moves(station, case)
    assert case.offer_id in await ids(hospital, f"Task?{mine}&due:missing=true")


async def test_a_stat_referral_that_nobody_saw_is_on_the_office_s_worklist(clocked: ClockedHub) -> None:
    office = await clocked.service.system(OFFICE)
    case = await offered(clocked.service, priority="stat")
    name = case.request["id"]
    step = await clocked.deadline(name)
    waiting = f"waiting-for=Organization/{OFFICE}&_sort=due"
    await clocked.fire(step["due_at"])
    assert case.offer_id not in await ids(office, f"Task?{waiting}")
    assert await ids(office, f"Task?_id={case.offer_id}&overdue=true&escalated=false") == [case.offer_id]
    await clocked.fire(step["escalate_at"] + timedelta(seconds=1))
    assert case.offer_id in await ids(office, f"Task?{waiting}")
    assert name in await ids(office, f"ServiceRequest?{waiting}&escalated=true")
    assert name in await ids(case.sender, f"ServiceRequest?awaited-by={LE_CHAN}&escalated=true")
    assert await ids(office, f"Task?_id={case.offer_id}&owes=office") == [case.offer_id]
    # Another hospital sees nothing of it, whomever it asks about.
    other = await clocked.service.system(AN_LAO)
    for search in (f"Task?{waiting}", f"Task?_id={case.offer_id}&escalated=true"):
        assert case.offer_id not in await ids(other, search)
    await case.moved(case.receiver, "accepted")
    assert case.offer_id not in await ids(office, f"Task?{waiting}")


async def test_the_most_urgent_comes_first_and_every_page_has_its_own(clocked: ClockedHub) -> None:
    station = await clocked.service.system(LE_CHAN)
    hospital = await clocked.service.system(VIET_TIEP)
    asked = {}
    for priority in ("urgent", "stat", "asap", "stat", "urgent"):
        case = await offered(clocked.service, receiver=VIET_TIEP, priority=priority)
        asked[case.offer_id] = (await clocked.deadline(case.request["id"]))["due_at"]
    accepted = await offered(clocked.service, receiver=VIET_TIEP)
    await accepted.moved(hospital, "accepted")
    since = f"authored-on=ge{min(asked.values()).date() - timedelta(days=2)}"
    for search in (f"Task?waiting-for={VIET_TIEP}&{since}", f"Task?owner=Organization/{VIET_TIEP}&{since}"):
        for order, reverse in (("due", False), ("-due", True)):
            found = await ids(hospital, f"{search}&status=requested,accepted&_sort={order}&_count=2")
            own = [each for each in found if each in asked or each == accepted.offer_id]
            assert own == [*sorted(asked, key=lambda one: asked[one], reverse=reverse), accepted.offer_id]
            assert len(set(found)) == len(found)
    who = await created(station, patient())
    unplaced = await created(station, request(who["id"], priority="stat"))
    assert unplaced["id"] in await ids(station, f"ServiceRequest?waiting-for={LE_CHAN}&_sort=due&_count=3")
    counted = await station.get(f"ServiceRequest?waiting-for={LE_CHAN}&_total=accurate&_count=0")
    assert counted.json()["total"] >= 1


@pytest.mark.parametrize(
    "search",
    [
        "Task?overdue=perhaps",
        "Task?owes=banana",
        "Task?owes=sender,member",
        "ServiceRequest?loop=banana",
        "ServiceRequest?loop:not=Closed",
        "Task?due=soon",
        "Task?due:not=2026",
        "Task?waiting-for:identifier=a|b",
        "Task?waiting-for.name=Kien",
        "Task?_include=Task:waiting-for",
        "Organization?_revinclude=Task:awaited-by",
        "Organization?_has:Task:waiting-for:status=requested",
        "Task?_sort=owes",
        "Patient?overdue=true",
    ],
)
async def test_what_cannot_be_meant_is_refused(clocked: ClockedHub, search: str) -> None:
    station = await clocked.service.system(LE_CHAN)
    answer = await station.get(search)
    assert answer.status_code == 400, answer.text


async def test_both_sides_and_the_office_are_told_of_what_nobody_was_asked_for(clocked: ClockedHub) -> None:
    case, office = await offered(clocked.service, priority="urgent"), await clocked.service.system(OFFICE)
    station, name = case.sender, case.request["id"]
    await case.moved(case.receiver, "rejected", statusReason={"text": "No bed"})
    for moment in ("due_at", "escalate_at"):
        await clocked.fire((await clocked.deadline(name))[moment])
    await clocked.fire((await clocked.deadline(name, "slip"))["due_at"])
    told = {}
    for viewer in (station, office):
        found = (await viewer.get(f"Provenance?target=ServiceRequest/{name}")).json()["entry"]
        by_the_clock = [one["resource"] for one in found if "display" in one["resource"]["agent"][0]["who"]]
        told[viewer] = {
            (one["activity"]["coding"][0]["code"], one["reason"][0]["coding"][0]["code"]): one
            for one in by_the_clock
        }
    assert told[station] == told[office]
    assert set(told[station]) == {("escalate", "place"), ("warn", "place"), ("warn", "slip")}
    # Who said no learns nothing of it, nor by its id.
    found = (await case.receiver.get(f"Provenance?target=ServiceRequest/{name}")).json()["entry"]
    assert all("reference" in one["resource"]["agent"][0]["who"] for one in found)
    for one in told[station].values():
        assert (await case.receiver.get(f"Provenance/{one['id']}")).status_code == 404
    # Whom to ask next.
    assert told[office]["escalate", "place"]["reason"][0]["text"].startswith("Organization/")
    other = await clocked.service.system(AN_LAO)
    assert "entry" not in (await other.get(f"Provenance?target=ServiceRequest/{name}")).json()


async def test_who_said_no_is_not_told_who_is_asked_now_and_how_it_ends(clocked: ClockedHub) -> None:
    case = await offered(clocked.service, priority="urgent")
    name, gone = case.request["id"], case.receiver
    seen_before = await ids(gone, f"ServiceRequest?_id={name}&waiting-for={KIEN_AN}")
    assert seen_before == [name]
    await case.moved(gone, "rejected", statusReason={"text": "No bed"})
    office, other = await clocked.service.system(OFFICE), await clocked.service.system(VIET_TIEP)
    criteria = {
        f"waiting-for={LE_CHAN}": "unplaced",
        f"waiting-for={VIET_TIEP}": "offered",
        f"awaited-by={LE_CHAN}": "offered",
        "owes=sender": "unplaced",
        "owes=receiver": "offered",
        "overdue=false": "both",
        "escalated=false": "both",
        "due=ge2026": "both",
        "loop=open": "both",
        "owes:missing=false": "both",
        "loop:missing=false": "both",
    }
    for stage in ("unplaced", "offered"):
        if stage == "offered":
            await created(case.sender, offer(name, VIET_TIEP))
        for viewer in (case.sender, office, *([other] if stage == "offered" else [])):
            for criterion, when in criteria.items():
                found = await ids(viewer, f"ServiceRequest?_id={name}&{criterion}")
                assert (found == [name]) is (when in {stage, "both"}), (stage, criterion)
        assert (await gone.get(f"ServiceRequest/{name}")).status_code == 200
        for criterion in criteria:
            assert await ids(gone, f"ServiceRequest?_id={name}&{criterion}") == [], (stage, criterion)
        told = (await gone.get(f"ServiceRequest/{name}/$moves")).json()
        assert {part["name"] for part in told["parameter"]} <= {"move"}
        assert "owes" in (await case.sender.get(f"ServiceRequest/{name}/$moves")).text
    # Asked once more it is told again, from then on.
    (asked,) = await ids(case.sender, f"Task?focus=ServiceRequest/{name}&status=requested")
    withdrawn = replace(case, offer_id=asked)
    await withdrawn.moved(case.sender, "cancelled", statusReason={"text": "Too far"})
    await created(case.sender, offer(name, KIEN_AN, reasonCode={"text": "A bed is free now"}))
    assert await ids(gone, f"ServiceRequest?_id={name}&waiting-for={KIEN_AN}&loop=open") == [name]
