"""What a facility finds of the audit, how it is read, and that it is paged without a gap."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from referral.domain.audit import AuditQuestion, AuditRecord
from referral.store.audit import record_audit
from referral.store.audit_search import AuditPage, find_audit
from referral.store.pool import Store
from referral.store.statements import statement
from tests.owner import behind_the_wall
from tests.store.documents import START, put

ALWAYS = AuditQuestion(((datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)),))


async def filled(store: Store) -> None:
    """Two documents of a station, and a hundred reads, every other by the hospital."""
    await put(store, "Patient", "p", ["station", "hospital"])
    await put(store, "Observation", "o", ["station"], subject={"reference": "Patient/p"})
    records = [
        AuditRecord(
            START + timedelta(seconds=number),
            "hospital" if number % 2 else "station",
            "ehr",
            "read",
            "Patient" if number % 4 < 2 else "Observation",
            "p" if number % 4 < 2 else "o",
            outcome=404 if number % 10 == 9 else 200,
            request_id=str(number),
        )
        for number in range(100)
    ]
    async with store.writing(None) as connection:
        await record_audit(connection, records)


async def seen(store: Store, actor: str, asked: AuditQuestion = ALWAYS, count: int = 200) -> list[datetime]:
    """The times of all that is found, over its pages."""
    found: list[datetime] = []
    page = AuditPage((), None)
    while True:
        page = await find_audit(store, actor, asked, count=count, after=page.next)
        found += [row.record.at for row in page.rows]
        if page.next is None:
            return found


async def test_an_owner_finds_all_and_another_its_own(store: Store) -> None:
    await filled(store)
    assert len(await seen(store, "station")) == 100
    assert len(await seen(store, "hospital")) == 50
    assert await seen(store, "stranger") == []
    assert await seen(store, "") == []
    assert len(await seen(store, "station", replace(ALWAYS, actors=frozenset({"hospital"})))) == 50
    assert len(await seen(store, "station", replace(ALWAYS, clients=frozenset({"ehr"})))) == 50


@pytest.mark.parametrize("count", [1, 7, 99, 100, 101])
async def test_pages_have_each_row_once(store: Store, count: int) -> None:
    await filled(store)
    await filled_again(store)
    whole = await seen(store, "station")
    assert whole == sorted(whole, reverse=True)
    assert await seen(store, "station", count=count) == whole
    refused = replace(ALWAYS, refused=True)
    assert len(await seen(store, "station", refused, count)) == 20


async def filled_again(store: Store) -> None:
    """The same moments once more: only the numbers of the rows tell them apart."""
    async with store.writing(None) as connection:
        records = [
            AuditRecord(
                START + timedelta(seconds=number), "hospital", "ehr", "read", "Patient", "p", outcome=404
            )
            for number in range(0, 100, 10)
        ]
        await record_audit(connection, records)


async def test_a_page_that_looks_at_few_says_how_far_it_has_come(store: Store) -> None:
    await filled(store)
    sql = statement("audit", "find")
    always = ALWAYS.spans[0]

    async def ask(after: tuple[datetime, int]) -> list[Any]:
        values = [*after, [always[0]], [always[1]], None, None, True, *[None] * 7, 5, 20]
        return await store.fetch_all_as("station", sql, *values)

    place, found, pages = (always[1], 2**62), [], 0
    while True:
        rows = await ask(place)
        found += [row["seq"] for row in rows if row["action"] is not None]
        pages += 1
        if not rows:
            break
        place = (rows[-1]["at"], rows[-1]["seq"])
    assert len(found) == len(set(found)) == 10
    assert pages > 4


async def test_the_spans_of_a_question_are_each_without_their_end(store: Store) -> None:
    await filled(store)
    spans = (
        (START, START + timedelta(seconds=2)),
        (START + timedelta(seconds=50), START + timedelta(seconds=51)),
    )
    found = await seen(store, "station", AuditQuestion(spans))
    assert [(at - START).total_seconds() for at in found] == [50, 1, 0]
    assert await seen(store, "station", AuditQuestion(())) == []


async def test_no_question_reads_the_whole_audit(store: Store) -> None:
    await filled(store)
    questions = [
        ALWAYS,
        AuditQuestion(((START, START + timedelta(hours=1)),)),
        replace(ALWAYS, rows=frozenset({1})),
        replace(ALWAYS, patients=frozenset({"p"})),
        replace(ALWAYS, entities=(frozenset({"Observation/o", "p"}), frozenset({"Observation/o"}))),
        replace(ALWAYS, refused=True, actions=frozenset({"read"}), about=True, named=True),
        replace(ALWAYS, actors=frozenset({"hospital"}), requests=frozenset({"1"})),
    ]
    scans = (
        "SELECT sum(seq_scan) FROM pg_stat_xact_user_tables"
        " WHERE relname IN ('audit', 'audit_concern', 'access')"
    )
    async with behind_the_wall(store) as owner, owner.transaction():
        before = await owner.fetchval(scans)
        for asked in questions:
            await _run(owner, asked)
        assert await owner.fetchval(scans) == before


async def _run(connection: Any, asked: AuditQuestion) -> None:
    class Through:
        """A store whose one connection is this."""

        async def fetch_all_as(self, actor: str, sql: str, *values: object) -> list[Any]:
            return list(await connection.fetch(sql, actor, *values))

    await find_audit(Through(), "station", asked, count=10)  # type: ignore[arg-type]
