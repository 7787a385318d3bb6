"""What silence does, over HTTP and with the time moved: once, whoever looks first, and nothing is missed."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx

from referral.delivery.clocks import Clocks, Effect
from referral.network.snapshot import SnapshotHolder
from referral.store.pool import Store
from tests.delivery.conftest import ClockedHub
from tests.factories import (
    AN_LAO,
    CAT_HAI,
    KIEN_AN,
    LE_CHAN,
    OFFICE,
    VIET_TIEP,
    Case,
    arrived,
    business,
    completed,
    created,
    offer,
    offered,
    patient,
    request,
)

DAY = timedelta(days=1)


def status(code: str) -> dict[str, Any]:
    return {"coding": [{"code": code}]}


async def at_once(hub: ClockedHub, now: datetime, workers: int = 3) -> dict[Effect, int]:
    """Several workers at one moment; what they did together."""
    done = await asyncio.gather(*(hub.fire(now) for _ in range(workers)))
    return {effect: sum(each.get(effect, 0) for each in done) for effect in Effect}


async def listed(hub: ClockedHub, *performers: str, sender: str = LE_CHAN) -> Case:
    """A referral with a shortlist, put to the first of it."""
    station, hospital = await hub.service.system(sender), await hub.service.system(performers[0])
    who = await created(station, patient())
    asked = await created(station, request(who["id"], *performers, priority="stat"))
    task = await created(station, offer(asked["id"], performers[0]))
    return Case(station, hospital, performers[0], who, asked, task["id"])


async def escalations(viewer: httpx.AsyncClient, about: str) -> list[str | None]:
    """The texts of what the clock escalated, as searched for and as read."""
    found = (await viewer.get(f"Provenance?target={about}")).json()["entry"]
    moved = [one["resource"] for one in found]
    escalated = [one for one in moved if one["activity"]["coding"][0]["code"] == "escalate"]
    for one in escalated:
        for address in (f"Provenance/{one['id']}", f"Provenance/{one['id']}/_history/1"):
            assert (await viewer.get(address)).json() == one
    return [one["reason"][0].get("text") for one in escalated]


async def offers_of(case: Case) -> list[tuple[str, str]]:
    """Owner and business status of each offer, the first one first."""
    found = await case.sender.get(f"Task?focus=ServiceRequest/{case.request['id']}&_sort=authored-on")
    tasks = [entry["resource"] for entry in found.json()["entry"]]
    return [(task["owner"]["reference"].removeprefix("Organization/"), business(task)) for task in tasks]


async def test_silence_warns_then_escalates_once_whoever_looks(clocked: ClockedHub) -> None:
    case = await offered(clocked.service, priority="stat")
    name = case.request["id"]
    step = await clocked.deadline(name)
    assert (step["kind"], step["debtor"], step["creditor"]) == ("acknowledge", KIEN_AN, LE_CHAN)
    await at_once(clocked, step["due_at"] - timedelta(milliseconds=1))
    assert await clocked.told(name) == []
    await at_once(clocked, step["due_at"])
    assert await clocked.told(name) == [("warn", "acknowledge", None)]
    await at_once(clocked, step["escalate_at"])
    _, (move, kind, suggested) = await clocked.told(name)
    assert (move, kind) == ("escalate", "acknowledge")
    assert suggested not in {None, f"Organization/{KIEN_AN}", f"Organization/{LE_CHAN}"}
    office = await clocked.deadline(name, "office")
    assert (office["debtor"], office["done_at"]) == (OFFICE, None)
    assert f"Organization/{office['suggested']}" == suggested
    # Whom to ask next is for who can: the one who is silent reads that it was escalated.
    who_can = [case.sender, await clocked.service.system(OFFICE)]
    for viewer, text in [*((each, suggested) for each in who_can), (case.receiver, None)]:
        assert await escalations(viewer, f"Task/{case.offer_id}") == [text]
    await at_once(clocked, step["escalate_at"] + DAY)
    assert len(await clocked.told(name)) == 2
    # The offer stands: silence ends nothing. Whoever answers takes it from the office.
    await case.moved(case.receiver, "accepted")
    assert (await clocked.deadline(name, "office"))["done_at"] is not None
    assert (await clocked.deadline(name))["next_at"] is None


async def test_nothing_is_missed_after_a_day_without_a_worker(clocked: ClockedHub) -> None:
    station = await clocked.service.system(LE_CHAN)
    who = await created(station, patient())
    unplaced = await created(station, request(who["id"], priority="stat"))
    asked = await offered(clocked.service, priority="urgent")
    later = datetime.now(UTC) + DAY
    await at_once(clocked, later)
    for name, kind in ((unplaced["id"], "place"), (asked.request["id"], "acknowledge")):
        assert [event[:2] for event in await clocked.told(name)] == [("warn", kind), ("escalate", kind)]
    assert await clocked.fire(later) == {}


async def test_who_is_in_danger_of_life_waits_for_nobody_that_is_older(clocked: ClockedHub) -> None:
    names = [
        (await offered(clocked.service, priority=each)).request["id"]
        for each in ("routine", "urgent", "stat")
    ]
    older = (
        "UPDATE deadline SET due_at = due_at - $2::interval, escalate_at = escalate_at - $2,"
        " next_at = next_at - $2 WHERE referral = ANY ($1) AND slot = 'step'"
    )
    await clocked.owner.execute(older, names[:2], 90 * DAY)
    await clocked.fire(datetime.now(UTC) + DAY)
    escalated = await clocked.owner.fetch(
        "SELECT referral FROM event WHERE referral = ANY ($1) AND move = 'escalate' ORDER BY seq", names
    )
    assert [row["referral"] for row in escalated] == names[::-1]


async def test_a_clock_of_the_host_that_is_set_back_undoes_nothing(clocked: ClockedHub) -> None:
    case = await offered(clocked.service, priority="stat")
    name = case.request["id"]
    ahead = (await clocked.deadline(name))["escalate_at"] + DAY
    await at_once(clocked, ahead)
    told = await clocked.told(name)
    assert [event[0] for event in told] == ["warn", "escalate"]
    await at_once(clocked, datetime.now(UTC))
    assert await clocked.told(name) == told
    # What comes after counts from when it comes.
    await case.moved(case.receiver, "received")
    step = await clocked.deadline(name)
    assert (step["kind"], step["stage"]) == ("answer", 0)
    assert step["since"] < ahead
    await at_once(clocked, step["due_at"])
    assert (await clocked.told(name))[2:] == [("warn", "answer", None)]


async def test_a_question_stops_one_clock_and_starts_the_other(clocked: ClockedHub) -> None:
    case = await offered(clocked.service, priority="urgent")
    name = case.request["id"]
    await case.moved(case.receiver, "received")
    await case.moved(
        case.receiver,
        "received",
        businessStatus=status("awaiting-information"),
        statusReason={"text": "Since when?"},
    )
    step = await clocked.deadline(name)
    assert (step["kind"], step["owes"], step["debtor"]) == ("answer", "sender", LE_CHAN)
    assert step["held_kind"] == "answer"
    await clocked.fire(step["due_at"])
    assert await clocked.told(name) == [("warn", "answer", None)]
    # Who accepts without the answer still waits for it.
    await case.moved(case.receiver, "accepted")
    assert (await clocked.deadline(name))["since"] == step["since"]


async def test_an_unanswered_offer_moves_along_the_list_where_the_policy_lets_it(
    clocked: ClockedHub, redirecting: None
) -> None:
    case = await listed(clocked, KIEN_AN, AN_LAO, VIET_TIEP)
    name = case.request["id"]
    done = []
    for _ in range(3):
        now = (await clocked.deadline(name))["escalate_at"]
        done.append((await at_once(clocked, now))[Effect.REDIRECTED])
        await at_once(clocked, now)
    assert await offers_of(case) == [
        (KIEN_AN, "referred-onward"),
        (AN_LAO, "referred-onward"),
        (VIET_TIEP, "requested"),
    ]
    moves = [event[:2] for event in await clocked.told(name)]
    assert moves.count(("escalate", "acknowledge")) == 3
    # The last one was nobody's next: the office has it.
    assert (await clocked.deadline(name, "office"))["done_at"] is None
    first = await case.task()
    assert first["statusReason"]["text"] == "There was no answer in time."
    assert (await case.receiver.get(f"Patient/{case.patient['id']}")).status_code == 404


async def test_silence_sends_nobody_down_where_the_policy_lets_no_sender(
    clocked: ClockedHub, redirecting_not_down: None
) -> None:
    case = await listed(clocked, AN_LAO, LE_CHAN, KIEN_AN, sender=VIET_TIEP)
    name = case.request["id"]
    await at_once(clocked, (await clocked.deadline(name))["escalate_at"])
    assert await offers_of(case) == [(AN_LAO, "referred-onward"), (KIEN_AN, "requested")]
    assert ("escalate", "acknowledge", f"Organization/{KIEN_AN}") in await clocked.told(name)


async def test_silence_moves_no_offer_where_the_policy_does_not_say_so(clocked: ClockedHub) -> None:
    case = await listed(clocked, KIEN_AN, AN_LAO)
    await at_once(clocked, (await clocked.deadline(case.request["id"]))["escalate_at"])
    assert await offers_of(case) == [(KIEN_AN, "requested")]


async def test_a_slip_is_warned_of_and_lapses(clocked: ClockedHub) -> None:
    case = await offered(clocked.service)
    name = case.request["id"]
    await case.moved(case.receiver, "accepted")
    slip = await clocked.deadline(name, "slip")
    await at_once(clocked, slip["due_at"])
    assert await clocked.told(name) == [("warn", "slip", None)]
    await at_once(clocked, slip["escalate_at"])
    task, referral = await case.task(), await case.referral()
    assert (task["status"], business(task), referral["status"]) == ("cancelled", "lapsed", "revoked")
    assert "slip-expired" in str(task["statusReason"])
    assert "slip-expired" in str(referral["extension"])
    ends = [event[:2] for event in await clocked.told(name)][1:]
    assert ends == [("lapse", "slip-expired"), ("lapse", None)]
    step = await clocked.deadline(name)
    assert (step["debtor"], step["done_at"]) == (LE_CHAN, None)


async def test_a_slip_lapses_for_nobody_on_the_way_or_arrived(clocked: ClockedHub) -> None:
    on_the_way, there = await offered(clocked.service), await arrived(clocked.service)
    await on_the_way.moved(on_the_way.receiver, "accepted")
    slip = await clocked.deadline(on_the_way.request["id"], "slip")
    await on_the_way.moved(on_the_way.sender, "accepted", businessStatus=status("in-transit"))
    await at_once(clocked, slip["escalate_at"] + DAY)
    assert business(await on_the_way.task()) == "in-transit"
    assert business(await there.task()) == "arrived"
    # Who did not come needs another slip.
    await on_the_way.moved(
        on_the_way.receiver, "accepted", businessStatus=status("no-show"), statusReason={"text": "Nobody"}
    )
    await at_once(clocked, slip["escalate_at"] + DAY)
    assert business(await on_the_way.task()) == "lapsed"


async def test_a_journey_that_nobody_closes_is_lost(clocked: ClockedHub) -> None:
    case = await completed(clocked.service)
    name = case.request["id"]
    step = await clocked.deadline(name)
    assert (step["kind"], step["debtor"]) == ("close", LE_CHAN)
    lost = f"ServiceRequest?_id={name}&loop=lost"
    assert "entry" not in (await case.sender.get(lost)).json()
    await at_once(clocked, step["due_at"])
    assert await clocked.told(name) == [("warn", "close", None)]
    assert len((await case.sender.get(lost)).json()["entry"]) == 1
    await case.moved(case.sender, "completed", businessStatus=status("closed"))
    assert "entry" not in (await case.sender.get(lost)).json()


async def test_what_one_referral_refuses_is_put_off_and_the_others_go_on(clocked: ClockedHub) -> None:
    broken, whole = await offered(clocked.service), await offered(clocked.service)
    name = broken.request["id"]
    slip = await clocked.deadline(name, "slip")
    await clocked.owner.execute("DELETE FROM document WHERE type = 'Task' AND id = $1", broken.offer_id)
    await clocked.fire(slip["due_at"])
    now = slip["escalate_at"]
    done = await clocked.fire(now)
    assert done[Effect.FAILED] >= 1
    assert business(await whole.task()) == "lapsed"
    assert (await clocked.deadline(name, "slip"))["next_at"] == now + timedelta(minutes=1)
    await clocked.owner.execute("DELETE FROM deadline WHERE referral = $1", name)
    await clocked.owner.execute("UPDATE referral SET state = 'entered-in-error' WHERE id = $1", name)


async def test_a_worker_that_knows_no_policy_escalates_all_the_same(clocked: ClockedHub) -> None:
    case = await offered(clocked.service, priority="stat")
    name = case.request["id"]
    step = await clocked.deadline(name)
    store = await Store.open(clocked.database.dsn, size=1)
    await Clocks(store, SnapshotHolder(), clocked.service.fhir).fire_due(step["escalate_at"])
    await store.close()
    assert await clocked.told(name) == [("warn", "acknowledge", None), ("escalate", "acknowledge", None)]


async def test_a_sender_that_left_the_network_is_escalated_without_a_suggestion(clocked: ClockedHub) -> None:
    case = await offered(clocked.service, sender=CAT_HAI, priority="stat")
    name = case.request["id"]
    step = await clocked.deadline(name)
    leave = "UPDATE membership SET valid_to = $2::date WHERE facility = $1"
    await clocked.owner.execute(leave, CAT_HAI, date(2020, 1, 1))
    await clocked.owner.execute("UPDATE network_version SET version = version + 1")
    await clocked.fire(step["escalate_at"])
    await clocked.owner.execute(leave, CAT_HAI, None)
    await clocked.owner.execute("UPDATE network_version SET version = version + 1")
    assert (await clocked.told(name))[1] == ("escalate", "acknowledge", None)


async def test_a_referral_from_before_the_clocks_gets_its_own(clocked: ClockedHub) -> None:
    case = await offered(clocked.service)
    name = case.request["id"]
    before = await clocked.deadline(name)
    await clocked.owner.execute("DELETE FROM deadline WHERE referral = $1", name)
    now = datetime.now(UTC) + timedelta(minutes=1)
    async with clocked.worker() as one, clocked.worker() as other:
        assert name in await asyncio.gather(one.arm(now), other.arm(now))
        assert await one.arm(now) is None
    after = await clocked.deadline(name)
    assert (after["kind"], after["debtor"]) == (before["kind"], before["debtor"])
    assert after["since"] > before["since"]
    assert (await clocked.deadline(name, "slip"))["done_at"] is None


async def test_what_a_service_without_clocks_has_moved_fires_nothing(clocked: ClockedHub) -> None:
    case = await offered(clocked.service)
    name = case.request["id"]
    step = await clocked.deadline(name)
    await clocked.owner.execute("UPDATE offer SET state = 'received' WHERE id = $1", case.offer_id)
    await clocked.fire(step["due_at"])
    assert await clocked.told(name) == []
    async with clocked.worker() as clocks:
        assert await clocks.arm(step["due_at"]) == name
    assert (await clocked.deadline(name))["kind"] == "answer"
