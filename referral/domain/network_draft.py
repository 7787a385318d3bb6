"""A network as it was read from outside, before anything of it is stored."""

from collections.abc import Mapping
from dataclasses import dataclass

from referral.domain.facility import (
    Affiliation,
    Approval,
    Capacity,
    Facility,
    FacilityId,
    Link,
    Membership,
    NetworkId,
    Service,
    ServiceId,
    Technique,
)
from referral.domain.policy import Policy


@dataclass(frozen=True, slots=True)
class NetworkDraft:
    """The rows of one network, checked against each other; all ids as in the source.

    Facility ids are those of the source (unique in this network only) and stand in every row that
    names a facility; service ids are unique within their facility. `policy_mapping` is the policy
    as JSON values, what `policy` was made from. `capacities` holds the services whose capacity the
    source states. `warnings` are sentences about what was read past and harms nothing.
    """

    id: NetworkId
    name: str
    prefix: str
    facilities: tuple[Facility, ...]
    memberships: tuple[Membership, ...]
    affiliations: tuple[Affiliation, ...]
    services: tuple[Service, ...]
    capacities: Mapping[tuple[FacilityId, ServiceId], Capacity]
    techniques: tuple[Technique, ...]
    approvals: tuple[Approval, ...]
    links: tuple[Link, ...]
    policy: Policy
    policy_mapping: Mapping[str, object]
    warnings: tuple[str, ...]
