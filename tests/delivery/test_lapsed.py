"""What lapsed is still owed: its sender is warned, then the office, until something is done about it."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.api.test_claim import claim
from tests.api.test_lapsed import REASON_URL, put
from tests.delivery.conftest import ClockedHub
from tests.delivery.test_worklists import ids
from tests.factories import (
    AN_LAO,
    CAT_HAI,
    KIEN_AN,
    LE_CHAN,
    OFFICE,
    Case,
    arrived,
    completion,
    created,
    offered,
    request,
    summary,
)

DAY = timedelta(days=1)


async def lapsed(hub: ClockedHub) -> Case:
    """A referral that nobody took in by the end of its slip."""
    case = await offered(hub.service, priority="urgent")
    await case.moved(case.receiver, "accepted")
    end = (await hub.deadline(case.request["id"], "slip"))["escalate_at"]
    await hub.fire(end - timedelta(seconds=1))
    await hub.fire(end)
    assert (await case.referral())["status"] == "revoked"
    return case


async def replaced(_hub: ClockedHub, case: Case) -> None:
    named = [{"reference": f"ServiceRequest/{case.request['id']}"}]
    await created(case.sender, request(case.patient["id"], KIEN_AN, replaces=named))


async def dismissed(_hub: ClockedHub, case: Case) -> None:
    went = {"url": REASON_URL, "valueCodeableConcept": {"text": "Went to an army hospital"}}
    kept = [one for one in (await case.referral())["extension"] if one["url"] != REASON_URL]
    assert (await put(case, extension=[*kept, went])).status_code == 200


async def claimed(hub: ClockedHub, case: Case) -> None:
    assert (await claim(await hub.service.system(AN_LAO), case)).status_code == 200


async def marked(hub: ClockedHub, case: Case) -> None:
    office = await hub.service.system(OFFICE)
    why = {"url": REASON_URL, "valueCodeableConcept": {"text": "Of another patient"}}
    before = await case.referral()
    kept = [one for one in before["extension"] if one["url"] != REASON_URL]
    changed = before | {"status": "entered-in-error", "extension": [*kept, why]}
    headers = {"If-Match": f'W/"{before["meta"]["versionId"]}"'}
    answer = await office.put(f"ServiceRequest/{before['id']}", json=changed, headers=headers)
    assert answer.status_code == 200, answer.text


async def test_what_lapsed_is_owed_with_a_clock_and_comes_to_the_office(clocked: ClockedHub) -> None:
    case = await lapsed(clocked)
    name, office = case.request["id"], await clocked.service.system(OFFICE)
    step = await clocked.deadline(name)
    assert (step["kind"], step["debtor"], step["offer"], step["stage"]) == ("place", LE_CHAN, None, 0)
    parts = (await case.sender.get(f"ServiceRequest/{name}/$moves")).json()["parameter"]
    told = {part["name"]: part for part in parts}
    assert told["owes"]["valueCode"] == "sender"
    due = datetime.fromisoformat(told["due"]["valueDateTime"])
    assert due == step["due_at"].replace(microsecond=0)
    mine = f"ServiceRequest?_id={name}&waiting-for=Organization/{LE_CHAN}&owes=sender"
    assert await ids(case.sender, mine) == [name]
    before = await clocked.told(name)
    await clocked.fire(step["due_at"])
    assert (await clocked.told(name))[len(before) :] == [("warn", "place", None)]
    assert await ids(office, f"ServiceRequest?_id={name}&overdue=true&escalated=false") == [name]
    await clocked.fire(step["escalate_at"])
    assert (await clocked.told(name))[-1][:2] == ("escalate", "place")
    assert (await clocked.deadline(name, "office"))["done_at"] is None
    waiting = f"ServiceRequest?_id={name}&waiting-for=Organization/{OFFICE}&escalated=true"
    assert await ids(office, waiting) == [name]
    await clocked.fire(step["escalate_at"] + DAY)
    assert len(await clocked.told(name)) == len(before) + 2
    await dismissed(clocked, case)
    assert await ids(office, f"ServiceRequest?_id={name}&overdue=true") == []
    assert await ids(office, waiting) == []


@pytest.mark.parametrize("act", [replaced, dismissed, claimed, marked])
async def test_what_is_done_about_it_ends_its_clock(
    clocked: ClockedHub, act: Callable[[ClockedHub, Case], Awaitable[None]]
) -> None:
    case = await lapsed(clocked)
    name = case.request["id"]
    before = await clocked.deadline(name)
    await act(clocked, case)
    after = await clocked.deadline(name)
    # A patient who was taken in all the same is owed a summary instead.
    assert (after["kind"], after["done_at"] is None) == (
        ("summary", True) if act is claimed else ("place", False)
    )
    told = await clocked.told(name)
    await clocked.fire(before["escalate_at"])
    if act is not claimed:
        assert await clocked.told(name) == told


async def test_what_lapsed_before_gets_its_clock_unless_it_was_replaced(clocked: ClockedHub) -> None:
    alone, other = await lapsed(clocked), await lapsed(clocked)
    await replaced(clocked, other)
    names = [case.request["id"] for case in (alone, other)]
    await clocked.owner.execute("DELETE FROM deadline WHERE referral = ANY ($1)", names)
    async with clocked.worker() as clocks:
        after: str | None = ""
        while after is not None:
            after = await clocks.arm(datetime.now(UTC), after)
    found = await clocked.owner.fetch("SELECT referral, kind FROM deadline WHERE referral = ANY ($1)", names)
    assert [tuple(row) for row in found] == [(names[0], "place")]


async def test_a_way_down_that_lapsed_does_not_stand_in_for_the_next(clocked: ClockedHub) -> None:
    case = await arrived(clocked.service)
    based = [{"reference": f"ServiceRequest/{case.request['id']}"}]
    down = await created(case.receiver, request(case.patient["id"], CAT_HAI, basedOn=based))
    end = (await clocked.deadline(down["id"], "slip"))["escalate_at"]
    await clocked.fire(end - timedelta(seconds=1))
    await clocked.fire(end)
    letter = await created(case.receiver, summary(case.patient["id"]))
    await case.moved(case.receiver, "completed", output=completion(letter["id"], "returned-to-referrer"))
    (back,) = await ids(case.sender, f"Task?owner={LE_CHAN}&patient={case.patient['id']}")
    assert (await case.sender.get(f"Task/{back}")).json()["status"] == "requested"


async def test_a_day_alone_is_a_day_of_the_network(clocked: ClockedHub, in_los_angeles: ZoneInfo) -> None:
    day = datetime.now(in_los_angeles).replace(hour=0, minute=0, second=0, microsecond=0) - DAY
    signed = {"authoredOn": day.date().isoformat()}
    # The service takes a policy up within a second.
    for _ in range(100):
        case = await offered(clocked.service, **signed)
        since = (await clocked.deadline(case.request["id"], "slip"))["since"]
        if since == day:
            break
        await asyncio.sleep(0.1)
    assert since == day
