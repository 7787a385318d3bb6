"""What came back as the summary of completed care stays one: it is corrected, and not taken away."""

from collections.abc import Sequence

from referral.actions.draft import Draft
from referral.actions.take_summary import SUMMARY_TYPES, why_no_summary
from referral.actions.workspace import Workspace
from referral.domain.errors import StillNeeded
from referral.store.pool import Connection
from referral.store.standing import summaries_given

_NEEDED = (
    "This came back as the summary of completed care. Correct what it says; or let the office of the network"
    " mark the offer as entered-in-error first."
)


async def check_summaries(connection: Connection, workspace: Workspace, drafts: Sequence[Draft]) -> None:
    """Raises StillNeeded for an update after which a summary that came back would be none any more."""
    ending = {
        draft.key: draft
        for draft in drafts
        if draft.type in SUMMARY_TYPES
        and draft.key in workspace.loaded.documents
        and not draft.is_delete
        and why_no_summary(draft.content)
    }
    if ending:
        for key in await summaries_given(connection, ending):
            with ending[key].placed():
                raise StillNeeded(_NEEDED, ending[key].at("status"))
