"""`referral reindex`, as an operator runs it after an upgrade, while clients write."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import asyncpg
import httpx
import pytest

from referral.actions.reindex import reindex
from tests.cli.program import Program
from tests.conftest import Database
from tests.factories import LE_CHAN, created, patient
from tests.running_service import RunningService


@pytest.fixture
def program(demo_database: Database) -> Program:
    return Program(demo_database.dsn, {"DATABASE_OWNER_URL": demo_database.owner_dsn})


async def make(client: httpx.AsyncClient, family: str, count: int) -> list[dict[str, Any]]:
    return [await created(client, patient(name=[{"family": family}])) for _ in range(count)]


async def rename(client: httpx.AsyncClient, who: dict[str, Any], family: str) -> None:
    answer = await client.put(f"Patient/{who['id']}", json=who | {"name": [{"family": family}]})
    assert answer.status_code == 200, answer.text


async def named(client: httpx.AsyncClient, family: str) -> int:
    answer = await client.get("Patient", params={"family": family, "_summary": "count"})
    total: int = answer.json()["total"]
    return total


async def test_what_was_not_indexed_is_found_and_nothing_that_is_written_meanwhile_is_lost(
    service: RunningService, program: Program, demo_database: Database
) -> None:
    station = await service.system(LE_CHAN)
    still, changed = await make(station, "Lanhlung", 5), await make(station, "Xaxoi", 5)
    owner = await asyncpg.connect(demo_database.owner_dsn)
    await owner.execute("DELETE FROM search_string WHERE type = 'Patient' AND param = 'family'")
    await owner.close()
    assert await named(station, "Lanhlung") == 0
    ended = asyncio.Event()

    async def write() -> None:
        while not ended.is_set():
            for who in changed:
                await rename(station, who, "Khongco")
        for who in changed:
            await rename(station, who, "Ganday")

    writing = asyncio.create_task(write())
    done = await program.run("reindex", "--base-url", service.base_url)
    ended.set()
    await writing
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(" resources are indexed.\n")
    assert await named(station, "Lanhlung") == len(still)
    assert await named(station, "Ganday") == len(changed)
    assert await named(station, "Xaxoi") == await named(station, "Khongco") == 0


async def test_what_somebody_holds_is_tried_again(service: RunningService, demo_database: Database) -> None:
    station = await service.system(LE_CHAN)
    (who,) = await make(station, "Chocho", 1)
    holder, indexing = [await asyncpg.connect(demo_database.owner_dsn) for _ in range(2)]
    await holder.execute("DELETE FROM search_string WHERE type = 'Patient' AND id = $1", who["id"])
    held = holder.transaction()
    await held.start()
    await holder.execute("SELECT FROM document WHERE type = 'Patient' AND id = $1 FOR UPDATE", who["id"])
    waiting = asyncio.Event()
    told: list[tuple[int, int]] = []

    def tell(done: int, total: int) -> None:
        told.append((done, total))
        if done == total - 1:
            waiting.set()

    task = asyncio.create_task(
        reindex(indexing, base=service.fhir, now=datetime.now(UTC), tell=tell, batch=500)
    )
    await waiting.wait()
    assert await named(station, "Chocho") == 0
    await held.rollback()
    done = await task
    assert told[-1] == (done, done)
    assert await named(station, "Chocho") == 1
    for connection in (holder, indexing):
        await connection.close()


@pytest.mark.parametrize(
    ("arguments", "environment", "line"),
    [
        ((), {}, "REFERRAL_BASE_URL is not set"),
        (("--base-url", "hub.example"), {}, "REFERRAL_BASE_URL is not an http or https address"),
        (("--base-url", "https://hub.example"), {"DATABASE_OWNER_URL": ""}, "DATABASE_OWNER_URL is not set"),
    ],
)
async def test_what_it_needs_to_know_is_said_in_one_line(
    program: Program, arguments: tuple[str, ...], environment: dict[str, str], line: str
) -> None:
    lacking = Program(program.dsn, program.environment | environment)
    done = await lacking.run("reindex", *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert line in done.stderr
    assert "Traceback" not in done.stderr
