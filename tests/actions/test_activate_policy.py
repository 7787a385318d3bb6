"""A policy is put in force from a day on, and the days before keep theirs."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from referral.actions.activate_policy import Activation, activate_policy, check_policy
from referral.actions.import_network import import_network
from referral.actions.refresh_network import refresh_network
from referral.domain.errors import BrokenRule, NotFound
from referral.domain.facility import NetworkId
from referral.domain.policy import Policy
from referral.fhir.systems import technique_system
from referral.network.snapshot import SnapshotHolder
from referral.store.policy import find_policies
from referral.store.pool import Store
from tests.owner import behind_the_wall
from tests.small_network import small_network

NOW = datetime(2026, 3, 1, 8, tzinfo=UTC)
TODAY = NOW.date()
HILL = NetworkId("hill")
NETWORK = {"id": "hill", "name": "Hill network", "prefix": "HI"}


def rules(level: int, **tables: object) -> dict[str, Any]:
    return {"network": NETWORK, "weights": {"level": level}, **tables}


async def activate(
    store: Store, mapping: Mapping[str, object], begins: date | None = None, now: datetime = NOW
) -> Activation:
    return await activate_policy(store, Policy.from_mapping(mapping), mapping, valid_from=begins, now=now)


async def versions(store: Store) -> list[tuple[int, date | None, str]]:
    async with store.reading(None) as connection:
        return [(one.number, one.valid_from, one.stored_by) for one in await find_policies(connection, HILL)]


async def levels(store: Store, *days: date) -> list[int]:
    """What a level weighs on these days, as a running service has it."""
    holder = SnapshotHolder()
    await refresh_network(store, holder)
    return [int(holder.current.policy(HILL, day).weights.level) for day in days]


async def test_each_day_has_the_policy_of_its_date(store: Store) -> None:
    await import_network(store, small_network(), NOW)
    holder = SnapshotHolder()
    await refresh_network(store, holder)
    now_on = await activate(store, rules(10))
    assert await refresh_network(store, holder), "a running service sees that there is another one"
    in_june = await activate(store, rules(20, version={"valid_from": "2026-06-01"}))
    assert (now_on.number, now_on.valid_from) == (2, TODAY)
    assert (in_june.number, in_june.valid_from) == (3, date(2026, 6, 1))
    days = (date(2020, 1, 1), TODAY - timedelta(days=1), TODAY, date(2026, 5, 31), date(2026, 6, 1))
    assert await levels(store, *days) == [30, 30, 10, 10, 20]
    assert await versions(store) == [
        (1, None, "import"),
        (2, TODAY, "policy-activate"),
        (3, date(2026, 6, 1), "policy-activate"),
    ]
    async with behind_the_wall(store) as connection:
        told = await connection.fetch(
            "SELECT actor, details::text FROM audit WHERE action = 'activate-policy'"
        )
    assert [row["actor"] for row in told] == ["hill", "hill"]
    assert "2026-06-01" in told[1]["details"]


async def test_what_is_in_force_already_is_no_version(store: Store) -> None:
    await import_network(store, small_network(), NOW)
    await activate(store, rules(10))
    later = NOW + timedelta(days=3)
    assert (await activate(store, rules(10), now=later)).number is None
    await activate(store, rules(20), date(2026, 6, 1))
    assert (await activate(store, rules(10), now=later)).number is None
    assert len(await versions(store)) == 3


async def test_a_better_one_of_the_same_day_takes_its_place(store: Store) -> None:
    await import_network(store, small_network(), NOW)
    await activate(store, rules(10))
    assert (await activate(store, rules(11))).replaces == 2
    assert await levels(store, TODAY) == [11]


async def test_what_is_planned_is_taken_back_by_what_holds_until_then(store: Store) -> None:
    await import_network(store, small_network(), NOW)
    await activate(store, rules(10))
    planned = date(2126, 6, 1)
    await activate(store, rules(20), planned)
    assert (await activate(store, rules(10), planned)).replaces == 3
    assert await levels(store, TODAY, planned) == [10, 10]


async def test_what_is_planned_leaves_the_days_before_it_to_be_mended(store: Store) -> None:
    await import_network(store, small_network(), NOW)
    await activate(store, rules(10))
    in_june, in_may = date(2026, 6, 1), date(2026, 5, 1)
    await activate(store, rules(20), in_june)
    mended = await activate(store, rules(11))
    assert (mended.number, mended.replaces) == (4, 2)
    assert (await import_network(store, drafted(12), NOW + timedelta(days=1))).changed
    assert (await activate(store, rules(15), in_may)).replaces is None
    # What was stored last is another one's again from June on.
    assert (await activate(store, rules(15), in_june)).replaces == 3
    assert (await activate(store, rules(20), in_june)).replaces == 7
    days = (TODAY, TODAY + timedelta(days=1), in_may, in_june)
    assert await levels(store, *days) == [11, 12, 15, 20]
    with pytest.raises(BrokenRule, match="2026-03-01 overlaps version 5, which began on 2026-03-02"):
        await activate(store, rules(30), TODAY, NOW + timedelta(days=1))


@pytest.mark.parametrize(
    ("mapping", "says"),
    [
        (rules(20, version={"valid_from": "2026-02-28"}), "2026-02-28 overlaps version 2"),
        ({**rules(20), "network": NETWORK | {"prefix": "HJ"}}, "network.prefix: is HI"),
        (
            rules(
                20,
                lists=[
                    {
                        "kind": "notifiable",
                        "source": "a letter",
                        "system": technique_system("list-1"),
                        "codes": ["T1", "T2"],
                    }
                ],
            ),
            r"^lists\[0\].codes: no list list-1 has a technique T2$",
        ),
    ],
    ids=["overlap", "prefix", "technique"],
)
async def test_a_policy_that_does_not_fit_changes_nothing(
    store: Store, mapping: dict[str, Any], says: str
) -> None:
    await import_network(store, small_network(), NOW)
    await activate(store, rules(10))
    before = await versions(store)
    with pytest.raises(BrokenRule, match=says):
        await check_policy(store, Policy.from_mapping(mapping), mapping, valid_from=None, now=NOW)
    with pytest.raises(BrokenRule, match=says):
        await activate(store, mapping)
    assert await versions(store) == before


async def test_two_at_once_are_two_versions(store: Store) -> None:
    await import_network(store, small_network(), NOW)
    found = await asyncio.gather(*(activate(store, rules(level)) for level in (10, 11, 12)))
    assert sorted(one.number or 0 for one in found) == [2, 3, 4]
    assert [number for number, _, _ in await versions(store)] == [1, 2, 3, 4]


async def test_a_network_comes_before_its_policy(store: Store) -> None:
    with pytest.raises(NotFound, match="import it first"):
        await activate(store, rules(10))


def drafted(level: int, **tables: object) -> Any:
    mapping = rules(level, **tables)
    return small_network(policy=Policy.from_mapping(mapping), policy_mapping=mapping)


async def test_an_import_makes_a_version_of_what_is_new(store: Store) -> None:
    await import_network(store, drafted(10), NOW)
    assert not (await import_network(store, drafted(10), NOW)).changed
    later = NOW + timedelta(days=1)
    changed = await import_network(store, drafted(20), later)
    assert changed.counts["networks"].updated == 1
    assert await levels(store, TODAY, later.date()) == [10, 20]
    to_come = drafted(40, version={"valid_from": "2026-07-01"})
    assert (await import_network(store, to_come, later)).changed
    assert not (await import_network(store, to_come, later)).changed
    assert not (await import_network(store, drafted(20), later)).changed
    assert await levels(store, later.date(), date(2026, 7, 1)) == [20, 40]
    async with store.reading(None) as connection:
        kept = await connection.fetchval("SELECT policy->'weights'->>'level' FROM network")
    assert kept == "20", "a service that knows one policy has that of today"


async def test_an_import_names_techniques_that_it_brings(store: Store) -> None:
    def listing(code: str) -> Any:
        entry = {
            "kind": "notifiable",
            "source": "a letter",
            "system": technique_system("list-1"),
            "codes": code,
        }
        return drafted(10, lists=[entry])

    with pytest.raises(BrokenRule, match=r"policy.toml: lists\[0\].codes: no list list-1 has a technique T9"):
        await import_network(store, listing("T9"), NOW)
    assert (await import_network(store, listing("T1"), NOW)).changed


async def test_what_a_service_before_versions_imports_becomes_one(store: Store) -> None:
    """It writes the policy into the row of the network, and knows nothing else."""
    await import_network(store, drafted(10), NOW)
    for _ in range(2):
        async with store.writing("hill") as connection:
            changed = (
                "UPDATE network SET policy = jsonb_set(policy, '{weights,level}', '50'), updated_at = $1"
            )
            await connection.execute(changed, NOW + timedelta(days=1))
    assert await versions(store) == [(1, None, "import"), (2, TODAY + timedelta(days=1), "import")]
    assert await levels(store, TODAY, TODAY + timedelta(days=1)) == [10, 50]


async def test_the_row_of_a_network_takes_no_version_back_that_was_planned(store: Store) -> None:
    """It has what held when it was written, also when something else of the network changes."""
    await import_network(store, drafted(10), NOW)
    tomorrow, later = TODAY + timedelta(days=1), NOW + timedelta(days=2)
    await activate(store, rules(20), tomorrow)
    async with store.writing("hill") as connection:
        same = "UPDATE network SET policy = policy, name = 'Hills', updated_at = $1"
        await connection.execute(same, later)
    assert await levels(store, TODAY, later.date()) == [10, 20]
