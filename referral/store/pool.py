"""The pool: the only way to a connection, and the place where the actor is set."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import asyncpg
import asyncpg.pool

from referral.domain.errors import DomainError, StoreUnavailable
from referral.store.failures import domain_error
from referral.store.gathering import Gathering
from referral.store.schema import NEWEST, check_schema, check_server
from referral.store.statements import name_of, statement

if TYPE_CHECKING:
    from referral.store.write_together import Command

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
    # The limits of time that the pool sets itself; that of a statement is an OperatorInterventionError.
    asyncpg.exceptions.LockNotAvailableError,
    asyncpg.exceptions.IdleInTransactionSessionTimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
_AWAY_TEXT = "The database does not answer now; send the same request again later."
# They compute most of the time, and hold a connection meanwhile.
_LARGE_WRITES = 2
# Transactions of several writes: while the database works on one, the next is decided.
_PIECES = 2
_MOST_TOGETHER = 16
_LARGEST_TOGETHER = 64 * 1024  # bytes of requests: what takes no longer to decide than one of the largest
# What others wait behind: a lock of somebody else for so long, and a statement for this part of its limit.
_BRIEF_LOCK = 100  # milliseconds: less than deadlock_timeout
_BRIEF_PART = 6
# Uses that may wait for one connection: more would be answered later than anybody waits.
_MOST_WAITING = 100

StatementWatch = Callable[[str, float, bool], None]
"""Told of each statement after its end: its name (never its values), its seconds, whether it failed."""


class PoolUse(NamedTuple):
    """The pool at this moment, and since it was opened."""

    most: int
    open: int
    in_use: int
    waiting: int
    uses: int
    waited_seconds: float


async def _keep(_connection: object) -> None:
    """Takes the place of asyncpg's reset: the next user sets its own actor before anything else."""


def _set_actor(actor: str | None) -> str:
    quoted = (actor or "").replace("'", "''")
    return f"SELECT set_config('referral.actor', '{quoted}', false)"


class Store:
    """A pool of connections under the service's login role."""

    def __init__(
        self, pool: "asyncpg.Pool[asyncpg.Record]", patience: float, statement_seconds: float = 30
    ) -> None:
        self._pool, self._patience = pool, patience
        self._statement_seconds = statement_seconds
        self.large_writes = asyncio.Semaphore(_LARGE_WRITES)
        """Whose turn it is to write what takes long to decide: the rest of the pool is for all others."""
        self.commands: Gathering[Command] = Gathering(
            pieces=_PIECES,
            most=_MOST_TOGETHER,
            largest=_LARGEST_TOGETHER,
            patience=patience,
            longest=_MOST_WAITING * pool.get_max_size(),
        )
        """Writes that wait for others, to be done together."""
        self.id_key = b""
        """The secret behind ids that stand for running numbers, once the store is open."""
        self._waiting = self._uses = 0
        self._waited = 0.0

    @classmethod
    async def open(
        cls,
        dsn: str,
        *,
        size: int = 10,
        patience: float = 10,
        statement_seconds: float = 30,
        watch: StatementWatch | None = None,
    ) -> Self:
        """Open the pool. `patience`: seconds that a use waits for a free connection.

        statement_seconds: what one statement may take, and a transaction that sends none; half of it for a
        lock. The server itself ends what is longer, so that its locks are free again.

        Raises StoreUnavailable where no server answers or it is too old, where the login role of `dsn`
        is not a member of `referral_service` (or is too mighty to be held by its limits), and where
        the schema is not one that this version works on.
        """
        limit = round(statement_seconds * 1000)
        limits = {
            "statement_timeout": limit,
            "lock_timeout": limit // 2,
            "idle_in_transaction_session_timeout": limit,
        }
        try:
            pool = await asyncpg.create_pool(
                dsn,
                min_size=1,
                max_size=size,
                init=None if watch is None else _watched_by(watch),
                reset=_keep,
                # For a server that says nothing any more; one that lives has ended the statement before.
                command_timeout=statement_seconds + 5,
                max_inactive_connection_lifetime=0,
                server_settings={
                    "jit": "off",
                    "application_name": f"referral {NEWEST}",
                    "timezone": "UTC",
                    **{name: str(milliseconds) for name, milliseconds in limits.items()},
                },
            )
        except (*_AWAY, ValueError, asyncpg.PostgresError) as failure:  # an address may say anything
            reason = str(failure) or "no answer in time"
            raise StoreUnavailable(f"No connection to the database: {reason}") from failure
        store = cls(pool, patience, statement_seconds)
        try:
            await store._check()
        except BaseException:
            await store.close()
            raise
        return store

    async def _check(self) -> None:
        async with self._connection() as connection:
            check_server(connection)
        async with self.reading(None) as connection:
            row = await connection.fetchrow(
                "SELECT rolname,"
                # Who owns the tables, by himself or through a role, is held by no policy and no grant.
                " rolsuper OR rolbypassrls OR coalesce((SELECT pg_has_role(c.relowner, 'USAGE')"
                "  FROM pg_class c WHERE c.oid = to_regclass('document')), false) AS mighty,"
                # Roles are the cluster's, so one alone says nothing about this database.
                " to_regclass('document') IS NOT NULL AND to_regrole($1) IS NOT NULL AS migrated,"
                # Its rights count, not only that it may hand them on, as the role does that made the group.
                " to_regrole($1) IS NOT NULL AND pg_has_role(to_regrole($1), 'USAGE') AS member"
                " FROM pg_roles WHERE rolname = current_user",
                SERVICE_ROLE,
            )
        if row is None or not row["migrated"]:
            raise StoreUnavailable("The database is not migrated: run `referral migrate` first.")
        if row["mighty"] or not row["member"]:
            raise StoreUnavailable(
                f"The role {row['rolname']} of DATABASE_URL must be an ordinary member of {SERVICE_ROLE}:"
                f" GRANT {SERVICE_ROLE} TO {row['rolname']}."
            )
        async with self.reading(None) as connection:
            await check_schema(connection)
            self.id_key = await connection.fetchval(statement("audit", "id_key"))

    @property
    def use(self) -> PoolUse:
        """How busy the pool is."""
        pool = self._pool
        size, idle = pool.get_size(), pool.get_idle_size()
        waiting = self._waiting + self.commands.waiting
        return PoolUse(pool.get_max_size(), size, size - idle, waiting, self._uses, self._waited)

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

    async def fetch_as(self, actor: str, statement: str, *values: object) -> asyncpg.Record | None:
        """One row in one message, by a `statement` that sets its first value, the `actor`, by itself."""
        async with self._connection() as connection:
            return await connection.fetchrow(statement, actor, *values)

    async def fetch_all_as(self, actor: str, statement: str, *values: object) -> list[asyncpg.Record]:
        """All rows in one message, by a `statement` that goes by its first value, the `actor`, alone."""
        async with self._connection() as connection:
            return await connection.fetch(statement, actor, *values)

    @asynccontextmanager
    async def writing(self, actor: str | None, *, brief: bool = False) -> AsyncIterator[Connection]:
        """One transaction for the facility `actor`: BEGIN and the actor are one message, COMMIT another.

        brief: it ends where it would take long; see `took_too_long`.
        """
        limits = ""
        if brief:
            statement_limit = max(round(self._statement_seconds * 1000 / _BRIEF_PART), 1)
            limits = (
                f"SET LOCAL lock_timeout = {_BRIEF_LOCK}; SET LOCAL statement_timeout = {statement_limit}; "
            )
        async with self._connection() as connection:
            await connection.execute(f"BEGIN; {limits}{_set_actor(actor)}")
            try:
                yield connection
            except BaseException:
                # A connection that broke has rolled back by itself.
                with suppress(asyncpg.InterfaceError, asyncpg.PostgresError, OSError):
                    await connection.execute("ROLLBACK")
                raise
            await connection.execute("COMMIT")

    def within(self, connection: Connection) -> "Store":
        """This store as the transaction of a connection sees it, for its own actor to read from."""
        found = _Within(self._pool, self._patience, connection)
        found.id_key = self.id_key
        return found

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        try:
            connection = await self._acquire()
            try:
                yield connection
            finally:
                await self._pool.release(connection)
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

    async def _acquire(self) -> Connection:
        if self._waiting >= _MOST_WAITING * self._pool.get_max_size():
            raise StoreUnavailable(_AWAY_TEXT)
        began = time.perf_counter()
        self._waiting += 1
        try:
            return await self._pool.acquire(timeout=self._patience)
        finally:
            self._waiting -= 1
            self._uses += 1
            self._waited += time.perf_counter() - began


def took_too_long(failure: BaseException) -> bool:
    """Whether the server ended a statement for a limit of time, its own or that of a lock of others."""
    return isinstance(
        failure.__cause__, asyncpg.exceptions.LockNotAvailableError | asyncpg.exceptions.QueryCanceledError
    )


class _Within(Store):
    """One connection, in a transaction that somebody else began and ends."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", patience: float, connection: Connection) -> None:
        super().__init__(pool, patience)
        self._one = connection

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        # What goes wrong is named where the transaction was begun.
        yield self._one


def _watched_by(
    watch: StatementWatch,
) -> "Callable[[asyncpg.Connection[asyncpg.Record]], Coroutine[Any, Any, None]]":
    async def init(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        def tell(record: asyncpg.connection.LoggedQuery) -> None:
            watch(name_of(record.query), record.elapsed, record.exception is not None)

        connection.add_query_logger(tell)

    return init
