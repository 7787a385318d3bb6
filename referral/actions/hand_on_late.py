"""Hand on what is written after it was named: engines send the parts of one message in any order."""

from collections.abc import Sequence
from typing import Final

from referral.actions.draft import Draft
from referral.actions.workspace import Workspace
from referral.fhir.package import HANDED_ON, package_links
from referral.fhir.resources import CLINICAL

_NAMING: Final = HANDED_ON | {"ServiceRequest"}
# Nobody names a patient before he is there.
_NAMED: Final = CLINICAL - {"Patient"}


def await_what_is_named(workspace: Workspace, drafts: Sequence[Draft]) -> None:
    """Note what may have been named before it came, and what is named and not there yet.

    Only under an id that its author chose, or that was deleted, can anybody have named what is new.
    """
    noted: dict[tuple[str, str], bool] = {}
    for draft in drafts:
        if draft.is_delete or draft.key not in workspace.pending:
            continue
        stored = workspace.loaded.documents.get(draft.key)
        if not draft.is_create and draft.type in _NAMED and (stored is None or stored.deleted):
            noted.setdefault(draft.key, False)
        if draft.type in _NAMING:
            for key in package_links(draft.type, draft.content, workspace.base, workspace.resolve):
                there = key in workspace.pending or key in workspace.loaded.references
                if not there and key[0] in _NAMED:
                    noted[key] = True
    workspace.changes.late += [(*key, workspace.now, named) for key, named in noted.items()]
