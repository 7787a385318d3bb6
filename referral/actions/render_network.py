"""The resources of an imported network, one after the other, so that memory holds a part of them only."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from referral.actions.compare_network import NetworkPlan
from referral.domain.facility import Service, ServiceId, Technique
from referral.fhir.directory import (
    facility_location,
    facility_organization,
    healthcare_service,
    membership_affiliation,
    network_organization,
    tie_affiliation,
)


@dataclass(frozen=True, slots=True)
class Rendered:
    """A resource as the import wants it."""

    type: str
    id: str
    owner: str
    content: dict[str, Any]


def count_resources(plan: NetworkPlan) -> int:
    """How many resources `render_network` gives."""
    services = len(plan.services) + len(plan.retired)
    affiliations = len(plan.memberships) + len(plan.ended) + len(plan.ties) + len(plan.dropped_ties)
    return 1 + 2 * len(plan.facilities) + services + affiliations


def render_network(plan: NetworkPlan, today: date) -> Iterator[Rendered]:
    """Every resource of the network; techniques as approved on the day `today`."""
    network = plan.network
    yield Rendered("Organization", network, network, network_organization(plan.name))
    for facility in plan.facilities:
        content = facility_organization(facility, plan.codes[facility.id])
        yield Rendered("Organization", facility.id, facility.id, content)
        yield Rendered("Location", facility.id, facility.id, facility_location(facility))
    approved = _approved(plan, today)
    for service in plan.services:
        yield _service(plan, service, approved.get(service.id, []))
    for service in plan.retired:
        yield _service(plan, service, [])
    for document, membership in plan.memberships:
        content = membership_affiliation(membership, active=True)
        yield Rendered("OrganizationAffiliation", document, network, content)
    for document, membership in plan.ended:
        content = membership_affiliation(membership, active=False)
        yield Rendered("OrganizationAffiliation", document, network, content)
    techniques = list(plan.techniques.values())
    for ties, active in ((plan.ties, True), (plan.dropped_ties, False)):
        for document, tie in ties:
            named = (
                [technique for technique in techniques if technique.code in tie.needs] if tie.needs else []
            )
            content = tie_affiliation(tie, named, active=active)
            yield Rendered("OrganizationAffiliation", document, network, content)


def _service(plan: NetworkPlan, service: Service, techniques: list[Technique]) -> Rendered:
    content = healthcare_service(service, plan.capacities.get(service.id), techniques)
    return Rendered("HealthcareService", service.id, service.facility, content)


def _approved(plan: NetworkPlan, today: date) -> dict[ServiceId, list[Technique]]:
    found: dict[ServiceId, dict[tuple[str, str], Technique]] = {}
    for approval in plan.approvals:
        if approval.service is not None and approval.in_force(today):
            key = (approval.list, approval.technique)
            found.setdefault(approval.service, {})[key] = plan.techniques[key]
    return {service: [its[key] for key in sorted(its)] for service, its in found.items()}
