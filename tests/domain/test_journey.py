"""The loop of a journey, by how its referrals stand."""

from datetime import UTC, datetime, timedelta

import pytest

from referral.domain.journey import Leg, Loop, loop_of
from referral.domain.lifecycle import ReferralState

MORNING = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def legs(told: str) -> list[Leg]:
    """`closed:discharged@2 unplaced`: states, each with what became of it and the hour of that."""
    found = []
    for position, word in enumerate(told.split()):
        state, _, ending = word.partition(":")
        code, _, hour = ending.partition("@")
        at = MORNING + timedelta(hours=int(hour)) if hour else None
        found.append(Leg(f"r{position}", ReferralState(state), at, code or None))
    return found


@pytest.mark.parametrize(
    ("told", "loop", "reason"),
    [
        ("unplaced", "open", None),
        ("offered", "open", None),
        ("in-care", "open", None),
        ("completed:discharged@1", "open", None),
        ("lapsed", "open", None),
        # Up and closed; then down, whose care has just a note.
        ("closed:returned-to-referrer@1 offered", "open", None),
        ("completed:returned-to-referrer@1 closed:@5", "open", None),
        ("closed:returned-to-referrer@1 closed:@5", "closed", "returned"),
        ("closed:discharged@1", "closed", "discharged"),
        ("closed:discharged@1 draft", "closed", "discharged"),
        ("closed:returned-to-referrer@1 entered-in-error", "closed", "returned"),
        # On the way down the patient gave up, or died.
        (
            "closed:returned-to-referrer@1 cancelled:patient-declined@3",
            "closed-without-return",
            "declined",
        ),
        ("closed:returned-to-referrer@1 cancelled:no-transport@3", "closed-without-return", "gave-up"),
        ("closed:returned-to-referrer@1 closed:died@3", "closed-without-return", "died"),
        # What was cancelled before does not count against the care that came after.
        ("closed:discharged@5 cancelled:improved@3", "closed", "discharged"),
        ("closed:moved-on@1 closed:discharged@4", "closed", "discharged"),
        ("closed:moved-on@1", "closed-without-return", "moved-on"),
        ("cancelled:transferred-outside-network@1", "closed-without-return", "moved-on"),
        ("closed:died@1", "closed-without-return", "died"),
        ("cancelled:patient-died@1", "closed-without-return", "died"),
        ("closed:died@1 cancelled:other@4", "closed-without-return", "died"),
        ("closed:left-on-request@1", "closed-without-return", "declined"),
        ("closed:absconded@1", "closed-without-return", "gave-up"),
        ("cancelled:patient-chose-elsewhere@1", "closed-without-return", "declined"),
        ("cancelled:improved@1", "closed-without-return", "gave-up"),
        ("cancelled:entered-by-mistake@1", "closed-without-return", "mistaken"),
        ("cancelled", "closed-without-return", "gave-up"),
        ("lapsed:replaced@1", "closed-without-return", "replaced"),
    ],
)
def test_the_loop_of_a_journey(told: str, loop: str, reason: str | None) -> None:
    assert loop_of(legs(told)) == (loop, reason)


@pytest.mark.parametrize("told", ["entered-in-error", "draft entered-in-error"])
def test_what_was_never_meant_is_mistaken(told: str) -> None:
    assert loop_of(legs(told)) == ("closed-without-return", "mistaken")


def test_what_nobody_closed_in_time_is_lost_until_it_is_closed() -> None:
    late = legs("completed:returned-to-referrer@1 in-care")
    assert loop_of(late, overdue={"r1"}) == ("open", None)
    assert loop_of(late, overdue={"r0"}) == ("lost", "not-closed")
    assert loop_of(late, before=Loop.LOST) == ("lost", "not-closed")
    closed = legs("closed:returned-to-referrer@1 in-care")
    assert loop_of(closed, before=Loop.LOST) == ("open", None)
    assert loop_of(legs("closed:discharged@1"), before=Loop.LOST, overdue={"r0"}) == ("closed", "discharged")
