"""A network comes in whole, again without change, and over what was edited since."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from referral.actions.draft import Draft
from referral.actions.import_network import ImportReport, check_network, import_network
from referral.actions.new_id import new_id
from referral.domain.actor import Actor
from referral.domain.errors import BrokenRule
from referral.domain.facility import (
    AffiliationKind,
    Capacity,
    CapacityStatus,
    Facility,
    FacilityId,
    Membership,
    NetworkId,
    Tier,
)
from referral.domain.network_draft import NetworkDraft
from referral.domain.scope import read_scopes
from referral.fhir.content import read_content
from referral.fhir.validation import check_resource
from referral.store.network import network_version
from referral.store.pool import Store
from tests.owner import behind_the_wall
from tests.small_network import HOSPITAL, SURGERY, small_network
from tests.written import write_drafts

NOW = datetime(2026, 3, 1, 8, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
BASE = "http://hub.example/fhir"
WRITTEN = ("document", "document_version", "event", "change", "audit", "search_token", "directory")


async def fetch(store: Store, sql: str, *arguments: object) -> list[dict[str, Any]]:
    async with behind_the_wall(store) as connection:
        return [dict(row) for row in await connection.fetch(sql, *arguments)]


async def state(store: Store) -> dict[str, int]:
    """How much is stored, and at which version the network is."""
    async with behind_the_wall(store) as connection:
        found = {table: await connection.fetchval(f"SELECT count(*) FROM {table}") for table in WRITTEN}
        return found | {"version": await network_version(connection)}


async def content(store: Store, resource_type: str, resource_id: str) -> dict[str, Any]:
    rows = await fetch(
        store, "SELECT content::text FROM document WHERE type = $1 AND id = $2", resource_type, resource_id
    )
    return json.loads(rows[0]["content"])


async def edit(store: Store, actor: str, resource_type: str, resource_id: str, **elements: object) -> None:
    """Change a resource over FHIR."""
    changed = await content(store, resource_type, resource_id) | elements
    await write_drafts(
        store,
        [Draft(resource_type, resource_id, read_content(json.dumps(changed).encode()), is_create=False)],
        actor=Actor(FacilityId(actor), "client", read_scopes("system/*.cruds")),
        base=BASE,
        now=NOW + timedelta(hours=1),
        new_id=lambda: new_id(NOW),
        request_id=None,
    )


async def test_every_resource_of_a_network_is_r4_and_in_its_directory(store: Store) -> None:
    report = await import_network(store, small_network(), NOW)
    rows = await fetch(store, "SELECT type, id, version, owner, content::text AS content FROM document")
    for row in rows:
        found = read_content(row["content"].encode())
        check_resource(row["type"], found)
        assert found["id"] == row["id"]
        assert found["meta"] == {"versionId": "1", "lastUpdated": "2026-03-01T08:00:00.000Z"}
    tie = next(row["id"] for row in rows if "." not in row["id"] and row["type"] == "OrganizationAffiliation")
    assert {(row["type"], row["id"], row["owner"]) for row in rows} == {
        ("Organization", "hill", "hill"),
        ("Organization", "hospital", "hospital"),
        ("Organization", "station", "station"),
        ("Location", "hospital", "hospital"),
        ("Location", "station", "station"),
        ("HealthcareService", "hospital.surgery", "hospital"),
        ("OrganizationAffiliation", "hill.hospital", "hill"),
        ("OrganizationAffiliation", "hill.station", "hill"),
        ("OrganizationAffiliation", tie, "hill"),
    }
    listed = await fetch(store, "SELECT network, type, id FROM directory")
    assert {(row["network"], row["type"], row["id"]) for row in listed} == {
        ("hill", row["type"], row["id"]) for row in rows
    }
    assert report.counts["resources"].created == len(rows)
    assert report.changed


async def test_an_import_leaves_events_and_audit_of_the_network(store: Store) -> None:
    await import_network(store, small_network(), NOW)
    events = await fetch(store, "SELECT DISTINCT move, facility, client FROM event")
    assert events == [{"move": "import", "facility": "hill", "client": "import"}]
    audits = await fetch(store, "SELECT actor, client, action, count(*) AS times FROM audit GROUP BY 1, 2, 3")
    assert {(row["action"], row["times"]) for row in audits} == {("create", 9), ("import", 1)}
    assert {(row["actor"], row["client"]) for row in audits} == {("hill", "import")}


async def test_an_import_of_rows_alone_leaves_audit_too(store: Store) -> None:
    await import_network(store, small_network(), NOW)
    draft = small_network()
    await import_network(store, replace(draft, links=()), LATER)
    rows = await fetch(
        store,
        "SELECT action, details->'created, changed, ended'->'links' AS links FROM audit WHERE at = $1",
        LATER,
    )
    assert [(row["action"], json.loads(row["links"])) for row in rows] == [
        ("import", [0, 0, len(draft.links)])
    ]


async def test_the_same_files_again_write_nothing(store: Store) -> None:
    await import_network(store, small_network(), NOW)
    before = await state(store)
    report = await import_network(store, small_network(), LATER)
    assert not report.changed
    assert report.overwrites == []
    assert await state(store) == before


async def test_a_check_says_what_an_import_would_do_and_writes_nothing(store: Store) -> None:
    before = await state(store)
    checked = await check_network(store, small_network(), NOW)
    assert await state(store) == before
    assert checked == await import_network(store, small_network(), NOW)


async def test_progress_ends_at_its_total(store: Store) -> None:
    told: list[tuple[str, int, int]] = []
    await import_network(store, small_network(), NOW, lambda *step: told.append(step))
    last = {step: (done, total) for step, done, total in told}
    assert list(last) == ["compare", "rows", "resources"]
    assert all(done == total for done, total in last.values())


async def test_a_changed_row_changes_its_resource_alone(store: Store) -> None:
    draft = small_network()
    await import_network(store, draft, NOW)
    renamed = replace(draft.services[0], name="General surgery")
    report = await import_network(store, replace(draft, services=(renamed,)), LATER)
    assert report.overwrites == []
    assert report.counts["services"].updated == 1
    assert report.counts["resources"].updated == 1
    changed = await fetch(store, "SELECT type, id FROM document WHERE version = 2")
    assert changed == [{"type": "HealthcareService", "id": "hospital.surgery"}]
    assert (await content(store, "HealthcareService", "hospital.surgery"))["name"] == "General surgery"


async def test_what_was_edited_over_fhir_is_overwritten_and_named(store: Store) -> None:
    await import_network(store, small_network(), NOW)
    await edit(store, "hospital", "Organization", "hospital", telecom=[{"system": "phone", "value": "0"}])
    await edit(store, "hill", "HealthcareService", "hospital.surgery", name="Other", comment="new")
    expected = [
        "Organization/hospital: telecom (edited over FHIR by hospital)",
        "HealthcareService/hospital.surgery: comment, name (edited over FHIR by hill)",
    ]
    assert (await check_network(store, small_network(), LATER)).overwrites == expected
    report = await import_network(store, small_network(), LATER)
    assert report.overwrites == expected
    assert (report.counts["facilities"].updated, report.counts["services"].updated) == (1, 1)
    service = await content(store, "HealthcareService", "hospital.surgery")
    assert (service["name"], service["meta"]["versionId"], "comment" in service) == ("Surgery", "3", False)
    assert not (await import_network(store, small_network(), LATER)).changed


async def test_capacity_that_the_file_repeats_keeps_its_time(store: Store) -> None:
    await import_network(store, small_network(), NOW)
    stated = {(HOSPITAL, SURGERY): Capacity(CapacityStatus.NO_CAPACITY)}
    await import_network(store, small_network(capacities=stated), LATER)
    assert not (await import_network(store, small_network(capacities=stated), LATER + timedelta(1))).changed
    assert await fetch(store, "SELECT status, free, as_of FROM capacity") == [
        {"status": "no-capacity", "free": None, "as_of": LATER}
    ]
    # A file that says nothing of it leaves it alone.
    assert not (await import_network(store, small_network(capacities={}), LATER)).changed


async def test_rows_that_left_the_file_end_and_nothing_is_deleted(store: Store) -> None:
    draft = small_network()
    await import_network(store, draft, NOW)
    count = len(await fetch(store, "SELECT FROM document"))
    smaller = replace(
        draft,
        facilities=draft.facilities[:1],
        memberships=draft.memberships[:1],
        affiliations=(),
        services=(),
        capacities={},
        approvals=(),
        links=(),
    )
    report = await import_network(store, smaller, LATER)
    removed = {kind: counts.removed for kind, counts in report.counts.items() if counts.removed}
    assert removed == {"memberships": 1, "affiliations": 1, "services": 1, "approvals": 1, "links": 1}
    assert len(await fetch(store, "SELECT FROM document")) == count
    assert await fetch(store, "SELECT facility, valid_to FROM membership WHERE valid_to IS NOT NULL") == [
        {"facility": "station", "valid_to": NOW.date()}
    ]
    assert await fetch(store, "SELECT facility FROM actor_network ORDER BY facility") == [
        {"facility": "hill"},
        {"facility": "hospital"},
    ]
    ended = await content(store, "OrganizationAffiliation", "hill.station")
    assert (ended["active"], ended["period"]) == (False, {"end": "2026-03-01"})
    service = await content(store, "HealthcareService", "hospital.surgery")
    assert (service["active"], "type" in service) == (False, False)
    assert await fetch(store, "SELECT FROM affiliation") == []
    inactive = await fetch(
        store,
        "SELECT content->'active' AS active FROM document WHERE type = 'OrganizationAffiliation'"
        " AND id NOT LIKE 'hill.%'",
    )
    assert inactive == [{"active": "false"}]
    assert not (await import_network(store, smaller, LATER)).changed


async def test_a_facility_that_comes_back_is_the_same(store: Store) -> None:
    draft = small_network()
    await import_network(store, draft, NOW)
    smaller = replace(draft, facilities=draft.facilities[:1], memberships=draft.memberships[:1])
    await import_network(store, replace(smaller, affiliations=(), links=()), LATER)
    await import_network(store, draft, LATER)
    assert await fetch(store, "SELECT facility FROM membership WHERE valid_to IS NOT NULL") == []
    back = await content(store, "OrganizationAffiliation", "hill.station")
    assert (back["active"], "period" in back, back["meta"]["versionId"]) == (True, False, "3")


def other_network(facility: Facility, network: str = "sea") -> NetworkDraft:
    """Another network of one facility, which has the id `hospital` in its file too."""
    its = NetworkId(network)
    return small_network(
        network,
        "SE",
        facilities=(facility,),
        memberships=(Membership(its, facility.id, Tier.CORE, facility.id),),
        affiliations=(),
        links=(),
        **({} if facility.id == HOSPITAL else {"services": (), "capacities": {}, "approvals": ()}),
    )


async def test_the_same_id_in_another_network_is_another_facility(store: Store) -> None:
    await import_network(store, small_network(), NOW)
    await import_network(store, other_network(Facility(HOSPITAL, "Sea hospital", 1.0, 2.0)), NOW)
    names = await fetch(store, "SELECT id, name FROM facility ORDER BY id")
    assert [(row["id"], row["name"]) for row in names] == [
        ("hospital", "Bệnh viện Đồi"),
        ("sea.hospital", "Sea hospital"),
        ("station", "Trạm Đồi"),
    ]
    codes = await fetch(store, "SELECT facility, code FROM membership WHERE network = 'sea'")
    assert codes == [{"facility": "sea.hospital", "code": "hospital"}]
    assert (await content(store, "HealthcareService", "sea.hospital.surgery"))["name"] == "Surgery"


async def test_ids_too_long_to_be_joined_are_given_once(store: Store) -> None:
    await import_network(store, small_network(), NOW)
    name = "n" * 60
    sea = other_network(Facility(HOSPITAL, "Sea hospital", 1.0, 2.0), name)
    await import_network(store, sea, NOW)
    ids = await fetch(store, "SELECT facility, document FROM membership WHERE network = $1", name)
    assert len(ids[0]["facility"]) == len(ids[0]["document"]) == len(new_id(NOW))
    services = await fetch(store, "SELECT id FROM service WHERE facility = $1", ids[0]["facility"])
    assert services == [{"id": f"{ids[0]['facility']}.surgery"}]
    assert not (await import_network(store, sea, LATER)).changed


async def test_the_same_insurers_code_is_one_facility_in_both_networks(store: Store) -> None:
    await import_network(store, small_network(), NOW)
    again = replace(small_network().facilities[0], id=FacilityId("H-7"))
    report = await import_network(store, other_network(again), NOW)
    assert (report.counts["facilities"].created, report.counts["memberships"].created) == (0, 1)
    members = await fetch(
        store, "SELECT network, code FROM membership WHERE facility = 'hospital' ORDER BY 1"
    )
    assert [(row["network"], row["code"]) for row in members] == [("hill", "hospital"), ("sea", "H-7")]
    organization = await content(store, "Organization", "hospital")
    assert [found["value"] for found in organization["identifier"]] == ["hospital", "H-7", "I-1"]
    assert report.overwrites == ["Organization/hospital: identifier (imported by network hill)"]
    # Its services stand in the directory of both, and neither import touches what the other brought.
    listed = await fetch(store, "SELECT network FROM directory WHERE type = 'HealthcareService' ORDER BY 1")
    assert [row["network"] for row in listed] == ["hill", "sea"]
    assert await fetch(store, "SELECT active FROM service") == [{"active": True}]
    assert not (await import_network(store, small_network(), LATER)).changed


async def test_a_service_made_over_fhir_stays(store: Store) -> None:
    await import_network(store, small_network(), NOW)
    own = {
        "resourceType": "HealthcareService",
        "providedBy": {"reference": "Organization/hospital"},
        "name": "Own",
    }
    await write_drafts(
        store,
        [Draft("HealthcareService", "own", own, is_create=True)],
        actor=Actor(HOSPITAL, "client", read_scopes("system/*.cruds")),
        base=BASE,
        now=NOW,
        new_id=lambda: new_id(NOW),
        request_id=None,
    )
    assert not (await import_network(store, small_network(), LATER)).changed
    assert await fetch(store, "SELECT active FROM service WHERE id = 'own'") == [{"active": True}]


def _twice(facilities: tuple[Facility, ...]) -> tuple[Facility, ...]:
    return (facilities[0], replace(facilities[1], insurer_code=facilities[0].insurer_code))


@pytest.mark.parametrize(
    ("draft", "reason"),
    [
        (small_network("sea", "HI"), "prefix HI is that of the network hill"),
        (small_network("station", "ST"), "id station of the network is that of another organization"),
        (small_network(facilities=_twice(small_network().facilities)), "I-1 stands for 2 facilities"),
        (
            small_network(
                facilities=(
                    replace(small_network().facilities[0], insurer_code=None),
                    replace(small_network().facilities[1], insurer_code="I-1"),
                )
            ),
            "Facility station: the insurer's code I-1 is that of hospital",
        ),
    ],
    ids=["prefix", "network id", "one code twice", "code of another"],
)
@pytest.mark.parametrize("action", [import_network, check_network])
async def test_what_belongs_to_somebody_else_is_refused_whole(
    store: Store,
    action: Callable[[Store, NetworkDraft, datetime], Awaitable[ImportReport]],
    draft: NetworkDraft,
    reason: str,
) -> None:
    await import_network(store, small_network(), NOW)
    before = await state(store)
    with pytest.raises(BrokenRule, match=reason):
        await action(store, draft, LATER)
    assert await state(store) == before


async def test_two_imports_at_once_are_one_after_the_other(store: Store) -> None:
    reports = await asyncio.gather(*(import_network(store, small_network(), NOW) for _ in range(2)))
    assert sorted(report.changed for report in reports) == [False, True]


async def test_a_tie_of_the_office_that_the_file_does_not_have_ends(store: Store) -> None:
    await import_network(store, small_network(), NOW)
    rows = await fetch(store, "SELECT document FROM affiliation")
    tie = await content(store, "OrganizationAffiliation", rows[0]["document"])
    other = {
        "code": [{"coding": [{**tie["code"][0]["coding"][0], "code": AffiliationKind.SUPPORTS.value}]}],
    }
    await edit(store, "hill", "OrganizationAffiliation", rows[0]["document"], **other)
    report = await import_network(store, small_network(), LATER)
    counts = report.counts["affiliations"]
    assert (counts.created, counts.removed) == (1, 1)
    assert report.overwrites == [
        f"OrganizationAffiliation/{rows[0]['document']}: active (edited over FHIR by hill)"
    ]
    kinds = await fetch(store, "SELECT kind FROM affiliation")
    assert kinds == [{"kind": "refers-to"}]
