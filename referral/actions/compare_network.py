"""What an import changes in the typed rows of a network: the draft beside what is stored."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

from referral.domain.calendar import rules_day
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
from referral.domain.network_draft import NetworkDraft
from referral.store.network import (
    affiliation_of,
    capacity_of,
    facility_of,
    link_of,
    membership_of,
    service_of,
)
from referral.store.network_import import Row, StoredNetworkRow, StoredRows

Value = TypeVar("Value")
TieKey = tuple[str, str, str, object]


@dataclass(frozen=True, slots=True)
class Counts:
    """How many rows (or resources) of a kind an import makes, changes, leaves and ends."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    removed: int = 0

    @property
    def changed(self) -> int:
        """Everything but the unchanged."""
        return self.created + self.updated + self.removed


@dataclass(slots=True)
class NetworkPlan:
    """A network as it will stand under the ids of the database, and the typed rows that bring it there.

    services: those of the file. retired: those that left it. memberships and ties carry the id of their
    OrganizationAffiliation. typed: parts for `apply_directory` in their order.
    """

    network: NetworkId
    name: str
    facilities: list[Facility] = field(default_factory=list)
    codes: dict[FacilityId, list[tuple[NetworkId, str]]] = field(default_factory=dict)
    memberships: list[tuple[str, Membership]] = field(default_factory=list)
    ended: list[tuple[str, Membership]] = field(default_factory=list)
    services: list[Service] = field(default_factory=list)
    retired: list[Service] = field(default_factory=list)
    capacities: dict[ServiceId, Capacity] = field(default_factory=dict)
    techniques: dict[tuple[str, str], Technique] = field(default_factory=dict)
    approvals: list[Approval] = field(default_factory=list)
    ties: list[tuple[str, Affiliation]] = field(default_factory=list)
    dropped_ties: list[tuple[str, Affiliation]] = field(default_factory=list)
    typed: list[tuple[str, list[Any]]] = field(default_factory=list)
    counts: dict[str, Counts] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Identities:
    """Ids of the database by those of the file."""

    facilities: Mapping[FacilityId, FacilityId]
    services: Mapping[tuple[FacilityId, ServiceId], ServiceId]
    memberships: Mapping[FacilityId, str]


def compare_network(
    draft: NetworkDraft,
    ids: Identities,
    *,
    network: StoredNetworkRow | None,
    memberships: Sequence[Row],
    facilities: Sequence[Row],
    rows: StoredRows,
    now: datetime,
    new_id: Callable[[], str],
    policy_begins: date | None,
) -> NetworkPlan:
    """Lay the draft over the stored rows. Pure: nothing is written here.

    policy_begins: when the policy of a stored network is to change, None where it does not.
    """
    plan = NetworkPlan(draft.id, draft.name)
    comparison = _Comparison(draft, ids, rows, plan, now=now, new_id=new_id)
    comparison.network(network, policy_begins)
    comparison.facilities(facilities)
    comparison.ties()
    comparison.memberships(memberships)
    comparison.services()
    comparison.capacities()
    comparison.techniques()
    comparison.approvals()
    comparison.links()
    return plan


class _Comparison:
    """One kind of rows after the other."""

    def __init__(
        self,
        draft: NetworkDraft,
        ids: Identities,
        rows: StoredRows,
        plan: NetworkPlan,
        *,
        now: datetime,
        new_id: Callable[[], str],
    ) -> None:
        self.draft, self.ids, self.rows, self.plan = draft, ids, rows, plan
        self.now, self.today, self.new_id = now, rules_day(now), new_id

    def changed(
        self, kind: str, stored: Mapping[Any, Value], wanted: Mapping[Any, Value], removed: int = 0
    ) -> list[Any]:
        """Count a kind and give the keys of what has to be written."""
        created = [key for key in wanted if key not in stored]
        updated = [key for key, value in wanted.items() if key in stored and stored[key] != value]
        unchanged = len(wanted) - len(created) - len(updated)
        self.plan.counts[kind] = Counts(len(created), len(updated), unchanged, removed)
        return created + updated

    def leave(self, part: str, rows: Iterable[Any]) -> None:
        """Write these rows, unless there are none."""
        if found := list(rows):
            self.plan.typed.append((part, found))

    def network(self, stored: StoredNetworkRow | None, policy_begins: date | None) -> None:
        """The row has the policy of today: one that begins later stands beside those before it alone."""
        draft = self.draft
        policy = json.loads(json.dumps(draft.policy_mapping))
        before = {} if stored is None else {stored.id: (stored.name, stored.prefix, None)}
        wanted = {draft.id: (draft.name, draft.prefix, policy_begins)}
        if stored is not None and (policy_begins is None or policy_begins > self.today):
            policy = stored.policy
        if self.changed("networks", before, wanted):
            row = {"id": draft.id, "name": draft.name, "prefix": draft.prefix, "policy": policy}
            self.leave("networks", [row | {"updated_at": self.now}])

    def facilities(self, stored: Sequence[Row]) -> None:
        wanted = {
            self.ids.facilities[facility.id]: replace(facility, id=self.ids.facilities[facility.id])
            for facility in self.draft.facilities
        }
        before = {row["id"]: facility_of(row) for row in stored}
        changed = self.changed("facilities", before, wanted)
        self.leave("facilities", (asdict(wanted[key]) for key in changed))
        self.plan.facilities = list(wanted.values())
        for row in self.rows.codes:
            self.plan.codes.setdefault(row["facility"], []).append((row["network"], row["code"]))

    def memberships(self, stored: Sequence[Row]) -> None:
        before = {row["facility"]: (row["document"], _membership(row)) for row in stored}
        wanted: dict[FacilityId, tuple[str, Membership]] = {}
        for membership in self.draft.memberships:
            facility = self.ids.facilities[membership.facility]
            old = before[facility][1] if facility in before else None
            current = old if old is not None and not self._is_over(old) else membership
            wanted[facility] = (
                self.ids.memberships[facility],
                replace(
                    membership,
                    facility=facility,
                    valid_from=old.valid_from if old else None,
                    valid_to=current.valid_to,
                ),
            )
        leaving = [
            (document, replace(membership, valid_to=self.today - timedelta(days=1)))
            for facility, (document, membership) in before.items()
            if facility not in wanted and not self._is_over(membership)
        ]
        changed = self.changed("memberships", before, wanted, len(leaving))
        self.leave("memberships", (_with_document(*wanted[key]) for key in changed))
        self.leave("ended_memberships", (asdict(membership) for _, membership in leaving))
        self.plan.memberships, self.plan.ended = list(wanted.values()), leaving
        for _, membership in self.plan.memberships:
            codes = self.plan.codes.setdefault(membership.facility, [])
            codes.append((membership.network, membership.code))

    def _is_over(self, membership: Membership) -> bool:
        return membership.valid_to is not None and membership.valid_to < self.today

    def ties(self) -> None:
        before: dict[TieKey, tuple[str, Affiliation]] = {}
        dropped = []
        for row in self.rows.affiliations:
            tie = affiliation_of({name: row[name] for name in Affiliation.__slots__})
            if before.setdefault(_tie_key(tie), (row["document"], tie))[0] != row["document"]:
                dropped.append((row["document"], tie))
        wanted: dict[TieKey, tuple[str, Affiliation]] = {}
        for drafted in self.draft.affiliations:
            tie = replace(
                drafted,
                organization=self.ids.facilities[drafted.organization],
                participating=self.ids.facilities[drafted.participating],
            )
            key = _tie_key(tie)
            wanted[key] = (before[key][0] if key in before else self.new_id(), tie)
        dropped += [value for key, value in before.items() if key not in wanted]
        changed = self.changed("affiliations", before, wanted, len(dropped))
        self.leave("dropped_affiliations", (document for document, _ in dropped))
        self.leave("affiliations", (_with_document(*wanted[key]) for key in changed))
        self.plan.ties, self.plan.dropped_ties = list(wanted.values()), dropped

    def services(self) -> None:
        owners = set(self.ids.facilities.values())
        rows = {row["id"]: row for row in self.rows.services}
        before = {
            key: service_of({name: row[name] for name in Service.__slots__}) for key, row in rows.items()
        }
        wanted: dict[ServiceId, Service] = {}
        codes: dict[ServiceId, str] = {}
        for service in self.draft.services:
            resource_id = self.ids.services[service.facility, service.id]
            codes[resource_id] = service.id
            facility = self.ids.facilities[service.facility]
            wanted[resource_id] = replace(service, id=resource_id, facility=facility)
        retired = [
            replace(service, active=False)
            for key, service in before.items()
            if rows[key]["network"] == self.plan.network
            and key not in wanted
            and service.active
            and service.facility in owners
        ]
        changed = self.changed("services", before, wanted, len(retired))
        self.leave(
            "services",
            (asdict(wanted[key]) | {"code": codes[key], "network": self.plan.network} for key in changed),
        )
        self.leave("retired_services", (service.id for service in retired))
        self.plan.services, self.plan.retired = list(wanted.values()), retired

    def capacities(self) -> None:
        """A statement that the file repeats keeps its time; one that the file does not make stays."""
        before = {ServiceId(row["service"]): capacity_of(row) for row in self.rows.capacities}
        wanted: dict[ServiceId, Capacity] = {}
        for key, capacity in self.draft.capacities.items():
            resource_id = self.ids.services[key]
            old = before.get(resource_id)
            repeats = old is not None and (old.status, old.free) == (capacity.status, capacity.free)
            since = old.as_of if old is not None and repeats else self.now.replace(microsecond=0)
            wanted[resource_id] = replace(capacity, as_of=since)
        changed = self.changed("capacities", before, wanted)
        self.leave("capacities", (asdict(wanted[key]) | {"service": key} for key in changed))
        self.plan.capacities = before | wanted

    def techniques(self) -> None:
        before = {(row["list"], row["code"]): Technique(**row) for row in self.rows.techniques}
        wanted = {(technique.list, technique.code): technique for technique in self.draft.techniques}
        changed = self.changed("techniques", before, wanted)
        self.leave("techniques", (asdict(wanted[key]) for key in changed))
        self.plan.techniques = before | wanted

    def approvals(self) -> None:
        network = self.plan.network
        services = set(self.ids.services.values())
        before = [
            (row["network"], Approval(**{name: row[name] for name in Approval.__slots__}))
            for row in self.rows.approvals
            if row["network"] == network or row["service"] in services
        ]
        wanted = [
            (
                network,
                replace(
                    approval,
                    facility=self.ids.facilities[approval.facility],
                    service=self.ids.services[approval.facility, approval.service]
                    if approval.service
                    else None,
                ),
            )
            for approval in self.draft.approvals
        ]
        gone, new = self._replaced("approvals", before, wanted)
        self.leave("dropped_approvals", (asdict(approval) | {"network": its} for its, approval in gone))
        self.leave("approvals", (asdict(approval) | {"network": its} for its, approval in new))
        self.plan.approvals = [approval for _, approval in wanted]

    def links(self) -> None:
        before = [link_of(row) for row in self.rows.links]
        wanted = [
            replace(
                link,
                origin=self.ids.facilities[link.origin],
                destination=self.ids.facilities[link.destination],
            )
            for link in self.draft.links
        ]
        gone, new = self._replaced("links", before, wanted)
        self.leave("dropped_links", map(_link_row, gone))
        self.leave("links", map(_link_row, new))

    def _replaced(
        self, kind: str, before: Sequence[Value], wanted: Sequence[Value]
    ) -> tuple[list[Value], list[Value]]:
        """Rows without an identity: those that go and those that come."""
        gone, new = Counter(before) - Counter(wanted), Counter(wanted) - Counter(before)
        unchanged = len(wanted) - new.total()
        self.plan.counts[kind] = Counts(new.total(), 0, unchanged, gone.total())
        return list(gone), list(new.elements())


def _membership(row: Row) -> Membership:
    return membership_of({name: row[name] for name in Membership.__slots__})


def _with_document(document: str, value: Membership | Affiliation) -> dict[str, Any]:
    return asdict(value) | {"document": document}


def _tie_key(tie: Affiliation) -> TieKey:
    return (tie.kind, tie.organization, tie.participating, tie.valid_from)


def _link_row(link: Link) -> dict[str, Any]:
    return asdict(link) | {"minutes": str(link.minutes)}
