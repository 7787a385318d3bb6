"""Every clock that the rules let run is one that the database lets fire: both say when it is right."""

import json
from datetime import UTC, datetime, timedelta

from referral.domain.deadlines import running_clock
from referral.domain.lifecycle import BEFORE_ARRIVAL, OPEN_OFFER, OfferState, ReferralState
from referral.domain.next_step import OfferStanding
from referral.domain.policy_rules import ClockKind
from tests.delivery.conftest import ClockedHub
from tests.factories import offered

_STANDINGS: list[tuple[ReferralState, OfferState | None]] = [
    *((ReferralState.OFFERED, state) for state in sorted(BEFORE_ARRIVAL)),
    (ReferralState.IN_CARE, OfferState.ARRIVED),
    (ReferralState.COMPLETED, OfferState.COMPLETED),
    (ReferralState.UNPLACED, None),
    (ReferralState.LAPSED, None),
]
"""How a referral that somebody owes something stands, with the offer that counts."""


async def test_no_clock_that_runs_is_over_when_it_fires(clocked: ClockedHub) -> None:
    case = await offered(clocked.service)
    name, now, kinds = case.request["id"], datetime.now(UTC), set()
    for state, of_offer in _STANDINGS:
        # An offer that has ended owes no answer.
        for asked in (False, True) if of_offer in OPEN_OFFER else (False,):
            standing = None if of_offer is None else OfferStanding(of_offer, asked=asked)
            clock = running_clock(state, standing)
            if clock is None or clock[1] is None:
                continue
            kinds.add(clock[1])
            undone = clocked.owner.transaction()
            await undone.start()
            await clocked.owner.execute("UPDATE referral SET state = $2 WHERE id = $1", name, state)
            await clocked.owner.execute(
                "UPDATE offer SET state = $2, departed_at = $3 WHERE id = $1",
                case.offer_id,
                of_offer or OfferState.WITHDRAWN,
                now if of_offer is OfferState.IN_TRANSIT else None,
            )
            await clocked.owner.execute(
                "UPDATE deadline SET kind = $2, owes = $3, offer = $4, due_at = $5, next_at = $5,"
                " escalate_at = $6 WHERE referral = $1 AND slot = 'step'",
                name,
                clock[1],
                clock[0],
                case.offer_id if of_offer else None,
                now - timedelta(minutes=1),
                now + timedelta(days=1),
            )
            fired = await clocked.owner.fetch(
                "SELECT kind, stage FROM fire_deadlines($1, $2::text::jsonb)",
                now,
                json.dumps([(name, "step", 0, None)]),
            )
            await undone.rollback()
            assert [tuple(row) for row in fired] == [(clock[1], 1)], (state, of_offer, asked)
    assert kinds == set(ClockKind)
