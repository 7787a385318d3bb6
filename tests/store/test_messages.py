"""A command is four messages at most: BEGIN with the actor, load and lock, apply, COMMIT."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from referral.actions.draft import Draft
from referral.domain.errors import IllegalMove
from referral.store.document import read_document
from referral.store.pool import Store
from tests.conftest import Database
from tests.factories import completion, observation, patient, request, summary
from tests.store.commands import HOSPITAL, STATION, Hub, content_of
from tests.store.message_counter import MessageCounter, counted


@pytest.fixture
async def counting(store: Store, database: Database) -> AsyncIterator[tuple[Hub, MessageCounter]]:
    """The small network behind a store of one connection on which the statements are prepared."""
    async with counted(database.dsn) as (dsn, counter):
        through = await Store.open(dsn, size=1)
        hub = Hub(through)
        await hub.prepare()
        (who,) = await hub.write(STATION, hub.new(patient()))
        # By itself, as what ends a right is written.
        await hub.write(STATION, Draft("Patient", who.id, {}, is_create=False, is_delete=True))
        counter.reset()
        yield hub, counter
        await through.close()


async def placed(hub: Hub, **more: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """A referral from the station to the hospital, and its offer."""
    (who,) = await hub.write(STATION, hub.new(patient()))
    (asked,) = await hub.write(STATION, hub.new(request(who.id, HOSPITAL, **more)))
    reference = {"reference": f"ServiceRequest/{asked.id}"}
    return content_of(asked), await hub.content("Task", focus=reference)


def costs(counter: MessageCounter) -> tuple[int, int]:
    """Round trips and newly prepared statements since the last look."""
    found = (counter.round_trips, counter.prepared)
    counter.reset()
    return found


async def test_the_counter_counts(counting: tuple[Hub, MessageCounter]):
    hub, counter = counting
    async with hub.store.reading(None) as connection:
        await connection.execute("SELECT 1; SELECT 2")
        await connection.fetchval("SELECT $1::int", 3)
    assert costs(counter) == (4, 1)


async def test_placing_a_referral(counting: tuple[Hub, MessageCounter]):
    hub, counter = counting
    (who,) = await hub.write(STATION, hub.new(patient()))
    counter.reset()
    await hub.write(STATION, hub.new(request(who.id, HOSPITAL)))
    assert costs(counter) == (4, 0)
    assert len(await hub.rows("SELECT FROM offer WHERE patient = $1", who.id)) == 1


async def test_each_move_of_an_offer(counting: tuple[Hub, MessageCounter]):
    hub, counter = counting
    asked, task = await placed(hub)
    (written,) = await hub.write(
        HOSPITAL, hub.new(summary(asked["subject"]["reference"].removeprefix("Patient/")))
    )
    counter.reset()
    moves = [
        {"status": "accepted"},
        {"status": "in-progress"},
        {"status": "completed", "output": completion(written.id, "returned-to-referrer")},
    ]
    for move in moves:
        (moved,) = await hub.write(HOSPITAL, hub.change(task, **move))
        assert costs(counter) == (4, 0)
        task = content_of(moved)
    closed = {"coding": [{"code": "closed"}]}
    await hub.write(STATION, hub.change(task, businessStatus=closed))
    assert costs(counter) == (4, 0)
    # The way down was opened with the third: two offers of two referrals, in as many messages.
    assert len(await hub.rows("SELECT FROM offer")) == 2


async def test_cancelling_a_referral(counting: tuple[Hub, MessageCounter]):
    hub, counter = counting
    asked, _ = await placed(hub)
    reason = {
        "url": "http://hl7.org/fhir/StructureDefinition/request-statusReason",
        "valueCodeableConcept": {"text": "The family drove to the city"},
    }
    counter.reset()
    changed = hub.change(asked, status="revoked", extension=[*asked["extension"], reason])
    await hub.write(STATION, changed)
    assert costs(counter) == (4, 0)
    assert (await hub.content("Task"))["status"] == "cancelled"


async def test_a_transaction_of_many_resources(counting: tuple[Hub, MessageCounter]):
    hub, counter = counting
    who = hub.new(patient())
    records = [hub.new(observation(who.id)) for _ in range(20)]
    info = [{"reference": f"Observation/{record.id}"} for record in records]
    await hub.write(STATION, who, *records, hub.new(request(who.id, HOSPITAL, supportingInfo=info)))
    assert costs(counter) == (4, 0)
    assert await read_document(hub.store, HOSPITAL, "Observation", records[-1].id) is not None
    # Prepared now.
    counter.reset()
    assert await read_document(hub.store, HOSPITAL, "Observation", records[0].id) is not None
    assert costs(counter) == (1, 0)


async def test_what_changes_nothing_and_what_is_refused_cost_no_more(counting: tuple[Hub, MessageCounter]):
    hub, counter = counting
    _, task = await placed(hub)
    counter.reset()
    await hub.write(HOSPITAL, hub.change(task))
    assert costs(counter) == (3, 0)
    with pytest.raises(IllegalMove):
        await hub.write(STATION, hub.change(task, status="accepted"))
    assert costs(counter) == (3, 0)
