"""What the seed stores is what the write path leaves, and the service works with it."""

import json
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from scripts.benchmark.seed import RECEIVER, SENDER, Maker, Shape, load, read_shapes
from scripts.benchmark.stage import Systems
from scripts.benchmark.story import WAYS, Person, place
from tests.running_service import RunningService

# What differs between two referrals by nature.
_DIFFERENT = (
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "ID"),
    (re.compile(r"HP\d{9}"), "NUMBER"),
    (re.compile(r"20\d\d-\d\d-\d\d[T ][0-9:.]+(Z|\+00:00)?"), "INSTANT"),
)
_COUNTED = ("seq", "txid")


@pytest.fixture(scope="module")
async def owner(
    service: RunningService, demo_database: Any, superuser_dsn: str
) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(superuser_dsn.replace("@/postgres?", "@/demo?"))
    yield connection
    await connection.close()


@pytest.fixture(scope="module")
async def systems(service: RunningService) -> Systems:
    made = Systems(service.base_url)
    await made.add(service.store, (SENDER, RECEIVER))
    await made.sign_in()
    return made


@pytest.fixture(scope="module")
async def shapes(systems: Systems, owner: asyncpg.Connection) -> dict[str, Shape]:
    return await read_shapes(systems, owner)


@pytest.fixture(scope="module")
async def maker(shapes: dict[str, Shape], owner: asyncpg.Connection) -> Maker:
    return Maker(shapes, (SENDER,), (RECEIVER,), "T", 90_000_000, datetime.now(UTC) - timedelta(hours=1))


async def rows_of(owner: asyncpg.Connection, ids: Sequence[str], person: Person) -> dict[str, list[str]]:
    """All rows of all tables that name one of these resources, without what differs by nature."""
    tables = await owner.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
        " AND NOT relispartition ORDER BY relname"
    )
    found = {}
    for (table,) in tables:
        query = f'SELECT to_jsonb(t)::text FROM "{table}" t WHERE to_jsonb(t)::text ~ $1'
        rows = await owner.fetch(query, "|".join(ids))
        if rows:
            found[table] = sorted(_bare(json.loads(row[0]), person) for row in rows)
    return found


def _bare(row: dict[str, Any], person: Person) -> str:
    kept = {name: value for name, value in row.items() if name not in _COUNTED}
    text = json.dumps(kept, sort_keys=True)
    for pattern, name in _DIFFERENT:
        text = pattern.sub(name, text)
    return text.replace(person.number, "NUMBER OF PATIENT").replace(person.order, "NUMBER OF ORDER")


@pytest.mark.parametrize("way", WAYS)
async def test_a_seeded_referral_has_the_rows_of_a_placed_one(
    way: str, systems: Systems, owner: asyncpg.Connection, shapes: dict[str, Shape], maker: Maker
) -> None:
    [values] = await load(owner, maker, 1, way=way)
    twin = Person(
        values["family"], values["given"], values["born"], f"P-twin-{way}", f"R-twin-{way}", values["note"]
    )
    placed = await place(systems, owner, way, sender=SENDER, receiver=RECEIVER, person=twin)
    theirs = await rows_of(owner, (placed.patient, placed.request, placed.task, *placed.others), twin)
    seeded = replace(twin, number=values["number_of_patient"], order=values["number_of_order"])
    ours = await rows_of(owner, [values[f"i{n}"] for n in range(shapes[way].ids)], seeded)
    assert ours == theirs
    assert {"access", "audit", "change", "document", "event", "offer", "referral"} < ours.keys()


async def test_two_seeded_referrals_have_nothing_of_their_own_in_common(
    owner: asyncpg.Connection, maker: Maker
) -> None:
    one, other = await load(owner, maker, 2, way="closed")
    same = {name for name in one if one[name] == other[name]}
    assert same <= {"sender", "receiver", "family", "family_folded", "family_sounding"}


async def test_the_service_moves_a_seeded_offer(
    systems: Systems, owner: asyncpg.Connection, shapes: dict[str, Shape], maker: Maker
) -> None:
    [values] = await load(owner, maker, 1, way="requested")
    task_id = values[shapes["requested"].names.task]
    query = f"Task?owner=Organization/{RECEIVER}&status=requested&_id={task_id}&_include=Task:focus"
    found = await systems.ask(RECEIVER, "GET", query)
    task, request = (entry["resource"] for entry in found["entry"])
    assert task["focus"] == {"reference": f"ServiceRequest/{request['id']}"}
    assert request["note"] == [{"text": values["note"]}]
    moved = await systems.ask(
        RECEIVER, "PUT", f"Task/{task_id}", task | {"status": "received"}, **{"If-Match": 'W/"1"'}
    )
    assert (moved["status"], moved["meta"]["versionId"]) == ("received", "2")
