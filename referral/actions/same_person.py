"""Tell whether two records are of one person, as far as their facilities say so."""

from referral.actions.workspace import Workspace


def is_same_person(workspace: Workspace, one: str, other: str) -> bool:
    """Whether two Patients are one, or two records that an equal identifier ties together."""
    return one == other or not _identifiers(workspace, one).isdisjoint(_identifiers(workspace, other))


def _identifiers(workspace: Workspace, patient: str) -> frozenset[tuple[str, str]]:
    content = workspace.current("Patient", patient)
    if content is not None:
        named = content.get("identifier", ())
        return frozenset((one["system"], one["value"]) for one in named if {"system", "value"} <= one.keys())
    stored = workspace.loaded.references.get(("Patient", patient))
    return stored.identifiers if stored is not None else frozenset()
