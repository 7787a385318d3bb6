"""What the audit says: who asked for what, how it was answered."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple


class AuditAction(StrEnum):
    """What was done, or asked for: `outcome` tells which."""

    CREATE = "create"
    UPDATE = "update"
    PATCH = "patch"  # a refused one: what it writes is an update
    DELETE = "delete"
    TRANSACTION = "transaction"  # a refused one: what a transaction writes has rows of its own
    BATCH = "batch"  # a refused one: each of its entries has rows of its own
    REPLAY = "replay"  # the answer to a write, given again
    READ = "read"
    VREAD = "vread"
    HISTORY_INSTANCE = "history-instance"
    HISTORY_TYPE = "history-type"
    SEARCH = "search"
    EXECUTE = "execute"
    UNSUPPORTED = "unsupported"  # a method or an address that the service has not
    TOKEN = "token"  # noqa: S105 - the name of what is done
    CLIENT_ADD = "client-add"
    IMPORT = "import"
    ACTIVATE_POLICY = "activate-policy"
    EXPORT = "export"
    REFUSED = "refused"  # so many more requests without a valid token, see `details`


class AuditRecord(NamedTuple):
    """One request and how it was answered; the SQL function `record_audit` has the fields in this order.

    actor: the facility; None for a stranger. version: that of the answer. outcome: the HTTP status.
    query: the parameters as sent; of an operation its name, then these; of what is not supported the method
    and the address. address: where it came from. patient: whom a search names; of all else the store knows
    itself whom it is about.
    """

    at: datetime
    actor: str | None
    client: str | None
    action: str
    type: str | None = None
    id: str | None = None
    version: int | None = None
    outcome: int = 200
    query: str | None = None
    address: str | None = None
    request_id: str | None = None
    details: Mapping[str, Any] | None = None
    patient: str | None = None


Span = tuple[datetime, datetime]
"""From (within), until (without)."""


@dataclass(frozen=True, slots=True)
class AuditQuestion:
    """Which rows of the audit somebody looks for: those that all of this fits, None leaves it open.

    spans: when, in their order and apart. rows: their numbers. refused: whether they were. actors: the
    facilities that did it. clients, requests: of one's own doings. entities: "Type/id" or an id, one of each
    group. about: whether a patient is told; named: whether anything is.
    """

    spans: tuple[Span, ...]
    rows: frozenset[int] | None = None
    actions: frozenset[str] | None = None
    refused: bool | None = None
    actors: frozenset[str] | None = None
    clients: frozenset[str] | None = None
    requests: frozenset[str] | None = None
    patients: frozenset[str] | None = None
    entities: tuple[frozenset[str], ...] = ()
    about: bool | None = None
    named: bool | None = None

    @property
    def is_vain(self) -> bool:
        """Whether no row can fit, such as where one thing is to be two."""
        one_of = (self.rows, self.actions, self.actors, self.clients, self.requests, self.patients)
        return not self.spans or any(each is not None and not each for each in (*one_of, *self.entities))


@dataclass(frozen=True, slots=True)
class AuditRow:
    """A record as it is stored: with its number, and the patient whom its resource is about."""

    seq: int
    record: AuditRecord
    patient: str | None
