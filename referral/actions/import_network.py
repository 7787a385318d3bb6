"""Import a network: all or nothing, repeatable without change.

What the file says wins over what was edited over FHIR, and each such overwrite is reported. Nothing is ever
deleted: a facility that left the file ends its membership yesterday, a service is set inactive, a tie loses
its row and its OrganizationAffiliation becomes inactive; approvals and links are those of the file. Services
that facilities made over FHIR themselves stay.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any, Final, TypeVar

from referral.actions.activate_policy import Activation, technique_faults
from referral.actions.activate_policy import decide as decide_policy
from referral.actions.compare_network import Counts, Identities, NetworkPlan, compare_network
from referral.actions.identify_facilities import (
    candidate_ids,
    check_identity,
    identify_facilities,
    identify_memberships,
    identify_services,
    joined_id,
)
from referral.actions.new_id import new_id
from referral.actions.render_network import Rendered, count_resources, render_network
from referral.actions.workspace import Workspace
from referral.domain.actor import Actor
from referral.domain.audit import AuditAction
from referral.domain.errors import BrokenRule, Problem
from referral.domain.facility import FacilityId
from referral.domain.network_draft import NetworkDraft
from referral.domain.scope import read_scopes
from referral.fhir.content import read_content, write_content
from referral.fhir.systems import BASE
from referral.store.change_set import ChangeSet, Loaded, StoredDocument, apply_changes
from referral.store.network_import import (
    Key,
    Standing,
    compare_documents,
    find_facilities,
    find_memberships,
    find_networks,
    find_rows,
    find_taken,
    lock_imports,
)
from referral.store.policy import store_policy
from referral.store.pool import Connection, Store

IMPORT_CLIENT: Final = "import"
IMPORT_MOVE: Final = "import"

_ROWS_AT_ONCE: Final = 5000
_RESOURCES_AT_ONCE: Final = 1000

Progress = Callable[[str, int, int], None]
"""Told the step, how much of it is done, and how much there is."""

Item = TypeVar("Item")


@dataclass(slots=True)
class ImportReport:
    """What an import did, or what a check found that it would do.

    counts: by kind of typed row, and `resources`. overwrites: a line for each resource that somebody else
    had written since the last import of this network. warnings: those of the files. other_ids: the
    Organization ids by the file's ids, where they differ.
    """

    counts: dict[str, Counts] = field(default_factory=dict)
    overwrites: list[str] = field(default_factory=list)
    warnings: tuple[str, ...] = ()
    other_ids: dict[FacilityId, FacilityId] = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        """Whether anything was (or would be) written."""
        return any(counts.changed for counts in self.counts.values())


async def import_network(
    store: Store, draft: NetworkDraft, now: datetime, progress: Progress | None = None
) -> ImportReport:
    """Write the network in one transaction.

    Raises BrokenRule when its id, prefix or an insurer's code belongs to somebody else; StaleVersion when
    a resource is written over FHIR at the same moment.
    """
    async with store.writing(draft.id) as connection:
        await lock_imports(connection)
        return await _Import(connection, draft, now, progress, writes=True).run()


async def check_network(
    store: Store, draft: NetworkDraft, now: datetime, progress: Progress | None = None
) -> ImportReport:
    """Say what `import_network` would do, without writing. Raises the same."""
    async with store.reading(draft.id) as connection:
        return await _Import(connection, draft, now, progress, writes=False).run()


class _Import:
    """One import over one connection."""

    def __init__(
        self,
        connection: Connection,
        draft: NetworkDraft,
        now: datetime,
        progress: Progress | None,
        *,
        writes: bool,
    ) -> None:
        self.connection = connection
        self.draft = draft
        # Instants in resources have milliseconds.
        self.now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        self.progress = progress
        self.writes = writes
        self.report = ImportReport(warnings=draft.warnings)
        self.activation: Activation | None = None
        self.actor = Actor(FacilityId(draft.id), IMPORT_CLIENT, read_scopes("system/*.cruds"))

    async def run(self) -> ImportReport:
        plan = await self.plan()
        self.report.counts = dict(plan.counts)
        if self.writes:
            await self.write_policy()
            await self.write_rows(plan)
        await self.write_resources(plan)
        if self.writes and self.report.changed:
            await apply_changes(self.connection, ChangeSet(audits=[self.audit()]))
        return self.report

    def audit(self) -> dict[str, Any]:
        """The row of the whole import: rows of the network are no resources, and have none of their own."""
        counts = {
            kind: [counts.created, counts.updated, counts.removed]
            for kind, counts in self.report.counts.items()
        }
        return {
            "at": self.now,
            "actor": self.actor.facility,
            "client": self.actor.client,
            "action": AuditAction.IMPORT,
            "details": {"created, changed, ended": counts},
        }

    def tell(self, step: str, done: int, total: int) -> None:
        if self.progress is not None:
            self.progress(step, done, total)

    async def plan(self) -> NetworkPlan:
        """Read what is stored and lay the draft over it."""
        connection, draft = self.connection, self.draft
        self.tell("compare", 0, 1)
        networks = await find_networks(connection)
        memberships = await find_memberships(connection, draft.id)
        candidates = candidate_ids(draft) | {row["facility"] for row in memberships}
        insurers = {facility.insurer_code for facility in draft.facilities if facility.insurer_code}
        facilities = await find_facilities(connection, candidates, insurers)
        places = [(kind, one) for kind in ("Organization", "Location") for one in sorted(candidates)]
        taken = await find_taken(connection, places, draft.id)
        check_identity(draft, networks, facilities, taken)
        make_id = partial(new_id, self.now)
        ids = identify_facilities(
            draft,
            networks={network.id for network in networks} | {draft.id},
            memberships=memberships,
            facilities=facilities,
            taken=taken,
            new_id=make_id,
        )
        self.report.other_ids = {code: one for code, one in ids.items() if code != one}
        found = set(ids.values())
        lists = {technique.list for technique in draft.techniques}
        rows = await find_rows(connection, draft.id, found, lists)
        parts = await find_taken(connection, _part_ids(draft, ids), draft.id)
        identities = Identities(
            ids,
            identify_services(draft, ids, rows.services, parts, make_id),
            identify_memberships(draft.id, list(ids.values()), memberships, parts, make_id),
        )
        network = next((network for network in networks if network.id == draft.id), None)
        if network is not None:
            self.activation = await self.decide_policy()
        elif unknown := await technique_faults(connection, draft.policy, self.techniques()):
            raise BrokenRule([Problem(f"policy.toml: {path}: {rule}") for path, rule in unknown])
        plan = compare_network(
            draft,
            identities,
            network=network,
            memberships=memberships,
            facilities=facilities,
            rows=rows,
            now=self.now,
            new_id=make_id,
            policy_begins=self.activation.valid_from if self.activation else None,
        )
        self.tell("compare", 1, 1)
        return plan

    def techniques(self) -> set[tuple[str, str]]:
        return {(technique.list, technique.code) for technique in self.draft.techniques}

    async def decide_policy(self) -> Activation | None:
        """Whether the policy of a stored network changes, and from when on."""
        draft = self.draft
        found = await decide_policy(
            self.connection,
            draft.policy,
            draft.policy_mapping,
            valid_from=None,
            now=self.now,
            imported=self.techniques(),
        )
        return found if found.number is not None else None

    async def write_policy(self) -> None:
        if self.activation is not None:
            begins = self.activation.valid_from
            mapping, network = self.draft.policy_mapping, self.draft.id
            await store_policy(
                self.connection, network, mapping, valid_from=begins, now=self.now, by=IMPORT_CLIENT
            )

    async def write_rows(self, plan: NetworkPlan) -> None:
        total, done = sum(len(rows) for _, rows in plan.typed), 0
        for part, rows in plan.typed:
            for some in _batches(rows, _ROWS_AT_ONCE):
                await apply_changes(self.connection, ChangeSet(typed={part: some}))
                done += len(some)
                self.tell("rows", done, total)

    async def write_resources(self, plan: NetworkPlan) -> None:
        total, done = count_resources(plan), 0
        created = updated = 0
        for some in _batches(render_network(plan, self.now.date()), _RESOURCES_AT_ONCE):
            wanted = {(one.type, one.id): write_content(one.content) for one in some}
            standings = await compare_documents(self.connection, wanted, self.draft.id)
            changed = [one for one in some if not standings[one.type, one.id].same]
            for one in changed:
                if line := self.overwrite(one, standings[one.type, one.id], wanted[one.type, one.id]):
                    self.report.overwrites.append(line)
            new = sum(standings[one.type, one.id].version == 0 for one in changed)
            created, updated = created + new, updated + len(changed) - new
            if self.writes:
                await self.write_some(some, changed, standings)
            done += len(some)
            self.tell("resources", done, total)
        self.report.counts["resources"] = Counts(created, updated, total - created - updated)

    async def write_some(
        self, some: Iterable[Rendered], changed: Iterable[Rendered], standings: Mapping[Key, Standing]
    ) -> None:
        loaded = Loaded(
            documents={
                key: StoredDocument(standing.version, standing.owner or "", True, False, b"")
                for key, standing in standings.items()
                if standing.version
            }
        )
        workspace = Workspace(self.actor, self.now, None, BASE, partial(new_id, self.now), loaded)
        for one in changed:
            workspace.put(one.type, one.id, one.content, one.owner)
            workspace.tell((one.type, one.id), IMPORT_MOVE)
        changes = workspace.finish()
        changes.directory = [
            (self.draft.id, one.type, one.id) for one in some if not standings[one.type, one.id].listed
        ]
        if changes.documents or changes.directory:
            await apply_changes(self.connection, changes)

    def overwrite(self, one: Rendered, standing: Standing, wanted: bytes) -> str | None:
        """A line about what somebody else wrote and this import replaces; None where nobody did."""
        if standing.version == 0 or standing.move is None:
            return None
        if standing.move == IMPORT_MOVE and standing.facility == self.draft.id:
            return None
        before = read_content(standing.content) if standing.content else {}
        elements = ", ".join(_differing(before, read_content(wanted))) or "deleted"
        if standing.move == IMPORT_MOVE:
            return f"{one.type}/{one.id}: {elements} (imported by network {standing.facility})"
        return f"{one.type}/{one.id}: {elements} (edited over FHIR by {standing.facility})"


def _part_ids(draft: NetworkDraft, ids: Mapping[FacilityId, FacilityId]) -> list[Key]:
    services = ((ids[service.facility], service.id) for service in draft.services)
    wanted: list[tuple[str, str | None]] = [("HealthcareService", joined_id(*parts)) for parts in services]
    wanted += [("OrganizationAffiliation", joined_id(draft.id, one)) for one in ids.values()]
    return [(kind, one) for kind, one in wanted if one is not None]


def _differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(before.keys() | after.keys()):
        if name not in {"id", "meta"} and before.get(name) != after.get(name):
            yield name


def _batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    left = iter(items)
    while some := list(islice(left, size)):
        yield some
