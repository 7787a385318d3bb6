"""The loop of a journey: whether the patient who was sent came back, or what became of that.

A journey is all referrals that continue each other. Pure: how they stand goes in, the loop comes out.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from referral.domain.codes import Disposition, WithdrawReason
from referral.domain.lifecycle import ReferralState


class Loop(StrEnum):
    """How the loop of a journey stands."""

    OPEN = "open"
    CLOSED = "closed"
    CLOSED_WITHOUT_RETURN = "closed-without-return"
    LOST = "lost"


class LoopReason(StrEnum):
    """Why a loop stands as it does, where it is not open."""

    RETURNED = "returned"
    DISCHARGED = "discharged"
    MOVED_ON = "moved-on"
    DIED = "died"
    DECLINED = "declined"
    GAVE_UP = "gave-up"
    MISTAKEN = "mistaken"
    REPLACED = "replaced"
    NOT_CLOSED = "not-closed"


@dataclass(frozen=True, slots=True)
class Leg:
    """One referral of a journey.

    ended_at: when its care ended, or it was cancelled or replaced; None while none of them. ended_as: the
    disposition, the reason for cancelling, or `REPLACED`; None where nobody said.
    """

    id: str
    state: ReferralState
    ended_at: datetime | None = None
    ended_as: str | None = None


@dataclass(frozen=True, slots=True)
class Journey:
    """All referrals that continue each other, of one network. loop, reason, since: as it was judged last."""

    network: str = ""
    legs: tuple[Leg, ...] = ()
    loop: Loop = Loop.OPEN
    reason: LoopReason | None = None
    since: datetime | None = None


REPLACED: Final = "replaced"
"""In place of a disposition: its sender has made a new referral of one that lapsed."""

_NEVER_SENT: Final = frozenset({ReferralState.DRAFT, ReferralState.ENTERED_IN_ERROR})
_RETURNED: Final[Mapping[str, LoopReason]] = {
    Disposition.RETURNED_TO_REFERRER: LoopReason.RETURNED,
    Disposition.DISCHARGED: LoopReason.DISCHARGED,
}
_WITHOUT_RETURN: Final[Mapping[str, LoopReason]] = {
    Disposition.DIED: LoopReason.DIED,
    WithdrawReason.PATIENT_DIED: LoopReason.DIED,
    Disposition.LEFT_ON_REQUEST: LoopReason.DECLINED,
    WithdrawReason.PATIENT_DECLINED: LoopReason.DECLINED,
    WithdrawReason.PATIENT_CHOSE_ELSEWHERE: LoopReason.DECLINED,
    Disposition.MOVED_ON: LoopReason.MOVED_ON,
    WithdrawReason.TRANSFERRED_OUTSIDE_NETWORK: LoopReason.MOVED_ON,
    WithdrawReason.ENTERED_BY_MISTAKE: LoopReason.MISTAKEN,
    REPLACED: LoopReason.REPLACED,
}


def loop_of(
    legs: Sequence[Leg], *, before: Loop = Loop.OPEN, overdue: Collection[str] = ()
) -> tuple[Loop, LoopReason | None]:
    """The loop of a journey, and why.

    It is open while anybody owes a step. Then it is as the patient's way ended last: a death counts whatever
    was written after it. before: the loop until now. overdue: ids of referrals that nobody closed in time;
    what was lost stays so until all that is completed is closed.
    """
    sent = [leg for leg in legs if leg.state not in _NEVER_SENT]
    if not sent:
        return Loop.CLOSED_WITHOUT_RETURN, LoopReason.MISTAKEN
    if not all(map(_is_ended, sent)):
        waiting = [leg for leg in sent if leg.state is ReferralState.COMPLETED]
        if waiting and (before is Loop.LOST or any(leg.id in overdue for leg in waiting)):
            return Loop.LOST, LoopReason.NOT_CLOSED
        return Loop.OPEN, None
    if any(_WITHOUT_RETURN.get(leg.ended_as or "") is LoopReason.DIED for leg in sent):
        return Loop.CLOSED_WITHOUT_RETURN, LoopReason.DIED
    return _ending(max(sent, key=lambda leg: leg.ended_at.timestamp() if leg.ended_at else 0))


def _is_ended(leg: Leg) -> bool:
    """Whether nobody owes a step any more. One that lapsed is its sender's to replace or dismiss."""
    if leg.state is ReferralState.LAPSED:
        return leg.ended_as == REPLACED
    return leg.state in {ReferralState.CLOSED, ReferralState.CANCELLED}


def _ending(last: Leg) -> tuple[Loop, LoopReason]:
    code = last.ended_as or ""
    if code in _WITHOUT_RETURN:
        return Loop.CLOSED_WITHOUT_RETURN, _WITHOUT_RETURN[code]
    if code in _RETURNED:
        return Loop.CLOSED, _RETURNED[code]
    # Who comes back needs no disposition: the care of the station has just a note.
    if last.state is ReferralState.CLOSED and code != Disposition.ABSCONDED:
        return Loop.CLOSED, LoopReason.RETURNED
    return Loop.CLOSED_WITHOUT_RETURN, LoopReason.GAVE_UP
