"""The database that a command works with: that of DATABASE_URL, else its own in the data directory."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import NamedTuple

import click

from referral.embedded import EmbeddedPostgres
from referral.settings import Settings, SettingsError
from referral.store.pool import Store

data_option = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default="data",
    show_default=True,
    help="Data directory; made when missing. Unused with DATABASE_URL, but for what a command writes there.",
)


class Database(NamedTuple):
    """One database. `owner_dsn` is None where an external one is used and its owner was not named."""

    dsn: str
    owner_dsn: str | None
    embedded: EmbeddedPostgres | None

    def migrate_own(self) -> None:
        """Bring an embedded database to this version's schema; `migrate` alone changes an external one."""
        if self.embedded is not None:
            # Imported here: Alembic and SQLAlchemy are a third of the start of a command, and of its memory.
            from referral.store.migrate import migrate  # noqa: PLC0415

            migrate(self.embedded.owner_dsn)


def read_settings(base_url: str | None = None) -> Settings:
    """The settings of the environment; an option takes the place of its variable. Raises SettingsError."""
    given = {"REFERRAL_BASE_URL": base_url} if base_url is not None else {}
    return Settings.from_environment({**os.environ, **given})


@contextmanager
def open_database(data: Path) -> Iterator[Database]:
    """The database while it is used; an embedded one runs at least that long.

    Raises SettingsError or EmbeddedError.
    """
    settings = read_settings()
    if settings.database_url is not None:
        yield Database(settings.database_url, settings.database_owner_url, None)
    elif settings.database_owner_url is not None:
        raise SettingsError("DATABASE_OWNER_URL is set and DATABASE_URL is not: set both or neither")
    else:
        with EmbeddedPostgres.open(data) as embedded:
            yield Database(embedded.dsn, embedded.owner_dsn, embedded)


@asynccontextmanager
async def open_store(data: Path) -> AsyncIterator[Store]:
    """The store of that database, an embedded one migrated.

    Raises SettingsError, EmbeddedError or StoreUnavailable.
    """
    with open_database(data) as database:
        database.migrate_own()
        store = await Store.open(database.dsn, size=read_settings().pool_size)
        try:
            yield store
        finally:
            await store.close()
