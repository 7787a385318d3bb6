"""Where to send a patient: who is ruled out and why, in what order the others stand."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

import pytest

from referral.domain.codes import Direction, Priority
from referral.domain.errors import BrokenRule, NotFound
from referral.domain.facility import (
    Affiliation,
    AffiliationKind,
    Capacity,
    CapacityStatus,
    Directory,
    FacilityId,
    NetworkId,
    ServiceId,
)
from referral.domain.suggestion import Exclusion, Need, Overlay, Suggestions
from referral.network.snapshot import build_snapshot
from referral.network.suggest import suggest
from tests.network.towns import NETWORK, TODAY, approval, directory, link, member, policy, service, town

TECHNIQUE = ("list", "1")
FULL = Capacity(CapacityStatus.NO_CAPACITY)


def ask(
    of: Directory,
    need: Need | None = None,
    sender: str = "clinic",
    overlay: Overlay | None = None,
    on: date = TODAY,
) -> Suggestions:
    """Ask, and prove by the way that the search of the neighbourhood finds the same as the search of all."""
    snapshot = build_snapshot(1, of)
    asked = need or Need(TECHNIQUE)
    given_now = overlay or Overlay()
    whole = suggest(snapshot, NETWORK, asked, FacilityId(sender), given_now, on)
    for count in (None, 1, 2, 50):
        near = suggest(
            snapshot, NETWORK, asked, FacilityId(sender), given_now, on, count=count, with_excluded=False
        )
        assert near.ranked == whole.ranked[:count]
        assert near.excluded == ()
    return whole


def targets(found: Suggestions) -> list[str]:
    return [str(suggestion.target) for suggestion in found.ranked]


def rules(found: Suggestions) -> dict[str, Exclusion]:
    return {str(excluded.target): excluded.rule for excluded in found.excluded}


def coast(**rows: object) -> Directory:
    """A clinic, two satellites that are approved, one that is not, and a core hospital that is."""
    towns = [
        (town("clinic", 0), "station"),
        (town("near", 1), "satellite"),
        (town("bare", 2), "satellite"),
        (town("far", 3), "satellite"),
        (town("core", 4), "core"),
    ]
    approvals: Sequence[object] = [approval("near"), approval("far"), approval("core")]
    return directory(towns, **{"approvals": tuple(approvals), **rows})  # type: ignore[arg-type]


def test_the_nearest_approved_hospital_of_the_next_tier_comes_first() -> None:
    found = ask(coast())
    assert targets(found) == ["near", "far"]
    assert rules(found) == {"bare": Exclusion.CAPABILITY, "core": Exclusion.POLICY}
    assert [excluded.text for excluded in found.excluded] == [
        "capability: not approved for the technique on that day",
        "policy: a station refers to a core hospital only when the next level lacks the technique or service",
    ]


def test_when_the_next_tier_lacks_it_a_higher_one_is_open() -> None:
    found = ask(coast(approvals=(approval("core"),)))
    assert targets(found) == ["core"]


def test_the_terms_add_up_and_say_why() -> None:
    found = ask(
        coast(of=policy(pairs=[{"from": "station", "to": ["satellite", "core"], "skipping": "always"}]))
    )
    core = found.ranked[-1]
    assert targets(found) == ["near", "far", "core"]
    assert [(str(term.code), term.minutes, term.text) for term in core.terms] == [
        ("travel", Decimal("93.4"), "by road, estimated"),
        ("level", Decimal("30.0"), "1 level higher than needed"),
    ]
    assert core.cost == Decimal("123.4")
    assert found.ranked[0].terms[1].text == "no level higher than needed"


def test_overshoot_counts_in_levels_when_every_capable_facility_has_one() -> None:
    towns = [
        (town("clinic", 0), "station"),
        (town("a", 1, level="specialised"), "satellite"),
        (town("b", 1, level="initial", east=0.1), "satellite"),
    ]
    of = directory(towns, approvals=(approval("a"), approval("b")))
    found = ask(of)
    assert targets(found) == ["b", "a"]
    assert found.ranked[1].terms[1].minutes == Decimal("60.0")
    assert found.ranked[1].terms[1].text == "2 levels higher than needed"


def test_equal_costs_stand_in_the_order_of_ids() -> None:
    towns = [(town("clinic", 0), "station"), (town("b", 1), "satellite"), (town("a", -1), "satellite")]
    assert targets(ask(directory(towns, approvals=(approval("a"), approval("b"))))) == ["a", "b"]


def test_weights_are_of_the_policy() -> None:
    found = ask(coast(of=policy(weights={"travel": 0.5, "level": 7})))
    assert [suggestion.cost for suggestion in found.ranked] == [Decimal("11.7"), Decimal("35.0")]


def test_without_weight_on_travel_ids_decide() -> None:
    assert targets(ask(coast(of=policy(weights={"travel": 0})))) == ["far", "near"]


def test_a_limit_counts_for_its_priority_only() -> None:
    of = coast(of=policy(limits={"urgent": 60}))
    urgent = ask(of, Need(TECHNIQUE, priority=Priority.URGENT))
    assert (targets(urgent), rules(urgent)["far"]) == (["near"], Exclusion.DISTANCE)
    assert "distance: 70.1 min away, the limit for urgent is 60 min" in [x.text for x in urgent.excluded]
    assert targets(ask(of, Need(TECHNIQUE, priority=Priority.ROUTINE))) == ["near", "far"]


def test_an_inactive_facility_is_ruled_out() -> None:
    towns = [(town("clinic", 0), "station"), (town("shut", 1, active=False), "satellite")]
    for need in (Need(TECHNIQUE), Need(service=ServiceId("s")), Need()):
        found = ask(directory(towns, approvals=(approval("shut"),), services=(service("s", "shut"),)), need)
        assert (targets(found), rules(found)) == ([], {"shut": Exclusion.INACTIVE})


def test_an_island_without_a_ferry_is_unreachable_and_with_one_it_is_not() -> None:
    towns = [(town("clinic", 0, "isle"), "station"), (town("near", 1), "satellite")]
    rows = {"approvals": (approval("near"),)}
    found = ask(directory(towns, **rows))
    assert rules(found) == {"near": Exclusion.UNREACHABLE}
    ferry = link("clinic", "near", "90", "ferry")
    assert targets(ask(directory(towns, **rows, links=(ferry,)))) == ["near"]


def test_ports_by_the_road_change_no_text_however_many_are_asked_for() -> None:
    towns = [(town("clinic", 0), "station"), (town("isle", 5, "isle"), "station")]
    towns += [(town(name, north), "satellite") for name, north in (("quay", 2), ("pier", 9), ("city", 11))]
    ferries = (link("quay", "isle", "600", "ferry"), link("isle", "pier", "600", "ferry"))
    of = directory(towns, approvals=tuple(approval(name) for name in ("quay", "pier", "city")), links=ferries)
    assert {x.terms[0].text for x in ask(of).ranked} == {"by road, estimated"}


def test_from_an_island_over_a_port_into_the_country() -> None:
    towns = [
        (town("clinic", 0, "isle"), "station"),
        (town("port", 5), "station"),
        (town("city", 6), "satellite"),
    ]
    of = directory(towns, approvals=(approval("city"),), links=(link("clinic", "port", "90", "ferry"),))
    found = ask(of, Need(TECHNIQUE, direction=Direction.UP))
    assert [(str(x.target), x.cost) for x in found.ranked] == [("city", Decimal("113.4"))]


def test_one_that_rejected_is_not_offered_again() -> None:
    found = ask(coast(), overlay=Overlay(rejected=frozenset({FacilityId("near")})))
    assert (targets(found), rules(found)["near"]) == (["far"], Exclusion.REJECTED)


def test_only_when_every_service_for_the_need_is_full_the_facility_is_ruled_out() -> None:
    of = coast(services=(service("s1", "near"), service("s2", "near"), service("s3", "near", "dentistry")))
    surgery = Need(specialty="surgery")
    half = ask(of, surgery, overlay=Overlay({ServiceId("s1"): FULL}))
    assert [(str(x.target), x.service) for x in half.ranked] == [("near", "s2")]
    full = ask(of, surgery, overlay=Overlay({ServiceId("s1"): FULL, ServiceId("s2"): FULL}))
    assert rules(full)["near"] == Exclusion.CAPACITY
    assert rules(full)["far"] == Exclusion.CAPABILITY


def test_what_is_closed_takes_nobody_who_cannot_wait() -> None:
    of = coast(
        services=(
            service("s1", "near", hours="Mon-Fri 07:00-16:30"),
            service("s2", "far", hours="Mon-Fri 07:00-16:30"),
            service("s3", "far", hours="24/7"),
        )
    )
    surgery = Need(specialty="surgery", priority=Priority.STAT)
    night = datetime.fromisoformat("2025-07-01T22:00:00+07:00")
    found = ask(of, surgery, overlay=Overlay(at=night))
    assert [(str(x.target), x.service) for x in found.ranked] == [("far", "s3")]
    assert rules(found)["near"] == Exclusion.HOURS
    full = ask(of, surgery, overlay=Overlay({ServiceId("s3"): FULL}, at=night))
    assert rules(full)["far"] == Exclusion.CAPACITY
    day = ask(of, surgery, overlay=Overlay(at=night.replace(hour=8)))
    assert [(str(x.target), x.service) for x in day.ranked] == [("near", "s1"), ("far", "s2")]


def test_a_waiting_list_rules_nothing_out() -> None:
    of = coast(services=(service("s1", "near"),))
    waiting = Overlay({ServiceId("s1"): Capacity(CapacityStatus.WAITLIST)})
    assert targets(ask(of, overlay=waiting)) == ["near", "far"]


def test_an_approval_of_a_service_leads_to_that_service() -> None:
    of = coast(
        approvals=(approval("near", "s1"), approval("far")),
        services=(service("s1", "near"), service("s2", "near"), service("s3", "far")),
    )
    assert [x.service for x in ask(of).ranked] == ["s1", None]
    full = ask(of, overlay=Overlay({ServiceId("s1"): FULL}))
    assert rules(full)["near"] == Exclusion.CAPACITY


def test_an_approval_of_a_service_that_is_closed_or_absent_is_none() -> None:
    shut = coast(approvals=(approval("near", "s1"),), services=(service("s1", "near", active=False),))
    assert rules(ask(shut))["near"] == Exclusion.CAPABILITY


def test_an_approval_of_the_whole_house_is_wider_than_one_of_a_service() -> None:
    rows = (approval("near", "s1"), approval("near"))
    of = coast(approvals=rows, services=(service("s1", "near", active=False), service("s2", "near")))
    assert [x.service for x in ask(of).ranked] == [None]


def test_an_approval_counts_from_its_first_day() -> None:
    of = coast(approvals=(approval("near", start=date(2025, 7, 2)), approval("far")))
    assert targets(ask(of)) == ["far"]
    assert targets(ask(of, on=date(2025, 7, 2))) == ["near", "far"]


@pytest.mark.parametrize(
    ("keys", "age", "sex", "expected"),
    [
        ({"age_min": 16}, 15, None, False),
        ({"age_min": 16}, 16, None, True),
        ({"age_max": 15}, 16, None, False),
        ({"age_max": 15}, 15, None, True),
        ({"age_min": 16}, None, None, True),
        ({"sex": "female"}, None, "male", False),
        ({"sex": "female"}, None, "female", True),
        ({"sex": "female"}, None, "unknown", True),
    ],
)
def test_age_and_sex_rule_a_service_out(
    keys: dict[str, object], age: int | None, sex: str | None, expected: bool
) -> None:
    of = coast(services=(service("s1", "near", **keys),), approvals=(approval("near"),))
    found = ask(of, Need(TECHNIQUE, age=age, sex=sex))
    assert targets(found) == (["near"] if expected else [])
    assert expected or rules(found)["near"] == Exclusion.PATIENT


def test_a_tier_that_takes_only_other_patients_lacks_the_service() -> None:
    of = coast(services=(service("s1", "near", age_min=16), service("s2", "core", "surgery")))
    child = ask(of, Need(specialty="surgery", age=5))
    assert (targets(child), rules(child)["near"]) == (["core"], Exclusion.PATIENT)


def test_a_service_is_asked_for_by_its_id() -> None:
    of = coast(services=(service("s1", "near"), service("s2", "near")))
    found = ask(of, Need(service=ServiceId("s2")))
    assert [(str(x.target), x.service) for x in found.ranked] == [("near", "s2")]
    assert {x.text for x in found.excluded if x.target == "far"} == {
        "capability: the service asked for is not there"
    }
    assert targets(ask(of, Need(service=ServiceId("unheard-of")))) == []


def test_a_specialty_that_nobody_has_leaves_nothing() -> None:
    found = ask(coast(), Need(specialty="dentistry"))
    assert targets(found) == []
    assert "capability: no service of the specialty asked for" in {x.text for x in found.excluded}


def test_without_a_need_the_direction_decides() -> None:
    assert targets(ask(coast(), Need())) == ["near", "bare", "far"]
    assert targets(ask(coast(), Need(direction=Direction.UP))) == ["near", "bare", "far"]
    assert targets(ask(coast(), Need(direction=Direction.DOWN), "core")) == ["far", "bare", "clinic", "near"]
    assert targets(ask(coast(), Need(direction=Direction.LATERAL), "near")) == ["bare", "far"]
    up = ask(coast(), Need(direction=Direction.UP), "core")
    assert targets(up) == []
    assert {(x.rule, x.text) for x in up.excluded} == {
        (Exclusion.POLICY, "policy: a station is not above a core hospital, where the direction up leads"),
        (
            Exclusion.POLICY,
            "policy: a satellite hospital is not above a core hospital, where the direction up leads",
        ),
    }


def test_without_need_and_direction_every_tier_is_open_that_the_policy_opens() -> None:
    assert sorted(targets(ask(coast(), Need(), "core"))) == ["bare", "clinic", "far", "near"]
    assert sorted(targets(ask(coast(), Need(), "near"))) == ["bare", "clinic", "core", "far"]
    of = coast(of=policy(pairs=[{"from": "satellite", "to": ["core"], "skipping": "never"}]))
    found = ask(of, Need(), "near")
    assert targets(found) == ["core"]
    assert set(rules(found).values()) == {Exclusion.POLICY}


def test_a_direction_rules_out_what_lies_elsewhere() -> None:
    found = ask(coast(), Need(TECHNIQUE, direction=Direction.UP), "bare")
    assert targets(found) == ["core"]
    assert {x.text for x in found.excluded if x.target == "far"} == {
        "policy: a satellite hospital is not above a satellite hospital, where the direction up leads"
    }


def tie(kind: str, *needs: str, **dates: date) -> Affiliation:
    return Affiliation(
        NETWORK, AffiliationKind(kind), FacilityId("clinic"), FacilityId("core"), needs, **dates
    )


@pytest.mark.parametrize(
    ("affiliation", "expected"),
    [
        (tie("refers-to"), True),
        (tie("green-channel", "1"), True),
        (tie("green-channel", "2"), False),
        (tie("supports"), False),
        (tie("refers-to", valid_to=date(2025, 6, 30)), False),
    ],
)
def test_a_tie_opens_a_pair_whatever_the_tiers(affiliation: Affiliation, expected: bool) -> None:
    assert ("core" in targets(ask(coast(affiliations=(affiliation,))))) is expected


def test_a_tie_for_a_specialty_counts_when_the_specialty_is_asked_for() -> None:
    of = coast(
        affiliations=(tie("green-channel", "surgery"),),
        services=(service("s1", "core"), service("s2", "near")),
    )
    assert targets(ask(of, Need(specialty="surgery"))) == ["near", "core"]


def test_the_sender_is_never_suggested() -> None:
    assert targets(ask(coast(), sender="near")) == ["far", "core"]


def test_a_membership_counts_on_its_days() -> None:
    towns = [(town("clinic", 0), "station"), (town("near", 1), "")]
    rows = {"approvals": (approval("near"),)}
    past = directory(towns, memberships=(member("near", "satellite", end=date(2025, 6, 30)),), **rows)
    found = ask(past)
    assert (targets(found), rules(found)) == ([], {})
    risen = directory(
        towns,
        memberships=(
            member("near", "satellite", end=date(2025, 6, 30)),
            member("near", "core", date(2025, 7, 1)),
        ),
        **rows,
    )
    assert ask(risen).ranked[0].terms[1].minutes == 0
    assert targets(ask(risen)) == ["near"]


def test_among_many_the_search_widens_until_the_nearest_are_certain() -> None:
    """More hospitals than are looked at in one go, the nearest of them beyond the first surroundings."""
    names = [f"h{number:03}" for number in range(250)]
    towns = [(town("clinic", 0), "station")]
    towns += [(town(name, 4 + number), "satellite") for number, name in enumerate(names)]
    rows = {"approvals": tuple(approval(name) for name in names)}
    assert targets(ask(directory(towns, **rows)))[:3] == names[:3]
    ferry = link("clinic", "h079", "30", "ferry")
    assert targets(ask(directory(towns, **rows, links=(ferry,))))[:3] == ["h079", "h078", "h080"]
    slow = link("clinic", "h000", "2000")
    assert targets(ask(directory(towns, **rows, links=(slow,))))[:2] == ["h001", "h002"]
    motorway = (link("clinic", "h060", "20"), link("h060", "h061", "5"))
    assert targets(ask(directory(towns, **rows, links=motorway)))[:3] == ["h060", "h061", "h000"]
    far_motorway = (link("clinic", "h000", "95"), link("h000", "h100", "10"))
    assert targets(ask(directory(towns, **rows, links=far_motorway)))[:3] == ["h000", "h100", "h001"]
    limited = policy(limits={"routine": 24})
    assert targets(ask(directory(towns, limited, **rows, links=motorway))) == ["h060"]


def test_two_facilities_at_one_place_are_no_minutes_apart() -> None:
    towns = [(town("clinic", 0), "station"), (town("upstairs", 0), "satellite")]
    found = ask(directory(towns, approvals=(approval("upstairs"),)))
    assert [(str(x.target), x.cost) for x in found.ranked] == [("upstairs", Decimal("0.0"))]


def test_where_nobody_has_what_is_needed_nobody_is_suggested() -> None:
    assert targets(ask(coast(approvals=()))) == []


def test_a_stranger_to_the_network_is_told_so() -> None:
    snapshot = build_snapshot(1, coast())
    with pytest.raises(BrokenRule, match="not a member"):
        suggest(snapshot, NETWORK, Need(), FacilityId("nobody"), Overlay(), TODAY)
    with pytest.raises(NotFound, match="no network elsewhere"):
        suggest(snapshot, NetworkId("elsewhere"), Need(), FacilityId("clinic"), Overlay(), TODAY)
