"""Whether an update changes nothing: then there is no new version. https://hl7.org/fhir/R4/http.html#update"""

from typing import Any, Final

from referral.actions.draft import Draft
from referral.actions.workspace import Workspace
from referral.fhir.attachment import BINARY
from referral.fhir.content import reread_content

_OF_THE_HUB: Final = frozenset({"versionId", "lastUpdated"})


def stands_already(workspace: Workspace, draft: Draft) -> bool:
    """Whether the stored resource says what is sent, but for what the hub sets in `meta`.

    A Binary never does: its bytes are not here to be compared.
    """
    stored = workspace.loaded.documents.get(draft.key)
    if stored is None or stored.deleted or draft.key in workspace.pending or draft.type == BINARY:
        return False
    return _as_sent(draft.content) == _as_sent(reread_content(stored.content))


def _as_sent(content: dict[str, Any]) -> dict[str, Any]:
    meta = {name: value for name, value in content.get("meta", {}).items() if name not in _OF_THE_HUB}
    return {**content, "meta": meta}
