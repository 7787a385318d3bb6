"""Reading what came back closes a referral, once, beside the read."""

import asyncio
from datetime import UTC, datetime

import pytest

from referral.actions.close_by_reading import SummaryRead, SummaryReads, close_noted
from referral.actions.referral_rules import program_rules
from referral.domain.actor import Actor
from referral.domain.errors import StoreUnavailable
from referral.domain.facility import FacilityId
from referral.domain.scope import read_scopes
from referral.store.pool import Store
from tests.api.legal_path import check_path
from tests.conftest import Database
from tests.factories import LE_CHAN, OFFICE, Case, arrived, business, completion, created, summary
from tests.owner import behind_the_wall
from tests.running_service import RunningService


async def done(service: RunningService) -> tuple[Case, str]:
    """A completed referral, and the id of its summary."""
    case = await arrived(service)
    written = await created(case.receiver, summary(case.patient["id"]))
    await case.moved(case.receiver, "completed", output=completion(written["id"]))
    return case, str(written["id"])


async def closed(case: Case) -> str:
    """The business status of the offer, once it is closed or a while has gone."""
    for _ in range(200):
        if business(await case.task()) == "closed":
            break
        await asyncio.sleep(0.05)
    return business(await case.task())


async def closings(service: RunningService, case: Case) -> list[tuple[str, str | None]]:
    async with behind_the_wall(service.store) as owner:
        rows = await owner.fetch(
            "SELECT party, reason_code FROM event WHERE id = $1 AND move = 'close'", case.offer_id
        )
    return [(row["party"], row["reason_code"]) for row in rows]


async def test_the_sender_reads_the_summary_and_the_referral_is_closed(service: RunningService):
    case, letter = await done(service)
    address = f"DocumentReference/{letter}"
    # Who wrote it, who may not see it, and what is no read by its address close nothing.
    assert (await case.receiver.get(address)).status_code == 200
    assert (await (await service.system(OFFICE)).get(address)).status_code == 404
    found = await case.sender.get("DocumentReference", params={"_id": letter})
    assert [entry["resource"]["id"] for entry in found.json()["entry"]] == [letter]
    other, other_letter = await done(service)
    # That a summary is there is not yet what it says, nor is a part of it.
    assert (await other.sender.head(f"DocumentReference/{other_letter}")).status_code == 200
    for part in ({"_elements": "id"}, {"_summary": "true"}, {"_elements": ""}):
        answer = await other.sender.get(f"DocumentReference/{other_letter}", params=part)
        assert answer.status_code == 200, answer.text
    # Nor is an answer without it, or what it said before it was corrected.
    letter_of_it = await other.receiver.get(f"DocumentReference/{other_letter}")
    known = {"If-None-Match": letter_of_it.headers["ETag"]}
    not_again = await other.sender.get(f"DocumentReference/{other_letter}", headers=known)
    assert not_again.status_code == 304
    corrected = letter_of_it.json() | {"description": "Corrected: 5 mg, not 50"}
    answer = await other.receiver.put(f"DocumentReference/{other_letter}", json=corrected)
    assert answer.status_code == 200, answer.text
    old = await other.sender.get(f"DocumentReference/{other_letter}/_history/1")
    assert old.status_code == 200
    reads = [case.sender.get(address) for _ in range(5)]
    assert {answer.status_code for answer in await asyncio.gather(*reads)} == {200}
    assert await closed(case) == "closed"
    assert (await case.referral())["status"] == "completed"
    assert await closings(service, case) == [("sender", "by-reading")]
    # What was read before has been looked at when this one is closed.
    assert business(await other.task()) == "completed"
    assert (await other.sender.get(f"DocumentReference/{other_letter}")).status_code == 200
    assert await closed(other) == "closed"
    await check_path(service, case.request["id"])


async def test_who_says_so_has_closed_it_himself(service: RunningService):
    case, letter = await done(service)
    await case.moved(case.sender, "completed", businessStatus={"coding": [{"code": "closed"}]})
    assert (await case.sender.get(f"DocumentReference/{letter}")).status_code == 200
    following, its_letter = await done(service)
    await following.sender.get(f"DocumentReference/{its_letter}")
    # What was read before has been looked at when this one is closed.
    assert await closed(following) == "closed"
    assert await closings(service, case) == [("sender", "explicit")]
    again = await case.move(case.sender, "completed", businessStatus={"coding": [{"code": "closed"}]})
    assert again.status_code == 200
    assert await closings(service, case) == [("sender", "explicit")]


async def test_what_was_corrected_since_is_not_read_and_what_waits_outlasts_the_store(
    service: RunningService, database: Database
):
    case, letter = await done(service)
    actor = Actor(FacilityId(LE_CHAN), "notes", read_scopes("system/*.cru"))
    reads, key = SummaryReads(), ("DocumentReference", letter)
    stands = (await case.receiver.get(f"DocumentReference/{letter}")).json()
    corrected = stands | {"description": "Corrected: 5 mg, not 50"}
    assert (await case.receiver.put(f"DocumentReference/{letter}", json=corrected)).status_code == 200

    async def look(store: Store) -> None:
        await close_noted(store, reads, lambda: datetime.now(UTC), service.fhir, program_rules)

    reads.add(SummaryRead(actor, key, 1, None))
    await look(service.store)
    assert business(await case.task()) == "completed"
    # The newest that was read counts, in whatever order the notes come.
    reads.add(SummaryRead(actor, key, 2, None))
    reads.add(SummaryRead(actor, key, 1, None))
    away = await Store.open(database.dsn, size=1)
    await away.close()
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await look(away)
    await look(service.store)
    assert business(await case.task()) == "closed"
    assert await closings(service, case) == [("sender", "by-reading")]
