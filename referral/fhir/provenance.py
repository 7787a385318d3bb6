"""A move as a Provenance: who did what, when and why. https://hl7.org/fhir/R4/provenance.html

The hub writes none: it renders them from the log of events, which is never changed.
"""

from datetime import UTC, datetime
from typing import Any, Final

from referral.domain.lifecycle import OfferMove, Party
from referral.fhir import systems
from referral.fhir.elements import concept, reference
from referral.fhir.opaque_id import MOVE, number_behind, opaque_id
from referral.fhir.reasons import REASONS

PREFIX: Final = "move-"
"""Of the ids of moves, and of no other."""

_REASON_SYSTEMS: Final = {move.value: system for move, (system, _) in REASONS.items()} | {
    OfferMove.COMPLETE.value: systems.DISPOSITION,
    "cancel": systems.WITHDRAW_REASON,
    "warn": systems.CLOCK,
    "escalate": systems.CLOCK,
}


def move_id(key: bytes, number: int) -> str:
    """The id of the Provenance of a move, by its number in the log. key: as of `opaque_id`."""
    return PREFIX + opaque_id(key, MOVE, number)


def move_number(key: bytes, provenance_id: str) -> int | None:
    """The number in the log of the move that a Provenance of the hub tells; None for any other id."""
    if not provenance_id.startswith(PREFIX):
        return None
    return number_behind(key, MOVE, provenance_id.removeprefix(PREFIX))


def move_provenance(
    own_id: str,
    at: datetime,
    *,
    moved: tuple[str, str, int],
    referral: str,
    move: str,
    party: str,
    facility: str,
    reason: tuple[str | None, str | None],
) -> dict[str, Any]:
    """The Provenance of one move.

    own_id: its id. moved: type, id and version that it made. reason: code and text.
    """
    kind, name, version = moved
    moment = at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    targets = [{"reference": f"{kind}/{name}/_history/{version}"}]
    if kind != "ServiceRequest":
        targets.append(reference("ServiceRequest", referral))
    code, text = reason
    told: dict[str, Any] = {}
    if code is not None and move in _REASON_SYSTEMS:
        told = concept(_REASON_SYSTEMS[move], code)
    # What was asked is between the two parties of the offer, and stands in their thread.
    if text and move != OfferMove.ASK:
        told["text"] = text
    # The clock is nobody's facility.
    who: dict[str, Any] = {"display": "The clock"} if party == Party.SYSTEM else {}
    return {
        "resourceType": "Provenance",
        "id": own_id,
        "meta": {"versionId": "1", "lastUpdated": moment},
        "target": targets,
        "occurredDateTime": moment,
        "recorded": moment,
        **({"reason": [told]} if told else {}),
        "activity": concept(systems.MOVE, move),
        "agent": [
            {
                "type": concept(systems.PARTICIPATION_TYPE, "AUT"),
                "role": [concept(systems.PARTY, party)],
                "who": who or reference("Organization", facility),
            }
        ],
    }
