"""Which schema, and which PostgreSQL, a service of this version starts on."""

import asyncio
from collections.abc import AsyncIterator
from importlib import resources

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from referral.domain.errors import StoreUnavailable
from referral.store.migrate import migrate
from referral.store.pool import Store
from referral.store.schema import NEEDED, NEWEST
from tests.conftest import Database
from tests.old_postgresql import greeting_server
from tests.own_database import ask, own_database


@pytest.fixture(scope="module")
async def migrated(superuser_dsn: str, database: Database) -> AsyncIterator[Database]:
    async with own_database(superuser_dsn, database, "schema_of_ours") as made:
        migrate(made.owner_dsn)
        yield made


async def says(database: Database, revision: str, oldest: str) -> None:
    await ask(
        database.owner_dsn, "UPDATE schema_revision SET version_num = $1, oldest = $2", revision, oldest
    )


async def starts(database: Database) -> None:
    await (await Store.open(database.dsn, size=1)).close()


async def refused(database: Database) -> str:
    with pytest.raises(StoreUnavailable) as told:
        await Store.open(database.dsn, size=1)
    line = str(told.value)
    assert "\n" not in line
    return line


def test_the_revisions_are_one_line_of_numbers_and_the_constants_are_in_it() -> None:
    config = Config()
    with resources.as_file(resources.files("referral.store").joinpath("migrations")) as folder:
        config.set_main_option("script_location", str(folder))
        scripts = ScriptDirectory.from_config(config)
        numbers = [step.revision for step in scripts.walk_revisions()][::-1]
        assert scripts.get_heads() == [NEWEST]
    assert numbers == [f"{number:04d}" for number in range(1, len(numbers) + 1)]
    assert NEEDED in numbers


async def test_it_starts_on_the_schema_that_it_needs_and_on_that_of_its_newest_migration(
    migrated: Database,
) -> None:
    await starts(migrated)
    migrate(migrated.owner_dsn, NEEDED)
    await starts(migrated)
    migrate(migrated.owner_dsn)


async def test_an_older_schema_is_refused_with_what_to_do(migrated: Database) -> None:
    migrate(migrated.owner_dsn, "0001")
    line = await refused(migrated)
    assert "0001" in line
    assert "run `referral migrate`" in line
    migrate(migrated.owner_dsn)
    await starts(migrated)


async def test_a_newer_schema_that_still_bears_this_version_is_served_and_left_alone(
    migrated: Database,
) -> None:
    await says(migrated, "0999", NEWEST)
    await starts(migrated)
    assert migrate(migrated.owner_dsn) == "0999"
    for wish in ("-1", "0001", "base", "0999"):
        with pytest.raises(StoreUnavailable, match=r"0999, which this version does not know"):
            migrate(migrated.owner_dsn, wish)
    await says(migrated, NEWEST, "0001")


async def test_a_newer_schema_that_does_not_is_refused_by_both(migrated: Database) -> None:
    await says(migrated, "0999", "0998")
    line = await refused(migrated)
    assert "0998" in line
    assert "newer version" in line
    with pytest.raises(StoreUnavailable, match=r"0999, which this version does not know"):
        migrate(migrated.owner_dsn)
    await says(migrated, NEWEST, "0001")


@pytest.mark.parametrize(("version", "number"), [("14.23", 14), ("9.6.24", 9), ("14beta3", 14)])
async def test_an_older_postgresql_is_refused_by_both(version: str, number: int) -> None:
    async with greeting_server(version) as address:
        with pytest.raises(StoreUnavailable, match=rf"PostgreSQL {number}: 15 or newer is needed"):
            await Store.open(address)
        with pytest.raises(StoreUnavailable, match=rf"PostgreSQL {number}: 15 or newer is needed"):
            await asyncio.to_thread(migrate, address)
