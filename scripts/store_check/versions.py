"""Versions have no gap, and each has its change, its audit row and its event."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator

from referral.actions.draft import instant
from referral.domain.deadlines import ClockMove
from scripts.store_check.facts import Facts
from scripts.store_check.violation import Violation


def check_versions(facts: Facts) -> Iterator[Violation]:
    """`document_version` and `document` together hold 1..n of every resource, each once and as it says."""
    for (kind, name), versions in facts.versions.items():
        where = f"{kind}/{name}"
        numbers = [version.number for version in versions]
        if numbers != list(range(1, len(versions) + 1)):
            yield Violation("version-gap", where, f"the versions stored are {numbers}")
        if not versions[-1].newest:
            yield Violation("version-gap", where, f"version {numbers[-1]} is not in the table document")
        for version in versions:
            said = (kind, name, str(version.number), instant(version.at))
            if version.stamp != said:
                yield Violation("version-stamp", where, f"is {said}, and says {version.stamp}")


def check_records(facts: Facts) -> Iterator[Violation]:
    """One change row, one audit row and at least one event, of the same transaction, for each version."""
    written = {
        (*key, version.number): version for key, versions in facts.versions.items() for version in versions
    }
    for kind, rows in (("change", facts.changes), ("audit", facts.audits)):
        found = Counter((row["type"], row["id"], row["version"]) for row in rows)
        for (resource, name, number), times in found.items():
            if times > 1:
                yield Violation(f"{kind}-doubled", f"{resource}/{name}", f"version {number}: {times} rows")
        yield from _difference(kind, set(found), set(written))
    for row in facts.changes:
        version = written.get((row["type"], row["id"], row["version"]))
        where = f"{row['type']}/{row['id']}"
        deleted = version is not None and version.deleted
        kinds = {"delete"} if deleted else {"create", "put"} if row["version"] == 1 else {"update", "restore"}
        if row["kind"] not in kinds:
            yield Violation("change-kind", where, f"version {row['version']} is told as {row['kind']}")
        if version is not None and row["tx"] != version.tx:
            yield Violation("change-apart", where, f"version {row['version']} is of another transaction")
    yield from _check_events(facts, written)
    yield from _check_audits(facts)


def _difference(
    kind: str, found: set[tuple[str, str, int]], written: set[tuple[str, str, int]]
) -> Iterator[Violation]:
    for resource, name, number in sorted(written - found):
        yield Violation(f"{kind}-missing", f"{resource}/{name}", f"version {number} has no {kind} row")
    for resource, name, number in sorted(found - written):
        yield Violation(f"{kind}-unfounded", f"{resource}/{name}", f"there is no version {number}")


def _check_events(facts: Facts, written: Collection[tuple[str, str, int]]) -> Iterator[Violation]:
    told = {(row["type"], row["id"], row["version"], row["tx"]) for row in facts.events}
    for key, versions in facts.versions.items():
        for version in versions:
            if (*key, version.number, version.tx) not in told:
                where = "/".join(key)
                yield Violation("event-missing", where, f"no event tells of version {version.number}")
    for row in facts.events:
        if (row["type"], row["id"], row["version"]) not in written:
            text = f"{row['move']} tells of version {row['version']}, which is not there"
            yield Violation("event-unfounded", f"{row['type']}/{row['id']}", text)


def _check_audits(facts: Facts) -> Iterator[Violation]:
    """Every event of a move has an audit row of its transaction: who did it, by which system, when.

    The audit says what the host's clock said; where that was set back, events are later.
    """
    changed = defaultdict(set)
    for row in facts.changes:
        changed[row["tx"]].add((row["type"], row["id"], row["version"]))
    seen = {
        (row["type"], row["id"], row["version"]): (row["at"], (row["actor"], row["client"]))
        for row in facts.audits
    }
    for row in facts.events:
        if row["move"] in set(ClockMove):
            # Nobody did anything: nothing but what is owed has changed.
            continue
        rows = [seen[key] for key in changed[row["tx"]] if key in seen]
        if not any(at <= row["at"] and who == (row["facility"], row["client"]) for at, who in rows):
            text = f"no audit row of {row['move']} by {row['facility']}"
            yield Violation("audit-missing", f"{row['type']}/{row['id']}", text)
