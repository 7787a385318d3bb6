"""The directory as resources: what an import writes and the rows in `directory_rows.py` are read from.

A facility is an Organization and a Location typed as in IHE mCSD (https://profiles.ihe.net/ITI/mCSD/), its
services HealthcareServices, its place in a network and its ties OrganizationAffiliations. Every function
gives whole content but `id` and `meta`.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

from referral.domain.facility import (
    Affiliation,
    Capacity,
    Facility,
    Membership,
    NetworkId,
    Service,
    Technique,
)
from referral.fhir.elements import concept, reference
from referral.fhir.opening_hours import available_times
from referral.fhir.systems import (
    AFFILIATION_KIND,
    AGE_RANGE_EXTENSION,
    CAPACITY_EXTENSION,
    FACILITY_IDENTIFIER,
    FORMER_LEVEL_EXTENSION,
    GENDER,
    HOURS_EXTENSION,
    INSURER_IDENTIFIER,
    LANDMASS_EXTENSION,
    LEVEL_EXTENSION,
    MCSD_FACILITY,
    MCSD_TYPE,
    NETWORK_KIND,
    ORGANIZATION_KIND,
    PHYSICAL_TYPE,
    POINTS_EXTENSION,
    POSITION_SOURCE_EXTENSION,
    SNOMED_CT,
    SPECIALTY,
    TIER,
    UCUM,
    technique_system,
)

# Numbers of this length stand for concepts of SNOMED CT (https://confluence.ihtsdotools.org/x/oRwQB, SCTID).
_SCTID: Final = re.compile(r"[1-9][0-9]{5,17}")


def network_organization(name: str) -> dict[str, Any]:
    """The Organization of a network; its office acts under the same id."""
    return {
        "resourceType": "Organization",
        "active": True,
        "type": [concept(ORGANIZATION_KIND, NETWORK_KIND)],
        "name": name,
    }


def facility_organization(facility: Facility, codes: Iterable[tuple[NetworkId, str]]) -> dict[str, Any]:
    """The Organization of a facility. `codes`: its id in each network that it is or was a member of."""
    identifiers: list[dict[str, Any]] = [
        {"system": FACILITY_IDENTIFIER, "value": code, "assigner": reference("Organization", network)}
        for network, code in sorted(codes)
    ]
    if facility.insurer_code:
        identifiers.append({"system": INSURER_IDENTIFIER, "value": facility.insurer_code})
    extensions: list[dict[str, Any]] = []
    if facility.level is not None:
        extensions.append({"url": LEVEL_EXTENSION, "valueCode": facility.level.value})
    if facility.points is not None:
        extensions.append({"url": POINTS_EXTENSION, "valueInteger": facility.points})
    if facility.former_level:
        extensions.append({"url": FORMER_LEVEL_EXTENSION, "valueCode": facility.former_level})
    return _without_nothing(
        {
            "resourceType": "Organization",
            "extension": extensions,
            "identifier": identifiers,
            "active": facility.active,
            "type": [concept(MCSD_TYPE, MCSD_FACILITY)],
            "name": facility.name,
            "alias": [facility.name_en] if facility.name_en else None,
            "telecom": [{"system": "phone", "value": facility.phone}] if facility.phone else None,
            "address": [{"city": facility.commune}] if facility.commune else None,
        }
    )


def facility_location(facility: Facility) -> dict[str, Any]:
    """The Location of a facility: where it is, and on which landmass."""
    extensions = [{"url": LANDMASS_EXTENSION, "valueCode": facility.landmass}]
    if facility.position:
        extensions.append({"url": POSITION_SOURCE_EXTENSION, "valueString": facility.position})
    return _without_nothing(
        {
            "resourceType": "Location",
            "extension": extensions,
            "status": "active" if facility.active else "inactive",
            "name": facility.name,
            "mode": "instance",
            "type": [concept(MCSD_TYPE, MCSD_FACILITY)],
            "address": {"city": facility.commune} if facility.commune else None,
            "physicalType": concept(PHYSICAL_TYPE, "si"),
            "position": {
                "longitude": Decimal(repr(facility.longitude)),
                "latitude": Decimal(repr(facility.latitude)),
            },
            "managingOrganization": reference("Organization", facility.id),
        }
    )


def healthcare_service(
    service: Service, capacity: Capacity | None, techniques: Sequence[Technique]
) -> dict[str, Any]:
    """A service with what it can take now and the techniques that it may do."""
    extensions: list[dict[str, Any]] = []
    if capacity is not None:
        extensions.append(capacity_extension(capacity))
    times = available_times(service.hours) if service.hours else None
    if service.hours and times is None:
        extensions.append({"url": HOURS_EXTENSION, "valueString": service.hours})
    return _without_nothing(
        {
            "resourceType": "HealthcareService",
            "extension": extensions,
            "active": service.active,
            "providedBy": reference("Organization", service.facility),
            "type": [_technique(technique) for technique in techniques],
            "specialty": [_need(service.specialty)] if service.specialty else None,
            "location": [reference("Location", service.facility)],
            "name": service.name,
            "eligibility": _eligibility(service),
            "availableTime": times,
        }
    )


def capacity_extension(capacity: Capacity) -> dict[str, Any]:
    """The extension `capacity`."""
    parts: list[dict[str, Any]] = [{"url": "status", "valueCode": capacity.status.value}]
    if capacity.free is not None:
        parts.append({"url": "free", "valueInteger": capacity.free})
    if capacity.as_of is not None:
        parts.append({"url": "asOf", "valueDateTime": _moment(capacity.as_of)})
    return {"url": CAPACITY_EXTENSION, "extension": parts}


def membership_affiliation(membership: Membership, *, active: bool) -> dict[str, Any]:
    """The affiliation `member` of a facility in a network, with its tier there."""
    return _without_nothing(
        {
            "resourceType": "OrganizationAffiliation",
            "identifier": [{"system": FACILITY_IDENTIFIER, "value": membership.code}],
            "active": active,
            "period": _period(membership.valid_from, membership.valid_to),
            "organization": reference("Organization", membership.network),
            "participatingOrganization": reference("Organization", membership.facility),
            "network": [reference("Organization", membership.network)],
            "code": [concept(AFFILIATION_KIND, "member"), concept(TIER, membership.tier.value)],
        }
    )


def tie_affiliation(
    tie: Affiliation, techniques: Iterable[Technique] = (), *, active: bool = True
) -> dict[str, Any]:
    """A tie between two facilities; `techniques` are those that its needs name, others are specialties."""
    named = {technique.code: technique for technique in techniques}
    return _without_nothing(
        {
            "resourceType": "OrganizationAffiliation",
            "active": active,
            "period": _period(tie.valid_from, tie.valid_to),
            "organization": reference("Organization", tie.organization),
            "participatingOrganization": reference("Organization", tie.participating),
            "network": [reference("Organization", tie.network)],
            "code": [concept(AFFILIATION_KIND, tie.kind.value)],
            "specialty": [_technique(named[need]) if need in named else _need(need) for need in tie.needs],
        }
    )


def _technique(technique: Technique) -> dict[str, Any]:
    coding = {"system": technique_system(technique.list), "code": technique.code, "display": technique.name}
    return {"coding": [coding]}


def _need(code: str) -> dict[str, Any]:
    return concept(SNOMED_CT if _SCTID.fullmatch(code) else SPECIALTY, code)


def _eligibility(service: Service) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    bounds = {"low": service.age_min, "high": service.age_max}
    ages = {
        name: {"value": age, "unit": "years", "system": UCUM, "code": "a"}
        for name, age in bounds.items()
        if age is not None
    }
    if ages:
        found.append({"extension": [{"url": AGE_RANGE_EXTENSION, "valueRange": ages}]})
    if service.sex:
        found.append({"code": concept(GENDER, service.sex)})
    return found


def _period(start: date | None, end: date | None) -> dict[str, str] | None:
    found = {}
    if start is not None:
        found["start"] = start.isoformat()
    if end is not None:
        found["end"] = end.isoformat()
    return found or None


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _without_nothing(content: dict[str, Any]) -> dict[str, Any]:
    """FHIR has no empty lists and no nulls."""
    return {name: value for name, value in content.items() if value is not None and value != []}
