"""From a release to the present version with its data in the database, while both serve, and back.

The wheel of the release runs as a process of its own. What happens stands in the order of an upgrade.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import httpx
import pytest

from referral.actions.verify_audit import verify_audit
from referral.domain.errors import StoreUnavailable
from referral.store.migrate import migrate
from referral.store.pool import Store
from referral.store.schema import NEEDED, NEWEST
from tests.cli.program import Program
from tests.conftest import Database, serve
from tests.factories import AN_LAO, KIEN_AN, LE_CHAN, OFFICE, offer, patient, request
from tests.own_database import own_database
from tests.releases.referrals import Referrals, accepted_by_hand, carry_on, make_case, make_referrals, place
from tests.releases.release import REVISIONS, WHEELS, Door, Release, credentials_in, version_of
from tests.releases.store_contents import Seen, clinical_reads, columns_of, ids, lost, rows_of

_BORNE = "0002"
"""The `oldest` of the schema `NEEDED`: releases that know it serve beside the present version."""

_SEARCHES = [
    (facility, address)
    for facility in (LE_CHAN, KIEN_AN, OFFICE)
    for address in (
        "Task?_sort=-_lastUpdated&_include=Task:focus",
        "Task?status=requested,received&_count=5",
        f"Task?owner=Organization/{KIEN_AN}&_summary=count",
        "ServiceRequest?status=active&_sort=_id",
        "ServiceRequest?_revinclude=Task:focus&_count=7",
        "Patient?name=tran&birthdate=1961",
        "Observation?code=8310-5",
        "Organization?_count=80",
        "HealthcareService?_count=60",
        "OrganizationAffiliation?_count=50",
    )
]


def test_every_release_has_its_row() -> None:
    assert {version_of(wheel) for wheel in WHEELS} == REVISIONS.keys()
    table = (Path(__file__).parent / "README.md").read_text(encoding="utf-8")
    assert all(f"| {version} |" in table for version in REVISIONS)


@asynccontextmanager
async def traffic(door: Door) -> AsyncIterator[None]:
    """Referrals placed and accepted meanwhile; every one is taken, whatever is under way."""
    ended = asyncio.Event()

    async def work() -> int:
        done = 0
        while not ended.is_set():
            case = await make_case(door)
            await case.moved(case.receiver, "accepted")
            assert (await case.receiver.get("Task?_count=5&_include=Task:focus")).status_code == 200
            done += 1
            await asyncio.sleep(0.1)
        return done

    working = [asyncio.create_task(work()) for _ in range(2)]
    try:
        yield
    finally:
        ended.set()
        done = await asyncio.gather(*working)
    assert min(done) > 0


@asynccontextmanager
async def present(database: Database, credentials: dict[str, object]) -> AsyncIterator[Door]:
    """The service of the present version."""
    async with serve(database.dsn) as running:
        door = Door(running.base_url, credentials)
        try:
            yield door
        finally:
            await door.close()


@pytest.mark.parametrize(
    "wheel", [wheel for wheel in WHEELS if REVISIONS[version_of(wheel)] >= _BORNE], ids=version_of
)
async def test_an_upgrade_while_both_serve_and_the_way_back(
    superuser_dsn: str, database: Database, tmp_path: Path, wheel: Path
) -> None:
    release = Release.unpack(wheel, tmp_path / "code")
    async with own_database(superuser_dsn, database, "upgraded") as upgraded:
        mighty = superuser_dsn.replace("@/postgres?", "@/upgraded?")
        async with release.serving(upgraded, *_demo(tmp_path), until="Serving on ", owner=True) as url:
            credentials = credentials_in(tmp_path / "data")
            old = Door(url, credentials)
            first, second = await make_referrals(old), await make_referrals(old)
            number = first.offered["rejected"].request["identifier"][0]["value"]
            told = (await release.run(upgraded, "show", number)).stdout
            assert number in told
            columns = await columns_of(mighty)
            rows = await rows_of(mighty, columns)
            seen = await Seen.through(old, [*await clinical_reads(mighty), *_SEARCHES])
            with pytest.raises(StoreUnavailable, match="run `referral migrate`"):
                await Store.open(upgraded.dsn)

            # Expand: the schema first, under the old service.
            assert await asyncio.to_thread(migrate, upgraded.owner_dsn, NEEDED) == NEEDED
            assert lost(rows, await rows_of(mighty, columns)) == {}
            assert seen.differences(await Seen.through(old, seen.sample())) == {}
            async with present(upgraded, credentials) as new:
                assert seen.differences(await Seen.through(new, seen.asked)) == {}
            await asyncio.to_thread(migrate, upgraded.owner_dsn, release.revision)
            async with traffic(old):
                await asyncio.to_thread(migrate, upgraded.owner_dsn, NEEDED)
            assert lost(rows, await rows_of(mighty, columns)) == {}

            # It cannot be contracted under the old service.
            with pytest.raises(StoreUnavailable, match=r"a service of 0\.1\.0 has [1-9]"):
                await asyncio.to_thread(migrate, upgraded.owner_dsn)

            # Deploy: both serve.
            async with present(upgraded, credentials) as new:
                assert (await release.run(upgraded, "show", number)).stdout == told
                assert (await Program(upgraded.dsn).run("show", number)).stdout == told
                await carry_on(first, itertools.cycle([old, new]))
                await twins(old, new)
                await pages(old, new)
                both = await Seen.through(old, _SEARCHES)
                assert both.differences(await Seen.through(new, _SEARCHES)) == {}
            await old.close()
        await all_is_sealed(upgraded)

        # Contract: the new version alone.
        async with present(upgraded, credentials) as new:
            async with traffic(new):
                assert await asyncio.to_thread(migrate, upgraded.owner_dsn) == NEWEST
            seen = await Seen.through(new, seen.sample())
        await back_and_again(upgraded, mighty, release, second, seen=seen, columns=columns)


@pytest.mark.parametrize(
    "wheel", [wheel for wheel in WHEELS if REVISIONS[version_of(wheel)] < _BORNE], ids=version_of
)
async def test_an_upgrade_with_an_end_of_service_and_the_way_back(
    superuser_dsn: str, database: Database, tmp_path: Path, wheel: Path
) -> None:
    """From a release that is more than one behind."""
    release = Release.unpack(wheel, tmp_path / "code")
    async with own_database(superuser_dsn, database, "upgraded") as upgraded:
        mighty = superuser_dsn.replace("@/postgres?", "@/upgraded?")
        async with release.serving(upgraded, *_demo(tmp_path), until="Serving on ", owner=True) as url:
            old = Door(url, credentials_in(tmp_path / "data"))
            first, second = await make_referrals(old), await make_referrals(old)
            columns = await columns_of(mighty)
            rows = await rows_of(mighty, columns)
            seen = await Seen.through(old, [*await clinical_reads(mighty), *_SEARCHES])
            with pytest.raises(StoreUnavailable, match="run `referral migrate`"):
                await Store.open(upgraded.dsn)
            await old.close()
        assert migrate(upgraded.owner_dsn) == NEWEST
        assert lost(rows, await rows_of(mighty, columns)) == {}
        async with present(upgraded, credentials_in(tmp_path / "data")) as new:
            assert seen.differences(await Seen.through(new, seen.asked)) == {}
            await carry_on(first, itertools.repeat(new))
            seen = await Seen.through(new, seen.sample())
        await all_is_sealed(upgraded)
        await back_and_again(upgraded, mighty, release, second, seen=seen, columns=columns)


async def back_and_again(
    upgraded: Database,
    mighty: str,
    release: Release,
    waiting: Referrals,
    *,
    seen: Seen,
    columns: dict[str, list[str]],
) -> None:
    """From the newest schema back to the release, with what the new version wrote, and up once more."""
    credentials = credentials_in(release.code.parent / "data")
    async with present(upgraded, credentials) as new:
        await carry_on(waiting, itertools.repeat(new))
        third = await make_referrals(new)
        rows = await rows_of(mighty, columns)
        seen = await Seen.through(new, [*seen.asked, *await clinical_reads(mighty, third.ids())])

    migrate(upgraded.owner_dsn, release.revision)
    assert lost(rows, await rows_of(mighty, columns)) == {}
    async with release.serving(upgraded, "serve", "--port", "0", until="ready on ") as url:
        old = Door(url, credentials)
        assert seen.differences(await Seen.through(old, seen.asked)) == {}
        await carry_on(third, itertools.repeat(old))
        fourth = await make_referrals(old)
        rows = await rows_of(mighty, columns)
        seen = await Seen.through(old, await clinical_reads(mighty, fourth.ids()))
        await old.close()

    migrate(upgraded.owner_dsn)
    assert lost(rows, await rows_of(mighty, columns)) == {}
    async with present(upgraded, credentials) as new:
        assert seen.differences(await Seen.through(new, seen.asked)) == {}
        await carry_on(fourth, itertools.repeat(new))


def _demo(folder: Path) -> tuple[str, ...]:
    return ("demo", "--play", "--port", "0", "--data", str(folder / "data"))


async def all_is_sealed(database: Database) -> None:
    """What both wrote into the audit is in its chain, as soon as nobody writes any more."""
    owner = await asyncpg.connect(database.owner_dsn)
    try:
        report = await verify_audit(owner, None, None)
        while report.unsealed and not report.faults:
            await owner.execute("SELECT seal_audit(now(), 10000)")
            report = await verify_audit(owner, None, None)
        assert report.faults == []
        assert report.rows == await owner.fetchval("SELECT count(*) FROM audit")
    finally:
        await owner.close()


async def pages(old: Door, new: Door) -> None:
    """A worklist whose pages are fetched from one after the other."""
    hospitals = itertools.cycle([await old.system(KIEN_AN), await new.system(KIEN_AN)])
    whole = ids((await (await new.system(KIEN_AN)).get("Task?_sort=-_lastUpdated&_count=100")).json())
    found, address = [], "Task?_sort=-_lastUpdated&_count=3"
    while address:
        page = (await next(hospitals).get(address)).json()
        found += ids(page)
        links = {link["relation"]: link["url"] for link in page["link"]}
        address = links.get("next", "").partition("/fhir/")[2]
    assert len(found) > 9
    assert found[: len(whole)] == whole[: len(found)]


async def twins(old: Door, new: Door) -> None:
    """Writes of which only one can be, sent to both at once."""
    for turn in range(4):
        doors = (old, new) if turn % 2 else (new, old)
        stations = [await door.system(LE_CHAN) for door in doors]
        hospitals = [await door.system(KIEN_AN) for door in doors]

        case = await make_case(doors[0])
        task = await case.task()
        moves = await asyncio.gather(*(accepted_by_hand(case, client, task) for client in hospitals))
        assert sorted(answer.status_code for answer in moves) == [200, 412]

        _, unplaced = await place(doors[1])
        opened = await asyncio.gather(
            stations[0].post("Task", json=offer(unplaced["id"], KIEN_AN)),
            stations[1].post("Task", json=offer(unplaced["id"], AN_LAO)),
        )
        assert sorted(answer.status_code for answer in opened) == [201, 409]

        who = (await stations[0].post("Patient", json=patient())).json()["id"]
        numbered = request(who, identifier=[{"system": "urn:test:order", "value": who}])
        placed = await asyncio.gather(*(one.post("ServiceRequest", json=numbered) for one in stations))
        assert sorted(answer.status_code for answer in placed) == [201, 409]
        assert refused(placed)["issue"][0]["code"] == "duplicate"


def refused(answers: list[httpx.Response]) -> dict[str, list[dict[str, str]]]:
    return dict(max(answers, key=lambda answer: answer.status_code).json())
