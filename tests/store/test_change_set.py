"""What a command leaves: documents in all their versions, events, changes and audit, all or nothing."""

import asyncio
from collections import Counter
from typing import Any

import asyncpg
import pytest

from referral.actions.draft import Draft
from referral.domain.errors import BrokenRule, StaleVersion
from referral.fhir.content import write_content
from referral.store.change_set import ChangeSet, apply_changes
from referral.store.pool import Store
from tests.factories import completion, observation, offer, patient, request, summary
from tests.store.commands import HOSPITAL, OFFICE, START, STATION, Hub, content_of

TABLES = (
    *("document", "document_version", "search_token", "search_reference", "search_date", "search_string"),
    *("access", "directory", "referral", "offer", "event", "change", "audit"),
)


@pytest.fixture
async def hub(store: Store) -> Hub:
    """The small network, and nothing written since."""
    hub = Hub(store)
    await hub.prepare()
    return hub


async def sizes(hub: Hub) -> dict[str, int]:
    """How many rows each table has."""
    counts = " UNION ALL ".join(f"SELECT '{table}' AS name, count(*) FROM {table}" for table in TABLES)
    return {row["name"]: row["count"] for row in await hub.rows(counts)}


async def latest(hub: Hub) -> int:
    """The place of the last change until now."""
    (row,) = await hub.rows("SELECT coalesce(max(seq), 0) AS seq FROM change")
    return int(row["seq"])


async def check_traces(hub: Hub, since: int, **expected: int) -> None:
    """The last command changed so many documents of each type, and left its traces of each at once."""
    changes = await hub.rows("SELECT * FROM change WHERE seq > $1", since)
    assert Counter(change["type"] for change in changes) == expected
    assert len({change["txid"] for change in changes}) == 1
    for change in changes:
        key = (change["type"], change["id"], change["version"])
        (document,) = await hub.rows(
            "SELECT version, txid FROM document WHERE type = $1 AND id = $2", *key[:2]
        )
        assert (document["version"], document["txid"]) == (key[2], change["txid"])
        assert change["kind"] == ("create" if key[2] == 1 else "update")
        events = await hub.rows("SELECT txid FROM event WHERE type = $1 AND id = $2 AND version = $3", *key)
        assert {event["txid"] for event in events} == {change["txid"]}
        audits = await hub.rows("SELECT * FROM audit WHERE type = $1 AND id = $2 AND version = $3", *key)
        assert [audit["action"] for audit in audits] == [change["kind"]]
        assert (audits[0]["request_id"], audits[0]["at"]) == ("request-1", change["at"])


async def check_versions(hub: Hub) -> None:
    """Every document has each of its versions once, and each of them its change and its audit row."""
    for row in await hub.rows(
        "SELECT d.type, d.id, d.version, d.content->'meta'->>'versionId' AS told,"
        " (SELECT array_agg(v.version ORDER BY v.version) FROM document_version v"
        "  WHERE v.type = d.type AND v.id = d.id) AS older,"
        " (SELECT array_agg(c.version ORDER BY c.seq) FROM change c"
        "  WHERE c.type = d.type AND c.id = d.id) AS changes,"
        " (SELECT array_agg(a.version ORDER BY a.seq) FROM audit a"
        "  WHERE a.type = d.type AND a.id = d.id) AS audits"
        " FROM document d"
    ):
        versions = list(range(1, row["version"] + 1))
        assert row["told"] == str(row["version"])
        assert (row["older"] or []) == versions[:-1]
        assert row["changes"] == versions
        assert row["audits"] == versions
    for row in await hub.rows("SELECT version, content->'meta'->>'versionId' AS told FROM document_version"):
        assert row["told"] == str(row["version"])


async def test_every_command_leaves_its_traces(hub: Hub):
    last = await latest(hub)

    async def did(facility: Any, *drafts: Any, **expected: int) -> list[Any]:
        nonlocal last
        written = await hub.write(facility, *drafts)
        await check_traces(hub, last, **expected)
        last = await latest(hub)
        return written

    (who,) = await did(STATION, hub.new(patient()), Patient=1)
    (who,) = await did(STATION, hub.change(who, gender="male"), Patient=1)
    (draft,) = await did(STATION, hub.new(request(who.id, status="draft")), ServiceRequest=1)
    (draft,) = await did(STATION, hub.change(draft, note=[{"text": "Fever"}]), ServiceRequest=1)
    (asked,) = await did(STATION, hub.change(draft, status="active"), ServiceRequest=1)
    (task,) = await did(STATION, hub.new(offer(asked.id, HOSPITAL)), Task=1)
    twin = offer(asked.id, HOSPITAL, identifier=[{"system": "urn:test:offer", "value": "T1"}])
    (same,) = await did(STATION, hub.new(twin), Task=1)
    assert same.id == task.id
    record = hub.new(observation(who.id))
    info = [{"reference": f"Observation/{record.id}"}]
    risen = hub.change(asked, priority="stat", supportingInfo=info)
    await did(STATION, record, risen, Observation=1, ServiceRequest=1, Task=1)
    task_now = await hub.content("Task")
    reason = {"text": "No bed"}
    await did(HOSPITAL, hub.change(task_now, status="rejected", statusReason=reason), Task=1)
    again = offer(asked.id, HOSPITAL, reasonCode={"text": "A bed is free now"})
    (task,) = await did(OFFICE, hub.new(again), Task=1)
    (task,) = await did(HOSPITAL, hub.change(task, status="accepted"), Task=1)
    (written,) = await did(HOSPITAL, hub.new(summary(who.id)), DocumentReference=1)
    done = hub.change(task, status="completed", output=completion(written.id, "returned-to-referrer"))
    (task,) = await did(HOSPITAL, done, Task=2, ServiceRequest=2)
    closed = {"coding": [{"code": "closed"}]}
    await did(STATION, hub.change(task, businessStatus=closed), Task=1)
    said = {
        "resourceType": "Communication",
        "status": "completed",
        "subject": {"reference": f"Patient/{who.id}"},
        "basedOn": [{"reference": f"ServiceRequest/{asked.id}"}],
    }
    await did(STATION, hub.new(said), Communication=1)
    await check_versions(hub)


async def test_the_older_versions_are_those_that_stood(hub: Hub):
    (first,) = await hub.write(STATION, hub.new(patient(gender="female")))
    (second,) = await hub.write(STATION, hub.change(first, gender="male"))
    await hub.write(STATION, hub.change(second, gender="other"))
    kept = await hub.rows(
        "SELECT version, content->>'gender' AS gender, owner, deleted, updated_at FROM document_version"
        " WHERE type = 'Patient' ORDER BY version"
    )
    assert [(row["version"], row["gender"]) for row in kept] == [(1, "female"), (2, "male")]
    assert {(row["owner"], row["deleted"]) for row in kept} == {(STATION, False)}
    assert [row["updated_at"] for row in kept] == [first.at, second.at]


async def test_index_rows_follow_the_newest_version(hub: Hub):
    codes = "SELECT code FROM search_token WHERE type = 'Patient' AND param = 'gender'"
    (first,) = await hub.write(STATION, hub.new(patient(gender="female")))
    assert await hub.rows(codes) == [{"code": "female"}]
    await hub.write(STATION, hub.change(first, gender="male"))
    assert await hub.rows(codes) == [{"code": "male"}]


async def test_what_changes_nothing_leaves_nothing(hub: Hub):
    (who,) = await hub.write(STATION, hub.new(patient()))
    await hub.write(STATION, hub.new(request(who.id, HOSPITAL)))
    before = await sizes(hub)
    await hub.write(HOSPITAL, hub.change(await hub.content("Task")))
    await hub.write(STATION, hub.change(await hub.content("ServiceRequest")))
    assert await sizes(hub) == before


async def test_an_older_version_is_not_changed_again(hub: Hub):
    (first,) = await hub.write(STATION, hub.new(patient()))
    await hub.write(STATION, hub.change(first, gender="male"))
    before = await sizes(hub)
    with pytest.raises(StaleVersion):
        await hub.write(STATION, hub.change(first, gender="other"))
    assert await sizes(hub) == before


def document(resource_id: str, version: int, **more: Any) -> dict[str, Any]:
    """A row of a change set."""
    content = {"resourceType": "Patient", "id": resource_id, "meta": {"versionId": str(version)}}
    return {
        "type": "Patient",
        "id": resource_id,
        "version": version,
        "at": START,
        "deleted": False,
        "owner": STATION,
        "content": write_content(content),
    } | more


@pytest.mark.parametrize("version", [1, 3])
async def test_the_store_itself_takes_the_next_version_only(hub: Hub, version: int):
    async def apply(*rows: dict[str, Any]) -> None:
        async with hub.store.writing(STATION) as connection:
            await apply_changes(connection, ChangeSet(documents=list(rows)))

    await apply(document("a", 1))
    before = await sizes(hub)
    with pytest.raises(StaleVersion):
        await apply(document("b", 1), document("a", version))
    assert await sizes(hub) == before
    await apply(document("b", 1), document("a", 2))
    assert (await hub.rows("SELECT version FROM document WHERE id = 'a'")) == [{"version": 2}]


async def test_nothing_stays_when_the_last_part_fails(hub: Hub):
    before = await sizes(hub)
    nothing_said = {"at": None, "action": "create", "type": "Patient", "id": "a", "version": 1}
    changes = ChangeSet(
        documents=[document("a", 1)],
        tokens=[("Patient", "a", "gender", "", "male")],
        access=[(STATION, "Patient", "a", "owner", "", START)],
        audits=[nothing_said],
    )

    async def apply() -> None:
        async with hub.store.writing(STATION) as connection:
            await apply_changes(connection, changes)

    with pytest.raises(asyncpg.NotNullViolationError):
        await apply()
    assert await sizes(hub) == before


async def test_nothing_stays_when_the_last_resource_of_a_transaction_is_refused(hub: Hub):
    before = await sizes(hub)
    who = hub.new(patient())
    with pytest.raises(BrokenRule):
        await hub.write(STATION, who, hub.new(request(who.id, HOSPITAL)), hub.new(observation("nobody")))
    assert await sizes(hub) == before


async def test_twins_of_one_new_id_are_written_once(hub: Hub):
    (who,) = await hub.write(STATION, hub.new(patient()))
    twin = content_of(who) | {"id": "twin"}

    async def put() -> bool:
        try:
            (written,) = await hub.write(STATION, Draft("Patient", "twin", dict(twin), is_create=False))
        except StaleVersion:
            return False
        return written.created

    created = await asyncio.gather(*(put() for _ in range(5)))
    assert sum(created) == 1
    await check_versions(hub)
