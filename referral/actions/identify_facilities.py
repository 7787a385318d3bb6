"""Which facility of the database a row of an import file stands for, and the ids of its parts.

A file knows its own ids only. A facility keeps the id that an import gave it; the same insurer's code in two
networks is one facility; otherwise the same id in two files stands for two facilities.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence

from referral.domain.errors import BrokenRule, Problem
from referral.domain.facility import FacilityId, NetworkId, ServiceId
from referral.domain.network_draft import NetworkDraft
from referral.store.network_import import Key, Row, StoredNetworkRow

LONGEST_ID = 64


def joined_id(*parts: str) -> str | None:
    """The parts as one readable id; None when that is too long for FHIR."""
    text = ".".join(parts)
    return text if len(text) <= LONGEST_ID else None


def check_identity(
    draft: NetworkDraft,
    networks: Sequence[StoredNetworkRow],
    facilities: Sequence[Row],
    taken: Collection[Key],
) -> None:
    """Raises BrokenRule where the id or prefix of the network, or two insurer's codes, are in the way."""
    known = {network.id for network in networks}
    problems = [
        Problem(f"The prefix {draft.prefix} is that of the network {other.id}.")
        for other in networks
        if other.prefix == draft.prefix and other.id != draft.id
    ]
    if draft.id not in known and (
        any(row["id"] == draft.id for row in facilities) or ("Organization", draft.id) in taken
    ):
        problems.append(Problem(f"The id {draft.id} of the network is that of another organization."))
    codes = Counter(facility.insurer_code for facility in draft.facilities if facility.insurer_code)
    for code, times in sorted(codes.items()):
        if times > 1:
            problems.append(Problem(f"The insurer's code {code} stands for {times} facilities of the file."))
    if problems:
        raise BrokenRule(problems)


def candidate_ids(draft: NetworkDraft) -> set[str]:
    """Ids that facilities of the draft may get, and that of the network."""
    found = {draft.id, *(facility.id for facility in draft.facilities)}
    longer = (joined_id(draft.id, facility.id) for facility in draft.facilities)
    return {str(candidate) for candidate in (*found, *longer) if candidate is not None}


def identify_facilities(
    draft: NetworkDraft,
    *,
    networks: Collection[str],
    memberships: Sequence[Row],
    facilities: Sequence[Row],
    taken: Mapping[Key, bool],
    new_id: Callable[[], str],
) -> dict[FacilityId, FacilityId]:
    """From the ids of the file to those of the database.

    taken: resources that exist, with whether the directory of this network has them.
    Raises BrokenRule when the insurer's code of a row is that of another facility of this network.
    """
    by_code = {row["code"]: row["facility"] for row in memberships}
    code_of = {row["facility"]: row["code"] for row in memberships}
    by_insurer = {row["insurer_code"]: row["id"] for row in facilities if row["insurer_code"]}
    in_file = {facility.id for facility in draft.facilities}
    used = {row["id"] for row in facilities} | set(networks) | {key[1] for key in taken}
    found: dict[FacilityId, FacilityId] = {}
    problems = []
    for facility in draft.facilities:
        code = facility.id
        same_insurer = by_insurer.get(facility.insurer_code)
        stored = by_code.get(code)
        if same_insurer is not None and stored != same_insurer:
            other = code_of.get(same_insurer)
            if stored is not None or other in in_file:
                problems.append(
                    Problem(
                        f"Facility {code}: the insurer's code {facility.insurer_code} is that of"
                        f" {other or same_insurer}."
                    )
                )
            stored = same_insurer
        if stored is None and _is_ours(code, taken, code_of, networks):
            stored = code
        if stored is None:
            options = (code, joined_id(draft.id, code))
            stored = next((option for option in options if option and option not in used), None) or new_id()
            used.add(stored)
        found[code] = FacilityId(stored)
    if problems:
        raise BrokenRule(problems)
    return found


def _is_ours(
    code: str, taken: Mapping[Key, bool], code_of: Collection[str], networks: Collection[str]
) -> bool:
    """Whether the office of this network made the facility over FHIR before the file knew it."""
    return taken.get(("Organization", code), False) and code not in code_of and code not in networks


def identify_services(
    draft: NetworkDraft,
    facilities: Mapping[FacilityId, FacilityId],
    stored: Sequence[Row],
    taken: Collection[Key],
    new_id: Callable[[], str],
) -> dict[tuple[FacilityId, ServiceId], ServiceId]:
    """From facility and service of the file to the id of the HealthcareService."""
    known = {(row["facility"], row["code"]): row["id"] for row in stored if row["code"] is not None}
    used = {key[1] for key in taken if key[0] == "HealthcareService"}
    found: dict[tuple[FacilityId, ServiceId], ServiceId] = {}
    for service in draft.services:
        facility = facilities[service.facility]
        resource_id = known.get((facility, service.id))
        if resource_id is None:
            option = joined_id(facility, service.id)
            resource_id = option if option is not None and option not in used else new_id()
            used.add(resource_id)
        found[service.facility, service.id] = ServiceId(resource_id)
    return found


def identify_memberships(
    network: NetworkId,
    facilities: Collection[FacilityId],
    stored: Sequence[Row],
    taken: Collection[Key],
    new_id: Callable[[], str],
) -> dict[FacilityId, str]:
    """From a facility to the id of the OrganizationAffiliation that makes it a member."""
    known = {row["facility"]: row["document"] for row in stored}
    used = {key[1] for key in taken if key[0] == "OrganizationAffiliation"}
    found = {}
    for facility in facilities:
        option = joined_id(network, facility)
        document = known.get(facility) or (option if option and option not in used else new_id())
        used.add(document)
        found[facility] = document
    return found
