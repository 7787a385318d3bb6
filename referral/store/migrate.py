"""Bring a database to a revision of the schema. Runs under the owner role, not the service's."""

import asyncio
import threading
import time
from importlib import resources

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.exc import SQLAlchemyError

from referral.domain.errors import StoreUnavailable
from referral.store.migrations.script import LOCK_WAIT
from referral.store.pool import SERVICE_ROLE
from referral.store.schema import RELATIONS, check_server, read_revision

BASE = "base"
HEAD = "head"

# A migration waits a moment for its tables, and whoever comes after it with it. Then it lets everybody pass.
_PAUSE_SECONDS = 2
_TRIES = 20
# Between two looks whether another migration has ended; that one may take as long as it needs.
_TURN_SECONDS = 0.2
_MET_OTHERS = (asyncpg.exceptions.LockNotAvailableError, asyncpg.exceptions.DeadlockDetectedError)
# An old service that has just ended may be seen for a moment still; one that serves is told of soon.
_MET_OLD_SERVICE = asyncpg.exceptions.ObjectInUseError
_TRIES_WITH_OLD_SERVICE = 3


class _OthersTurn(Exception):
    """Another process migrates this database now."""


def migrate(owner_dsn: str, revision: str = HEAD) -> str:
    """Upgrade or downgrade the database of `owner_dsn`; returns the revision that it has then.

    revision: one of ours, `head`, `base`, or so many steps, `+N` or `-N`, from where it stands. Each step is
    one transaction: a migration that is interrupted leaves a whole schema, before a step or after it. Several
    at once wait for each other. A table that is in use by a long transaction is tried for about a minute, in
    turns with the service. `head` leaves a newer schema than ours as it is, where that bears this version.

    Raises StoreUnavailable with one clear line when the database cannot be reached or migrated.
    """
    tries = 0
    while True:
        try:
            return _in_thread(owner_dsn, revision)
        except _OthersTurn:
            time.sleep(_TURN_SECONDS)
        except (
            OSError,
            ValueError,
            SQLAlchemyError,
            asyncpg.PostgresError,
            asyncpg.InterfaceError,
        ) as failure:
            cause = _cause(failure)
            tries += 1
            if tries >= _tries(cause):
                raise StoreUnavailable(f"The database could not be migrated: {_line(cause)}") from failure
            time.sleep(_PAUSE_SECONDS)


def _tries(cause: BaseException) -> int:
    if isinstance(cause, _MET_OTHERS):
        return _TRIES
    return _TRIES_WITH_OLD_SERVICE if isinstance(cause, _MET_OLD_SERVICE) else 1


def _in_thread(owner_dsn: str, revision: str) -> str:
    """Alembic makes a loop of its own, and our caller may be running one: so a thread of its own."""
    done: list[str] = []
    failures: list[BaseException] = []

    def work() -> None:
        try:
            done.append(_migrate(owner_dsn, revision))
        except BaseException as failure:  # noqa: BLE001 - handed to the caller's thread below
            failures.append(failure)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return done[0]


def _migrate(owner_dsn: str, wanted: str) -> str:
    current, oldest = asyncio.run(_examine(owner_dsn))
    with resources.as_file(resources.files("referral.store").joinpath("migrations")) as folder:
        config = Config()
        config.set_main_option("script_location", str(folder).replace("%", "%%"))
        config.attributes["connect"] = lambda: _connect(owner_dsn)
        known = [BASE, *_revisions(config)]
        if current not in known:
            if wanted != HEAD or oldest not in known:
                raise StoreUnavailable(
                    f"The database is at revision {current}, which this version does not know (its own is"
                    f" {known[-1]}): use the version that made it."
                )
            return current
        here, there = known.index(current), _place(known, current, wanted)
        if there > here:
            command.upgrade(config, known[there])
        elif there < here:
            command.downgrade(config, known[there])
        return known[there]


def _revisions(config: Config) -> list[str]:
    """All of ours, the first first."""
    return [step.revision for step in ScriptDirectory.from_config(config).walk_revisions()][::-1]


def _place(known: list[str], current: str, wanted: str) -> int:
    """Where in `known` a wish leads."""
    steps = wanted[1:] if wanted[:1] in ("+", "-") else ""
    if wanted == HEAD:
        place = len(known) - 1
    elif steps.isascii() and steps.isdecimal():
        place = known.index(current) + int(wanted)
    else:
        place = known.index(wanted) if wanted in known else -1
    if not 0 <= place < len(known):
        raise StoreUnavailable(
            f"There is no revision {wanted} from {current}: there are {', '.join(known)} and head."
        )
    return place


async def _examine(owner_dsn: str) -> tuple[str, str]:
    """The revision (`base`: none) and the oldest whose service it bears. Refuses what cannot be migrated."""
    connection = await asyncpg.connect(owner_dsn)
    try:
        check_server(connection)
        await _check_rights(connection)
        return await read_revision(connection) or (BASE, BASE)
    finally:
        await connection.close()


async def _check_rights(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    # The first migration grants on all tables, so there may be none of others yet; later only ours count.
    (found,) = await connection.fetch(
        "SELECT rolname, has_schema_privilege('public', 'CREATE') AS creates,"
        " (SELECT relname || ' in the schema public belongs to ' || pg_get_userbyid(relowner) FROM pg_class"
        "  WHERE relnamespace = 'public'::regnamespace AND NOT pg_has_role(relowner, 'USAGE')"
        "  AND (relname = ANY($2) OR relkind IN ('r', 'p') AND to_regclass('public.schema_revision') IS NULL)"
        "  ORDER BY relname LIMIT 1) AS foreign_one,"
        " rolcreaterole OR rolsuper OR to_regrole($1) IS NOT NULL AS has_group"
        " FROM pg_roles WHERE rolname = current_user",
        SERVICE_ROLE,
        RELATIONS,
    )
    reason = found["foreign_one"] if found["creates"] else "it must own the database and what is ours in it"
    if reason:
        raise StoreUnavailable(
            f"The role {found['rolname']} of DATABASE_OWNER_URL may not change the schema: {reason}."
        )
    if not found["has_group"]:
        raise StoreUnavailable(
            f"The role {found['rolname']} of DATABASE_OWNER_URL may not make the group {SERVICE_ROLE}:"
            f" give it CREATEROLE, or make the group before: CREATE ROLE {SERVICE_ROLE} NOLOGIN."
        )


async def _connect(owner_dsn: str) -> "asyncpg.Connection[asyncpg.Record]":
    """The connection of a migration. Until it is closed nobody else migrates this database."""
    connection = await asyncpg.connect(owner_dsn)
    try:
        if not await connection.fetchval("SELECT pg_try_advisory_lock(hashtext('referral.migrate'))"):
            raise _OthersTurn
        await connection.execute(f"SET lock_timeout = '{LOCK_WAIT}'")
    except BaseException:
        await connection.close()
        raise
    return connection


def _cause(failure: BaseException) -> BaseException:
    """What the server said, where it said something; SQLAlchemy wraps it more than once."""
    found: BaseException | None = failure
    while found is not None:
        if isinstance(found, asyncpg.PostgresError):
            return found
        found = found.__cause__
    return failure


def _line(failure: BaseException) -> str:
    if isinstance(failure, _MET_OTHERS):
        return "other transactions keep its tables in use: end them, or try again later"
    lines = str(failure).strip().splitlines()
    return lines[0] if lines else type(failure).__name__
