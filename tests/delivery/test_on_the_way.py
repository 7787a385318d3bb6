"""Who has left is not let down by silence: the offer waits, and the office is told when the slip is over."""

from datetime import timedelta
from typing import Any

from tests.delivery.conftest import ClockedHub
from tests.delivery.test_clocks import at_once, business, listed, offers_of, status
from tests.delivery.test_worklists import ids
from tests.factories import AN_LAO, KIEN_AN, OFFICE, Case, offered

DAY = timedelta(days=1)


async def left(case: Case) -> dict[str, Any]:
    """The sender tells that the patient is under way, which nobody has answered yet."""
    means = [{"type": {"coding": [{"code": "means"}]}, "valueString": "ambulance 3"}]
    return await case.moved(case.sender, "requested", businessStatus=status("in-transit"), input=means)


async def test_no_shortlist_takes_the_offer_from_under_an_ambulance(
    clocked: ClockedHub, redirecting: None
) -> None:
    case = await listed(clocked, KIEN_AN, AN_LAO)
    assert business(await left(case)) == "requested"
    name = case.request["id"]
    await at_once(clocked, (await clocked.deadline(name))["escalate_at"])
    assert await offers_of(case) == [(KIEN_AN, "requested")]
    assert (await clocked.told(name))[-1][:2] == ("escalate", "acknowledge")
    assert business(await case.moved(case.receiver, "in-progress")) == "arrived"


async def test_a_slip_that_is_over_on_the_way_is_told_to_the_office_once(clocked: ClockedHub) -> None:
    case, office = await offered(clocked.service), await clocked.service.system(OFFICE)
    name = case.request["id"]
    await left(case)
    await case.moved(case.receiver, "accepted")
    slip = await clocked.deadline(name, "slip")
    await at_once(clocked, slip["due_at"])
    for _ in range(2):
        await at_once(clocked, slip["escalate_at"])
    assert await clocked.told(name) == [("warn", "slip", None), ("escalate", "slip", None)]
    waiting = f"ServiceRequest?_id={name}&waiting-for=Organization/{OFFICE}&escalated=true"
    assert await ids(office, waiting) == [name]
    assert business(await case.moved(case.receiver, "in-progress")) == "arrived"
    assert await ids(office, waiting) == []


async def test_who_is_diverted_stays_on_the_way(clocked: ClockedHub) -> None:
    case = await offered(clocked.service)
    await left(case)
    target = [
        {"type": {"coding": [{"code": "target"}]}, "valueReference": {"reference": f"Organization/{AN_LAO}"}}
    ]
    await case.moved(
        case.receiver,
        "rejected",
        businessStatus=status("referred-onward"),
        statusReason={"text": "No bed"},
        output=target,
    )
    onward = await case.sender.get(f"Task?focus=ServiceRequest/{case.request['id']}&status=requested")
    (task,) = [entry["resource"] for entry in onward.json()["entry"]]
    assert [part["valueString"] for part in task["input"]] == ["ambulance 3"]
    slip = await clocked.deadline(case.request["id"], "slip")
    await at_once(clocked, slip["escalate_at"] + DAY)
    assert (await case.referral())["status"] == "active"


async def test_a_service_that_knows_no_departure_still_moves_offers(clocked: ClockedHub) -> None:
    case = await offered(clocked.service)
    for state in ("accepted", "in-transit", "arrived"):
        known = await clocked.owner.fetchval(
            "SELECT (to_jsonb(o) - 'departed_at' || jsonb_build_object('state', $2::text))::text"
            " FROM offer o WHERE id = $1",
            case.offer_id,
            state,
        )
        await clocked.owner.execute(
            "SELECT apply_changes(jsonb_build_object('offers', jsonb_build_array($1::text::jsonb)))", known
        )
    assert await clocked.owner.fetchval("SELECT state FROM offer WHERE id = $1", case.offer_id) == "arrived"
