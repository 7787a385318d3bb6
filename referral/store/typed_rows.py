"""Typed rows as `load_for_write` tells them: the columns of their tables, as JSON."""

from datetime import datetime
from typing import Any

from referral.domain.codes import Priority
from referral.domain.deadlines import Deadline, Slot, Stage
from referral.domain.journey import Journey, Leg, Loop, LoopReason
from referral.domain.lifecycle import OfferState, Party, ReferralState
from referral.domain.policy_rules import ClockKind
from referral.domain.referral import Demand, DemandKind, Offer

_MOMENTS = ("since", "due_at", "escalate_at", "next_at", "done_at")


def read_deadline(data: dict[str, Any]) -> Deadline:
    """One row of `deadline`."""
    moments = {name: datetime.fromisoformat(data[name]) if data[name] else None for name in _MOMENTS}
    return Deadline(
        **data
        | moments
        | {
            "slot": Slot(data["slot"]),
            "kind": ClockKind(data["kind"]) if data["kind"] else None,
            "owes": Party(data["owes"]) if data["owes"] else None,
            "priority": Priority(data["priority"]),
            "stage": Stage(data["stage"]),
            "held_kind": ClockKind(data["held_kind"]) if data["held_kind"] else None,
            "held_stage": Stage(data["held_stage"]),
        }
    )


def read_offer(data: dict[str, Any]) -> Offer:
    """One row of `offer`."""
    departed = data["departed_at"]
    return Offer(
        **data
        | {
            "state": OfferState(data["state"]),
            "priority": Priority(data["priority"]),
            "authored_on": datetime.fromisoformat(data["authored_on"]),
            "updated_at": datetime.fromisoformat(data["updated_at"]),
            "departed_at": datetime.fromisoformat(departed) if departed else None,
        }
    )


def read_demand(data: dict[str, Any]) -> Demand:
    """One row of `demand`."""
    settled = data["settled_at"]
    return Demand(
        **data
        | {
            "kind": DemandKind(data["kind"]),
            "asked_at": datetime.fromisoformat(data["asked_at"]),
            "settled_at": datetime.fromisoformat(settled) if settled else None,
        }
    )


def read_journey(data: dict[str, Any]) -> Journey:
    """How a journey stands, with its referrals."""
    legs = [
        Leg(name, ReferralState(state), datetime.fromisoformat(at) if at else None, code)
        for name, state, at, code in data["legs"]
    ]
    if data["loop"] is None:
        return Journey(data["network"], tuple(legs))
    reason = LoopReason(data["reason"]) if data["reason"] else None
    since = datetime.fromisoformat(data["since"])
    return Journey(data["network"], tuple(legs), Loop(data["loop"]), reason, since)
