"""Judge the loops of the journeys that one transaction moves."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from referral.domain.journey import REPLACED, Journey, Leg, loop_of
from referral.domain.lifecycle import ReferralMove, ReferralState
from referral.domain.referral import Referral

_ENDS = {ReferralState.COMPLETED, ReferralState.CANCELLED}


def settled(
    stored: Mapping[str, Journey],
    referrals: Collection[Referral],
    events: Sequence[Mapping[str, Any]],
    now: datetime,
    overdue: Collection[str] = (),
) -> list[dict[str, Any]]:
    """The rows of the journeys whose loop stands otherwise after the transaction.

    stored: the journeys of what was locked, by their number. referrals, events: what the transaction writes.
    overdue: ids of referrals that nobody closed in time.
    """
    moved: dict[str, list[Referral]] = {}
    for referral in referrals:
        if referral.journey is not None:
            moved.setdefault(referral.journey, []).append(referral)
    endings = _endings(events)
    for number, journey in stored.items():
        if any(leg.id in overdue or leg.id in endings for leg in journey.legs):
            moved.setdefault(number, [])
    rows = []
    for number, changed in sorted(moved.items()):
        journey = stored.get(number, Journey())
        legs = {leg.id: leg for leg in journey.legs}
        for referral in changed:
            legs[referral.id] = replace(
                legs.get(referral.id, Leg(referral.id, referral.state)), state=referral.state
            )
        for name, (at, code) in endings.items():
            if name in legs:
                legs[name] = replace(legs[name], ended_at=at, ended_as=code)
        loop, reason = loop_of(tuple(legs.values()), before=journey.loop, overdue=overdue)
        if (loop, reason) != (journey.loop, journey.reason):
            network = changed[0].network if changed else journey.network
            rows.append({"number": number, "network": network, "loop": loop, "reason": reason, "since": now})
    return rows


def _endings(events: Sequence[Mapping[str, Any]]) -> dict[str, tuple[datetime, str | None]]:
    """When and how care ended, or what was cancelled or replaced, by the id of the referral."""
    found: dict[str, tuple[datetime, str | None]] = {}
    for event in events:
        if event["type"] != "ServiceRequest":
            continue
        if event["move"] == ReferralMove.REPLACE:
            found[event["id"]] = (event["at"], REPLACED)
        elif event["to_state"] in _ENDS and event["from_state"] != event["to_state"]:
            found[event["id"]] = (event["at"], event["reason_code"])
    return found
