"""An invented network of one hospital and one station, as read from files."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from referral.domain.facility import (
    Affiliation,
    AffiliationKind,
    Approval,
    Capacity,
    CapacityStatus,
    Facility,
    FacilityId,
    Level,
    Link,
    LinkKind,
    Membership,
    NetworkId,
    Service,
    ServiceId,
    Technique,
    Tier,
)
from referral.domain.network_draft import NetworkDraft
from referral.domain.policy import Policy

HOSPITAL = FacilityId("hospital")
STATION = FacilityId("station")
SURGERY = ServiceId("surgery")


def small_network(network: str = "hill", prefix: str = "HI", **changes: Any) -> NetworkDraft:
    """The draft; `changes` are fields of it."""
    its = NetworkId(network)
    mapping = {"network": {"id": network, "name": "Hill network", "prefix": prefix}}
    draft = NetworkDraft(
        id=its,
        name="Hill network",
        prefix=prefix,
        facilities=(
            Facility(
                HOSPITAL,
                "Bệnh viện Đồi",
                10.5,
                106.0,
                name_en="Hill hospital",
                level=Level.BASIC,
                points=70,
                former_level="district",
                position="surveyed",
                commune="Đồi",
                insurer_code="I-1",
                phone="+84 1",
            ),
            Facility(STATION, "Trạm Đồi", 10.6, 106.1),
        ),
        memberships=(
            Membership(its, HOSPITAL, Tier.SATELLITE, HOSPITAL),
            Membership(its, STATION, Tier.STATION, STATION),
        ),
        affiliations=(Affiliation(its, AffiliationKind.REFERS_TO, STATION, HOSPITAL, ("T1", "394609007")),),
        services=(
            Service(SURGERY, HOSPITAL, "Surgery", "394609007", 16, 80, "female", "Mon-Fri 07:00-16:30"),
        ),
        capacities={(HOSPITAL, SURGERY): Capacity(CapacityStatus.CAPACITY, 3)},
        techniques=(Technique("list-1", "T1", "Mổ mắt", "Eye operation", "14", "C"),),
        approvals=(Approval(HOSPITAL, SURGERY, "list-1", "T1", decision="12/QD"),),
        links=(Link(its, STATION, HOSPITAL, Decimal("35.5"), LinkKind.FERRY, source="timetable"),),
        policy=Policy.from_mapping(mapping),
        policy_mapping=mapping,
        warnings=(),
    )
    return replace(draft, **changes)
