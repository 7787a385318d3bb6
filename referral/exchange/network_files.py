"""The import format of a network: a folder of CSV files and a policy.

    from pathlib import Path
    draft = read_network(Path("referral/exchange/networks/haiphong"))

Read are facilities.csv and policy.toml, and where present affiliations.csv, services.csv,
techniques.csv, approvals.csv and links.csv. The draft is whole or there is none: every fault of
every file is found before `ImportFaults` is raised.
"""

from collections.abc import Hashable, Iterator
from pathlib import Path

from referral.domain.facility import (
    MAINLAND,
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
from referral.exchange.csv_table import ImportFaults, Row, RowFault, Table, read_table
from referral.exchange.policy_file import PolicyFile, read_policy

__all__ = ["ImportFaults", "NetworkDraft", "RowFault", "read_network"]

POLICY = "policy.toml"

# file -> (columns that must be there, columns that may)
COLUMNS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "facilities.csv": (
        ("id", "name", "tier", "lat", "lon"),
        (
            *("name_en", "level", "points", "former_level", "landmass", "position", "commune"),
            *("insurer_code", "phone", "active"),
        ),
    ),
    "affiliations.csv": (("kind", "organization", "participating"), ("needs", "valid_from", "valid_to")),
    "services.csv": (
        ("facility", "id", "name"),
        ("specialty", "age_min", "age_max", "sex", "hours", "capacity", "free"),
    ),
    "techniques.csv": (("list", "code", "name"), ("name_en", "chapter", "level")),
    "approvals.csv": (
        ("facility", "service", "list", "technique"),
        ("state", "valid_from", "valid_to", "decision"),
    ),
    "links.csv": (("from", "to", "minutes", "kind"), ("both_ways", "source")),
}

TECHNIQUE_LEVELS = ("A", "B", "C", "D")
APPROVAL_STATES = ("approved", "suspended", "withdrawn")
SEXES = ("female", "male")
OLDEST = 150
MOST_PLACES = 100_000
MOST_POINTS = 1000
LONGEST_LINK_MINUTES = 100_000


def read_network(folder: Path) -> NetworkDraft:
    """Read a network from a folder.

    Raises ImportFaults with everything that is wrong in any of the files.
    """
    if not folder.is_dir():
        reason = "is not a folder" if folder.exists() else "there is no such folder"
        raise ImportFaults((RowFault(str(folder), 0, "", reason),))
    faults: list[RowFault] = []
    policy = read_policy(folder / POLICY, faults)
    reader = _Reader(folder, policy, faults)
    draft = reader.draft()
    if draft is None or faults:
        raise ImportFaults(tuple(sorted(faults)))
    return draft


class _Reader:
    """Reads the tables and then, knowing all ids, their rows."""

    def __init__(self, folder: Path, policy: PolicyFile | None, faults: list[RowFault]) -> None:
        self.folder = folder
        self.policy = policy
        self.faults = faults
        self.network = NetworkId(policy.policy.network if policy else "")
        self.tables = {file: self._table(file) for file in COLUMNS}
        # Rows with faults count too: who refers to them is not at fault.
        self.facilities = self._declared("facilities.csv", "id")
        self.services = self._declared("services.csv", "facility", "id")
        self.techniques = self._declared("techniques.csv", "list", "code")

    def _table(self, file: str) -> Table:
        path = self.folder / file
        if file != "facilities.csv" and not path.exists():
            return Table((), readable=True)
        table = read_table(path, *COLUMNS[file], self.faults)
        if file == "facilities.csv" and table.readable and not table.rows:
            self.faults.append(RowFault(file, 0, "", "has no facility under its header"))
            return Table((), readable=False)
        return table

    def _rows(self, file: str) -> Iterator[Row]:
        """Give the rows whose cells stand under their columns."""
        return (row for row in self.tables[file].rows if not row.shifted)

    def _declared(self, file: str, *columns: str) -> set[tuple[str, ...]] | None:
        """Return the keys of a file; None when it is unreadable, so that references are not checked."""
        table = self.tables[file]
        if not table.readable:
            return None
        return {tuple(row.text(column) for column in columns) for row in table.rows}

    def draft(self) -> NetworkDraft | None:
        facilities, memberships = self._facilities()
        services, capacities = self._services()
        affiliations = self._affiliations()
        techniques = self._techniques()
        approvals = self._approvals()
        links = self._links()
        if self.policy is None:
            return None
        rules = self.policy.policy
        return NetworkDraft(
            id=self.network,
            name=rules.name,
            prefix=rules.prefix,
            facilities=tuple(facilities),
            memberships=tuple(memberships),
            affiliations=tuple(affiliations),
            services=tuple(services),
            capacities=capacities,
            techniques=tuple(techniques),
            approvals=tuple(approvals),
            links=tuple(links),
            policy=rules,
            policy_mapping=self.policy.mapping,
            warnings=self._warnings(),
        )

    def _warnings(self) -> tuple[str, ...]:
        tables = self.policy.policy.unknown if self.policy else ()
        found = [f"{POLICY}: table [{name}] is unknown and has no effect" for name in sorted(tables)]
        found += [
            f"{path.name} is not a file of the import format and was not read"
            for path in sorted(self.folder.glob("*.csv"))
            if path.name not in COLUMNS
        ]
        return tuple(found)

    def _facilities(self) -> tuple[list[Facility], list[Membership]]:
        facilities, memberships = [], []
        seen: dict[Hashable, int] = {}
        for row in self._rows("facilities.csv"):
            row.require("id", "name", "tier", "lat", "lon")
            code = row.identifier("id")
            if code and code == self.network:
                row.fault("id", f"'{code}' is the id of the network itself")
            self._once(row, "id", code, seen)
            tier = row.choice("tier", Tier)
            latitude, longitude = row.number("lat", -90, 90), row.number("lon", -180, 180)
            facility = Facility(
                id=FacilityId(code),
                name=row.text("name"),
                name_en=row.optional("name_en"),
                level=row.choice("level", Level),
                points=row.integer("points", 0, MOST_POINTS),
                former_level=row.code("former_level"),
                landmass=row.code("landmass") or MAINLAND,
                latitude=float(latitude or 0),
                longitude=float(longitude or 0),
                active=row.yes_no("active", default=True),
                commune=row.optional("commune"),
                insurer_code=row.code("insurer_code"),
                position=row.optional("position"),
                phone=row.optional("phone"),
            )
            if row.faulty or tier is None:
                continue
            facilities.append(facility)
            memberships.append(
                Membership(self.network, facility.id, tier, code, valid_from=None, valid_to=None)
            )
        return facilities, memberships

    def _affiliations(self) -> list[Affiliation]:
        found = []
        seen: dict[Hashable, int] = {}
        for row in self._rows("affiliations.csv"):
            row.require("kind", "organization", "participating")
            kind = row.choice("kind", AffiliationKind)
            if kind is AffiliationKind.MEMBER:
                row.fault("kind", "'member' is what facilities.csv says of every facility")
            organization, participating = self._pair(row, "organization", "participating")
            start, end = row.period()
            self._once(row, "organization", (row.text("kind"), organization, participating, start), seen)
            needs = row.codes("needs")
            if row.faulty or kind is None:
                continue
            found.append(Affiliation(self.network, kind, organization, participating, needs, start, end))
        return found

    def _services(self) -> tuple[list[Service], dict[tuple[FacilityId, ServiceId], Capacity]]:
        services: list[Service] = []
        capacities: dict[tuple[FacilityId, ServiceId], Capacity] = {}
        seen: dict[Hashable, int] = {}
        for row in self._rows("services.csv"):
            row.require("facility", "id", "name")
            facility = self._facility(row, "facility")
            code = ServiceId(row.identifier("id"))
            self._once(row, "id", (facility, code), seen)
            youngest, oldest = row.integer("age_min", 0, OLDEST), row.integer("age_max", 0, OLDEST)
            if youngest is not None and oldest is not None and youngest > oldest:
                row.fault("age_max", f"{oldest} is less than age_min {youngest}")
            service = Service(
                id=code,
                facility=facility,
                name=row.text("name"),
                specialty=row.code("specialty"),
                age_min=youngest,
                age_max=oldest,
                sex=row.one_of("sex", SEXES),
                hours=row.optional("hours"),
            )
            status, free = row.choice("capacity", CapacityStatus), row.integer("free", 0, MOST_PLACES)
            if free is not None and not row.text("capacity"):
                row.fault("free", "free places need a capacity status beside them")
            if row.faulty:
                continue
            services.append(service)
            if status is not None:
                capacities[facility, code] = Capacity(status, free, as_of=None)
        return services, capacities

    def _techniques(self) -> list[Technique]:
        found = []
        seen: dict[Hashable, int] = {}
        for row in self._rows("techniques.csv"):
            row.require("list", "code", "name")
            # The list is part of the address of a code system.
            name, code = row.identifier("list"), row.code("code") or ""
            self._once(row, "code", (name, code), seen)
            technique = Technique(
                list=name,
                code=code,
                name=row.text("name"),
                name_en=row.optional("name_en"),
                chapter=row.optional("chapter"),
                level=row.one_of("level", TECHNIQUE_LEVELS),
            )
            if not row.faulty:
                found.append(technique)
        return found

    def _approvals(self) -> list[Approval]:
        """Return the approvals; without a service, an approval is for the whole facility."""
        found = []
        seen: dict[Hashable, int] = {}
        for row in self._rows("approvals.csv"):
            row.require("facility", "list", "technique")
            facility = self._facility(row, "facility")
            service = row.identifier("service")
            if service and self.services is not None and (facility, service) not in self.services:
                row.fault("service", f"services.csv has no '{service}' of '{facility}'")
            name, code = row.identifier("list"), row.code("technique") or ""
            if name and code and self.techniques is not None and (name, code) not in self.techniques:
                row.fault("technique", f"techniques.csv has no '{code}' in list '{name}'")
            start, end = row.period()
            self._once(row, "technique", (facility, service, name, code, start), seen)
            state = row.one_of("state", APPROVAL_STATES) or "approved"
            if row.faulty:
                continue
            found.append(
                Approval(
                    facility=facility,
                    service=ServiceId(service) if service else None,
                    list=name,
                    technique=code,
                    state=state,
                    valid_from=start,
                    valid_to=end,
                    decision=row.optional("decision"),
                )
            )
        return found

    def _links(self) -> list[Link]:
        found = []
        seen: dict[Hashable, int] = {}
        for row in self._rows("links.csv"):
            row.require("from", "to", "minutes", "kind")
            origin, destination = self._pair(row, "from", "to")
            kind = row.choice("kind", LinkKind)
            minutes = row.number("minutes", 0, LONGEST_LINK_MINUTES)
            if minutes == 0:
                row.fault("minutes", "a way takes more than 0 minutes")
            both_ways = row.yes_no("both_ways", default=True)
            new = self._once(row, "from", (origin, destination, row.text("kind")), seen)
            if new and both_ways and origin != destination:
                self._once(row, "to", (destination, origin, row.text("kind")), seen)
            source = row.optional("source")
            if row.faulty or kind is None or minutes is None:
                continue
            found.append(Link(self.network, origin, destination, minutes, kind, both_ways, source))
        return found

    def _facility(self, row: Row, column: str) -> FacilityId:
        code = row.identifier(column)
        if code and self.facilities is not None and (code,) not in self.facilities:
            row.fault(column, f"facilities.csv has no '{code}'")
        return FacilityId(code)

    def _pair(self, row: Row, first: str, second: str) -> tuple[FacilityId, FacilityId]:
        one, other = self._facility(row, first), self._facility(row, second)
        if one and one == other:
            row.fault(second, f"is the same facility as {first}")
        return one, other

    def _once(self, row: Row, column: str, key: Hashable, seen: dict[Hashable, int]) -> bool:
        """Tell whether the key is new; note a fault when a row before had it."""
        before = seen.setdefault(key, row.line)
        if before != row.line and row.text(column):
            row.fault(column, f"repeats line {before}")
        return before == row.line
