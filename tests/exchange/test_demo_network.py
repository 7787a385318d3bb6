"""The demo network holds what it promises, and a register of another form imports too."""

import csv
import json
import re
from collections import Counter
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from referral.domain.codes import Direction, Disposition, Outcome, Priority, ReferralGround
from referral.domain.facility import Directory, LinkKind, ServiceId, Tier
from referral.domain.policy_history import PolicyHistory
from referral.domain.policy_rules import CodeSet
from referral.domain.suggestion import Need, Overlay
from referral.exchange.network_files import read_network
from referral.network.snapshot import build_snapshot
from referral.network.suggest import suggest

PROJECT = Path(__file__).parents[2]
DEMO = PROJECT / "referral" / "exchange" / "networks" / "haiphong"
SHARED_FACILITIES = PROJECT.parent / "shared" / "data" / "haiphong_facilities.csv"
PHACOEMULSIFICATION = "14.0005.0815"
SHARED_FORMS = SHARED_FACILITIES.with_name("vn_qd4750_referral_forms.json")
LEVELS_OF_TIER = {Tier.STATION: "D", Tier.SATELLITE: "CD", Tier.CORE: "BCD", Tier.CENTRAL: "ABCD"}


@pytest.fixture(scope="module")
def demo():
    return read_network(DEMO)


def told_codes(form: str, field: str) -> dict[str, str]:
    """The codes of an insurer's field and what they mean, as the decision tells them."""
    if not SHARED_FORMS.is_file():
        pytest.skip(f"{SHARED_FORMS} is not there")
    rows = next(rows for name, rows in json.loads(SHARED_FORMS.read_text("utf-8")).items() if form in name)
    row = next(row for row in rows if row["Chỉ tiêu"] == field)
    text = next(text for column, text in row.items() if column.startswith("Diễn giải"))
    return dict(re.findall(r'Mã "(\d)": ([^;.(\n]+?)(?: \(|[;.\n])', text)) or dict(
        re.findall(r"mã (\d) trong trường hợp ([^;.]+)", text)
    )


@pytest.mark.parametrize(
    ("of", "form", "field", "meanings"),
    [
        (
            CodeSet.OUTCOME,
            "Bang 1_",
            "KET_QUA_DTRI",
            {
                Outcome.CURED: "Khỏi",
                Outcome.IMPROVED: "Đỡ",
                Outcome.UNCHANGED: "Không thay đổi",
                Outcome.WORSE: "Nặng hơn",
                Outcome.DIED: "Tử vong",
                Outcome.WENT_HOME_SEVERE: "Tiên lượng nặng xin về",
                Outcome.UNDETERMINED: "Chưa xác định",
            },
        ),
        (
            CodeSet.DISPOSITION,
            "Bang 1_",
            "MA_LOAI_RV",
            {
                Disposition.DISCHARGED: "Ra viện",
                Disposition.RETURNED_TO_REFERRER: "Chuyển tuyến theo yêu cầu chuyên môn",
                Disposition.MOVED_ON: "Chuyển tuyến theo yêu cầu chuyên môn",
                Disposition.ABSCONDED: "Trốn viện",
                Disposition.LEFT_ON_REQUEST: "Xin ra viện",
            },
        ),
        (
            CodeSet.REFERRAL_GROUND,
            "Bang 13_",
            "MA_LYDO_CT",
            {
                ReferralGround.MEETS_CONDITIONS: "đủ điều kiện chuyển tuyến phù hợp",
                ReferralGround.BEYOND_CAPABILITY: "đủ điều kiện chuyển tuyến do không phù hợp với khả năng",
                ReferralGround.PATIENT_REQUEST: "chuyển tuyến theo yêu cầu của người bệnh",
            },
        ),
    ],
    ids=["outcome", "disposition", "ground"],
)
def test_the_insurers_codes_are_those_of_the_decision(demo, of, form, field, meanings):
    told = told_codes(form, field)
    (ours,) = (known for known in demo.policy.insurer_codes if known.of is of)
    assert (ours.field, set(ours.codes)) == (field, set(meanings))
    assert ours.basis.source is not None
    assert ours.basis.source.startswith("Decision 4750/QD-BYT")
    for code, meaning in meanings.items():
        assert told[ours.codes[code]].startswith(meaning)


def test_no_list_of_diseases_is_made_up(demo):
    assert (demo.policy.lists, demo.policy.recognition, demo.policy.clocks) == ((), (), ())
    assert demo.policy.slip.working_days == 10


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
