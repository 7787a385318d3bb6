"""`referral load`, with what a person reads."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from referral.actions.import_network import import_network
from referral.fhir.content import read_content
from referral.fhir.validation import check_resource
from referral.store.pool import Store
from tests.cli.program import Program
from tests.conftest import Database
from tests.factories import observation, patient
from tests.small_network import STATION, small_network


@pytest.fixture
async def program(store: Store, database: Database) -> Program:
    await import_network(store, small_network(), datetime.now(UTC))
    return Program(database.dsn)


def written(path: Path, *lines: object) -> str:
    path.write_text("\n".join(json.dumps(line) for line in lines) + "\n\n")
    return str(path)


async def test_files_are_loaded_and_what_is_wrong_is_told(program: Program, tmp_path: Path) -> None:
    people = written(tmp_path / "people.ndjson", patient(id="p-1"), patient(id="p-2"))
    records = written(
        tmp_path / "records.ndjson", observation("p-1", id="o-1"), {}, observation("nobody", id="o-2")
    )
    errors = tmp_path / "errors.ndjson"
    asked = ("load", people, records, "--facility", STATION, "--errors", str(errors))
    first = await program.run(*asked)
    assert (first.returncode, first.stdout.partition(", in ")[0]) == (
        2,
        "3 new, 0 changed, 0 the same, 2 refused",
    )
    assert first.stderr == f"referral: 2 of 5 lines were refused: see {errors}\n"
    outcomes = [read_content(line) for line in errors.read_bytes().splitlines()]
    for outcome in outcomes:
        check_resource("OperationOutcome", outcome)
    assert [
        (each["issue"][0]["code"], each["issue"][0]["diagnostics"].partition(": ")[0]) for each in outcomes
    ] == [
        ("required", "records.ndjson:2"),
        ("business-rule", "records.ndjson:3"),
    ]
    assert outcomes[1]["issue"][0]["diagnostics"].startswith("records.ndjson:3: Observation/o-2: ")
    assert outcomes[1]["issue"][0]["expression"] == ["Observation.subject"]
    over = await program.run(*asked)
    assert (over.returncode, over.stderr) == (2, f"referral: {errors}: File exists\n")
    again = await program.run("load", people, "--facility", STATION)
    assert (again.returncode, again.stdout) == (0, "")
    assert again.stderr.startswith("0 new, 0 changed, 2 the same, 0 refused, in ")


@pytest.mark.parametrize(
    ("facility", "name", "told"),
    [
        ("nowhere", "people.ndjson", "there is no facility 'nowhere'"),
        (STATION, "absent.ndjson", "absent.ndjson: there is no such file"),
    ],
)
async def test_what_cannot_be_loaded_is_one_line(
    program: Program, tmp_path: Path, facility: str, name: str, told: str
) -> None:
    written(tmp_path / "people.ndjson", patient(id="p-1"))
    answer = await program.run("load", str(tmp_path / name), "--facility", facility)
    assert (answer.returncode, answer.stderr.count("\n")) == (2, 1)
    assert told in answer.stderr


async def test_a_line_that_is_too_long_is_refused_and_the_others_are_loaded(
    program: Program, tmp_path: Path
) -> None:
    people = tmp_path / "people.ndjson"
    written(people, patient(), patient(language="x" * 11_000_000), patient())
    answer = await program.run("load", str(people), "--facility", STATION)
    assert answer.returncode == 2
    assert answer.stderr.endswith("\nreferral: 1 of 3 lines were refused\n")
    assert answer.stderr.startswith("2 new, 0 changed, 0 the same, 1 refused, in ")
    (issue,) = read_content(answer.stdout.encode())["issue"]
    assert (issue["code"], issue["diagnostics"]) == (
        "too-long",
        "people.ndjson:2: A line has at most 5242880 bytes.",
    )
