"""The demo network holds what it promises, and a register of another form imports too."""

import csv
from collections import Counter
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from referral.domain.codes import Direction, Priority
from referral.domain.facility import Directory, LinkKind, ServiceId, Tier
from referral.domain.policy_history import PolicyHistory
from referral.domain.suggestion import Need, Overlay
from referral.exchange.network_files import read_network
from referral.network.snapshot import build_snapshot
from referral.network.suggest import suggest

PROJECT = Path(__file__).parents[2]
DEMO = PROJECT / "referral" / "exchange" / "networks" / "haiphong"
SHARED_FACILITIES = PROJECT.parent / "shared" / "data" / "haiphong_facilities.csv"
PHACOEMULSIFICATION = "14.0005.0815"
LEVELS_OF_TIER = {Tier.STATION: "D", Tier.SATELLITE: "CD", Tier.CORE: "BCD", Tier.CENTRAL: "ABCD"}


@pytest.fixture(scope="module")
def demo():
    return read_network(DEMO)


@pytest.fixture(scope="module")
def tiers(demo):
    return {member.facility: member.tier for member in demo.memberships}


def test_has_the_facilities_of_the_city(demo, tiers):
    assert Counter(tiers.values()) == {Tier.CENTRAL: 5, Tier.CORE: 4, Tier.SATELLITE: 23, Tier.STATION: 44}
    assert all(facility.name and facility.name_en and facility.position for facility in demo.facilities)
    assert demo.warnings == ()
    assert demo.prefix == "HP"


def test_techniques_are_spread_over_levels_and_chapters(demo):
    levels = Counter(technique.level for technique in demo.techniques)
    assert all(levels[level] >= 12 for level in "ABCD")
    assert len({technique.chapter for technique in demo.techniques}) >= 12
    assert all(technique.name_en for technique in demo.techniques)


def test_approvals_follow_the_level_but_for_the_cataract_operation_at_kim_thanh(demo, tiers):
    levels = {technique.code: technique.level for technique in demo.techniques}
    above = [
        approval
        for approval in demo.approvals
        if levels[approval.technique] not in LEVELS_OF_TIER[tiers[approval.facility]]
    ]
    assert [(approval.facility, approval.technique) for approval in above] == [
        ("kim-thanh-medical-centre", PHACOEMULSIFICATION)
    ]
    assert all(
        approval.decision == "derived from level, not a licence"
        for approval in demo.approvals
        if approval not in above
    )
    assert {approval.technique for approval in demo.approvals} == set(levels)


def test_every_facility_has_a_service_with_capacity_known(demo, tiers):
    assert {service.facility for service in demo.services} == set(tiers)
    assert set(demo.capacities) == {(service.facility, service.id) for service in demo.services}
    assert all(service.specialty for service in demo.services)


def test_islands_are_reached_by_ferry_alone(demo):
    landmass = {facility.id: facility.landmass for facility in demo.facilities}
    assert Counter(landmass.values()) == {"mainland": 72, "cat-hai": 2, "bach-long-vi": 2}
    crossings = {
        landmass[link.origin]: (landmass[link.destination], link.kind, link.minutes, link.both_ways)
        for link in demo.links
    }
    assert crossings == {
        "cat-hai": ("mainland", LinkKind.FERRY, 90, True),
        "bach-long-vi": ("mainland", LinkKind.FERRY, 360, True),
    }


@pytest.fixture(scope="module")
def snapshot(demo):
    """The graph of the demo; service ids, unique in a facility only, get its id before them."""

    def unique(facility, service):
        return ServiceId(f"{facility}.{service}")

    return build_snapshot(
        1,
        Directory(
            facilities=demo.facilities,
            memberships=demo.memberships,
            affiliations=demo.affiliations,
            services=tuple(replace(row, id=unique(row.facility, row.id)) for row in demo.services),
            techniques=demo.techniques,
            approvals=tuple(
                replace(row, service=row.service and unique(row.facility, row.service))
                for row in demo.approvals
            ),
            links=demo.links,
            policies={demo.id: PolicyHistory.of(demo.policy)},
            network_names={demo.id: demo.name},
        ),
    )


@pytest.mark.parametrize(
    "sender", ["le-chan-health-station", "cat-hai-health-station", "bach-long-vi-health-station"]
)
def test_an_urgent_need_above_a_station_has_two_targets_at_least(demo, snapshot, sender):
    landmass = {facility.id: facility.landmass for facility in demo.facilities}
    for technique in demo.techniques:
        if technique.level not in {"B", "C"}:
            continue
        need = Need((technique.list, technique.code), priority=Priority.URGENT, direction=Direction.UP)
        ranked = suggest(snapshot, demo.id, need, sender, Overlay(), date(2026, 1, 5)).ranked
        assert len(ranked) >= 2, technique.name_en
        for suggestion in ranked:
            by_ferry = any("ferry" in term.text for term in suggestion.terms)
            assert by_ferry == (landmass[suggestion.target] != landmass[sender])


def test_names_its_sources():
    notice = (DEMO / "NOTICE.md").read_text(encoding="utf-8")
    for source in ("OpenStreetMap contributors", "ODbL", "vietnamese-provinces-database", "4440/QD-BYT"):
        assert source in notice


def test_imports_every_facility_of_the_shared_register(tmp_path):
    if not SHARED_FACILITIES.exists():
        pytest.skip("the shared register ../shared/data/haiphong_facilities.csv is not here")
    with SHARED_FACILITIES.open(encoding="utf-8-sig", newline="") as register:
        rows = list(csv.DictReader(register))
    columns = ("id", "name_vi", "name_en", "tier", "commune", "landmass", "lat", "lon", "position")
    with (tmp_path / "facilities.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow("name" if column == "name_vi" else column for column in columns)
        writer.writerows([row[column] for column in columns] for row in rows)
    (tmp_path / "policy.toml").write_text('[network]\nid = "city"\nname = "City"\nprefix = "CT"\n')

    draft = read_network(tmp_path)

    assert len(draft.facilities) == 146
    assert Counter(member.tier for member in draft.memberships) == Counter(Tier(row["tier"]) for row in rows)
