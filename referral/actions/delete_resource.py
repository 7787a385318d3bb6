"""Delete a resource: a tombstone takes its place, and its versions stay. https://hl7.org/fhir/R4/http.html#delete

What happened is never undone this way: a referral is cancelled, an offer withdrawn, and both are marked when
they were a mistake. What a referral rests on stays as long as the referral.
"""

from collections.abc import Sequence
from typing import Final

from referral.actions.draft import Draft
from referral.actions.workspace import Workspace
from referral.actions.write_directory import DirectoryPlan
from referral.domain.errors import Forbidden, NeverDeleted, StillNeeded
from referral.domain.facility import AffiliationKind
from referral.fhir.directory_rows import affiliation_kind, location_row
from referral.fhir.parameters import PARAMETERS
from referral.fhir.references import Key, every_reference, target_of
from referral.fhir.resources import DIRECTORY, STORED, TOLD_ONCE
from referral.store.document import kept_by
from referral.store.pool import Connection

# The elements of referrals and offers that name something, as their index rows call them.
_NAMING: Final = sorted(
    {each.rows for kind in ("ServiceRequest", "Task") for each in PARAMETERS[kind]} | {"_package", "_patient"}
)
# What is never deleted would keep for ever what it tells about.
_KEEPING: Final = STORED - TOLD_ONCE
_KEPT: Final = {
    "referral": "A referral rests on this: what it names stays as long as the referral.",
    "records": "There are records about this patient: delete those first.",
    "documents": "This is attached to a document: delete that first, or write it without.",
}


def check_deletable(resource_type: str) -> None:
    """Raises NeverDeleted for a type of which nothing is ever deleted."""
    if resource_type in TOLD_ONCE:
        raise NeverDeleted(f"A {resource_type} says what happened, and stays.")


async def check_unneeded(connection: Connection, workspace: Workspace, drafts: Sequence[Draft]) -> None:
    """Raises StillNeeded for what other resources rest on, but for those that go with it."""
    going = {draft.key: draft for draft in drafts if draft.is_delete and draft.key in workspace.pending}
    if going:
        for key, reason in await kept_by(connection, going, types=_KEEPING, params=_NAMING):
            with going[key].placed():
                raise StillNeeded(_KEPT[reason])


def plan_delete(workspace: Workspace, draft: Draft) -> Key:
    """Plan the delete of one resource; of what is not there, or not seen, nothing is left to be done.

    Raises NeverDeleted, StillNeeded, Forbidden for what another facility wrote.
    """
    stored = workspace.loaded.documents.get(draft.key)
    if stored is None or not stored.visible:
        workspace.gone(draft.key, 0)
        return draft.key
    if stored.deleted:
        workspace.gone(draft.key, stored.version)
        return draft.key
    if draft.type == "ServiceRequest" and workspace.referral(draft.id) is not None:
        raise NeverDeleted(
            "A referral is never deleted: cancel it (status revoked), or mark it entered-in-error."
        )
    if draft.type == "Task" and workspace.offer(draft.id) is not None:
        raise NeverDeleted(
            "An offer is never deleted: withdraw it (status cancelled), or mark it entered-in-error."
        )
    if draft.type in DIRECTORY:
        _leave_directory(workspace, draft)
    elif stored.owner != workspace.actor.facility:
        raise Forbidden("Only the facility that wrote this resource may delete it.")
    workspace.remove(*draft.key, stored.owner)
    workspace.tell(draft.key, "delete")
    return draft.key


def check_stays(workspace: Workspace, draft: Draft) -> None:
    """Raises StillNeeded for a referral or an offer that names what goes in the same transaction."""
    acts = {"ServiceRequest": workspace.referral, "Task": workspace.offer}.get(draft.type)
    if not workspace.absent or acts is None or acts(draft.id) is None:
        return
    for reference in every_reference(draft.content):
        key = target_of(reference, workspace.base, workspace.resolve)
        if key in workspace.pending and workspace.pending[key].deleted:
            raise StillNeeded(_KEPT["referral"])


def _leave_directory(workspace: Workspace, draft: Draft) -> None:
    """Check that the actor may take it out of the directory, and end what it says there."""
    plan = DirectoryPlan(workspace, draft)
    owner = workspace.loaded.documents[draft.key].owner
    if not plan.may_write_for(owner):
        raise Forbidden(f"A {draft.type} is deleted by its own facility or by the office of its network.")
    before, typed = plan.before or {}, workspace.changes.typed
    match draft.type:
        case "Organization":
            raise StillNeeded("A facility stays in the directory: set active to false.")
        case "Location" if location_row(before, draft.at) is not None and owner != plan.office_of:
            raise StillNeeded("This Location may say where its facility stands: set its status to inactive.")
        case "HealthcareService" if owner != plan.office_of:
            typed.setdefault("retired_services", []).append(draft.id)
        case "OrganizationAffiliation":
            if plan.office_of is None or plan.office_of != owner:
                raise Forbidden("An OrganizationAffiliation is deleted by the office of its network.")
            kind = affiliation_kind(before, draft.at)
            if kind is AffiliationKind.MEMBER:
                raise StillNeeded("A membership is ended with active false, not deleted.")
            if kind is not None:
                typed.setdefault("dropped_affiliations", []).append(draft.id)
