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
    and the address. address: where it came from.
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


@dataclass(frozen=True, slots=True)
class AuditRow:
    """A record as it is stored: with its number, and the patient whom its resource is about."""

    seq: int
    record: AuditRecord
    patient: str | None
