"""What a patch makes of a resource as it stands: from there on it is an update. https://hl7.org/fhir/R4/http.html#patch"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from referral.actions.draft import Draft
from referral.domain.errors import BrokenRule, Gone, NotFound, StaleVersion
from referral.fhir.content import read_content, reread_content, write_content
from referral.fhir.json_patch import Operation, apply_patch
from referral.fhir.validation import check_resource
from referral.store.change_set import Key, StoredDocument


def patched(drafts: Sequence[Draft], documents: Mapping[Key, StoredDocument]) -> list[Draft]:
    """The drafts with content in place of patches. documents: what is patched, locked.

    Raises NotFound for what the actor does not see, Gone, StaleVersion, BrokenRule for a patch that cannot be
    done, and what an update with the same content would raise.
    """
    found = []
    for draft in drafts:
        if draft.patch is not None:
            with draft.placed():
                found.append(_patched(draft, draft.patch, documents.get(draft.key)))
        else:
            found.append(draft)
    return found


def _patched(draft: Draft, patch: Sequence[Operation], stored: StoredDocument | None) -> Draft:
    if stored is None or not stored.visible:
        raise NotFound("No such resource, or not one that you may see.")
    draft.check_met(stored.version)
    if stored.deleted:
        raise Gone("This resource is deleted.")
    if draft.expected is not None and draft.expected != stored.version:
        raise StaleVersion(f"The newest version is {stored.version}, not {draft.expected}: read it again.")
    # Read as a body is: what a patch makes is no better known than what is sent.
    content = read_content(write_content(apply_patch(reread_content(stored.content), patch)))
    if content.get("resourceType") != draft.type:
        raise BrokenRule("A patch does not make a resource of another type.", draft.at("resourceType"))
    if content.get("id") != draft.id:
        raise BrokenRule("A patch does not change the id.", draft.at("id"))
    check_resource(draft.type, content)
    return replace(draft, content=content, patch=None)
