"""Why something ends or is missed: a text that a person wrote, and where known a code of ours beside it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from referral.domain.codes import MissReason, RejectReason, WithdrawReason
from referral.domain.errors import MissingElement, UnknownCode
from referral.domain.lifecycle import OfferMove, ReferralMove
from referral.fhir import systems
from referral.fhir.elements import code_of, extension

REASONS: Final[Mapping[OfferMove, tuple[str, type[StrEnum]]]] = {
    OfferMove.REJECT: (systems.REJECT_REASON, RejectReason),
    OfferMove.REFER_ONWARD: (systems.REJECT_REASON, RejectReason),
    OfferMove.WITHDRAW: (systems.WITHDRAW_REASON, WithdrawReason),
    OfferMove.MISS: (systems.MISS_REASON, MissReason),
}
"""The code system of a move's reasons, and its codes; other moves have a text alone."""


_OF_REFERRALS: Final = {ReferralMove.CANCEL, ReferralMove.DISMISS}


def reasons_of(move: str) -> list[tuple[str, str]]:
    """System and code of each reason that a move of an offer or a referral takes beside its text."""
    if move in _OF_REFERRALS:
        return [(systems.WITHDRAW_REASON, code.value) for code in WithdrawReason]
    system, codes = REASONS.get(OfferMove(move), ("", ())) if move in set(OfferMove) else ("", ())
    return [(system, code.value) for code in codes]


def reason_of(content: Mapping[str, Any], move: OfferMove) -> tuple[str | None, str | None]:
    """Code (`other` where there is none) and text of `statusReason`. Raises as `check_reason` does."""
    given = content.get("statusReason", {})
    code = check_reason(given, *REASONS[move], "Task.statusReason.coding") if move in REASONS else None
    return code or ("other" if given else None), given.get("text")


def check_reason(given: Mapping[str, Any], system: str, known: type[StrEnum], expression: str) -> str | None:
    """The code of a reason; None where there is none of this system.

    Raises UnknownCode for a code that the system does not have, MissingElement for a death without its day.
    """
    code = code_of(given, system)
    if code is not None and code not in frozenset(known):
        raise UnknownCode(f"The reasons here are: {', '.join(sorted(known))}.", expression)
    if code == WithdrawReason.PATIENT_DIED and "valueDateTime" not in (
        extension(given, systems.DIED_AT_EXTENSION) or {}
    ):
        raise MissingElement(
            "Say when the patient died, in the extension died-at of the reason (a year is enough).",
            expression.removesuffix(".coding"),
        )
    return code
