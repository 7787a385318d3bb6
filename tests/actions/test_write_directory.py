"""Who may write the directory over FHIR."""

from datetime import date

import pytest

from referral.domain.errors import (
    BrokenRule,
    DomainError,
    Duplicate,
    Forbidden,
    MissingElement,
    NotFound,
    UnknownCode,
)
from referral.domain.facility import Tier
from referral.fhir.systems import AFFILIATION_KIND, ORGANIZATION_KIND
from referral.store.network import load_directory
from referral.store.pool import Store
from tests.directory_writer import (
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
    tie,
    version,
    write,
)


@pytest.fixture
async def two_networks(store: Store) -> Store:
    await import_two_networks(store)
    return store


async def test_the_office_makes_a_facility_with_place_service_and_membership(two_networks: Store) -> None:
    await write(
        two_networks,
        "hill",
        ("new", organization()),
        ("place", location("new")),
        ("eye-clinic", service("new", name="Eyes", type=[{"coding": [TECHNIQUE]}])),
        ("joins", member("new", period={"start": "2026-01"})),
        ("channel", tie("station", "new", specialty=[concept("http://snomed.info/sct", "394594003")])),
    )
    async with two_networks.reading(None) as connection:
        directory = (await load_directory(connection)).directory()
    facility = next(facility for facility in directory.facilities if facility.id == "new")
    assert (facility.name, facility.latitude, facility.longitude) == ("New", 10.25, 106.5)
    membership = next(one for one in directory.memberships if one.facility == "new")
    assert (membership.network, membership.tier, membership.code) == ("hill", Tier.STATION, "new")
    assert (membership.valid_from, membership.valid_to) == (date(2026, 1, 1), None)
    assert [one.name for one in directory.services if one.facility == "new"] == ["Eyes"]
    assert [one.technique for one in directory.approvals if one.facility == "new"] == ["T1"]
    channel = next(one for one in directory.affiliations if one.participating == "new")
    assert (channel.network, channel.kind, channel.needs) == ("hill", "green-channel", ("394594003",))
    listed = await rows(two_networks, "SELECT type FROM directory WHERE network = 'hill' AND id = ANY ($1)", [
        "new", "place", "eye-clinic", "joins", "channel",
    ])  # fmt: skip
    assert len(listed) == 5
    owners = await rows(two_networks, "SELECT id, owner FROM document WHERE id IN ('new', 'place', 'joins')")
    assert {row["id"]: row["owner"] for row in owners} == {"new": "new", "place": "new", "joins": "hill"}
    moves = await rows(two_networks, "SELECT move, facility FROM event WHERE id = 'new'")
    assert moves == [{"move": "create", "facility": "hill"}]


async def test_an_own_facility_writes_its_places_services_and_people(two_networks: Store) -> None:
    await write(
        two_networks,
        "hospital",
        ("ward", location("hospital", partOf=named("Location", "hospital"))),
        (
            "dental",
            service("hospital", name="Teeth", specialty=[concept("http://snomed.info/sct", "394812008")]),
        ),
        ("doctor", {"resourceType": "Practitioner", "name": [{"family": "Invented"}]}),
        (
            "role",
            {
                "resourceType": "PractitionerRole",
                "practitioner": named("Practitioner", "doctor"),
                "organization": named("Organization", "hospital"),
            },
        ),
    )
    owners = await rows(
        two_networks, "SELECT DISTINCT owner FROM document WHERE id IN ('ward', 'dental', 'doctor', 'role')"
    )
    assert owners == [{"owner": "hospital"}]
    assert await rows(two_networks, "SELECT latitude FROM facility WHERE id = 'hospital'") == [
        {"latitude": 10.5}
    ]
    specialty = "SELECT specialty, code, network FROM service WHERE id = 'dental'"
    assert await rows(two_networks, specialty) == [{"specialty": "394812008", "code": None, "network": None}]


REFUSED: list[tuple[str, str, str, Content, type[DomainError], str | None]] = [
    ("organization by no office", "hospital", "new", organization(), Forbidden, None),
    (
        "network over FHIR",
        "hill",
        "new",
        organization() | {"type": [concept(ORGANIZATION_KIND, "network")]},
        Forbidden,
        "Organization.type",
    ),
    (
        "organization without a name",
        "hill",
        "new",
        {"resourceType": "Organization", "active": True},
        MissingElement,
        "Organization.name",
    ),
    (
        "part of nothing",
        "hill",
        "new",
        organization() | {"partOf": named("Organization", "none")},
        BrokenRule,
        "Organization.partOf",
    ),
    ("place of another", "station", "x", location("hospital"), Forbidden, "Location.managingOrganization"),
    (
        "place of another network",
        "hill",
        "x",
        location("harbour"),
        BrokenRule,
        "Location.managingOrganization",
    ),
    ("service of nobody", "hill", "x", service("none"), BrokenRule, "HealthcareService.providedBy"),
    (
        "service of a place",
        "hospital",
        "x",
        service("x") | {"providedBy": named("Location", "hospital")},
        BrokenRule,
        "HealthcareService.providedBy",
    ),
    ("service of another", "station", "x", service("hospital"), Forbidden, "HealthcareService.providedBy"),
    (
        "off the globe",
        "hospital",
        "x",
        location("hospital", position={"latitude": 95, "longitude": 0}),
        BrokenRule,
        "Location.position.latitude",
    ),
    (
        "role of a stranger",
        "hospital",
        "x",
        {"resourceType": "PractitionerRole", "practitioner": named("Practitioner", "none")},
        BrokenRule,
        "PractitionerRole.practitioner",
    ),
    ("affiliation by a member", "hospital", "x", tie("station", "hospital"), Forbidden, None),
    (
        "affiliation of another network",
        "sea",
        "x",
        member("station"),
        BrokenRule,
        "OrganizationAffiliation.organization",
    ),
    (
        "member already",
        "hill",
        "x",
        member("station"),
        Duplicate,
        "OrganizationAffiliation.participatingOrganization",
    ),
    (
        "member of no tier",
        "hill",
        "x",
        member("station", code=[concept(AFFILIATION_KIND, "member")]),
        BrokenRule,
        "OrganizationAffiliation.code",
    ),
    (
        "unknown tier",
        "hill",
        "x",
        member("station", tier="moon"),
        UnknownCode,
        "OrganizationAffiliation.code",
    ),
    (
        "unknown kind",
        "hill",
        "x",
        tie("station", "hospital", "marries"),
        UnknownCode,
        "OrganizationAffiliation.code",
    ),
    (
        "tie to itself",
        "hill",
        "x",
        tie("station", "station"),
        BrokenRule,
        "OrganizationAffiliation.participatingOrganization",
    ),
    (
        "tie to the network",
        "hill",
        "x",
        tie("station", "hill"),
        BrokenRule,
        "OrganizationAffiliation.participatingOrganization",
    ),
    (
        "tie to nothing",
        "hill",
        "x",
        {**tie("station", "x"), "participatingOrganization": None},
        MissingElement,
        "OrganizationAffiliation.participatingOrganization",
    ),
    (
        "member of a facility",
        "hill",
        "x",
        member("station") | {"organization": named("Organization", "hospital")},
        BrokenRule,
        "OrganizationAffiliation.organization",
    ),
]


@pytest.mark.parametrize("refused", [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
async def test_refused(
    two_networks: Store, refused: tuple[str, str, Content, type[DomainError], str | None]
) -> None:
    actor, resource_id, content, error, expression = refused
    before = await version(two_networks)
    content = {name: value for name, value in content.items() if value is not None}
    with pytest.raises(error) as caught:
        await write(two_networks, actor, (resource_id, content))
    assert type(caught.value) is error
    assert caught.value.problems[0].expression == expression
    assert await version(two_networks) == before


async def test_a_facility_changes_the_contact_of_its_own_organization(two_networks: Store) -> None:
    phone = [{"system": "phone", "value": "115"}]
    changed = await change(
        two_networks,
        "hospital",
        "Organization",
        "hospital",
        telecom=phone,
        address=[{"city": "New"}],
        contact=[{"telecom": phone}],
    )
    assert changed["meta"]["versionId"] == "2"
    found = await rows(two_networks, "SELECT name, phone, commune FROM facility WHERE id = 'hospital'")
    assert found == [{"name": "Bệnh viện Đồi", "phone": "115", "commune": "New"}]


@pytest.mark.parametrize(
    ("elements", "named_element"),
    [({"name": "Better"}, "name"), ({"identifier": None}, "identifier"), ({"extension": None}, "extension")],
)
async def test_a_facility_changes_nothing_else_of_it(
    two_networks: Store, elements: Content, named_element: str
) -> None:
    with pytest.raises(Forbidden, match=f"; {named_element} is written by the office"):
        await change(two_networks, "hospital", "Organization", "hospital", **elements)


async def test_the_office_changes_an_organization_of_its_network_alone(two_networks: Store) -> None:
    await change(two_networks, "hill", "Organization", "hospital", name="Better", extension=None)
    found = await rows(two_networks, "SELECT name, level, latitude FROM facility WHERE id = 'hospital'")
    assert found == [{"name": "Better", "level": None, "latitude": 10.5}]
    with pytest.raises(NotFound):
        await change(two_networks, "sea", "Organization", "hospital", name="Worse")
    with pytest.raises(Forbidden, match="by the office of its network"):
        await change(two_networks, "station", "Organization", "hospital", name="Worse")


async def test_the_office_renames_its_network_and_nobody_else_does(two_networks: Store) -> None:
    await change(two_networks, "hill", "Organization", "hill", name="Mountain")
    assert await rows(two_networks, "SELECT name FROM network WHERE id = 'hill'") == [{"name": "Mountain"}]
    with pytest.raises(Forbidden, match="by its own office"):
        await change(two_networks, "hospital", "Organization", "hill", name="Valley")
    with pytest.raises(BrokenRule, match="keeps its type"):
        await change(two_networks, "hill", "Organization", "hill", type=None)
    with pytest.raises(MissingElement):
        await change(two_networks, "hill", "Organization", "hill", name=None)
