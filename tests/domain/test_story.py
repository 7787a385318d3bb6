"""The steps of a referral, from its events."""

from datetime import UTC, datetime, timedelta

from referral.domain.story import Step, ToldEvent, steps

MORNING = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def events(told: str) -> list[ToldEvent]:
    """Lines of `minute resource move to`: `r` is the referral, anything else an offer; `?`: it was asked."""
    found = []
    for line in told.split("\n"):
        minute, what, move, *to = line.split()
        kind = "ServiceRequest" if what == "r" else "Task"
        at = MORNING + timedelta(minutes=int(minute))
        asked, state = line.endswith("?"), to[0].rstrip("?") if to else None
        found.append(ToldEvent(at, kind, what, move, None, state, "sender", "x", None, asked))
    return found


def course(told: str) -> list[tuple[str, str | None, str | None]]:
    """Move, offer and who owes the next step, of each step."""

    def short(step: Step) -> tuple[str, str | None, str | None]:
        return step.event.move, step.offer, step.owes

    return [short(step) for step in steps(events(told))]


def test_what_a_move_makes_of_the_referral_is_no_step_of_its_own() -> None:
    told = """0 r submit unplaced
0 a offer requested
0 r offer offered
5 a acknowledge received
5 a accept accepted
9 a arrive arrived
9 r arrive in-care
20 a complete completed
20 r complete completed
30 a close closed
30 r close closed"""
    assert course(told) == [
        ("submit", None, None),
        ("offer", "a", "receiver"),
        ("acknowledge", "a", None),
        ("accept", "a", "receiver"),
        ("arrive", "a", "receiver"),
        ("complete", "a", "sender"),
        ("close", "a", None),
    ]


def test_who_was_asked_owes_the_answer_and_the_next_offer_owes_anew() -> None:
    told = """0 r submit unplaced
1 a offer requested
1 r offer offered
2 a accept accepted
3 a ask accepted?
3 a ask accepted?
4 a depart in-transit?
4 a answer in-transit?
5 a answer in-transit
6 a withdraw withdrawn
6 r withdraw unplaced
7 b offer requested
7 r offer offered
8 b update"""
    assert [owes for _, _, owes in course(told)] == [
        "sender",
        "receiver",
        "receiver",
        None,
        "sender",
        None,
        "sender",
        "receiver",
        "sender",
        "receiver",
        "receiver",
    ]


def test_what_lapsed_is_its_senders_until_it_is_replaced() -> None:
    assert course("0 r submit unplaced\n1 r lapse lapsed\n2 r replace lapsed") == [
        ("submit", None, "sender"),
        ("lapse", None, "sender"),
        ("replace", None, None),
    ]
