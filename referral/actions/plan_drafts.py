"""Decide what a command writes: each draft by its kind, after those that it may name."""

from collections.abc import Sequence
from graphlib import CycleError, TopologicalSorter

from referral.actions.amend_referral import plan_referral_update
from referral.actions.attach import check_has_bytes
from referral.actions.check_ground import check_ground
from referral.actions.delete_resource import check_stays, plan_delete
from referral.actions.draft import ABSENT, Draft
from referral.actions.hand_on_late import await_what_is_named
from referral.actions.move_offer import plan_offer_update
from referral.actions.open_offer import plan_new_offer
from referral.actions.pass_on import check_passed_on
from referral.actions.place_referral import plan_new_referral
from referral.actions.record_clinical import plan_clinical
from referral.actions.said import plan_said
from referral.actions.stop_care import abort_of, plan_abort
from referral.actions.workspace import Workspace
from referral.actions.write_directory import plan_directory
from referral.domain.errors import (
    IdNotAllowed,
    NotFound,
    StaleVersion,
    VersionRequired,
)
from referral.domain.scope import Interaction, check_scope
from referral.fhir.offer import is_offer
from referral.fhir.references import Key, every_reference, target_of
from referral.fhir.referral import drop_recognition, is_referral, resembles_referral
from referral.fhir.resources import DIRECTORY

# A resource is planned after those that it may name.
_ORDER = (
    *("Organization", "Endpoint", "Location", "HealthcareService", "Practitioner", "PractitionerRole"),
    *("OrganizationAffiliation", "Questionnaire", "Schedule", "Slot", "Patient", "RelatedPerson", "Coverage"),
    "Binary",
    *("Encounter", "Condition", "AllergyIntolerance", "Specimen", "Observation", "ImagingStudy", "Procedure"),
    *("Immunization", "MedicationRequest", "MedicationStatement", "DiagnosticReport", "CarePlan", "Consent"),
    *("QuestionnaireResponse", "DocumentReference", "Composition", "MeasureReport", "ServiceRequest"),
    *("Appointment", "Task", "Communication", "Provenance"),
)

# An offer that its sender or the office ends, so that another may be opened.
_ENDING = frozenset({"cancelled", "entered-in-error"})


def plan_drafts(workspace: Workspace, drafts: Sequence[Draft]) -> dict[Key, Key]:
    """Decide all drafts; returns for each the key of the resource that answers it."""
    keys: dict[Key, Key] = {}
    offered = _offered(drafts, workspace)
    for draft in _in_order(drafts, workspace.base):
        with draft.placed():
            _check_version(workspace, draft)
            if draft.is_delete:
                keys[draft.key] = plan_delete(workspace, draft)
            else:
                keys[draft.key] = _plan(workspace, draft, offered)
    # When all is decided: an offer may be accepted, and its patient sent on, in one.
    for draft in drafts:
        if not draft.is_delete:
            with draft.placed():
                check_passed_on(workspace, draft)
                check_stays(workspace, draft)
    await_what_is_named(workspace, drafts)
    return keys


def _in_order(drafts: Sequence[Draft], base: str) -> list[Draft]:
    """What is deleted first, then each draft after those that it may name: a Bundle's order means nothing."""
    gone = [draft for draft in drafts if draft.is_delete]
    if gone:
        return gone + _in_order([draft for draft in drafts if not draft.is_delete], base)
    if len({draft.type for draft in drafts}) == len(drafts):
        return sorted(drafts, key=_rank)
    keys = {draft.key for draft in drafts}
    named: dict[Key, set[Key]] = {draft.key: set() for draft in drafts}
    for draft in drafts:
        for reference in every_reference(draft.content):
            target = target_of(reference, base, lambda _system, _value: None)
            if target is not None and target in keys and target[0] == draft.type and target != draft.key:
                named[draft.key].add(target)
    try:
        places = {key: place for place, key in enumerate(TopologicalSorter(named).static_order())}
    except CycleError:
        # What names itself in a circle is refused where it matters.
        places = {key: place for place, key in enumerate(named)}
    late = _late(drafts, base)
    return sorted(drafts, key=lambda draft: (draft.key in late, _rank(draft), places[draft.key]))


def _late(drafts: Sequence[Draft], base: str) -> set[Key]:
    """The offers to the next, where the one that stands ends in the same transaction, and what names them."""
    late: set[Key] = set()
    if any(draft.type == "Task" and draft.content.get("status") in _ENDING for draft in drafts):
        for draft in sorted(drafts, key=_rank):
            named = {
                target_of(reference, base, lambda _system, _value: None)
                for reference in every_reference(draft.content)
            }
            opens = draft.type == "Task" and draft.is_create and is_offer(draft.content)
            if opens or named & late:
                late.add(draft.key)
    return late


def _rank(draft: Draft) -> int:
    # What is said of an offer is said before it is moved: a question that comes with its words.
    moves = draft.type == "Task" and draft.expected not in {None, ABSENT}
    return _ORDER.index("Communication" if moves else draft.type) + moves


def _plan(workspace: Workspace, draft: Draft, offered: frozenset[str]) -> Key:
    """Decide one draft; returns the key of the resource that answers it."""
    check_has_bytes(draft)
    if draft.type in DIRECTORY:
        plan_directory(workspace, draft)
        return draft.key
    if draft.type == "ServiceRequest":
        if drop_recognition(draft.content):
            workspace.note(
                draft.key, "Which results are recognised the hub tells: what was sent of that is not kept."
            )
        key = _plan_referral(workspace, draft, offered=draft.id in offered)
        if key is not None:
            return key
        if resembles_referral(draft.content):
            workspace.note(
                draft.key,
                "This is kept as plain clinical data, and nobody is asked about it: "
                "a referral has the intent order, and its code in category.",
            )
    if draft.type == "Task":
        return _plan_task(workspace, draft)
    key = plan_clinical(workspace, draft)
    if draft.type == "Communication":
        plan_said(workspace, draft)
    return key


def _plan_referral(workspace: Workspace, draft: Draft, *, offered: bool) -> Key | None:
    """Decide a referral; None for a request that is none."""
    before = None
    if not draft.is_create and workspace.referral(draft.id) is not None:
        before = workspace.current(*draft.key)
        key = plan_referral_update(workspace, draft, offered=offered)
    elif is_referral(draft.content):
        _check_server_id(draft)
        key = plan_new_referral(workspace, draft, offered=offered)
    else:
        return None
    referral = workspace.referral(draft.id)
    if referral is not None:
        check_ground(workspace, draft, referral, before)
    return key


def _plan_task(workspace: Workspace, draft: Draft) -> Key:
    if not draft.is_create and workspace.offer(draft.id) is not None:
        return plan_offer_update(workspace, draft)
    if _is_of_the_hub(workspace, draft):
        _check_server_id(draft)
        return plan_new_offer(workspace, draft)
    stopped = abort_of(workspace, draft)
    if stopped is not None:
        return plan_abort(workspace, draft, stopped)
    return plan_clinical(workspace, draft)


def _is_other_order(workspace: Workspace, draft: Draft) -> bool:
    """Whether a Task fulfils a known request that is no referral, such as a laboratory order."""
    focus = target_of(draft.content["focus"], workspace.base, workspace.resolve)
    return focus is not None and workspace.known(*focus) is not None and workspace.referral(focus[1]) is None


def _check_server_id(draft: Draft) -> None:
    if not draft.is_create:
        raise IdNotAllowed("The ids of referrals and offers are given by the hub: POST it without an id.")


def _is_of_the_hub(workspace: Workspace, draft: Draft) -> bool:
    """Whether it is a referral or an offer."""
    if draft.type == "Task":
        return is_offer(draft.content) and not _is_other_order(workspace, draft)
    return draft.type == "ServiceRequest" and is_referral(draft.content)


def _check_version(workspace: Workspace, draft: Draft) -> None:
    """An update must be of something visible, and of the version that the client means."""
    stored = workspace.loaded.documents.get(draft.key)
    if draft.is_create:
        return
    if not draft.is_delete and (stored is None or not stored.visible or stored.deleted):
        check_scope(workspace.actor.scope, draft.type, Interaction.CREATE)
    if stored is None or not stored.visible:
        _check_unseen(workspace, draft, is_taken=stored is not None)
        return
    draft.check_met(stored.version)
    if stored.deleted and not draft.is_delete and _is_of_the_hub(workspace, draft):
        _check_server_id(draft)
    moved = workspace.referral(draft.id) or workspace.offer(draft.id)
    if moved is not None and draft.expected is None and not draft.is_delete:
        raise VersionRequired('Name the version that you change: If-Match: W/"<version>".')
    if draft.expected == ABSENT:
        if stored.deleted:
            return
        raise StaleVersion("If-None-Match: * makes something new, and there is one already.")
    if draft.expected is not None and draft.expected != stored.version:
        raise StaleVersion(f"The newest version is {stored.version}, not {draft.expected}: read it again.")


def _check_unseen(workspace: Workspace, draft: Draft, *, is_taken: bool) -> None:
    """What is hidden is answered as what is not there; only that its id is taken cannot be kept."""
    absent = "No such resource, or not one that you may see."
    is_named = draft.expected not in {None, ABSENT}
    if not draft.is_delete and _is_of_the_hub(workspace, draft):
        if is_named:
            raise NotFound(absent)
        _check_server_id(draft)
    if is_named:
        raise StaleVersion(f"If-Match names a version. {absent}")
    if is_taken and not draft.is_delete:
        raise NotFound(absent)


def _offered(drafts: Sequence[Draft], workspace: Workspace) -> frozenset[str]:
    """Ids of the requests for which this transaction brings a Task."""
    found = set()
    for draft in drafts:
        if draft.type == "Task" and is_offer(draft.content):
            focus = target_of(draft.content["focus"], workspace.base, workspace.resolve)
            if focus is not None:
                found.add(focus[1])
    return frozenset(found)
