"""`referral audit`, as a person runs it against a service that others use meanwhile."""

import asyncio
import base64
import json
import stat
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from click.testing import CliRunner
from fhir.resources.R4B.auditevent import AuditEvent

from referral.cli.audit import audit
from referral.fhir.content import read_content
from referral.fhir.opaque_id import AUDIT_ROW, opaque_id
from referral.fhir.validation import check_resource
from referral.store.audit import seal_audit
from referral.store.pool import Store
from tests.api.audited import audited, named
from tests.cli.program import Program
from tests.conftest import Database
from tests.factories import CAT_HAI, LE_CHAN, created, patient
from tests.running_service import RunningService

TODAY = datetime.now(UTC).date().isoformat()
BALP = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."


@pytest.fixture
def program(demo_database: Database) -> Program:
    return Program(demo_database.dsn, {"DATABASE_OWNER_URL": demo_database.owner_dsn})


async def exported(program: Program, *options: str) -> list[dict[str, Any]]:
    done = await program.run("audit", "export", *options)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def of_request(events: list[dict[str, Any]], headers: dict[str, str]) -> dict[str, Any]:
    """The one event of a request."""
    (found,) = [
        event
        for event in events
        for entity in event.get("entity", ())
        if entity.get("what", {}).get("identifier", {}).get("value") == headers["X-Request-ID"]
    ]
    return found


async def test_the_audit_is_exported_as_audit_events_and_agrees(
    service: RunningService, program: Program, tmp_path: Path
) -> None:
    station, other = await service.system(LE_CHAN), await service.system(CAT_HAI)
    made, seen, hidden, sought = named(), named(), named(), named()
    answer = await station.post("Patient", json=patient(), headers=made)
    who = answer.json()["id"]
    await station.get(f"Patient/{who}", headers=seen)
    await other.get(f"Patient/{who}", headers=hidden)
    await station.get(f"Observation?subject=Patient/{who}&_count=3", headers=sought)
    for headers in (made, seen, hidden, sought):
        await audited(service.store, headers)

    seals = tmp_path / "seals"
    events = await exported(program, "--from", TODAY, "--seals", str(seals))
    assert stat.S_IMODE(seals.stat().st_mode) == 0o600
    # The last ones, this test's own among them: those of all tests are too many.
    for event in events[-200:]:
        AuditEvent.model_validate(event)
        check_resource("AuditEvent", read_content(json.dumps(event).encode()))
    assert len({event["id"] for event in events}) == len(events)

    create, read = of_request(events, made), of_request(events, seen)
    refused, query = of_request(events, hidden), of_request(events, sought)
    assert [event.get("meta") for event in (create, read, refused, query)] == [
        {"profile": [f"{BALP}PatientCreate"]},
        {"profile": [f"{BALP}PatientRead"]},
        None,
        {"profile": [f"{BALP}PatientQuery"]},
    ]
    assert [event["action"] for event in (create, read, refused, query)] == ["C", "R", "R", "E"]
    assert [event["outcome"] for event in (create, read, refused, query)] == ["0", "0", "4", "0"]
    assert refused["outcomeDesc"] == "HTTP 404"
    for event in (create, read, refused, query):
        about = [entity for entity in event["entity"] if entity["type"]["code"] == "1"]
        assert [entity["what"] for entity in about] == [{"reference": f"Patient/{who}"}]
        requestor = [agent["who"] for agent in event["agent"] if agent["requestor"]]
        facility = CAT_HAI if event is refused else LE_CHAN
        assert requestor == [{"reference": f"Organization/{facility}"}]
    (searched,) = [entity["query"] for entity in query["entity"] if "query" in entity]
    assert base64.b64decode(searched).decode() == f"Observation?subject=Patient/{who}&_count=3"
    assert {"reference": f"Patient/{who}/_history/1"} in [entity.get("what") for entity in read["entity"]]

    # The next export tells of the one before, and neither is news to who kept the seals.
    again = await exported(program, "--from", TODAY)
    (export,) = [event for event in again if event["type"]["code"] == "110106"][-1:]
    assert base64.b64decode(export["entity"][0]["query"]).decode().startswith(f"since={TODAY}&until=")
    done = await program.run("audit", "verify", "--seals", str(seals))
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert done.stdout.endswith("Everything agrees.\n")


async def test_what_was_changed_is_named_with_exit_code_1(
    service: RunningService, program: Program, demo_database: Database
) -> None:
    station = await service.system(LE_CHAN)
    who = await created(station, patient())
    headers = named()
    await station.get(f"Patient/{who['id']}", headers=headers)
    await audited(service.store, headers)
    owner = await asyncpg.connect(demo_database.owner_dsn)
    place = None
    while place is None:
        place = await owner.fetchrow(
            "SELECT s.day, s.number, a.seq FROM audit a JOIN audit_seal s ON s.seqs @> a.seq"
            " WHERE a.request_id = $1",
            headers["X-Request-ID"],
        )
    await owner.execute("UPDATE audit SET outcome = 404 WHERE seq = $1", place["seq"])
    done = await program.run("audit", "verify", "--day", str(place["day"]))
    await owner.execute("UPDATE audit SET outcome = 200 WHERE seq = $1", place["seq"])
    await owner.close()
    assert done.returncode == 1
    # By the id that it has over FHIR, too.
    event = opaque_id(service.store.id_key, AUDIT_ROW, place["seq"])
    row = f"row {place['seq']} (AuditEvent {event})"
    assert done.stdout.splitlines()[0] == f"{place['day']}, seal {place['number']}: {row} was changed"
    told = (await station.get(f"AuditEvent/{event}")).text
    assert headers["X-Request-ID"] in told
    assert (await program.run("audit", "verify")).returncode == 0


async def test_an_export_without_an_end_has_what_a_clock_that_was_ahead_has_dated(
    store: Store, database: Database, tmp_path: Path
) -> None:
    headers, seals = named(), tmp_path / "seals"
    owner = await asyncpg.connect(database.owner_dsn)
    await owner.execute(
        "INSERT INTO audit (at, action, request_id) VALUES ('2999-05-05 12:00Z', 'read', $1)",
        headers["X-Request-ID"],
    )
    while not await owner.fetchval("SELECT count(*) FROM audit_seal"):
        async with store.writing(None) as connection:
            await seal_audit(connection, datetime.now(UTC))
    await owner.execute("UPDATE audit_seal SET day = '2999-05-05'")
    await owner.close()
    program = Program(database.dsn, {"DATABASE_OWNER_URL": database.owner_dsn})
    events = await exported(program, "--seals", str(seals))
    assert of_request(events, headers)["recorded"].startswith("2999-05-05")
    assert [json.loads(line)["day"] for line in seals.read_text().splitlines()] == ["2999-05-05"]
    until_then = tmp_path / "until-then"
    events = await exported(program, "--to", "2999-05-04", "--seals", str(until_then))
    assert [event["type"]["code"] for event in events] == ["110106", "110106"]
    assert until_then.read_text() == ""


async def test_an_export_by_an_account_without_a_name_tells_its_number(
    demo_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = 3_999_999_999
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATABASE_URL", demo_database.dsn)
    monkeypatch.setenv("DATABASE_OWNER_URL", demo_database.owner_dsn)
    monkeypatch.setattr("os.getuid", lambda: number)
    command = ["export", "--from", TODAY, "-o", str(tmp_path / "events")]
    # In a thread, as it runs a loop of its own; not in a process, as only this one has the account.
    done = await asyncio.to_thread(CliRunner().invoke, audit, command)
    assert done.exit_code == 0, done.output
    owner = await asyncpg.connect(demo_database.owner_dsn)
    last = "SELECT details->>'account' FROM audit WHERE action = 'export' ORDER BY seq DESC LIMIT 1"
    assert await owner.fetchval(last) == str(number)
    await owner.close()


async def test_it_is_refused_in_one_line_where_it_cannot_work(program: Program, tmp_path: Path) -> None:
    no_seals = tmp_path / "no-seals"
    no_seals.write_text("{}\n")
    wrong = (
        ("verify", "--seals", str(no_seals)),
        ("verify", "--day", "soon"),
        ("export", "-o", str(no_seals)),
    )
    for arguments in wrong:
        done = await program.run("audit", *arguments)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    for address in ("", program.dsn, "postgresql://nobody:secret@127.0.0.1:1/none"):
        without = replace(program, environment={"DATABASE_OWNER_URL": address})
        done = await without.run("audit", "verify")
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
        assert "secret" not in done.stderr
