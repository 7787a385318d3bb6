"""Write what a request brings: one resource, or all of a transaction Bundle, in one transaction.

Four messages whatever it is: BEGIN with the actor, load and lock, apply the change set, COMMIT. After the
first comes what a condition needs to be searched for, and what is patched; after the second, what rests on
something that is to be deleted.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from graphlib import CycleError, TopologicalSorter
from typing import Any

from referral.actions.amend_referral import plan_referral_update
from referral.actions.attach import check_attached, check_has_bytes, keep_attached, with_bytes
from referral.actions.check_ground import check_ground
from referral.actions.check_search import check_search
from referral.actions.delete_resource import check_deletable, check_unneeded, plan_delete
from referral.actions.draft import ABSENT, Draft, Written
from referral.actions.find_existing import find_existing
from referral.actions.move_offer import plan_offer_update
from referral.actions.open_offer import plan_new_offer
from referral.actions.patch_resource import patched
from referral.actions.place_referral import plan_new_referral
from referral.actions.record_clinical import plan_clinical
from referral.actions.referral_rules import RulesOf, program_rules
from referral.actions.run_aside import run_aside
from referral.actions.said import plan_said
from referral.actions.stop_care import abort_of, plan_abort
from referral.actions.workspace import Workspace
from referral.actions.write_directory import directory_references, plan_directory
from referral.domain.actor import Actor
from referral.domain.attachment import AttachmentRules
from referral.domain.errors import (
    BrokenRule,
    IdNotAllowed,
    NotFound,
    StaleVersion,
    VersionRequired,
)
from referral.domain.scope import Interaction, check_scope
from referral.fhir import systems
from referral.fhir.attachment import BINARY, attached
from referral.fhir.offer import completes, is_offer, named_parts, returns_patient
from referral.fhir.references import Key, identifier_of, target_of
from referral.fhir.referral import is_referral, resembles_referral
from referral.fhir.resources import CLINICAL, DIRECTORY, STORED
from referral.network.snapshot import Snapshot
from referral.store.change_set import WriteRequest, apply_changes, load_for_write
from referral.store.pool import Store
from referral.store.replay import Answer, Once, find_replay

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


# What they name of referrals and offers is locked: they act on it, or must see it as it then stands.
_ABOUT_REFERRALS = {"Communication", "ServiceRequest", "Task"}
# A command looks each of these up; a body that names more is no referral.
_MOST_REFERENCES = 10_000
_ATTACHMENTS = AttachmentRules()
# What an identifier without a type may stand for. A facility's Location has its code too.
_NAMED_BY_IDENTIFIER = {"HealthcareService", "Organization", "Patient", "Practitioner"}


async def write_resources(
    store: Store,
    drafts: Sequence[Draft],
    *,
    actor: Actor,
    base: str,
    now: datetime,
    new_id: Callable[[], str],
    request_id: str | None,
    render: Callable[[list[Written]], Answer],
    once: Once | None = None,
    address: str | None = None,
    attachments: AttachmentRules = _ATTACHMENTS,
    rules: RulesOf = program_rules,
    size: int = 0,
    snapshot: Snapshot | None = None,
) -> Answer:
    """Write all drafts or none, and answer: `render` is given what became of them, in their order.

    base: address of the FHIR endpoint; address: where the request came from. once: what makes this write the
    same as one before, which is then answered again and not done again. attachments: what a Binary may be.
    rules: gives what a referral goes by. snapshot: the network, to tell of places. size: of the request, in
    bytes; of a large one all that is long is done beside the loop. Raises any DomainError, its expressions
    naming the Bundle entry.
    """
    now = now.replace(microsecond=now.microsecond // 1000 * 1000)
    for draft in drafts:
        with draft.placed():
            _check_scope(actor, draft)

    def with_all_bytes(brought: Sequence[Draft]) -> list[Draft]:
        return [with_bytes(draft, attachments) for draft in brought]

    drafts = await run_aside(size, with_all_bytes, drafts)
    async with store.writing(actor.facility) as connection:
        existing: dict[Key, Written] = {}
        if any(draft.condition or draft.named for draft in drafts):
            # Before the search: the first of two finds nothing, and its twin is answered the same.
            replay = await find_replay(connection, once) if once else None
            if replay is not None:
                return replay
            drafts, existing = await find_existing(connection, drafts, actor)
        if any(draft.patch is not None for draft in drafts):
            # Locked until the end: what is patched is what is there.
            keys_to_patch = sorted({draft.key for draft in drafts if draft.patch is not None})
            standing = await load_for_write(
                connection, WriteRequest(actor.facility, update=keys_to_patch, once=once)
            )
            if standing.replay is not None:
                return standing.replay
            # What a patch makes of a Binary is no better than what is sent.
            drafts = with_all_bytes(await run_aside(size, patched, drafts, standing.documents))
        wanted = [draft for draft in drafts if draft.key not in existing]
        asked = await run_aside(size, what_to_load, wanted, actor, base, once)
        loaded = await load_for_write(connection, asked)
        if loaded.replay is not None:
            return loaded.replay
        at = loaded.not_before(now)
        workspace = Workspace(actor, at, request_id, base, new_id, loaded, address, clock=now, rules=rules)
        workspace.brought, workspace.snapshot = _brought(wanted), snapshot
        await check_attached(connection, base, wanted)
        keys = await run_aside(size, _plan_all, workspace, wanted)
        await check_unneeded(connection, workspace, wanted)
        for match in existing.values():
            workspace.audit("read", (match.type, match.id), match.version)
        changes = await run_aside(size, workspace.finish)
        written = [existing.get(draft.key) or workspace.written(keys[draft.key]) for draft in drafts]
        answer = await run_aside(size, render, written)
        if once is not None:
            changes.replay = once.kept(answer)
        if changes.documents or changes.audits or changes.replay:
            await apply_changes(connection, changes)
            await keep_attached(connection, workspace, wanted)
    return answer


def _plan_all(workspace: Workspace, drafts: Sequence[Draft]) -> dict[Key, Key]:
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
    return keys


def _brought(drafts: Sequence[Draft]) -> dict[tuple[str, str], Key]:
    """What the drafts are by their business identifiers, where one of them alone has it."""
    found: dict[tuple[str, str], set[Key]] = {}
    for draft in drafts if len(drafts) > 1 else ():
        if draft.type in _NAMED_BY_IDENTIFIER:
            for identifier in draft.content.get("identifier", ()):
                if "value" in identifier:
                    name = (str(identifier.get("system", "")), str(identifier["value"]))
                    found.setdefault(name, set()).add(draft.key)
    return {name: keys.pop() for name, keys in found.items() if len(keys) == 1}


def _check_scope(actor: Actor, draft: Draft) -> None:
    if draft.is_delete:
        wanted = Interaction.DELETE
        check_deletable(draft.type)
    else:
        wanted = Interaction.CREATE if draft.is_create else Interaction.UPDATE
    check_scope(actor.scope, draft.type, wanted)
    if draft.condition is not None:
        check_search(actor.scope, draft.condition)
    for _, query in draft.named:
        check_search(actor.scope, query)


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
        for reference in _references(draft.content):
            target = target_of(reference, base, lambda _system, _value: None)
            if target is not None and target in keys and target[0] == draft.type and target != draft.key:
                named[draft.key].add(target)
    try:
        places = {key: place for place, key in enumerate(TopologicalSorter(named).static_order())}
    except CycleError:
        # What names itself in a circle is refused where it matters.
        places = {key: place for place, key in enumerate(named)}
    return sorted(drafts, key=lambda draft: (_rank(draft), places[draft.key]))


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
    is_new = draft.key not in workspace.loaded.documents
    key = plan_clinical(workspace, draft)
    if draft.type == "Communication" and is_new:
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


def what_to_load(drafts: Sequence[Draft], actor: Actor, base: str, once: Once | None) -> WriteRequest:
    """Everything that the drafts change or name. Raises BrokenRule when that is too much for one command."""
    update = {draft.key for draft in drafts if not draft.is_create}
    focus: set[str] = set()
    references: set[Key] = set()
    identifiers: dict[tuple[str, str], set[str]] = {}
    numbers = 0
    for draft in drafts:
        if not draft.is_create:
            references.add(draft.key)
        update |= _summaries(draft, base)
        numbers += _numbers_needed(draft)
        if draft.type in DIRECTORY:
            references |= set(directory_references(draft))
        references |= {(BINARY, name) for _, name, _ in attached(draft.type, draft.content, base)}
        for reference in _references(draft.content):
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
                of_type = reference.get("type")
                asked = {of_type} & STORED if isinstance(of_type, str) else _NAMED_BY_IDENTIFIER
                identifiers.setdefault(logical, set()).update(asked)
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
    )


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


def _returns(draft: Draft) -> bool:
    """Whether it completes an offer whose patient goes back."""
    return draft.type == "Task" and not draft.is_create and returns_patient(draft.content)


def _references(content: dict[str, Any]) -> list[dict[str, Any]]:
    """Every Reference below a resource, in no order."""
    found: list[dict[str, Any]] = []
    left: list[Any] = [content]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            if isinstance(value.get("reference"), str) or isinstance(value.get("identifier"), dict):
                found.append(value)
            left.extend([below for below in value.values() if not isinstance(below, str)])
        elif isinstance(value, list):
            left.extend(value)
    return found
