"""Questions to the directory, and its exchange for a newer one."""

import csv
from datetime import date
from pathlib import Path

import pytest

from referral.domain.codes import Direction, Priority
from referral.domain.errors import NotFound
from referral.domain.facility import (
    Affiliation,
    AffiliationKind,
    Approval,
    Directory,
    Facility,
    FacilityId,
    Membership,
    NetworkId,
    Tier,
)
from referral.domain.policy_history import PolicyHistory
from referral.domain.suggestion import Exclusion, Need, Overlay
from referral.network.snapshot import SnapshotHolder, build_snapshot
from referral.network.suggest import suggest
from tests.network.towns import NETWORK, TODAY, directory, link, member, policy, town

SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "haiphong_facilities.csv"
OTHER = NetworkId("mountains")


def two_networks() -> Directory:
    own = directory([(town("a", 0), "station"), (town("b", 1), "core")])
    return Directory(
        facilities=own.facilities,
        memberships=(
            *own.memberships,
            Membership(OTHER, FacilityId("b"), Tier.CENTRAL, "b", date(2026, 1, 1)),
            Membership(OTHER, FacilityId("a"), Tier.CORE, "a"),
        ),
        policies={NETWORK: PolicyHistory.of(policy())},
    )


def test_a_facility_is_found_by_its_id() -> None:
    snapshot = build_snapshot(1, two_networks())
    assert getattr(snapshot.facility(FacilityId("a")), "name", None) == "A"
    assert snapshot.facility(FacilityId("x")) is None


def test_memberships_and_tiers_are_of_a_day_and_a_network() -> None:
    snapshot = build_snapshot(1, two_networks())
    a, b, later = FacilityId("a"), FacilityId("b"), date(2026, 1, 1)
    assert snapshot.networks_of(b, TODAY) == (NETWORK,)
    assert snapshot.networks_of(b, later) == (NETWORK, OTHER)
    assert snapshot.tier_of(NETWORK, b, TODAY) is Tier.CORE
    assert snapshot.tier_of(OTHER, b, TODAY) is None
    assert snapshot.tier_of(OTHER, b, later) is Tier.CENTRAL
    assert snapshot.members(OTHER, TODAY) == (a,)


def test_a_network_without_policy_is_not_found() -> None:
    snapshot = build_snapshot(1, two_networks())
    assert snapshot.policy(NETWORK, TODAY).name == "Harbour"
    with pytest.raises(NotFound):
        snapshot.policy(OTHER, TODAY)


def test_a_row_about_an_unknown_facility_is_refused() -> None:
    rows = directory([(town("a", 0), "station")])
    with pytest.raises(KeyError):
        build_snapshot(1, Directory(facilities=(), memberships=rows.memberships))
    tie = Affiliation(NETWORK, AffiliationKind.REFERS_TO, FacilityId("a"), FacilityId("unheard-of"))
    with pytest.raises(KeyError):
        build_snapshot(1, Directory(facilities=rows.facilities, affiliations=(tie,)))


def test_the_holder_takes_newer_snapshots_only() -> None:
    holder = SnapshotHolder()
    assert (holder.current.version, holder.current.members(NETWORK, TODAY)) == (0, ())
    third = build_snapshot(3, two_networks())
    assert holder.swap(third)
    assert not holder.swap(build_snapshot(2, Directory()))
    assert holder.current is third


def test_links_of_a_network_without_policy_are_left_alone() -> None:
    rows = directory([(town("a", 0), "station"), (town("b", 1), "core")], links=(link("a", "b", "5"),))
    bare = build_snapshot(1, Directory(rows.facilities, rows.memberships, links=rows.links))
    assert bare.tier_of(NETWORK, FacilityId("b"), TODAY) is Tier.CORE


@pytest.mark.skipif(not SHARED.exists(), reason="the facts in ../shared/data are not there")
def test_hai_phong_from_its_islands_and_from_the_mainland() -> None:
    with SHARED.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    facilities = tuple(
        Facility(
            FacilityId(row["id"]),
            row["name_vi"],
            float(row["lat"]),
            float(row["lon"]),
            name_en=row["name_en"],
            landmass=row["landmass"],
        )
        for row in rows
    )
    hospitals = [row for row in rows if row["tier"] != "station" and row["landmass"] == "mainland"]
    snapshot = build_snapshot(
        1,
        Directory(
            facilities,
            tuple(member(row["id"], row["tier"]) for row in rows),
            approvals=tuple(Approval(FacilityId(row["id"]), None, "list", "1") for row in hospitals),
            links=(link("cat-hai-medical-centre", "do-son-health-station", "90", "ferry"),),
            policies={NETWORK: PolicyHistory.of(policy(limits={"urgent": 180}))},
        ),
    )
    need = Need(("list", "1"), priority=Priority.URGENT, direction=Direction.UP)
    cat_hai = suggest(snapshot, NETWORK, need, FacilityId("cat-hai-health-station"), Overlay(), TODAY)
    assert cat_hai.ranked
    assert all("ferry 90 min to Do Son Health Station" in found.terms[0].text for found in cat_hai.ranked)
    assert all(found.terms[0].minutes >= 90 for found in cat_hai.ranked)
    outpost = suggest(snapshot, NETWORK, need, FacilityId("bach-long-vi-health-station"), Overlay(), TODAY)
    assert not outpost.ranked
    assert Exclusion.UNREACHABLE in {found.rule for found in outpost.excluded}
    mainland = suggest(snapshot, NETWORK, need, FacilityId("tan-hung-health-station"), Overlay(), TODAY)
    assert mainland.ranked[0].target == "hai-duong-city-medical-centre"
