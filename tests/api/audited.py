"""What the audit says of a request."""

import asyncio
import itertools
import time
from typing import Any

from referral.store.pool import Store
from tests.owner import behind_the_wall

PATIENCE = 30
_numbers = itertools.count(1)


def named() -> dict[str, str]:
    """A header that names one request."""
    return {"X-Request-ID": f"audited-{next(_numbers)}"}


async def audited(store: Store, headers: dict[str, str], rows: int = 1) -> list[dict[str, Any]]:
    """The rows of a request, once there are so many; fails where there are more."""
    deadline = time.monotonic() + PATIENCE
    while True:
        async with behind_the_wall(store) as connection:
            found = await connection.fetch(
                "SELECT actor, client, action, type, id, version, outcome, patient, query, address,"
                " details::text FROM audit WHERE request_id = $1 ORDER BY seq",
                headers["X-Request-ID"],
            )
        if len(found) >= rows:
            assert len(found) == rows, found
            return [dict(row) for row in found]
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.02)
