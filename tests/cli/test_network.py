"""`referral network`: import and check, with what a person reads."""

from importlib import resources
from pathlib import Path

import pytest

from referral.store.pool import Store
from tests.cli.program import Program
from tests.conftest import Database

POLICY = '[network]\nid = "hill"\nname = "Hill network"\nprefix = "HI"\n[cafeteria]\nopen = true\n'
FACILITIES = """id,name,tier,lat,lon
hospital,Hill hospital,satellite,10.5,106
station,Hill station,station,10.6,106.1
"""


@pytest.fixture
def program(store: Store, database: Database) -> Program:
    """The program against an empty database."""
    return Program(database.dsn)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "policy.toml").write_text(POLICY)
    (tmp_path / "facilities.csv").write_text(FACILITIES)
    return tmp_path


async def test_check_then_import_then_import_again(program: Program, folder: Path) -> None:
    checked = await program.run("network", "check", str(folder))
    first = await program.run("network", "import", str(folder))
    again = await program.run("network", "import", str(folder))
    assert [found.returncode for found in (checked, first, again)] == [0, 0, 0]
    assert "facilities           2        0        0        0" in checked.stdout
    assert checked.stdout == first.stdout
    assert "facilities           0        0        2        0\n" in again.stdout
    assert again.stdout.endswith("Nothing changed.\n")
    assert "warning: policy.toml: table [cafeteria] is unknown" in first.stdout
    assert first.stderr == ""


async def test_ids_that_another_network_has_taken_are_told(program: Program, folder: Path) -> None:
    first = await program.run("network", "import", str(folder))
    assert "Organization id" not in first.stdout
    sea = POLICY.replace('"hill"', '"sea"').replace('"HI"', '"SE"')
    (folder / "policy.toml").write_text(sea)
    second = await program.run("network", "import", str(folder))
    line = "2 Organization ids differ from the file's, where another network has that id: sea.<id>"
    assert line in second.stdout.splitlines()
    assert "not by that rule" not in second.stdout


async def test_ids_known_by_the_insurers_code_are_told_one_by_one(program: Program, folder: Path) -> None:
    coded = "id,name,tier,lat,lon,insurer_code\n{},Hill hospital,satellite,10.5,106,31001\n"
    (folder / "facilities.csv").write_text(coded.format("hospital"))
    await program.run("network", "import", str(folder))
    (folder / "policy.toml").write_text(POLICY.replace('"hill"', '"sea"').replace('"HI"', '"SE"'))
    (folder / "facilities.csv").write_text(coded.format("clinic"))
    second = await program.run("network", "import", str(folder))
    assert "1 Organization id differs from the file's" in second.stdout
    assert "  clinic: hospital" in second.stdout.splitlines()


async def test_faults_are_listed_with_their_places_and_nothing_is_imported(
    program: Program, folder: Path, store: Store
) -> None:
    rows = "".join(f"f{number},Name,moon,1,2\n" for number in range(250))
    (folder / "facilities.csv").write_text(FACILITIES + rows)
    found = await program.run("network", "import", str(folder))
    assert found.returncode == 2
    lines = found.stdout.splitlines()
    assert lines[0].startswith("facilities.csv:4: tier: 'moon' is unknown")
    assert len(lines) == 201
    assert lines[-1] == "and 50 more"
    assert found.stderr == f"referral: 250 faults in {folder}; nothing was imported\n"
    async with store.reading(None) as connection:
        assert await connection.fetchval("SELECT count(*) FROM network") == 0


async def test_a_rule_broken_against_the_database_is_one_line(program: Program, folder: Path) -> None:
    await program.run("network", "import", str(folder))
    (folder / "policy.toml").write_text(POLICY.replace('"hill"', '"sea"'))
    found = await program.run("network", "import", str(folder))
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr == "referral: The prefix HI is that of the network hill.\n"


async def test_no_folder_is_one_line(program: Program, folder: Path) -> None:
    found = await program.run("network", "check", str(folder / "none"))
    assert found.returncode == 2
    assert found.stdout == f"{folder / 'none'}: there is no such folder\n"


async def test_the_demo_network_imports(program: Program) -> None:
    with resources.as_file(resources.files("referral.exchange").joinpath("networks", "haiphong")) as demo:
        found = await program.run("network", "check", str(demo))
    assert found.returncode == 0, found.stderr
