"""`referral suggest`: a table that adds up, and one clear line for what is unknown."""

import re
from decimal import Decimal

import pytest
from click.testing import CliRunner

from referral.cli import cli
from tests.cli.program import Program
from tests.conftest import Database

APPENDECTOMY = ("--technique", "27.0187.2039")
FROM = ("--from", "le-chan-health-station")


@pytest.fixture
def program(demo_database: Database) -> Program:
    return Program(demo_database.dsn)


def rows(printed: str) -> list[list[str]]:
    """Cells of the rows that begin with a rank."""
    split = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in printed.splitlines()]
    return [cells for cells in split if cells and cells[0].isdigit()]


async def test_the_ranked_targets_with_minutes_that_add_up(program: Program) -> None:
    done = await program.run("suggest", *FROM, *APPENDECTOMY, "--list", "qd4440-2020", "--count", "2")
    assert (done.returncode, done.stderr) == (0, "")
    ranked = rows(done.stdout)
    assert [cells[0] for cells in ranked] == ["1", "2"]
    assert done.stdout.index("kien-an-hospital") < done.stdout.index("an-lao-medical-centre")
    for _, _, travel, level, cost, _ in ranked:
        assert Decimal(travel) + Decimal(level) == Decimal(cost)
    assert "policy" not in done.stdout


async def test_the_list_may_be_left_out_where_one_has_the_code(program: Program) -> None:
    with_list = await program.run("suggest", *FROM, *APPENDECTOMY, "--list", "qd4440-2020")
    assert (await program.run("suggest", *FROM, *APPENDECTOMY)).stdout == with_list.stdout


async def test_who_is_ruled_out_is_shown_on_request(program: Program) -> None:
    done = await program.run("suggest", *FROM, *APPENDECTOMY, "--priority", "urgent", "--excluded")
    line = next(line for line in done.stdout.splitlines() if "policy" in line)
    assert "policy: " in line
    assert "cat-hai-health-station" in done.stdout


async def test_a_specialty_is_a_need_too(program: Program) -> None:
    done = await program.run("suggest", *FROM, "--specialty", "394576009", "--network", "hai-phong-network")
    assert done.returncode == 0, done.stderr
    assert rows(done.stdout)


async def test_nobody_is_an_answer(program: Program) -> None:
    done = await program.run("suggest", *FROM, *APPENDECTOMY, "--direction", "down")
    assert done.returncode == 0
    assert "No facility of the network can take this patient now." in done.stdout


async def test_ids_are_whole_on_a_narrow_terminal(program: Program) -> None:
    asked = ("suggest", *FROM, *APPENDECTOMY, "--priority", "urgent", "--count", "50", "--excluded")
    words = set((await program.run(*asked)).stdout.split())
    printed = await program.run_on_terminal(*asked)
    ids = {word for word in words if re.fullmatch("[a-z]+(-[a-z0-9]+){2,}", word)} - {"health-station"}
    assert len(ids) > 50
    assert ids <= set(printed.split())


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--from", "nowhere", *APPENDECTOMY), "there is no facility nowhere"),
        ((*FROM, "--technique", "99.9"), "there is no technique 99.9"),
        ((*FROM, *APPENDECTOMY, "--list", "old"), "there is no technique 27.0187.2039 in the list old"),
        (
            (*FROM, *APPENDECTOMY, "--network", "other"),
            "The network of a referral is one of its sender's own.",
        ),
    ],
)
async def test_what_is_unknown_is_one_line(program: Program, arguments: tuple[str, ...], line: str) -> None:
    done = await program.run("suggest", *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"referral: {line}\n")


@pytest.mark.parametrize(
    "arguments",
    [(), (*FROM, "--list", "qd4440-2020"), (*FROM, "--count", "0"), (*FROM, "--priority", "soon")],
)
def test_wrong_options_are_refused(arguments: tuple[str, ...]) -> None:
    done = CliRunner().invoke(cli, ["suggest", *arguments])
    assert done.exit_code == 2
    assert done.stderr.startswith("referral: ")
    assert done.stderr.count("\n") == 1
