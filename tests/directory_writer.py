"""Writing the directory over FHIR in tests, and looking at what it left."""

import json
from datetime import UTC, datetime
from typing import Any

from referral.actions.draft import Draft, Written
from referral.actions.import_network import import_network
from referral.actions.new_id import new_id
from referral.domain.actor import Actor
from referral.domain.facility import Facility, FacilityId, Membership, NetworkId, Tier
from referral.domain.scope import read_scopes
from referral.fhir.content import read_content
from referral.fhir.systems import AFFILIATION_KIND, MCSD_TYPE, TIER
from referral.store.network import network_version
from referral.store.pool import Store
from tests.owner import behind_the_wall
from tests.small_network import small_network
from tests.written import write_drafts

NOW = datetime(2026, 3, 1, 8, tzinfo=UTC)
BASE = "http://hub.example/fhir"
TECHNIQUE = {"system": "http://referral.example/fhir/CodeSystem/technique-list-1", "code": "T1"}
SEA = NetworkId("sea")

Content = dict[str, Any]


async def import_two_networks(store: Store) -> None:
    """The hill with a hospital and a station; the sea with a harbour."""
    await import_network(store, small_network(), NOW)
    harbour = FacilityId("harbour")
    await import_network(
        store,
        small_network(
            SEA,
            "SE",
            facilities=(Facility(harbour, "Harbour", 1.0, 2.0),),
            memberships=(Membership(SEA, harbour, Tier.CORE, harbour),),
            affiliations=(),
            services=(),
            capacities={},
            approvals=(),
            links=(),
        ),
        NOW,
    )


def concept(system: str, code: str) -> Content:
    return {"coding": [{"system": system, "code": code}]}


def named(resource_type: str, resource_id: str) -> Content:
    return {"reference": f"{resource_type}/{resource_id}"}


def organization(name: str = "New") -> Content:
    return {"resourceType": "Organization", "name": name, "type": [concept(MCSD_TYPE, "facility")]}


def location(facility: str, **elements: object) -> Content:
    """A place; None takes an element away."""
    content: Content = {
        "resourceType": "Location",
        "managingOrganization": named("Organization", facility),
        "position": {"latitude": 10.25, "longitude": 106.5},
        **elements,
    }
    return {name: value for name, value in content.items() if value is not None}


def service(facility: str, **elements: object) -> Content:
    return {"resourceType": "HealthcareService", "providedBy": named("Organization", facility), **elements}


def member(facility: str, tier: str = "station", **elements: object) -> Content:
    return {
        "resourceType": "OrganizationAffiliation",
        "organization": named("Organization", "hill"),
        "participatingOrganization": named("Organization", facility),
        "network": [named("Organization", "hill")],
        "code": [concept(AFFILIATION_KIND, "member"), concept(TIER, tier)],
        **elements,
    }


def tie(sender: str, target: str, kind: str = "green-channel", **elements: object) -> Content:
    return {
        "resourceType": "OrganizationAffiliation",
        "organization": named("Organization", sender),
        "participatingOrganization": named("Organization", target),
        "code": [concept(AFFILIATION_KIND, kind)],
        **elements,
    }


async def write(
    store: Store, actor: str, *resources: tuple[str, Content], update: bool = False
) -> list[Written]:
    """Create (or update) resources, each with its id, in one transaction."""
    return await write_drafts(
        store,
        [
            Draft(content["resourceType"], one, read_content(json.dumps(content).encode()), not update)
            for one, content in resources
        ],
        actor=Actor(FacilityId(actor), "client", read_scopes("system/*.cruds")),
        base=BASE,
        now=NOW,
        new_id=lambda: new_id(NOW),
        request_id=None,
    )


async def change(
    store: Store, actor: str, resource_type: str, resource_id: str, **elements: object
) -> Content:
    """Update elements of a stored resource; None takes one away."""
    content = await stored(store, resource_type, resource_id) | elements
    content = {name: value for name, value in content.items() if value is not None}
    (written,) = await write(store, actor, (resource_id, content), update=True)
    return json.loads(written.content)


async def stored(store: Store, resource_type: str, resource_id: str) -> Content:
    async with behind_the_wall(store) as connection:
        sql = "SELECT content::text FROM document WHERE type = $1 AND id = $2"
        return json.loads(await connection.fetchval(sql, resource_type, resource_id))


async def rows(store: Store, sql: str, *arguments: object) -> list[dict[str, Any]]:
    async with behind_the_wall(store) as connection:
        return [dict(row) for row in await connection.fetch(sql, *arguments)]


async def version(store: Store) -> int:
    async with behind_the_wall(store) as connection:
        return await network_version(connection)
