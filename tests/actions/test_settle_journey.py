"""Which journeys stand otherwise after a transaction."""

from datetime import UTC, datetime, timedelta
from typing import Any

from referral.actions.settle_journey import settled
from referral.domain.codes import Direction, Priority
from referral.domain.journey import Journey, Leg, Loop, LoopReason
from referral.domain.lifecycle import ReferralState
from referral.domain.referral import Referral

MORNING = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
NOW = MORNING + timedelta(days=1)
LATE = Journey("hill", (Leg("up", ReferralState.COMPLETED, MORNING, "discharged"),))


def referral(name: str, state: ReferralState) -> Referral:
    """One of the journey HI000000011."""
    return Referral(
        id=name,
        network="hill",
        number=f"number of {name}",
        journey="HI000000011",
        based_on=None,
        state=state,
        direction=Direction.UP,
        directed=True,
        priority=Priority.ROUTINE,
        sender="station",
        patient="somebody",
        authored_on=MORNING,
        updated_at=NOW,
    )


def event(name: str, move: str, before: str, after: str, code: str | None = None) -> dict[str, Any]:
    """As a transaction leaves it."""
    states = {"from_state": before, "to_state": after}
    return {"type": "ServiceRequest", "id": name, "move": move, "at": NOW, "reason_code": code} | states


def test_a_new_journey_is_open_without_a_row() -> None:
    assert settled({}, [referral("up", ReferralState.OFFERED)], [], NOW) == []


def test_what_is_closed_is_told_once() -> None:
    closed = [referral("up", ReferralState.CLOSED)]
    (row,) = settled({"HI000000011": LATE}, closed, [], NOW)
    assert row == {
        "number": "HI000000011",
        "network": "hill",
        "loop": Loop.CLOSED,
        "reason": LoopReason.DISCHARGED,
        "since": NOW,
    }
    legs = (Leg("up", ReferralState.CLOSED, MORNING, "discharged"),)
    known = Journey("hill", legs, Loop.CLOSED, LoopReason.DISCHARGED, NOW)
    assert settled({"HI000000011": known}, closed, [], NOW) == []


def test_a_journey_is_lost_when_nobody_closed_in_time_though_nothing_else_changes() -> None:
    (row,) = settled({"HI000000011": LATE, "HI000000029": Journey("hill")}, [], [], NOW, {"up"})
    assert (row["number"], row["network"]) == ("HI000000011", "hill")
    assert (row["loop"], row["reason"]) == (Loop.LOST, LoopReason.NOT_CLOSED)


def test_how_it_ended_is_read_from_the_events_of_the_transaction() -> None:
    told = [
        event("up", "cancel", "offered", "cancelled", "patient-declined"),
        event("up", "amend", "cancelled", "cancelled", "other"),
        event("other", "complete", "in-care", "completed", "discharged") | {"type": "Task"},
    ]
    (row,) = settled({}, [referral("up", ReferralState.CANCELLED)], told, NOW)
    assert (row["loop"], row["reason"]) == (Loop.CLOSED_WITHOUT_RETURN, LoopReason.DECLINED)


def test_what_lapsed_and_was_replaced_ends_its_journey() -> None:
    lapsed = Journey("hill", (Leg("up", ReferralState.LAPSED),))
    (row,) = settled({"HI000000011": lapsed}, [], [event("up", "replace", "lapsed", "lapsed")], NOW)
    assert (row["loop"], row["reason"]) == (Loop.CLOSED_WITHOUT_RETURN, LoopReason.REPLACED)
