"""Records of what was asked for, appended in bulk, and the seals over them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import orjson

from referral.store.pool import Connection
from referral.store.statements import statement

ROWS_IN_A_SEAL: Final = 10_000


class AuditRecord(NamedTuple):
    """One request and how it was answered; the order of the fields is that of `record_audit`.

    actor: the facility; None for a stranger. version: that of the answer. outcome: the HTTP status.
    query: the parameters as sent; of an operation its name, then these. address: where it came from.
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
    details: dict[str, Any] | None = None


async def record_audit(connection: Connection, records: Sequence[AuditRecord]) -> None:
    """One message for all of them. Whom each is about, the database knows itself."""
    rows = [tuple(record) for record in records]
    await connection.execute(statement("audit", "record"), orjson.dumps(rows).decode())


async def seal_audit(connection: Connection, now: datetime) -> bool:
    """Seal the next rows; tells whether there may be more. Nothing to do while another process seals."""
    looked: int = await connection.fetchval(statement("audit", "seal"), now, ROWS_IN_A_SEAL)
    return looked >= ROWS_IN_A_SEAL
