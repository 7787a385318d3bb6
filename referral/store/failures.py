"""Constraint violations as domain errors, by the name of the constraint; and commands that met each other."""

from collections.abc import Callable

import asyncpg

from referral.domain.errors import BrokenRule, DomainError, Duplicate, IllegalMove, StaleVersion


def _changed_meanwhile() -> DomainError:
    return StaleVersion("It was changed at the same moment; read it again.")


_BY_CONSTRAINT: dict[str, Callable[[], DomainError]] = {
    "offer_one_open": lambda: IllegalMove("This referral has an open offer already.", ()),
    "document_next_version": _changed_meanwhile,
    "document_pkey": _changed_meanwhile,
    "referral_identifier_once": lambda: Duplicate(
        "You have a referral with this identifier already: search for it by the identifier.",
        "ServiceRequest.identifier",
    ),
    "facility_insurer_code": lambda: Duplicate(
        "Another facility has this insurer's code.", "Organization.identifier"
    ),
    "client_pkey": lambda: Duplicate("A client with this id is there already."),
    "membership_document_key": _changed_meanwhile,
    "membership_code": lambda: BrokenRule("Two facilities of one network have the same code."),
}


def domain_error(failure: asyncpg.PostgresError) -> DomainError | None:
    """The domain error behind a violated constraint; None for anything else (a fault of ours)."""
    if isinstance(failure, asyncpg.exceptions.TransactionRollbackError):
        return _changed_meanwhile()
    constraint = getattr(failure, "constraint_name", None) or ""
    # Its partitions number the names of their constraints.
    if constraint.startswith("document_version_"):
        return _changed_meanwhile()
    known = _BY_CONSTRAINT.get(constraint)
    return known() if known else None
