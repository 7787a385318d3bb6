#!/usr/bin/env python3
"""Write the made parts of docs/integrating.md; with --check only say whether they are stale."""

import importlib.util
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from made_parts import main, table

ROOT = Path(__file__).resolve().parent.parent
if importlib.util.find_spec("referral") is None:
    sys.path.insert(0, str(ROOT))

from referral.domain.lifecycle import (  # noqa: E402  (the path must be set first)
    OFFER_RULES,
    Need,
    OfferMove,
    OfferState,
    Party,
    ReferralState,
    legal_offer_moves,
)
from referral.fhir.profiles import artefact  # noqa: E402
from referral.fhir.states import OFFER_STATUS, REFERRAL_STATUS  # noqa: E402

PLACES: Mapping[Need, str] = {
    Need.TARGET: "`output` target (`valueReference`)",
    Need.REASON: "`statusReason.text`",
    Need.TEXT: "`statusReason.text`",
    Need.APPOINTMENT: "`output` appointment (`valueReference`), or `executionPeriod` and `output` place",
    Need.PRELIMINARY: "a new `output` preliminary (`valueReference`)",
    Need.OUTCOME: "`output` outcome (`valueCodeableConcept`)",
    Need.DISPOSITION: "`output` disposition (`valueCodeableConcept`)",
    Need.SUMMARY: "`output` summary (`valueReference`), or a `note`: see below",
    Need.COMMUNICATION: "a `Communication` of its own, see below",
    Need.ABORT_TASK: "the sender's Task with the code `abort`, see below",
}
REFERRAL_MEANING: Mapping[ReferralState, tuple[str, str]] = {
    ReferralState.DRAFT: ("kept for its sender alone", "sender"),
    ReferralState.UNPLACED: ("submitted; no facility is asked now", "sender: offer it"),
    ReferralState.OFFERED: ("a facility is asked or expects the patient", "as the offer says"),
    ReferralState.IN_CARE: ("the patient is there", "receiver: complete it"),
    ReferralState.COMPLETED: ("care has ended; the summary is there", "sender: close it"),
    ReferralState.CLOSED: ("the sender has taken note", "nobody"),
    ReferralState.CANCELLED: ("taken back, or care was stopped; `request-statusReason` says why", "nobody"),
    ReferralState.LAPSED: ("the slip ran out of its validity", "sender: replace or dismiss it"),
    ReferralState.ENTERED_IN_ERROR: ("never meant", "nobody"),
}
CODES = (
    "outcome disposition reject-reason withdraw-reason miss-reason end-reason referral-ground direction"
).split()


def referral_states() -> str:
    rows = ((state, f"`{REFERRAL_STATUS[state]}`", *REFERRAL_MEANING[state]) for state in REFERRAL_STATUS)
    return table(("the referral is", "ServiceRequest.status", "which means", "who owes the next step"), rows)


def offer_states() -> str:
    meaning = {one["code"]: one["definition"] for one in artefact("CodeSystem", "offer-status")["concept"]}
    rows = (
        (
            f"`{words.status}`",
            f"`{words.business}`" if words.business else "(none)",
            meaning[words.business] if words.business else "Never meant.",
            may(state, Party.SENDER),
            may(state, Party.RECEIVER),
        )
        for state, words in OFFER_STATUS.items()
    )
    head = ("Task.status", "Task.businessStatus", "which means", "the sender may", "the receiver may")
    return table(head, rows)


def may(state: OfferState, party: Party) -> str:
    return ", ".join(rule.move for rule in legal_offer_moves(state, frozenset({party}))) or "(nothing)"


def moves() -> str:
    rows: dict[OfferMove, tuple[set[str], OfferState | None, tuple[Need, ...]]] = {}
    for rule in OFFER_RULES:
        parties, target, needs = rows.setdefault(rule.move, (set(), rule.target, rule.needs))
        parties |= rule.by - {Party.SYSTEM}
        rows[rule.move] = (parties, target or rule.target, needs)
    return table(
        ("move", "by", "set", "bring"),
        (
            (
                move,
                ", ".join(sorted(parties)),
                # An answer is said, and moves the Task by itself.
                words(None if move is OfferMove.ANSWER else target),
                "; ".join(PLACES[need] for need in needs),
            )
            for move, (parties, target, needs) in rows.items()
            if parties
        ),
    )


def words(state: OfferState | None) -> str:
    """What to set in the Task; the businessStatus where the status alone would mean another state."""
    if state is None:
        return "(nothing)"
    status, business = OFFER_STATUS[state]
    first = next(found for found, (its, _) in OFFER_STATUS.items() if its == status)
    return f"`status` {status}" if first is state else f"`status` {status}, `businessStatus` {business}"


def codes() -> str:
    rows = (
        (f"`{name}`" if index == 0 else "", f"`{one['code']}`", one["definition"])
        for name in CODES
        for index, one in enumerate(artefact("CodeSystem", name)["concept"])
    )
    return table(("code system", "code", "means"), rows)


PARTS: Mapping[str, Callable[[], str]] = {
    "referral-states": referral_states,
    "offer-states": offer_states,
    "moves": moves,
    "codes": codes,
}

if __name__ == "__main__":
    sys.exit(main(__file__, ROOT / "docs" / "integrating.md", PARTS))
