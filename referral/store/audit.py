"""Records of what was asked for, appended in bulk, and the seals over them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import orjson

from referral.domain.audit import AuditRecord
from referral.store.pool import Connection
from referral.store.statements import statement

ROWS_IN_A_SEAL: Final = 10_000


async def record_audit(connection: Connection, records: Sequence[AuditRecord]) -> None:
    """One message for all of them. Whom each is about, the database knows itself."""
    rows = [tuple(record) for record in records]
    await connection.execute(statement("audit", "record"), orjson.dumps(rows).decode())


async def seal_audit(connection: Connection, now: datetime) -> bool:
    """Seal the next rows; tells whether there may be more. Nothing to do while another process seals."""
    looked: int = await connection.fetchval(statement("audit", "seal"), now, ROWS_IN_A_SEAL)
    return looked >= ROWS_IN_A_SEAL
