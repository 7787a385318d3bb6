"""The pool: the only way to a connection, and the place where the actor is set."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Self

import asyncpg
import asyncpg.pool

from referral.domain.errors import DomainError, StoreUnavailable
from referral.store.failures import domain_error

if TYPE_CHECKING:
    Connection = asyncpg.pool.PoolConnectionProxy[asyncpg.Record]
else:
    Connection = asyncpg.pool.PoolConnectionProxy

SERVICE_ROLE = "referral_service"
# The class of SQLSTATEs that say "the server is away or going away", not "your statement is wrong".
_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.exceptions.CannotConnectNowError,
    asyncpg.exceptions.OperatorInterventionError,
    asyncpg.exceptions.InsufficientResourcesError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
_AWAY_TEXT = "The database is not reachable now; send the same request again later."


async def _keep(_connection: object) -> None:
    """Takes the place of asyncpg's reset: the next user sets its own actor before anything else."""


def _set_actor(actor: str | None) -> str:
    quoted = (actor or "").replace("'", "''")
    return f"SELECT set_config('referral.actor', '{quoted}', false)"


class Store:
    """A pool of connections under the service's login role."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", patience: float) -> None:
        self._pool, self._patience = pool, patience

    @classmethod
    async def open(cls, dsn: str, *, size: int = 10, patience: float = 10) -> Self:
        """Open the pool. `patience`: seconds that a use waits for a free connection.

        Raises StoreUnavailable where no server answers, or where the login role of `dsn`
        is not a member of `referral_service` (or is too mighty to be held by its limits).
        """
        try:
            pool = await asyncpg.create_pool(
                dsn,
                min_size=1,
                max_size=size,
                reset=_keep,
                command_timeout=30,
                max_inactive_connection_lifetime=0,
                server_settings={"jit": "off", "application_name": "referral", "timezone": "UTC"},
            )
        except (*_AWAY, asyncpg.PostgresError) as failure:
            raise StoreUnavailable(f"No connection to the database: {failure}") from failure
        store = cls(pool, patience)
        try:
            await store._check_role()
        except BaseException:
            await store.close()
            raise
        return store

    async def _check_role(self) -> None:
        async with self.reading(None) as connection:
            row = await connection.fetchrow(
                "SELECT rolname, rolsuper OR rolbypassrls AS mighty,"
                # Roles are the cluster's, so one alone says nothing about this database.
                " to_regclass('document') IS NOT NULL AND to_regrole($1) IS NOT NULL AS migrated,"
                " EXISTS (SELECT FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid"
                "  WHERE m.member = r.oid AND g.rolname = $1) AS member"
                " FROM pg_roles r WHERE rolname = current_user",
                SERVICE_ROLE,
            )
        if row is None or not row["migrated"]:
            raise StoreUnavailable("The database is not migrated: run `referral migrate` first.")
        if row["mighty"] or not row["member"]:
            raise StoreUnavailable(
                f"The role {row['rolname']} of DATABASE_URL must be an ordinary member of {SERVICE_ROLE}:"
                f" GRANT {SERVICE_ROLE} TO {row['rolname']}."
            )

    async def close(self) -> None:
        """Close all connections, waiting for those in use."""
        await self._pool.close()

    @asynccontextmanager
    async def reading(self, actor: str | None) -> AsyncIterator[Connection]:
        """A connection acting for the facility `actor` (None: the service itself), outside a transaction."""
        async with self._connection() as connection:
            await connection.execute(_set_actor(actor))
            try:
                yield connection
            except asyncpg.DataError:
                # A value that cannot be sent leaves its statement prepared and half open, with its locks.
                await connection.execute("SELECT")
                raise

    @asynccontextmanager
    async def writing(self, actor: str | None) -> AsyncIterator[Connection]:
        """One transaction for the facility `actor`: BEGIN and the actor are one message, COMMIT another."""
        async with self._connection() as connection:
            await connection.execute(f"BEGIN; {_set_actor(actor)}")
            try:
                yield connection
            except BaseException:
                # A connection that broke has rolled back by itself.
                with suppress(asyncpg.InterfaceError, asyncpg.PostgresError, OSError):
                    await connection.execute("ROLLBACK")
                raise
            await connection.execute("COMMIT")

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        try:
            async with self._pool.acquire(timeout=self._patience) as connection:
                yield connection
        except DomainError:
            raise
        except asyncpg.DataError:
            raise
        except _AWAY as failure:
            raise StoreUnavailable(_AWAY_TEXT) from failure
        except asyncpg.PostgresError as failure:
            known = domain_error(failure)
            if known is None:
                raise
            raise known from failure
