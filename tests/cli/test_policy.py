"""`referral policy`: what a person reads, and that a faulty file changes nothing."""

from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from referral.actions.import_network import import_network
from referral.exchange.network_files import read_network
from referral.store.pool import Store
from tests.cli.program import Program
from tests.conftest import Database

NETWORK = '[network]\nid = "hill"\nname = "Hill network"\nprefix = "HI"\n'
FACILITIES = "id,name,tier,lat,lon\nhospital,Hill hospital,satellite,10.5,106\n"
NEW = (
    NETWORK
    + """
[[clocks]]
kind = "acknowledge"
stat = 5
asap = 20
urgent = 60
routine = 480
source = "the agreement"
date = 2026-01-05
"""
)
FAULTY = (
    NETWORK
    + """
[offers]
auto_redirect = "perhaps"
[calendar]
country = "ZZ"
timezone = "Moon/Base"
[[lists]]
kind = "notifiable"
codes = ["A00", "measles"]
"""
)


@pytest.fixture
def program(store: Store, database: Database) -> Program:
    """The program against an empty database."""
    return Program(database.dsn)


async def test_a_policy_is_checked_put_in_force_shown_and_compared(
    program: Program, store: Store, tmp_path: Path
) -> None:
    """In one test, because every command is a program that has to start."""
    (tmp_path / "facilities.csv").write_text(FACILITIES)
    for name, text in {"policy": NETWORK, "new": NEW, "faulty": FAULTY}.items():
        (tmp_path / f"{name}.toml").write_text(text)
    await import_network(store, read_network(tmp_path), datetime.now(UTC))
    new, faulty = str(tmp_path / "new.toml"), str(tmp_path / "faulty.toml")

    refused = await program.run("policy", "activate", faulty)
    assert refused.returncode == 2
    assert refused.stdout.splitlines() == [
        "faulty.toml: offers.auto_redirect: must be true or false",
        "faulty.toml: lists[0].codes: 'measles' is not a code of ICD-10",
        "faulty.toml: lists[0].source: is required: a list without a source has no codes",
        "faulty.toml: calendar.timezone: is no time zone of the IANA database",
        "faulty.toml: calendar.country: public holidays of this country are not known",
    ]
    assert refused.stderr == f"referral: 5 faults in {faulty}; nothing was changed\n"

    checked = await program.run("policy", "check", new, "--from", "2026-02-01")
    back = "Referrals that were written since that day are judged by it too.\n"
    assert checked.stdout == f"hill: version 2 would begin on 2026-02-01.\n{back}"
    async with store.reading(None) as connection:
        assert await connection.fetchval("SELECT count(*) FROM policy_version") == 1
    (tmp_path / "odd.toml").write_text(NEW.replace("stat = 5", "stat = 100\nvalid_to = 2026-03-31"))
    odd = await program.run("policy", "check", str(tmp_path / "odd.toml"), "--from", "2026-02-01")
    assert odd.stdout.splitlines()[:2] == [
        "warning: clock acknowledge: stat has longer than asap (100 and 20 minutes)",
        "warning: clock acknowledge: ends on 2026-03-31; from 2026-04-01 that of the program holds",
    ]
    done = await program.run("policy", "activate", new, "--from", "2026-02-01")
    assert (done.returncode, done.stdout) == (0, f"hill: version 2 begins on 2026-02-01.\n{back}")

    shown = (await program.run("policy", "show", "--on", "2026-01-31")).stdout.splitlines()
    assert shown[0].startswith("Version 1 from the beginning, stored ")
    assert shown[0].endswith(" by import, in force on 2026-01-31")
    assert shown[1].startswith("Version 2 from 2026-02-01, stored ")
    assert shown[2:4] == [
        "Version 1:",
        "  network: hill, Hill network, numbers begin with HI",
    ]
    compared = await program.run("policy", "diff", "1", new)
    gone, come = compared.stdout.splitlines()
    assert gone.startswith("- clocks: acknowledge within minutes: stat 10, ")
    assert come == (
        "+ clocks: acknowledge within minutes: stat 5, asap 20, urgent 60, routine 480"
        " (routine: working time) [the agreement of 2026-01-05]"
    )


async def test_what_is_not_there_is_one_line(program: Program, tmp_path: Path) -> None:
    unknown = await program.run("policy", "show", "--network", "sea")
    assert (unknown.returncode, unknown.stderr) == (2, "referral: there is no network sea\n")


async def test_a_version_that_cannot_be_read_is_told_and_replaced(
    program: Program, store: Store, database: Database, tmp_path: Path
) -> None:
    (tmp_path / "facilities.csv").write_text(FACILITIES)
    (tmp_path / "policy.toml").write_text(NETWORK)
    await import_network(store, read_network(tmp_path), datetime.now(UTC))
    owner = await asyncpg.connect(database.owner_dsn)
    await owner.execute('UPDATE policy_version SET mapping = mapping || \'{"weights": {"level": -1}}\'')
    await owner.close()
    refused = await program.run("policy", "show")
    assert refused.returncode == 2
    assert "Version 1 of the policy" in refused.stderr
    assert "weights.level: must be a number" in refused.stderr
    (tmp_path / "new.toml").write_text(NEW)
    put = await program.run("policy", "activate", str(tmp_path / "new.toml"))
    assert put.returncode == 0, put.stderr
    shown = await program.run("policy", "show")
    assert "Version 2:" in shown.stdout
