"""Reads values of a policy one by one and collects what is wrong, so that all can be mended at once."""

import re
from collections.abc import Collection, Iterator, Mapping
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar

from referral.domain.policy_rules import Basis

Fault = tuple[str, str]
"""Where in the mapping (`pairs[0].from`), and the rule that it breaks."""

Table = Mapping[str, object]
Choice = TypeVar("Choice", bound=StrEnum)

BASIS = ("source", "date", "valid_from", "valid_to")
"""The keys of every rule that has a basis."""

_LARGEST = Decimal(1_000_000)
_MOST_TABLES = 1000


class PolicyError(ValueError):
    """The mapping is no policy; `faults` lists everything that is wrong with it."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(f"{path}: {rule}" for path, rule in faults))


class Reader:
    """Takes values out of tables. lenient: a key that is not known is skipped, else it is a fault.

    A value that is wrong is told, and something of its type given in its place.
    """

    def __init__(self, *, lenient: bool) -> None:
        self.lenient = lenient
        # A dictionary, because a fault is told once and there may be very many.
        self._faults: dict[Fault, None] = {}
        self.skipped: list[str] = []

    def fault(self, path: str, rule: str) -> None:
        """Remember what is wrong, and where."""
        self._faults[path, rule] = None

    @property
    def faults(self) -> list[Fault]:
        """What is wrong, in the order in which it was found."""
        return list(self._faults)

    def table(self, value: object, path: str, keys: Collection[str]) -> Table:
        """Take a table with no other keys than these; lenient: others are skipped."""
        if not isinstance(value, Mapping):
            self.fault(path, "must be a table")
            return {}
        for other in (f"{path}.{key}" for key in value if key not in keys):
            if self.lenient:
                self.skipped.append(other)
            else:
                self.fault(other, "is not known here")
        return value

    def tables(self, mapping: Table, name: str, keys: Collection[str]) -> Iterator[tuple[str, Table]]:
        """Take a list of tables, each with its path."""
        value = mapping.get(name, ())
        if not isinstance(value, list | tuple):
            self.fault(name, "must be a list of tables")
            return
        if len(value) > _MOST_TABLES:
            self.fault(name, f"has more than {_MOST_TABLES} entries")
            return
        for index, entry in enumerate(value):
            path = f"{name}[{index}]"
            table = self.table(entry, path, keys)
            if isinstance(entry, Mapping):
                yield path, table

    def text(self, table: Table, path: str, key: str) -> str | None:
        """Take a text that may be absent."""
        value = table.get(key)
        if value is None or (isinstance(value, str) and value.strip()):
            return value
        self.fault(f"{path}.{key}", "must be a text that is not empty")
        return None

    def required_text(self, table: Table, path: str, key: str) -> str:
        """Take a text that must be there."""
        if table.get(key) is None:
            self.fault(f"{path}.{key}", "is required")
        return self.text(table, path, key) or ""

    def number(self, table: Table, path: str, key: str, usual: Decimal, *, zero: bool = False) -> Decimal:
        """Take a positive number (zero too, where it means something)."""
        value = table.get(key, usual)
        if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            number = Decimal(str(value))
            if number.is_finite() and (number > 0 or (zero and number == 0)) and number <= _LARGEST:
                return number
        least = "zero or more" if zero else "above zero"
        self.fault(f"{path}.{key}", f"must be a number, {least}, at most {_LARGEST}")
        return usual

    def whole(self, table: Table, path: str, key: str, usual: int, *, between: tuple[int, int]) -> int:
        """Take a whole number that lies between two, or is one of them."""
        least, most = between
        value = table.get(key, usual)
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        self.fault(f"{path}.{key}", f"must be a whole number from {least} to {most}")
        return usual

    def yes_no(self, table: Table, path: str, key: str) -> bool:
        """Take true or false; false where absent."""
        value = table.get(key, False)
        if not isinstance(value, bool):
            self.fault(f"{path}.{key}", "must be true or false")
        return value is True

    def day(self, value: object, path: str) -> date | None:
        """Take a date that may be absent."""
        if value is None or type(value) is date:
            return value
        if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII):
            try:
                return date.fromisoformat(value)
            except ValueError:
                pass
        self.fault(path, "must be a date like 2025-07-01")
        return None

    def days(self, table: Table, path: str, key: str) -> frozenset[date]:
        """Take a list of dates."""
        found = (self.day(value, f"{path}.{key}") for value in self.listed(table, path, key))
        return frozenset(day for day in found if day is not None)

    def listed(self, table: Table, path: str, key: str) -> list[object]:
        """Take a list, or one text as a list of one; nothing where absent."""
        value = table.get(key, [])
        if isinstance(value, str):
            return [value]
        if isinstance(value, list | tuple):
            return list(value)
        self.fault(f"{path}.{key}", "must be a list")
        return []

    def choice(self, value: object, path: str, of: type[Choice]) -> Choice | None:
        """Take one of the codes of an enumeration."""
        if isinstance(value, str) and value in tuple(of):
            return of(value)
        self.fault(path, f"must be one of {', '.join(of)}")
        return None

    def choices(self, table: Table, path: str, key: str, of: type[Choice]) -> tuple[Choice, ...]:
        """Take codes of an enumeration, each once, in their order there."""
        found = {self.choice(value, f"{path}.{key}", of) for value in self.listed(table, path, key)}
        return tuple(one for one in of if one in found)

    def texts(self, table: Table, path: str, key: str) -> frozenset[str]:
        """Take texts that are not empty."""
        found = set()
        for value in self.listed(table, path, key):
            if isinstance(value, str) and value.strip():
                found.add(value)
            else:
                self.fault(f"{path}.{key}", "must list texts that are not empty")
        return frozenset(found)

    def basis(self, table: Table, path: str) -> Basis:
        """Take where a rule is from, and when it holds."""
        valid_from = self.day(table.get("valid_from"), f"{path}.valid_from")
        valid_to = self.day(table.get("valid_to"), f"{path}.valid_to")
        if valid_from is not None and valid_to is not None and valid_to < valid_from:
            self.fault(f"{path}.valid_to", "must not be before valid_from")
        return Basis(
            source=self.text(table, path, "source"),
            dated=self.day(table.get("date"), f"{path}.date"),
            valid_from=valid_from,
            valid_to=valid_to,
        )
