"""What a command has to know of what stands before it decides."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from referral.actions.draft import Draft
from referral.actions.write_directory import directory_references
from referral.domain.actor import Actor
from referral.domain.errors import (
    BrokenRule,
)
from referral.fhir import systems
from referral.fhir.attachment import BINARY, attached
from referral.fhir.offer import completes, named_parts, returns_patient
from referral.fhir.references import Key, every_reference, identifier_of, target_of
from referral.fhir.referral import is_referral
from referral.fhir.resources import CLINICAL, DIRECTORY, STORED
from referral.store.change_set import WriteRequest
from referral.store.replay import Once

# What they name of referrals and offers is locked: they act on it, or must see it as it then stands.
_ABOUT_REFERRALS = {"Communication", "ServiceRequest", "Task"}
# A command looks each of these up; a body that names more is no referral.
_MOST_REFERENCES = 10_000
# What an identifier without a type may stand for. A facility's Location has its code too.
NAMED_BY_IDENTIFIER = {"HealthcareService", "Organization", "Patient", "Practitioner"}


def what_to_load(drafts: Sequence[Draft], actor: Actor, base: str, once: Once | None) -> WriteRequest:
    """Everything that the drafts change or name. Raises BrokenRule when that is too much for one command."""
    update = {draft.key for draft in drafts if not draft.is_create}
    focus: set[str] = set()
    references: set[Key] = set()
    identifiers: dict[tuple[str, str], set[str]] = {}
    numbered: set[tuple[str, str]] = set()
    numbers = 0
    for draft in drafts:
        if not draft.is_create:
            references.add(draft.key)
        update |= _summaries(draft, base)
        numbers += _numbers_needed(draft)
        if draft.type in DIRECTORY:
            references |= set(directory_references(draft))
        references |= {(BINARY, name) for _, name, _ in attached(draft.type, draft.content, base)}
        for reference in every_reference(draft.content):
            logical = identifier_of(reference)
            target = target_of(reference, base, lambda _system, _value: None)
            if target is not None and target[0] in STORED:
                references.add(target)
                if draft.type in _ABOUT_REFERRALS and target[0] in {
                    "ServiceRequest",
                    "Task",
                    "Communication",
                }:
                    focus.add(target[1])
            elif logical is not None:
                # A contained resource with an identifier comes here too, and its type may be a concept.
                asked = _types_of(reference, logical[0])
                identifiers.setdefault(logical, set()).update(asked)
                if draft.type in _ABOUT_REFERRALS and "ServiceRequest" in asked:
                    numbered.add(logical)
    if len(references) + len(identifiers) > _MOST_REFERENCES:
        raise BrokenRule(f"One request names at most {_MOST_REFERENCES} resources.")
    named = [(sorted(types), system, value) for (system, value), types in sorted(identifiers.items())]
    return WriteRequest(
        actor.facility,
        sorted(update),
        sorted(focus),
        sorted(references),
        named,
        numbers,
        once,
        homes=[draft.id for draft in drafts if _returns(draft)],
        reasons=any(map(_keeps, drafts)),
        numbered=sorted(numbered),
        passing=any(draft.type == "ServiceRequest" and is_referral(draft.content) for draft in drafts),
    )


def _types_of(reference: Mapping[str, Any], system: str) -> Collection[str]:
    """What a logical reference may stand for; a number of the hub is one of a referral."""
    of_type = reference.get("type")
    if isinstance(of_type, str):
        return {of_type} & STORED
    return {"ServiceRequest"} if system == systems.REFERRAL_NUMBER_IDENTIFIER else NAMED_BY_IDENTIFIER


def _summaries(draft: Draft, base: str) -> set[Key]:
    """What an offer that is completed names as its summary: it is read, and stays until that is done."""
    if draft.type != "Task" or draft.is_create or not completes(draft.content):
        return set()
    named = named_parts(draft.content, "output").get("summary", {}).get("valueReference")
    target = target_of(named, base, lambda _system, _value: None)
    return {target} if target is not None and target[0] in CLINICAL else set()


def _numbers_needed(draft: Draft) -> int:
    """One for a referral that is submitted; one for the way back that completing an offer opens."""
    if draft.type == "ServiceRequest":
        # What is submitted already has its number, and is sent back with it.
        has_number = not draft.is_create and any(
            found.get("system") == systems.REFERRAL_NUMBER_IDENTIFIER
            for found in draft.content.get("identifier", ())
        )
        return int(draft.content.get("status") == "active" and is_referral(draft.content) and not has_number)
    return int(_returns(draft))


def _keeps(draft: Draft) -> bool:
    """Whether it completes an offer whose patient does not go back."""
    return draft.type == "Task" and not draft.is_create and completes(draft.content) and not _returns(draft)


def _returns(draft: Draft) -> bool:
    """Whether it completes an offer whose patient goes back."""
    return draft.type == "Task" and not draft.is_create and returns_patient(draft.content)
