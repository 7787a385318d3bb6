"""The database going away while a token is issued."""

import asyncio
from typing import Any

from referral.api.services import Services
from referral.store.pool import Connection, Store
from tests.api.issuer import Issuer, IssuerServer


async def waits_for_another(connection: Connection, backend: int) -> None:
    """Return when the backend waits for a lock; the database has no event to wait for."""
    while not await connection.fetchval("SELECT cardinality(pg_blocking_pids($1)) > 0", backend):  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def test_it_is_a_503_and_the_same_assertion_is_good_later(
    issuer: Issuer, issuer_server: IssuerServer, database: Any
) -> None:
    single = await Store.open(database.dsn, size=1)
    try:
        async with single.reading(None) as connection:
            backend = await connection.fetchval("SELECT pg_backend_pid()")
        issuer_server.app.state.services = Services(store=single, base_url=issuer.base_url, now=issuer.clock)
        assertion = issuer.signed(jti="waits")
        async with issuer.store.writing(None) as connection:
            # A twin that has not committed makes the request wait inside the database.
            await connection.execute(
                "INSERT INTO assertion_id VALUES ('ehr-1', 'waits', $1)", issuer.clock.time
            )
            asking = asyncio.create_task(issuer.ask(assertion))
            await waits_for_another(connection, backend)
            await connection.execute("SELECT pg_terminate_backend($1)", backend)
            answer = await asking
            await connection.execute("DELETE FROM assertion_id")
        assert answer.status_code == 503
        assert answer.json()["error"] == "temporarily_unavailable"
        assert "retry-after" in answer.headers
        assert (await issuer.ask(assertion)).status_code == 200
    finally:
        await single.close()
