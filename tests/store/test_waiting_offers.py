"""How many offers wait for an answer: counted over the wall, from an index, and watched."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import pytest
import structlog
from structlog.testing import capture_logs

from referral.actions import watch_offers as watching
from referral.actions.watch_offers import OffersHolder, watch_offers
from referral.domain.lifecycle import OFFER_RULES, OfferMove, OfferState
from referral.store.pool import Store
from referral.store.referral import WaitingOffers, waiting_offers
from tests.conftest import Database
from tests.store.commands import HOSPITAL, STATION, Hub
from tests.store.test_messages import placed


async def counted(store: Store, actor: str | None) -> set[WaitingOffers]:
    async with store.reading(actor) as connection:
        return set(await waiting_offers(connection))


async def test_all_that_can_be_accepted_and_are_not_wait_whoever_asks(store: Store) -> None:
    hub = Hub(store)
    await hub.prepare()
    # What waits for an answer is what can still be accepted.
    (states,) = [rule.source for rule in OFFER_RULES if rule.move is OfferMove.ACCEPT]
    nothing = {WaitingOffers(state, 0, None) for state in states}
    assert await counted(store, None) == nothing
    _, first = await placed(hub)
    _, second = await placed(hub)
    await hub.write(HOSPITAL, hub.change(second, status="received"))
    since = {row["id"]: row["updated_at"] for row in await hub.rows("SELECT id, updated_at FROM offer")}
    for actor in (None, STATION, "stranger"):
        assert await counted(store, actor) == {
            WaitingOffers(OfferState.REQUESTED, 1, since[first["id"]]),
            WaitingOffers(OfferState.RECEIVED, 1, since[second["id"]]),
            WaitingOffers(OfferState.AWAITING_INFORMATION, 0, None),
        }
    await hub.write(HOSPITAL, hub.change(first, status="accepted"))
    await hub.write(HOSPITAL, hub.change(await hub.content("Task", id=second["id"]), status="accepted"))
    assert await counted(store, None) == nothing


async def test_they_are_counted_from_their_index(superuser_dsn: str) -> None:
    mighty = await asyncpg.connect(superuser_dsn.replace("@/postgres?", "@/referral?"))
    body = await mighty.fetchval("SELECT prosrc FROM pg_proc WHERE proname = 'waiting_offers'")
    change = mighty.transaction()
    await change.start()
    # Without the referrals that they are of, and taken back: what others left shall not choose the plan.
    await mighty.execute(
        "SET LOCAL session_replication_role = replica;"
        " INSERT INTO offer SELECT 'o' || n, 'r' || n, 'net', CASE n % 100 WHEN 0 THEN 'requested'"
        " WHEN 1 THEN 'received' WHEN 2 THEN 'awaiting-information' ELSE 'completed' END,"
        " 'routine', 'station', 'hospital', 'p' || n, now(), now() - n * interval '1 minute'"
        " FROM generate_series(1, 10000) n; ANALYZE offer"
    )
    plan = "\n".join(row[0] for row in await mighty.fetch(f"EXPLAIN {body}"))
    await change.rollback()
    await mighty.close()
    assert plan.count("offer_waiting") == 2
    assert "Seq Scan" not in plan


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what has no event to wait for."""
    async with asyncio.timeout(30):
        while not await true():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_the_watch_outlives_what_keeps_it_from_looking(
    database: Database, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A logger that no earlier test has bound to another set-up.
    monkeypatch.setattr(watching, "_log", structlog.get_logger())
    through, owner = await Store.open(database.dsn, size=1), await asyncpg.connect(database.owner_dsn)
    async with through.reading(None) as connection:
        backend = await connection.fetchval("SELECT pg_backend_pid()")
    holder = OffersHolder()

    async def has_looked() -> bool:
        return bool(holder.waiting)

    async def has_told(*events: str) -> bool:
        return tuple(line["event"] for line in log) == events

    with capture_logs() as log:
        watch: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            async with owner.transaction():
                # It waits inside the database when its backend ends.
                await owner.execute("LOCK TABLE offer")
                watch = asyncio.create_task(watch_offers(through, holder, every=0.001))
                await until(lambda: owner.fetchval("SELECT cardinality(pg_blocking_pids($1)) > 0", backend))
                async with store.reading(None) as connection:
                    await connection.execute("SELECT pg_terminate_backend($1)", backend)
                await until(lambda: has_told("offers_watch_interrupted"))
                assert not await has_looked()
            await until(has_looked)
            await until(lambda: has_told("offers_watch_interrupted", "offers_watch_resumed"))
            await owner.execute("REVOKE EXECUTE ON FUNCTION waiting_offers() FROM referral_service")
            await until(
                lambda: has_told("offers_watch_interrupted", "offers_watch_resumed", "offers_watch_failed")
            )
            kept = holder.checked_at
            await owner.execute("GRANT EXECUTE ON FUNCTION waiting_offers() TO referral_service")
            await until(lambda: has_told(*(line["event"] for line in log[:3]), "offers_watch_resumed"))
            assert holder.checked_at > kept
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
            await owner.execute("GRANT EXECUTE ON FUNCTION waiting_offers() TO referral_service")
            await through.close()
            await owner.close()
