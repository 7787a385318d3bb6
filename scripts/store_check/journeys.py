"""The loop of each journey stands as its referrals and their events say."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime

from referral.domain.journey import REPLACED, Leg, Loop, loop_of
from referral.domain.lifecycle import ReferralMove, ReferralState
from scripts.store_check.facts import Facts
from scripts.store_check.violation import Violation

_ENDS = {ReferralState.COMPLETED, ReferralState.CANCELLED}


def check_journeys(facts: Facts) -> Iterator[Violation]:
    """Each loop judged anew; what was lost may be so as long as somebody owes to close it."""
    endings = _endings(facts)
    legs: dict[str, list[Leg]] = defaultdict(list)
    for name, row in facts.referrals.items():
        if row["journey"] is not None:
            at, code = endings.get(name, (None, None))
            legs[row["journey"]].append(Leg(name, ReferralState(row["state"]), at, code))
    for number in facts.journeys.keys() - legs.keys():
        yield Violation("journey-of-nothing", number, "no referral is of it")
    for number, found in legs.items():
        stored = facts.journeys.get(number)
        told = (stored["loop"], stored["reason"]) if stored is not None else (Loop.OPEN, None)
        expected = loop_of(found, before=Loop(told[0]))
        if told != expected:
            yield Violation("loop", number, f"is {told}, and should be {tuple(map(str, expected))}")


def _endings(facts: Facts) -> dict[str, tuple[datetime, str | None]]:
    found: dict[str, tuple[datetime, str | None]] = {}
    for event in facts.events:
        if event["type"] != "ServiceRequest":
            continue
        if event["move"] == ReferralMove.REPLACE:
            found[event["id"]] = (event["at"], REPLACED)
        elif event["to_state"] in _ENDS and event["from_state"] != event["to_state"]:
            found[event["id"]] = (event["at"], event["reason_code"])
    return found
