"""The bytes of Binaries, and what documents say of them. https://hl7.org/fhir/R4/binary.html"""

from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha1
from io import BytesIO

from referral.actions.draft import Draft
from referral.actions.workspace import Workspace
from referral.domain.attachment import AttachmentRules
from referral.domain.errors import BrokenRule, MissingElement, Problem
from referral.fhir.attachment import BINARY, PHOTOGRAPHED, attached
from referral.fhir.content import number_text
from referral.store.blob import NewBlob, StoredBlob, find_blobs, keep_blob
from referral.store.pool import Connection


def with_bytes(draft: Draft, rules: AttachmentRules) -> Draft:
    """The draft of a Binary with its bytes beside its content; any other as it is.

    Raises WrongMediaType, TooLarge, BrokenRule, MissingElement where it has no bytes.
    """
    if draft.type != BINARY or draft.is_delete or draft.patch is not None:
        return draft
    with draft.placed():
        rules.check_media_type(draft.content["contentType"], draft.at("contentType"))
        if draft.blob is not None:
            return draft
        check_has_bytes(draft)
        data = b64decode(draft.content["data"])
        rules.check_size(len(data), draft.at("data"))
    content = {name: value for name, value in draft.content.items() if name not in {"data", "_data"}}
    # As R4 asks of a hash; nothing is secured by it.
    blob = NewBlob(BytesIO(data), len(data), sha1(data, usedforsecurity=False).digest())
    return replace(draft, content=content, blob=blob)


def check_has_bytes(draft: Draft) -> None:
    """Raises MissingElement for a Binary without bytes: as it is found by a search, or patched."""
    if draft.type == BINARY and not draft.is_delete and draft.blob is None and "data" not in draft.content:
        raise MissingElement("A Binary is written with what it holds.", draft.at("data"))


async def check_attached(connection: Connection, base: str, drafts: Sequence[Draft]) -> None:
    """Check what drafts say of Binaries: that they are there, with this size and this hash.

    base: address of the FHIR endpoint. Sends nothing where nothing is said. Raises BrokenRule; a Binary that
    the actor does not see is one that is not there.
    """
    named = [(draft, *found) for draft in drafts for found in attached(draft.type, draft.content, base)]
    if not named:
        return
    known = {
        draft.id: StoredBlob(draft.blob.size, draft.blob.sha1) for draft in drafts if draft.blob is not None
    }
    gone = {draft.id for draft in drafts if draft.type == BINARY and draft.is_delete}
    known |= await find_blobs(connection, {name for _, _, name, _ in named} - known.keys() - gone)
    for draft, path, name, attachment in named:
        with draft.placed():
            blob = known.get(name)
            if blob is None and draft.type in PHOTOGRAPHED:
                continue
            if blob is None:
                raise BrokenRule(
                    "There is no such Binary that is known to you here.", draft.at(f"{path}.url")
                )
            held = {"size": str(blob.size), "hash": b64encode(blob.sha1).decode()}
            problems = [
                Problem(f"The {element} of the Binary is another one.", draft.at(f"{path}.{element}"))
                for element, value in held.items()
                if element in attachment and _said(attachment[element]) != value
            ]
            if problems:
                raise BrokenRule(problems)


def _said(value: object) -> str:
    return value if isinstance(value, str) else number_text(value)


async def keep_attached(connection: Connection, workspace: Workspace, drafts: Sequence[Draft]) -> None:
    """Store the bytes of the Binaries that were written, after their documents."""
    new = [(draft, draft.blob) for draft in drafts if draft.blob is not None]
    # In one order for all commands, so that two of them never wait for each other.
    for draft, blob in sorted(new, key=lambda pair: pair[1].sha1):
        version = workspace.pending[draft.key].version
        await keep_blob(connection, (draft.id, version), draft.content["contentType"], blob)
