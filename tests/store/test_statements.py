"""Every statement of the store is one that the migrated database understands."""

import re
from importlib import resources

import asyncpg
import pytest

from referral.store.statements import nouns, statements
from tests.conftest import Database

STATEMENTS = [(noun, name) for noun in nouns() for name in statements(noun)]


def test_every_file_names_each_of_its_statements_once():
    for noun in nouns():
        text = resources.files("referral.store").joinpath("sql", f"{noun}.sql").read_text("utf-8")
        names = re.findall(r"^-- name: (\w+)", text, re.MULTILINE)
        assert names
        assert list(statements(noun)) == names
        before_the_first = text.partition("-- name:")[0].splitlines()
        assert all(line.startswith("--") for line in before_the_first)


@pytest.fixture(scope="module")
async def connection(database: Database):
    """One of its own: a statement that is prepared and not executed keeps its locks."""
    own = await asyncpg.connect(database.dsn)
    yield own
    await own.close()


@pytest.mark.parametrize(("noun", "name"), STATEMENTS, ids=[f"{noun}.{name}" for noun, name in STATEMENTS])
async def test_a_statement_is_prepared(connection: asyncpg.Connection, noun: str, name: str):
    await connection.prepare(statements(noun)[name])
