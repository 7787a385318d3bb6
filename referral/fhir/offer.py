"""An offer as a Task (http://hl7.org/fhir/R4/task.html): code `fulfill`, intent order, focus a referral."""

from collections.abc import Mapping, Sequence
from typing import Any

from referral.domain.codes import Disposition, Outcome
from referral.domain.errors import BrokenRule, MissingElement, UnknownCode
from referral.domain.lifecycle import Need, OfferMove
from referral.domain.referral import Offer, Referral
from referral.fhir import systems
from referral.fhir.elements import code_of, codings, concept, reference, with_system
from referral.fhir.reasons import REASONS
from referral.fhir.states import OFFER_STATUS

# Elements of an offer that no update changes.
_HUB_OWNED = frozenset(
    {
        "requester",
        "owner",
        "focus",
        "for",
        "basedOn",
        "groupIdentifier",
        "authoredOn",
        "lastModified",
        "code",
        "intent",
        "priority",
    }
)
# Elements to which every party adds and from which none takes away.
_GROWING = frozenset({"note", "identifier"})
# Elements that change with a move alone, and with which.
REASONED = frozenset(
    {
        OfferMove.ASK,
        OfferMove.REJECT,
        OfferMove.REFER_ONWARD,
        OfferMove.WITHDRAW,
        OfferMove.MISS,
        OfferMove.STOP,
        OfferMove.MARK_ERROR,
    }
)
_WITH_MOVE = {
    "statusReason": REASONED,
    "output": frozenset({OfferMove.COMPLETE, OfferMove.REPORT, OfferMove.REFER_ONWARD, OfferMove.SCHEDULE}),
    "executionPeriod": frozenset({OfferMove.SCHEDULE}),
}
# What the hub writes anew with every version.
_STAMPED = frozenset({"resourceType", "id", "meta", "status", "businessStatus"})

_OUTPUTS = ("outcome", "disposition", "summary", "preliminary", "target", "appointment", "place")
GIVEN_BACK = {"outcome", "disposition", "summary", "preliminary"}
"""What outputs tell of the patient."""
_INPUTS = ("means", "escort", "eta")


def is_offer(content: Mapping[str, Any]) -> bool:
    """Whether a Task puts a request to a performer; the caller looks whether its focus is a referral."""
    return (
        content.get("intent") == "order"
        and code_of(content.get("code"), systems.TASK_CODE) == "fulfill"
        and content.get("focus") is not None
    )


def business_status(content: Mapping[str, Any]) -> str | None:
    """Our code of `businessStatus`; None where it has none."""
    return code_of(content.get("businessStatus"), systems.OFFER_STATUS)


def has_other_business_status(content: Mapping[str, Any]) -> bool:
    """Whether `businessStatus` has codes of other systems alone, such as those of a published guide."""
    given = content.get("businessStatus")
    return next(codings(given), None) is not None and business_status(content) is None


def named_parts(content: Mapping[str, Any], element: str) -> dict[str, Mapping[str, Any]]:
    """`input` or `output` by the code of its type, the last one of each."""
    system = systems.TASK_INPUT if element == "input" else systems.TASK_OUTPUT
    found: dict[str, Mapping[str, Any]] = {}
    for part in content.get(element, ()):
        code = code_of(part.get("type"), system)
        if code is not None:
            found[code] = part
    return found


def write_systems(content: dict[str, Any], moves: tuple[OfferMove, ...]) -> None:
    """Write the system of our codings where the client sent the code alone."""
    for element, known, system in (
        ("input", _INPUTS, systems.TASK_INPUT),
        ("output", _OUTPUTS, systems.TASK_OUTPUT),
    ):
        if element in content:
            content[element] = [_part_with_system(part, known, system) for part in content[element]]
    reason = next((REASONS[move][0] for move in moves if move in REASONS), None)
    if reason is not None and "statusReason" in content:
        content["statusReason"] = with_system(content["statusReason"], reason)


def _part_with_system(part: Mapping[str, Any], known: tuple[str, ...], system: str) -> dict[str, Any]:
    made = dict(part)
    code = code_of(part.get("type"), system)
    if code in known:
        made["type"] = with_system(part["type"], system)
    value_system = {"outcome": systems.OUTCOME, "disposition": systems.DISPOSITION}.get(code or "")
    if value_system and "valueCodeableConcept" in part:
        made["valueCodeableConcept"] = with_system(part["valueCodeableConcept"], value_system)
    return made


def merge_update(
    before: Mapping[str, Any],
    sent: Mapping[str, Any],
    moves: tuple[OfferMove, ...],
    *,
    is_open: bool,
    by_sender: bool,
) -> tuple[dict[str, Any], list[str]]:
    """The Task after an update, and the elements that stay although something else was sent.

    What a move brings is added to the outputs; notes and identifiers only grow; what else the Task says is
    its sender's while the offer is open. An offer that has ended changes by a move alone.
    """
    content, aside = dict(before), []
    for name in sorted((set(before) | set(sent)) - _STAMPED):
        old, new = before.get(name), sent.get(name)
        if new == old:
            continue
        movable = any(move in _WITH_MOVE.get(name, ()) for move in moves)
        if name in _HUB_OWNED or (name in _WITH_MOVE and not movable):
            kept = True
        elif name in _GROWING or name == "output":
            grown = [*(old or []), *(part for part in new or [] if part not in (old or []))]
            kept = not (is_open or moves) or grown == old
            if not kept:
                content[name] = grown
        else:
            kept = not (movable or (by_sender and is_open))
            if not kept and new is None:
                del content[name]
            elif not kept:
                content[name] = new
        if kept and new is not None and name != "lastModified":
            aside.append(name)
    return content, aside


def new_parts(before: Mapping[str, Any], sent: Mapping[str, Any], element: str) -> set[str]:
    """The types of the `input` or `output` that say what none said before, with or without our systems."""
    system = systems.TASK_INPUT if element == "input" else systems.TASK_OUTPUT

    def says(part: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        values = {name: value for name, value in part.items() if name.startswith("value")}
        if "valueCodeableConcept" in values:
            values["valueCodeableConcept"] = [code for _, code in codings(values["valueCodeableConcept"])]
        return code_of(part.get("type"), system) or "", values

    stood = [says(part) for part in before.get(element, ())]
    return {said[0] for said in map(says, sent.get(element, ())) if said not in stood}


def outcome_of(content: Mapping[str, Any]) -> Outcome | None:
    """The outcome in `output`; None where absent. Raises UnknownCode."""
    code = _output_code(content, "outcome", systems.OUTCOME)
    try:
        return None if code is None else Outcome(code)
    except ValueError:
        raise UnknownCode(f"The outcomes are: {', '.join(Outcome)}.", "Task.output") from None


def disposition_of(content: Mapping[str, Any]) -> Disposition | None:
    """The disposition in `output`; None where absent. Raises UnknownCode."""
    code = _output_code(content, "disposition", systems.DISPOSITION)
    try:
        return None if code is None else Disposition(code)
    except ValueError:
        raise UnknownCode(f"The dispositions are: {', '.join(Disposition)}.", "Task.output") from None


def _output_code(content: Mapping[str, Any], name: str, system: str) -> str | None:
    part = named_parts(content, "output").get(name)
    if part is None:
        return None
    code = code_of(part.get("valueCodeableConcept"), system)
    if code is None:
        raise UnknownCode(f"The output {name} is a valueCodeableConcept of {system}.", "Task.output")
    return code


def completes(content: Mapping[str, Any]) -> bool:
    """Whether a Task asks to be completed, or stands so."""
    closes = code_of(content.get("businessStatus"), systems.OFFER_STATUS) == "closed"
    return content.get("status") == "completed" and not closes


def returns_patient(content: Mapping[str, Any]) -> bool:
    """Whether a Task asks to be completed with its patient going back to the sender."""
    part = named_parts(content, "output").get("disposition", {})
    back = code_of(part.get("valueCodeableConcept"), systems.DISPOSITION) == Disposition.RETURNED_TO_REFERRER
    return back and completes(content)


def output_reference(content: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """The reference in an output such as `summary`; None where absent. Raises BrokenRule otherwise."""
    part = named_parts(content, "output").get(name)
    if part is None:
        return None
    found = part.get("valueReference")
    if found is None:
        raise BrokenRule(f"The output {name} is a valueReference.", "Task.output")
    return dict(found)


def given_needs(content: Mapping[str, Any], before: Mapping[str, Any]) -> frozenset[Need]:
    """What an update brings along for its move, taken at its word also where it says again what stood there.

    Of notes, which nobody takes away, a new one counts.
    """
    named = named_parts(content, "output")
    has = {
        **{Need(name): name in named for name in _OUTPUTS},
        Need.PLACE: "valueString" in named.get("place", {}),
        Need.TIME: "start" in content.get("executionPeriod", {}),
        Need.REASON: bool(reason_text(content)),
        Need.TEXT: bool(reason_text(content)),
        Need.NOTE: len(content.get("note", ())) > len(before.get("note", ())),
    }
    return frozenset(need for need, is_there in has.items() if is_there)


def reason_text(content: Mapping[str, Any]) -> str:
    """The words of `statusReason`; empty where there are none."""
    return str(content.get("statusReason", {}).get("text", "")).strip()


def stamp_offer(content: dict[str, Any], offer: Offer, referral: Referral, modified: str) -> None:
    """Write the two words of its state and the time of change; everything else stands."""
    words = OFFER_STATUS[offer.state]
    content["status"] = words.status
    if words.business is None:
        content.pop("businessStatus", None)
    else:
        content["businessStatus"] = concept(systems.OFFER_STATUS, words.business)
    content["groupIdentifier"] = {"system": systems.REFERRAL_NUMBER_IDENTIFIER, "value": referral.number}
    content["priority"] = offer.priority.value
    content["lastModified"] = modified


def new_offer(
    offer: Offer, owner: Mapping[str, Any] | None = None, inputs: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """The Task that the hub makes when it opens an offer by itself. `owner`: as the sender named it."""
    made: dict[str, Any] = {
        "resourceType": "Task",
        "intent": "order",
        "code": concept(systems.TASK_CODE, "fulfill"),
        "priority": offer.priority.value,
        "focus": reference("ServiceRequest", offer.referral),
        "for": reference("Patient", offer.patient),
        "requester": reference("Organization", offer.requester),
        "owner": dict(owner) if owner else reference("Organization", offer.owner),
    }
    return made | {"input": [dict(part) for part in inputs]} if inputs else made


def require_needs(missing: tuple[Need, ...], move: OfferMove, expression: str) -> None:
    """Raises MissingElement, naming all that a move lacks and where it goes."""
    if not missing:
        return
    places = {
        Need.REASON: "statusReason.text",
        Need.TEXT: "statusReason.text",
        Need.NOTE: "note",
        Need.TIME: "executionPeriod",
    }
    texts = [
        "communication (POST one that is partOf this Task, inResponseTo the question)"
        if need is Need.COMMUNICATION
        else f"{need} (in {places.get(need, f'output of type {need}')})"
        for need in missing
    ]
    raise MissingElement(
        f"To {move} this offer it needs {', '.join(texts)}.",
        None if missing[0] is Need.COMMUNICATION else f"{expression}.{places.get(missing[0], 'output')}",
    )
