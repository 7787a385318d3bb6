"""The drill of a restore: it finds all in its place, and it would see what is not."""

import subprocess
from collections.abc import AsyncIterator

import asyncpg
import pytest

from scripts.restore_drill import Referral, compare, compare_keys, compare_numbers, held
from tests.conftest import Database
from tests.install.environment import ROOT
from tests.own_database import own_database

SCRIPT = ROOT / "scripts" / "restore-drill"


def test_all_is_there_after_dump_destruction_and_restore() -> None:
    done = subprocess.run([SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 wrong" in done.stdout
    for what in ("table document", "sequence referral_sequence", "keys of systems", "numbers of referrals"):
        assert what in done.stdout
    assert done.stdout.count("as it was") >= 3


@pytest.fixture
async def some(superuser_dsn: str, database: Database) -> AsyncIterator[str]:
    """A database with a table, a table of parts and a sequence."""
    async with own_database(superuser_dsn, database, "drilled") as made:
        connection = await asyncpg.connect(made.owner_dsn)
        await connection.execute(
            "CREATE TABLE plain (id int, name text); INSERT INTO plain VALUES (1, 'a'), (2, 'b');"
            "CREATE TABLE parted (id int) PARTITION BY HASH (id);"
            "CREATE TABLE part PARTITION OF parted FOR VALUES WITH (MODULUS 1, REMAINDER 0);"
            "INSERT INTO parted VALUES (1), (2); CREATE SEQUENCE number; SELECT nextval('number')"
        )
        await connection.close()
        yield made.owner_dsn


@pytest.mark.parametrize(
    ("statement", "changed"),
    [
        ("SELECT", set()),
        ("DELETE FROM plain WHERE id = 1", {"table plain"}),
        ("UPDATE plain SET name = 'A' WHERE id = 1", {"table plain"}),
        ("UPDATE plain SET name = NULL WHERE id = 1", {"table plain"}),
        ("INSERT INTO parted VALUES (2)", {"table parted"}),
        ("SELECT nextval('number')", {"sequence number"}),
        ("CREATE TABLE new (id int)", {"table new"}),
        ("DROP TABLE plain", {"table plain"}),
    ],
)
async def test_it_sees_what_is_not_as_it_was(statement: str, changed: set[str], some: str) -> None:
    before = await held(some)
    assert before.tables.keys() == {"plain", "parted"}
    connection = await asyncpg.connect(some)
    await connection.execute(statement)
    await connection.close()
    after = await held(some)
    assert {check.what for check in compare(before, after) if not check.right} == changed


def test_it_sees_a_number_that_is_given_twice() -> None:
    old = [Referral("HP000000011", "a", "s", "{}"), Referral("HP000000020", "b", "s", "{}")]
    for number, right in (("HP000000038", True), ("HP000000020", False), ("HP000000011", False)):
        assert compare_numbers(old, [*old, Referral(number, "c", "s", "{}")]).right is right
    assert not compare_numbers(old, old).right


def test_it_sees_a_key_that_is_no_longer_good() -> None:
    before = b'{"systems": [{"private_jwk": {"d": "1"}}, {"private_jwk": {"d": "2"}}]}'
    assert compare_keys(before, before).right
    assert not compare_keys(before, before.replace(b"2", b"3")).right
