"""Lists of codes, which may include each other by name."""

from collections.abc import Mapping
from dataclasses import dataclass

from referral.domain.facility import Level, Tier
from referral.domain.policy_reader import Reader, Table
from referral.domain.policy_rules import ICD_10, Basis, Code, CodeList, ListKind
from referral.domain.policy_tables import KEYS, read_codes, read_place


@dataclass(frozen=True, slots=True)
class _Entry:
    """A list as it is written: its own codes, and the names of those it includes."""

    path: str
    kind: ListKind
    codes: frozenset[Code]
    include: frozenset[str]
    to: Tier | Level | None
    name: str | None
    text: str | None
    basis: Basis


def read_lists(reader: Reader, mapping: Table) -> tuple[CodeList, ...]:
    """Take the lists, each with the codes of those it includes; a circle of them is a fault."""
    entries = [
        entry
        for path, table in reader.tables(mapping, "lists", KEYS["lists"])
        if (entry := _entry(reader, table, path)) is not None
    ]
    named: dict[str, _Entry] = {}
    for entry in entries:
        if entry.name is not None and named.setdefault(entry.name, entry) is not entry:
            reader.fault(f"{entry.path}.name", f"is that of {named[entry.name].path}")
    found = []
    for entry in entries:
        codes = _with_included(reader, entry, named)
        if codes and entry.basis.source is None:
            reader.fault(f"{entry.path}.source", "is required: a list without a source has no codes")
        found.append(CodeList(entry.kind, codes, entry.to, entry.name, entry.text, entry.basis))
    return tuple(found)


def _entry(reader: Reader, table: Table, path: str) -> _Entry | None:
    kind = reader.choice(table.get("kind"), f"{path}.kind", ListKind)
    codes = read_codes(reader, table, path, ICD_10)
    include = reader.texts(table, path, "include")
    to, basis = read_place(reader, table, path), reader.basis(table, path)
    name, text = reader.text(table, path, "name"), reader.text(table, path, "text")
    if kind is None:
        return None
    takes = kind in {ListKind.STRAIGHT_TO_LEVEL, ListKind.DOWN_REFERRAL}
    if kind is ListKind.STRAIGHT_TO_LEVEL and "to" not in table:
        reader.fault(f"{path}.to", "is required: the tier or level that may be gone to")
    elif "to" in table and not takes:
        reader.fault(f"{path}.to", f"means nothing in a list of kind {kind}")
    return _Entry(path, kind, codes, include, to, name, text, basis)


def _with_included(reader: Reader, start: _Entry, named: Mapping[str, _Entry]) -> frozenset[Code]:
    """Give the codes of a list and of all that it includes; told is what the list itself includes wrongly."""
    codes, seen, waiting = set(start.codes), {start.path}, [start]
    while waiting:
        entry = waiting.pop()
        for name in sorted(entry.include):
            included = named.get(name)
            if included is None:
                if entry is start:
                    reader.fault(f"{start.path}.include", f"there is no list named {name[:60]!r}")
            elif included is start:
                reader.fault(f"{start.path}.include", f"is a circle: {name[:60]!r} includes itself")
            elif included.path not in seen:
                seen.add(included.path)
                codes |= included.codes
                waiting.append(included)
    return frozenset(codes)
