"""The directory as resources: R4, and readable back into the rows that they were made of."""

from dataclasses import asdict, replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from referral.domain.errors import BrokenRule, UnknownCode
from referral.domain.facility import (
    Capacity,
    CapacityStatus,
    Facility,
    FacilityId,
    NetworkId,
    Service,
    ServiceId,
)
from referral.fhir import directory, directory_rows
from referral.fhir.content import read_content, write_content
from referral.fhir.opening_hours import available_times, opening_hours
from referral.fhir.systems import AFFILIATION_KIND, FACILITY_IDENTIFIER, TIER
from referral.fhir.validation import check_resource
from tests.small_network import small_network

DRAFT = small_network()
HOSPITAL, STATION = DRAFT.facilities
CAPACITY = Capacity(CapacityStatus.WAITLIST, 0, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))


def at(path: str) -> str:
    return f"Resource.{path}"


def written(content: dict[str, Any]) -> dict[str, Any]:
    """The content as it comes back from the wire, after it was found to be R4."""
    found = read_content(write_content(content))
    check_resource(found["resourceType"], found)
    return found


def test_a_network_is_an_organization_of_that_type() -> None:
    content = written(directory.network_organization("Hill network"))
    assert directory_rows.is_network(content)
    assert not directory_rows.is_network(written(directory.facility_organization(HOSPITAL, [])))


@pytest.mark.parametrize("facility", DRAFT.facilities, ids=lambda facility: facility.id)
def test_organization_and_location_give_the_facility_back(facility: Facility) -> None:
    organization = written(directory.facility_organization(facility, [(NetworkId("hill"), "F-1")]))
    location = written(directory.facility_location(facility))
    place = directory_rows.location_row(location, at)
    assert place is not None
    row = directory_rows.organization_row(organization, at) | place
    assert Facility(id=facility.id, **row) == facility
    assert directory_rows.member_code(organization, at) == "F-1"


def test_an_organization_carries_its_code_in_each_network() -> None:
    codes = [(NetworkId("north"), "9"), (NetworkId("hill"), "1")]
    identifiers = written(directory.facility_organization(STATION, codes))["identifier"]
    assert [(found["system"], found["value"], found["assigner"]["reference"]) for found in identifiers] == [
        (FACILITY_IDENTIFIER, "1", "Organization/hill"),
        (FACILITY_IDENTIFIER, "9", "Organization/north"),
    ]


def test_a_position_keeps_its_digits() -> None:
    location = write_content(directory.facility_location(replace(STATION, latitude=20.10, longitude=1e-05)))
    assert b'"longitude":0.00001,"latitude":20.1' in location


SERVICES = (
    Service(ServiceId("s"), FacilityId("hospital"), "Plain"),
    Service(ServiceId("s"), FacilityId("hospital"), "Full", "394609007", 0, 15, "male", "24/7", active=False),
    Service(ServiceId("s"), FacilityId("hospital"), "Own code", "eye", 60, None, None, "by appointment"),
    Service(ServiceId("s"), FacilityId("hospital"), "Ages below", None, None, 5, None, "Sat,Sun 08:00-11:00"),
)


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
@pytest.mark.parametrize("capacity", [None, CAPACITY, Capacity(CapacityStatus.NO_CAPACITY)])
def test_a_healthcare_service_gives_service_capacity_and_techniques_back(
    service: Service, capacity: Capacity | None
) -> None:
    content = written(directory.healthcare_service(service, capacity, DRAFT.techniques))
    assert directory_rows.service_of("s", "hospital", content, at) == service
    assert directory_rows.capacity_of(content, at) == capacity
    assert directory_rows.techniques_of(content) == {("list-1", "T1")}


def test_a_membership_gives_tier_code_and_days_back() -> None:
    membership = replace(DRAFT.memberships[0], valid_from=date(2025, 7, 1), valid_to=date(2026, 6, 30))
    content = written(directory.membership_affiliation(membership, active=True))
    assert directory_rows.affiliation_kind(content, at) == "member"
    assert directory_rows.tier_of(content, at) == membership.tier
    assert directory_rows.member_code(content, at) == membership.code
    assert directory_rows.period_of(content, at) == (membership.valid_from, membership.valid_to)


def test_a_tie_gives_kind_and_needs_back() -> None:
    tie = DRAFT.affiliations[0]
    content = written(directory.tie_affiliation(tie, DRAFT.techniques))
    assert directory_rows.affiliation_kind(content, at) == tie.kind
    assert directory_rows.needs_of(content) == tie.needs
    assert [found["coding"][0]["system"] for found in content["specialty"]] == [
        "http://referral.example/fhir/CodeSystem/technique-list-1",
        "http://snomed.info/sct",
    ]


@pytest.mark.parametrize(
    ("period", "days"),
    [
        ({}, (None, None)),
        ({"start": "2025"}, (date(2025, 1, 1), None)),
        ({"end": "2025-02"}, (None, date(2025, 2, 28))),
        ({"start": "2025-07-01T00:30:00+07:00"}, (date(2025, 7, 1), None)),
    ],
)
def test_partial_days_of_a_period(period: dict[str, str], days: tuple[date | None, date | None]) -> None:
    assert directory_rows.period_of({"period": period}, at) == days


def test_a_period_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(BrokenRule, match="ends before"):
        directory_rows.period_of({"period": {"start": "2025-02", "end": "2025-01-31"}}, at)


@pytest.mark.parametrize(
    "hours", ["24/7", "Mon-Fri 07:00-16:30", "Mon-Fri 07:00-11:30; Sat 08:00-11:00", "Mon,Wed 07:00-09:00"]
)
def test_hours_as_elements_read_the_same(hours: str) -> None:
    times = available_times(hours)
    assert times is not None
    assert opening_hours(times) == hours


@pytest.mark.parametrize(
    "hours", ["always", "Mon-Xyz 07:00-16:30", "Mon,Tue,Wed 07:00-09:00", "Fri-Mon 07:00-09:00"]
)
def test_hours_that_elements_would_change_stay_text(hours: str) -> None:
    assert available_times(hours) is None


@pytest.mark.parametrize(
    ("times", "text"),
    [
        ([], None),
        ([{"daysOfWeek": ["mon"], "allDay": True}], "Mon 00:00-24:00"),
        ([{"availableStartTime": "07:00:00", "availableEndTime": "09:00:00"}], None),
        ([{"daysOfWeek": ["mon"]}], None),
    ],
)
def test_elements_of_others_as_hours(times: list[dict[str, Any]], text: str | None) -> None:
    assert opening_hours(times) == text


def test_a_place_within_a_place_says_nothing_of_the_facility() -> None:
    content = directory.facility_location(HOSPITAL)
    assert directory_rows.location_row(content | {"partOf": {"reference": "Location/x"}}, at) is None
    assert directory_rows.location_row({"name": "Ward"}, at) is None


def _extension(name: str, **value: object) -> dict[str, Any]:
    return {"extension": [{"url": f"http://referral.example/fhir/StructureDefinition/{name}", **value}]}


def _ages(value: object, unit: str = "a") -> dict[str, Any]:
    return {"eligibility": [_extension("age-range", valueRange={"low": {"value": value, "code": unit}})]}


@pytest.mark.parametrize(
    ("read", "content", "error"),
    [
        (directory_rows.organization_row, _extension("level", valueCode="grand"), UnknownCode),
        (
            directory_rows.capacity_of,
            _extension("capacity", extension=[{"url": "free", "valueInteger": 1}]),
            BrokenRule,
        ),
        (
            directory_rows.capacity_of,
            _extension("capacity", extension=[{"url": "status", "valueCode": "plenty"}]),
            UnknownCode,
        ),
        (
            directory_rows.capacity_of,
            _extension(
                "capacity",
                extension=[{"url": "status", "valueCode": "capacity"}, {"url": "free", "valueInteger": -1}],
            ),
            BrokenRule,
        ),
        (directory_rows.location_row, {"position": {"latitude": 91, "longitude": 0}}, BrokenRule),
        (directory_rows.location_row, {"position": {"latitude": 0, "longitude": -181}}, BrokenRule),
        (
            directory_rows.member_code,
            {"identifier": [{"system": FACILITY_IDENTIFIER, "value": "x" * 65}]},
            BrokenRule,
        ),
        (
            directory_rows.affiliation_kind,
            {"code": [{"coding": [{"system": AFFILIATION_KIND, "code": "x"}]}]},
            UnknownCode,
        ),
        (directory_rows.tier_of, {"code": [{"coding": [{"system": TIER, "code": "x"}]}]}, UnknownCode),
    ],
)
def test_what_no_row_takes_is_refused(read: Any, content: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        read(content, at)


@pytest.mark.parametrize("content", [_ages(-1), _ages(151), _ages(3, "mo")])
def test_ages_that_no_row_takes_are_refused(content: dict[str, Any]) -> None:
    with pytest.raises(BrokenRule, match="whole number of years"):
        directory_rows.service_of("s", "hospital", content, at)


def test_a_service_without_a_name_is_called_by_its_specialty() -> None:
    content = {"specialty": [{"coding": [{"code": "eye"}]}]}
    assert directory_rows.service_of("s", "hospital", content, at).name == "eye"
    assert asdict(directory_rows.service_of("s", "hospital", {}, at))["name"] == "s"
