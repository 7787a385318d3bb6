"""Which station is near where a patient lives."""

from dataclasses import replace
from datetime import date

import pytest

from referral.domain.facility import (
    Approval,
    Directory,
    Facility,
    FacilityId,
    Membership,
    NetworkId,
    Service,
    ServiceId,
    Tier,
)
from referral.domain.policy import Policy
from referral.domain.policy_history import PolicyHistory
from referral.domain.suggestion import Need
from referral.network.near_home import Home, nearer_station, offers
from referral.network.snapshot import Snapshot, build_snapshot

DAY, HILLS = date(2026, 3, 2), NetworkId("hills")
FIRST, NEAR, FAR, HOSPITAL = (FacilityId(name) for name in ("first", "near", "far", "hospital"))
REHABILITATION = Need(specialty="394602003")
SUTURE = Need(technique=("book", "suture"))
AT_NEAR = (10.01, 106.0)


def hills(**changes: Facility) -> Snapshot:
    """Three stations from south to north, and a hospital beside the middle one."""
    found = {
        FIRST: Facility(FIRST, "First", 10.5, 106.0, commune="Đồi"),
        NEAR: Facility(NEAR, "Near", 10.0, 106.0, commune="Suối"),
        FAR: Facility(FAR, "Far", 11.5, 106.0),
        HOSPITAL: Facility(HOSPITAL, "Hospital", 10.01, 106.0, commune="Suối"),
    } | {FacilityId(name): facility for name, facility in changes.items()}
    tiers = {HOSPITAL: Tier.SATELLITE}
    policy = Policy.from_mapping({"network": {"id": HILLS, "name": "Hills", "prefix": "HI"}})
    return build_snapshot(
        1,
        Directory(
            facilities=tuple(found.values()),
            memberships=tuple(Membership(HILLS, name, tiers.get(name, Tier.STATION), name) for name in found),
            services=(Service(ServiceId("walk"), FAR, "Walking", specialty="394602003"),),
            approvals=(Approval(HOSPITAL, None, "book", "suture"),),
            policies={HILLS: PolicyHistory.of(policy)},
        ),
    )


@pytest.mark.parametrize(
    ("home", "need", "found"),
    [
        (Home(AT_NEAR), Need(), NEAR),
        (Home((10.6, 106.0)), Need(), None),
        # Only the far one offers it: and who came from elsewhere is told so.
        (Home(AT_NEAR), REHABILITATION, FAR),
        (Home(AT_NEAR), Need(specialty="nothing"), None),
        (Home(None, frozenset({"suối"})), Need(), NEAR),
        (Home(None, frozenset({"đồi"})), Need(), None),
        (Home(None, frozenset({"elsewhere"})), Need(), None),
    ],
)
def test_the_station_nearer_to_home(home: Home, need: Need, found: FacilityId | None) -> None:
    assert nearer_station(hills(), HILLS, need, home, default=FIRST, on=DAY) == found


def test_one_that_takes_nobody_is_not_suggested() -> None:
    closed = replace(Facility(NEAR, "Near", 10.0, 106.0, commune="Suối"), active=False)
    assert nearer_station(hills(near=closed), HILLS, Need(), Home(AT_NEAR), default=FIRST, on=DAY) is None


def test_a_default_that_nobody_knows_is_left_alone() -> None:
    unknown = FacilityId("unknown")
    assert nearer_station(hills(), HILLS, Need(), Home(AT_NEAR), default=unknown, on=DAY) is None


@pytest.mark.parametrize(
    ("facility", "need", "answer"),
    [
        (FAR, REHABILITATION, True),
        (FIRST, REHABILITATION, False),
        (HOSPITAL, SUTURE, True),
        (FIRST, SUTURE, False),
        (HOSPITAL, Need(technique=("book", "none")), False),
        (FIRST, Need(), None),
    ],
)
def test_what_a_place_offers(facility: FacilityId, need: Need, answer: bool | None) -> None:
    assert offers(hills(), HILLS, facility, need, DAY) is answer
    assert offers(hills(), HILLS, FacilityId("unknown"), need, DAY) is None
