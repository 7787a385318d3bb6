"""What clients remember is held against the store, whatever they were told."""

from dataclasses import replace

import pytest

from scripts.store_check.writes import Outcome, Write
from tests.store_check.healthy import Healthy

MARK = "fault-run-" + "0" * 32
ABSENT = Write(MARK, "patient", ("Patient",))


async def kinds(healthy: Healthy, *writes: Write, planted: tuple[str, ...] = ()) -> set[str]:
    return {violation.kind for violation in await healthy.check(*planted, writes=writes)}


async def test_what_was_acknowledged_and_is_not_there_is_lost(healthy: Healthy) -> None:
    lost = replace(ABSENT, outcome=Outcome.ACKNOWLEDGED)
    assert await kinds(healthy, *healthy.writes, lost) == {"write-lost"}


async def test_what_was_seen_once_and_is_not_there_is_lost(healthy: Healthy) -> None:
    assert await kinds(healthy, *healthy.writes, replace(ABSENT, seen=True)) == {"write-lost"}


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.UNKNOWN])
async def test_what_is_rightly_not_there(healthy: Healthy, outcome: Outcome) -> None:
    assert await kinds(healthy, *healthy.writes, replace(ABSENT, outcome=outcome)) == set()


async def test_what_was_refused_and_is_there(healthy: Healthy) -> None:
    single, double = healthy.writes
    refused = replace(single, outcome=Outcome.REFUSED, told=())
    assert await kinds(healthy, refused, double) == {"write-refused"}


async def test_what_nobody_answered_may_be_there(healthy: Healthy) -> None:
    unknown = [replace(write, outcome=Outcome.UNKNOWN, told=()) for write in healthy.writes]
    assert await kinds(healthy, *unknown) == set()


@pytest.mark.parametrize("outcome", Outcome)
async def test_a_half_of_a_transaction(healthy: Healthy, outcome: Outcome) -> None:
    single, double = healthy.writes
    half = replace(double, types=(*double.types, "Patient"), outcome=outcome, told=())
    assert await kinds(healthy, single, half) == {"write-half"}


async def test_what_is_there_twice(healthy: Healthy) -> None:
    single, _ = healthy.writes
    copied = (
        "INSERT INTO document (type, id, version, updated_at, content, owner)"
        " SELECT type, id || 'x', version, updated_at, content, owner"
        f" FROM document WHERE content::text LIKE '%{single.mark}%'"
    )
    assert "write-doubled" in await kinds(healthy, *healthy.writes, planted=(copied,))


async def test_what_is_another_than_was_told(healthy: Healthy) -> None:
    single, double = healthy.writes
    told = replace(single.told[0], digest=b"another")
    assert await kinds(healthy, replace(single, told=(told,)), double) == {"write-altered"}


async def test_what_is_of_another_id_than_was_told(healthy: Healthy) -> None:
    single, double = healthy.writes
    told = replace(single.told[0], key=("Patient", "x"))
    assert await kinds(healthy, replace(single, told=(told,)), double) == {"write-elsewhere"}


async def test_what_changed_another_version_than_it_named(healthy: Healthy) -> None:
    single, double = healthy.writes
    update = replace(single, target=(single.told[0].key, 4))
    assert await kinds(healthy, update, double) == {"write-elsewhere"}


async def test_what_nobody_sent(healthy: Healthy) -> None:
    assert await kinds(healthy, healthy.writes[0]) == {"write-unsent"}


async def test_a_claim_leaves_no_mark_and_is_there_as_it_was_told(healthy: Healthy) -> None:
    single, _ = healthy.writes
    claim = Write(MARK, "claim", (), outcome=Outcome.ACKNOWLEDGED, told=single.told)
    assert await kinds(healthy, *healthy.writes, claim) == set()
    gone = replace(single.told[0], key=("Task", "x"))
    assert await kinds(healthy, *healthy.writes, replace(claim, told=(gone,))) == {"write-lost"}


async def test_what_was_acknowledged_as_a_move_and_moved_nothing(healthy: Healthy) -> None:
    single, double = healthy.writes
    assert await kinds(healthy, replace(single, event="create"), double) == set()
    assert await kinds(healthy, replace(single, event="accept"), double) == {"write-unmoved"}
