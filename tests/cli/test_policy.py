"""`referral policy`: what a person reads, and that a faulty file changes nothing."""

from pathlib import Path

import pytest

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
async def program(store: Store, database: Database, tmp_path: Path) -> Program:
    """The program, a network in its database, and files beside it."""
    (tmp_path / "facilities.csv").write_text(FACILITIES)
    (tmp_path / "policy.toml").write_text(NETWORK)
    (tmp_path / "new.toml").write_text(NEW)
    (tmp_path / "faulty.toml").write_text(FAULTY)
    (tmp_path / "none.toml").write_text("[network\n")
    found = Program(database.dsn)
    assert (await found.run("network", "import", str(tmp_path))).returncode == 0
    return found


async def test_check_activate_show_and_compare(program: Program, tmp_path: Path) -> None:
    file = str(tmp_path / "new.toml")
    checked = await program.run("policy", "check", file, "--from", "2026-02-01")
    assert checked.stdout == "hill: version 2 would begin on 2026-02-01.\n"
    done = await program.run("policy", "activate", file, "--from", "2026-02-01")
    assert (done.returncode, done.stdout) == (0, "hill: version 2 begins on 2026-02-01.\n")
    again = await program.run("policy", "activate", file, "--from", "2026-02-01")
    assert "nothing to change" in again.stdout
    clock = (
        "clocks: acknowledge within minutes: stat 5, asap 20, urgent 60, routine 480"
        " (routine: working time) [the agreement of 2026-01-05]"
    )
    now = (await program.run("policy", "show")).stdout
    assert f"  {clock}\n" in now
    assert "  lists: straight-to-level absent: there is no source for any\n" in now
    assert "Version 2 from 2026-02-01, stored " in now
    before = (await program.run("policy", "show", "--on", "2026-01-31")).stdout
    assert clock not in before
    assert "acknowledge within minutes: stat 10" in before
    compared = await program.run("policy", "diff", "1", file)
    assert compared.stdout.splitlines()[1] == f"+ {clock}"
    assert len(compared.stdout.splitlines()) == 2


async def test_a_faulty_file_tells_all_its_faults_and_changes_nothing(
    program: Program, tmp_path: Path, store: Store
) -> None:
    done = await program.run("policy", "activate", str(tmp_path / "faulty.toml"))
    assert done.returncode == 2
    assert done.stdout.splitlines() == [
        "faulty.toml: offers.auto_redirect: must be true or false",
        "faulty.toml: lists[0].codes: 'measles' is not a code of ICD-10",
        "faulty.toml: lists[0].source: is required: a list without a source has no codes",
        "faulty.toml: calendar.timezone: is no time zone of the IANA database",
        "faulty.toml: calendar.country: public holidays of this country are not known",
    ]
    assert done.stderr.endswith("; nothing was changed\n")
    none = await program.run("policy", "check", str(tmp_path / "none.toml"))
    assert none.returncode == 2
    assert none.stdout.startswith("none.toml: is not TOML")
    unknown = await program.run("policy", "show", "--network", "sea")
    assert (unknown.returncode, unknown.stderr) == (2, "referral: there is no network sea\n")
    async with store.reading(None) as connection:
        assert await connection.fetchval("SELECT count(*) FROM policy_version") == 1
