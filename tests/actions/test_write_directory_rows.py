"""What a write of the directory over FHIR changes in the typed rows."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest

from referral.actions.write_directory import NOT_APPROVED
from referral.domain.errors import BrokenRule, Duplicate, Forbidden, NotFound
from referral.fhir.systems import AFFILIATION_KIND, CAPACITY_EXTENSION, FACILITY_IDENTIFIER, TIER
from referral.store.change_set import ChangeSet, apply_changes
from referral.store.pool import Store
from tests.directory_writer import (
    BASE,
    NOW,
    TECHNIQUE,
    Content,
    change,
    concept,
    import_two_networks,
    location,
    member,
    named,
    organization,
    rows,
    service,
    stored,
    tie,
    version,
    write,
)


@pytest.fixture
async def two_networks(store: Store) -> Store:
    await import_two_networks(store)
    return store


async def test_a_place_moves_its_facility(two_networks: Store) -> None:
    before = await version(two_networks)
    await change(
        two_networks, "hospital", "Location", "hospital", position={"latitude": 11, "longitude": 107.125}
    )
    found = await rows(
        two_networks, "SELECT latitude, longitude, landmass FROM facility WHERE id = 'hospital'"
    )
    assert found == [{"latitude": 11.0, "longitude": 107.125, "landmass": "mainland"}]
    assert await version(two_networks) > before


PLACE = "SELECT latitude, longitude FROM facility WHERE id = $1"


def at(latitude: float) -> Content:
    return {"latitude": latitude, "longitude": 107.125}


async def test_a_second_place_of_a_facility_does_not_move_it(two_networks: Store) -> None:
    before = await rows(two_networks, PLACE, "hospital")
    await write(two_networks, "hospital", ("car-park", location("hospital", position=at(12))))
    await change(two_networks, "hospital", "Location", "car-park", position=at(13))
    assert await rows(two_networks, PLACE, "hospital") == before


async def test_a_facility_without_a_place_stands_at_the_first_that_it_gets(two_networks: Store) -> None:
    await write(two_networks, "hill", ("new", organization()), ("nowhere", location("new", position=None)))
    assert await rows(two_networks, PLACE, "new") == [{"latitude": None, "longitude": None}]
    gate, park = ("gate", location("new", position=at(11))), ("car-park", location("new", position=at(12)))
    await write(two_networks, "hill", gate, park)
    assert await rows(two_networks, PLACE, "new") == [at(11)]
    # What is first stays first: it may be corrected, alone or beside others.
    moved = [(one, content | {"position": at(13)}) for one, content in (park, gate)]
    await write(two_networks, "hill", *moved, update=True)
    assert await rows(two_networks, PLACE, "new") == [at(13)]
    await change(two_networks, "hill", "Location", "car-park", position=at(14))
    assert await rows(two_networks, PLACE, "new") == [at(13)]


async def test_the_place_of_the_facilitys_own_id_comes_before_all_others(two_networks: Store) -> None:
    await write(
        two_networks,
        "hill",
        ("new", organization()),
        ("car-park", location("new", position=at(11))),
        ("new", location("new", position=at(12))),
    )
    assert await rows(two_networks, PLACE, "new") == [at(12)]
    await change(two_networks, "hill", "Location", "car-park", position=at(13))
    assert await rows(two_networks, PLACE, "new") == [at(12)]


def capacity(status: str, *parts: Content) -> Content:
    return {"url": CAPACITY_EXTENSION, "extension": [{"url": "status", "valueCode": status}, *parts]}


async def test_a_service_reports_capacity_without_a_new_version_of_the_network(two_networks: Store) -> None:
    before = await version(two_networks)
    free = {"url": "free", "valueInteger": 0}
    full = [capacity("waitlist", free, {"url": "asOf", "valueDateTime": "2026-02-28T10:00:00+07:00"})]
    await change(two_networks, "hospital", "HealthcareService", "hospital.surgery", extension=full)
    found = "SELECT status, free, as_of FROM capacity"
    as_of = datetime(2026, 2, 28, 3, tzinfo=UTC)
    assert await rows(two_networks, found) == [{"status": "waitlist", "free": 0, "as_of": as_of}]
    await change(
        two_networks, "hospital", "HealthcareService", "hospital.surgery", extension=[capacity("no-capacity")]
    )
    assert await rows(two_networks, found) == [{"status": "no-capacity", "free": None, "as_of": NOW}]
    await change(two_networks, "hospital", "HealthcareService", "hospital.surgery", extension=None)
    assert await rows(two_networks, found) == []
    assert await version(two_networks) == before


HELD = "SELECT network, state, decision FROM approval WHERE service = 'hospital.surgery'"
SURGERY = ("HealthcareService", "hospital.surgery")
BY_IMPORT = [{"network": "hill", "state": "approved", "decision": "12/QD"}]
BY_OFFICE = [{"network": None, "state": "approved", "decision": None}]


async def test_the_office_approves_what_it_adds_and_withdraws_what_it_drops(two_networks: Store) -> None:
    await change(two_networks, "hill", *SURGERY, name="Other")
    assert await rows(two_networks, HELD) == BY_IMPORT
    await change(two_networks, "hill", *SURGERY, type=None)
    assert await rows(two_networks, HELD) == []
    unknown = {"coding": [TECHNIQUE | {"code": "T99"}]}
    await change(two_networks, "hill", *SURGERY, type=[{"coding": [TECHNIQUE]}, unknown])
    assert await rows(two_networks, HELD) == BY_OFFICE


async def test_a_facility_does_not_approve_itself(two_networks: Store) -> None:
    techniques = [{"coding": [TECHNIQUE]}]
    (made,) = await write(two_networks, "station", ("theatre", service("station", type=techniques)))
    assert json.loads(made.content)["type"] == techniques
    assert made.notes == (NOT_APPROVED,)
    await change(two_networks, "station", "HealthcareService", "theatre", type=None)
    await change(two_networks, "station", "HealthcareService", "theatre", type=techniques)
    assert await rows(two_networks, "SELECT * FROM approval WHERE facility = 'station'") == []


async def test_a_facility_does_not_withdraw_what_it_was_given(two_networks: Store) -> None:
    content = await stored(two_networks, *SURGERY)
    without = {name: value for name, value in content.items() if name != "type"}
    (dropped,) = await write(two_networks, "hospital", ("hospital.surgery", without), update=True)
    assert "type" not in json.loads(dropped.content)
    assert dropped.notes == (NOT_APPROVED,)
    assert await rows(two_networks, HELD) == BY_IMPORT
    # The office gives it once, although the content says it anew.
    await change(two_networks, "hill", *SURGERY, type=content["type"])
    assert await rows(two_networks, HELD) == BY_IMPORT


async def test_a_facility_that_leaves_its_techniques_as_they_are_is_told_nothing(two_networks: Store) -> None:
    content = await stored(two_networks, *SURGERY) | {"name": "Other"}
    (written,) = await write(two_networks, "hospital", ("hospital.surgery", content), update=True)
    assert written.notes == ()


async def test_a_service_moves_only_between_facilities_that_its_writer_speaks_for(
    two_networks: Store,
) -> None:
    to_station = {"providedBy": named("Organization", "station")}
    with pytest.raises(Forbidden):
        await change(two_networks, "hospital", "HealthcareService", "hospital.surgery", **to_station)
    with pytest.raises(Forbidden):
        await change(two_networks, "station", "HealthcareService", "hospital.surgery", **to_station)
    await change(two_networks, "hill", "HealthcareService", "hospital.surgery", **to_station)
    assert await rows(two_networks, "SELECT facility, code FROM service") == [
        {"facility": "station", "code": None}
    ]


async def test_a_membership_changes_its_tier_and_ends(two_networks: Store) -> None:
    tiers = [concept(AFFILIATION_KIND, "member"), concept(TIER, "core")]
    numbered = [{"system": FACILITY_IDENTIFIER, "value": "H-1"}]
    await change(
        two_networks, "hill", "OrganizationAffiliation", "hill.hospital", code=tiers, identifier=numbered
    )
    found = "SELECT tier, code, valid_to FROM membership WHERE facility = 'hospital'"
    assert await rows(two_networks, found) == [{"tier": "core", "code": "H-1", "valid_to": None}]
    await change(two_networks, "hill", "OrganizationAffiliation", "hill.hospital", active=False)
    yesterday = NOW.date() - timedelta(days=1)
    assert (await rows(two_networks, found))[0]["valid_to"] == yesterday
    for elements in (
        {"code": [concept(AFFILIATION_KIND, "supports")]},
        {"participatingOrganization": named("Organization", "station")},
    ):
        with pytest.raises(BrokenRule, match="keeps its kind and facility"):
            await change(two_networks, "hill", "OrganizationAffiliation", "hill.hospital", **elements)
    with pytest.raises(NotFound):
        await change(two_networks, "sea", "OrganizationAffiliation", "hill.hospital", active=True)


async def test_a_code_is_that_of_one_facility(two_networks: Store) -> None:
    numbered = [{"system": FACILITY_IDENTIFIER, "value": "station"}]
    with pytest.raises(BrokenRule, match="same code"):
        await change(two_networks, "hill", "OrganizationAffiliation", "hill.hospital", identifier=numbered)


async def test_a_tie_changes_and_ends(two_networks: Store) -> None:
    await write(two_networks, "hill", ("t", tie("station", "hospital")))
    found = "SELECT kind, valid_to FROM affiliation WHERE document = 't'"
    await change(two_networks, "hill", "OrganizationAffiliation", "t", period={"end": "2026-12-31"})
    assert await rows(two_networks, found) == [{"kind": "green-channel", "valid_to": date(2026, 12, 31)}]
    await change(two_networks, "hill", "OrganizationAffiliation", "t", active=False)
    assert await rows(two_networks, found) == []
    await change(
        two_networks, "hill", "OrganizationAffiliation", "t", active=True, code=[{"text": "friends"}]
    )
    assert await rows(two_networks, found) == []


def endpoint(facility: str) -> Content:
    return {
        "resourceType": "Endpoint",
        "status": "active",
        "connectionType": {"code": "hl7-fhir-rest"},
        "managingOrganization": named("Organization", facility),
    }


async def test_who_joins_a_network_brings_its_directory(two_networks: Store) -> None:
    """An office that made a facility shares it by nothing but a membership."""
    await write(
        two_networks,
        "hill",
        ("new", organization()),
        ("place", location("new")),
        ("doctor", {"resourceType": "Practitioner", "name": [{"family": "Invented"}]}),
        (
            "role",
            {
                "resourceType": "PractitionerRole",
                "practitioner": named("Practitioner", "doctor"),
                "organization": named("Organization", "new"),
            },
        ),
        ("door", endpoint("new")),
        ("times", {"resourceType": "Schedule", "actor": [named("Location", "place")]}),
        ("time", {"resourceType": "Slot", "schedule": named("Schedule", "times"), "status": "free"}),
        # Of the office that wrote it.
        ("form", {"resourceType": "Questionnaire", "status": "active"}),
    )
    async with two_networks.writing("sea") as connection:
        row = {"network": "sea", "facility": "new", "tier": "core", "code": "new", "document": "sea.new"}
        await apply_changes(connection, ChangeSet(typed={"memberships": [row]}))
    listed = await rows(
        two_networks,
        "SELECT type FROM directory WHERE network = 'sea' AND id = ANY ($1) ORDER BY 1",
        ["new", "place", "doctor", "role", "door", "times", "time", "form"],
    )
    brought = ["Endpoint", "Location", "Organization", "Practitioner", "PractitionerRole", "Schedule", "Slot"]
    assert [row["type"] for row in listed] == brought


async def test_two_memberships_of_one_facility_in_one_bundle_are_refused(two_networks: Store) -> None:
    with pytest.raises(Duplicate):
        await write(two_networks, "hill", ("new", organization()), ("a", member("new")), ("b", member("new")))


async def test_references_may_be_logical_or_in_full(two_networks: Store) -> None:
    by_code = {"identifier": {"system": FACILITY_IDENTIFIER, "value": "hospital"}}
    in_full = {"reference": f"{BASE}/Organization/hospital"}
    await write(
        two_networks,
        "hospital",
        ("a", service("hospital", name="A") | {"providedBy": by_code}),
        ("b", service("hospital", name="B") | {"providedBy": in_full}),
    )
    found = await rows(two_networks, "SELECT facility FROM service WHERE id IN ('a', 'b')")
    assert found == [{"facility": "hospital"}] * 2


async def test_a_service_that_the_office_takes_over_is_no_longer_one_of_the_facility(
    two_networks: Store,
) -> None:
    to_office = {"providedBy": named("Organization", "hill")}
    await change(two_networks, "hill", "HealthcareService", "hospital.surgery", **to_office)
    assert await rows(two_networks, "SELECT active FROM service") == [{"active": False}]
