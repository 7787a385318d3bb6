"""The index rows of one document: what finds it, what it brings along, whom it is about."""

from collections.abc import Iterable, Mapping
from typing import Any

from referral.fhir.package import package_links, patient_of
from referral.fhir.search_index import index_rows, rare_rows
from referral.store.change_set import ChangeSet, Key


def index_document(
    changes: ChangeSet,
    key: Key,
    content: Mapping[str, Any],
    *,
    base: str,
    resolved: Mapping[tuple[str, str], Key],
    parties: Iterable[tuple[str, str]] = (),
    is_new: bool = False,
    is_deleted: bool = False,
) -> None:
    """Put all index rows of a document into a change set.

    base: address of the FHIR endpoint. resolved: what the identifiers in its references stand for. parties: a
    referral or an offer is found by these facilities (parameter, id), however its content names them.
    """

    def resolve(system: str, value: str) -> Key | None:
        return resolved.get((system, value))

    if not is_new:
        changes.rewritten |= rare_rows(key[0])
    patient = patient_of(key[0], content, base, resolve)
    references = [] if patient is None else [("_patient", "Patient", patient)]
    if not is_deleted:
        rows = index_rows(key[0], content, base=base, resolved=resolved)
        changes.tokens += [(*key, *row) for row in rows.tokens]
        changes.dates += [(*key, *row) for row in rows.dates]
        changes.strings += [(*key, *row) for row in rows.strings]
        changes.quantities += [(*key, *row) for row in rows.quantities]
        changes.positions += [(*key, *row) for row in rows.positions]
        references += rows.references
        references += [("_package", *link) for link in package_links(key[0], content, base, resolve)]
        references += [(param, "Organization", facility) for param, facility in parties]
    # Else it is found by nothing; only the audit goes on knowing whom it was about.
    # A party may be named by the content too; one row says it.
    changes.references += [(*key, *row) for row in dict.fromkeys(references)]
