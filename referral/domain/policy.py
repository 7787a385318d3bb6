"""The rules of one network: who refers to whom, how travel is estimated, limits and weights.

A policy is built from a mapping (the parsed `policy.toml`, or the same kept as JSON); only `[network]` is
required.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType

from referral.domain.codes import Priority
from referral.domain.facility import NetworkId, Tier, in_force

Fault = tuple[str, str]
"""Where in the mapping (`pairs[0].from`), and the rule that it breaks."""


class PolicyError(ValueError):
    """The mapping is no policy; `faults` lists everything that is wrong with it."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(f"{path}: {rule}" for path, rule in faults))


class Skipping(StrEnum):
    """Whether a pair may leave out the tiers between sender and target."""

    NEVER = "never"
    WHEN_NEXT_LEVEL_LACKS = "when-next-level-lacks"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class Pair:
    """A tier may refer to these tiers, from `valid_from` to `valid_to`; `source` is the text it rests on."""

    sender: Tier
    targets: frozenset[Tier]
    skipping: Skipping = Skipping.WHEN_NEXT_LEVEL_LACKS
    valid_from: date | None = None
    valid_to: date | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class TravelSettings:
    """How a road that nobody measured is estimated: great-circle distance x `detour` at `speed_kmh`."""

    detour: float = 1.4
    speed_kmh: float = 40.0


@dataclass(frozen=True, slots=True)
class Weights:
    """`travel` multiplies minutes of travel; `level` is minutes for each level above what is needed."""

    travel: Decimal = Decimal("1.0")
    level: Decimal = Decimal(30)


def default_pairs() -> tuple[Pair, ...]:
    """Step by step upwards, down to any lower tier, and between hospitals of one tier.

    A higher tier is open only when the next level lacks what is needed (the order of transfer of Circular
    14/2014/TT-BYT, article 5).
    """
    pairs = []
    for sender in Tier:
        lateral = sender is not Tier.STATION
        targets = frozenset(target for target in Tier if target is not sender or lateral)
        pairs.append(Pair(sender, targets))
    return tuple(pairs)


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of one network.

    `unknown` names what nothing reads: top-level tables, and keys of a stored policy (`travel.toll`).
    `slip` and `clocks` are kept as given.
    """

    network: NetworkId
    name: str
    prefix: str
    office: str | None = None
    pairs: tuple[Pair, ...] = field(default_factory=default_pairs)
    travel: TravelSettings = TravelSettings()
    limits: Mapping[Priority, Decimal] = field(default_factory=dict)
    weights: Weights = Weights()
    slip: Mapping[str, object] = field(default_factory=dict)
    clocks: Mapping[str, object] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, object]) -> "Policy":
        """Read a policy that a person wrote. Raises PolicyError with every fault at once."""
        return _Reader(lenient=False).policy(mapping)

    @classmethod
    def from_stored(cls, mapping: Mapping[str, object]) -> "Policy":
        """Read a policy that was imported, perhaps by a newer version: keys not known here go to `unknown`.

        Raises PolicyError for what cannot be read even so.
        """
        return _Reader(lenient=True).policy(mapping)

    def limit(self, priority: Priority) -> Decimal | None:
        """Longest travel in minutes for this priority; None when there is no limit."""
        return self.limits.get(priority)

    def permits(self, sender: Tier, target: Tier, on: date, *, next_level_lacks: bool) -> bool:
        """Tell whether a tier may refer to another on a day."""
        return self.refusal(sender, target, on, next_level_lacks=next_level_lacks) is None

    def skipping(self, sender: Tier, target: Tier, on: date) -> Skipping | None:
        """Give the most generous rule for the pair on that day; None when there is none."""
        rules = {
            pair.skipping
            for pair in self.pairs
            if pair.sender is sender
            and target in pair.targets
            and in_force(pair.valid_from, pair.valid_to, on)
        }
        generous_first = (Skipping.ALWAYS, Skipping.WHEN_NEXT_LEVEL_LACKS, Skipping.NEVER)
        return next((rule for rule in generous_first if rule in rules), None)

    def refusal(self, sender: Tier, target: Tier, on: date, *, next_level_lacks: bool) -> str | None:
        """Say in words why a tier may not refer to another on a day; None when it may.

        `next_level_lacks`: no facility of the tier right above the sender can do what is needed.
        """
        rule = self.skipping(sender, target, on)
        if rule is None:
            return f"policy: a {sender.label} does not refer to a {target.label}"
        skips = target.rank > sender.rank + 1
        if not skips or rule is Skipping.ALWAYS:
            return None
        if rule is Skipping.NEVER:
            return f"policy: a {sender.label} refers to a {target.label} only through the level between"
        if next_level_lacks:
            return None
        lacks = "only when the next level lacks the technique or service"
        return f"policy: a {sender.label} refers to a {target.label} {lacks}"


class _Reader:
    """Reads the tables one by one and collects faults, so that a person can mend all of them at once."""

    def __init__(self, *, lenient: bool) -> None:
        self.lenient = lenient
        self.faults: list[Fault] = []
        self.skipped: list[str] = []

    def policy(self, mapping: Mapping[str, object]) -> Policy:
        network = self.table(mapping, "network", ("id", "name", "prefix", "office"))
        if "network" not in mapping:
            self.faults.append(("network", "is required"))
            raise PolicyError(self.faults)
        policy = Policy(
            network=NetworkId(self.text(network, "network", "id") or ""),
            name=self.text(network, "network", "name") or "",
            prefix=self.prefix(network),
            office=self.text(network, "network", "office", required=False),
            pairs=self.pairs(mapping["pairs"]) if "pairs" in mapping else default_pairs(),
            travel=self.travel(mapping),
            limits=self.limits(mapping),
            weights=self.weights(mapping),
            slip=MappingProxyType(dict(self.table(mapping, "slip", None))),
            clocks=MappingProxyType(dict(self.table(mapping, "clocks", None))),
        )
        if self.faults:
            raise PolicyError(self.faults)
        tables = (name for name in mapping if name not in _TABLES)
        return replace(policy, unknown=(*tables, *self.skipped))

    def table(
        self, mapping: Mapping[str, object], name: str, keys: tuple[str, ...] | None
    ) -> Mapping[str, object]:
        return self.known(mapping.get(name, {}), name, keys)

    def known(self, value: object, path: str, keys: tuple[str, ...] | None) -> Mapping[str, object]:
        """Take a table with no other keys than these (None: any); lenient: others are skipped."""
        if not isinstance(value, Mapping):
            self.faults.append((path, "must be a table"))
            return {}
        others = [] if keys is None else [f"{path}.{key}" for key in value if key not in keys]
        if self.lenient:
            self.skipped += others
        else:
            self.faults += [(other, "is not known here") for other in others]
        return value

    def text(self, table: Mapping[str, object], path: str, key: str, *, required: bool = True) -> str | None:
        value = table.get(key)
        if value is None and not required:
            return None
        if isinstance(value, str) and value.strip():
            return value
        self.faults.append(
            (f"{path}.{key}", "is required" if value is None else "must be a text that is not empty")
        )
        return None

    def prefix(self, network: Mapping[str, object]) -> str:
        value = self.text(network, "network", "prefix")
        if value is not None and not re.fullmatch("[A-Z]{2}", value):
            self.faults.append(("network.prefix", "must be two capital letters A-Z"))
        return value or ""

    def number(
        self, table: Mapping[str, object], path: str, default: Decimal, *, zero: bool = False
    ) -> Decimal:
        """Take a positive number (zero too, where it means something)."""
        key = path.rpartition(".")[2]
        value = table.get(key, default)
        if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            number = Decimal(str(value))
            if number.is_finite() and (number > 0 or (zero and number == 0)) and number <= _LARGEST:
                return number
        least = "zero or more" if zero else "above zero"
        self.faults.append((path, f"must be a number, {least}, at most {_LARGEST}"))
        return default

    def day(self, table: Mapping[str, object], path: str, key: str) -> date | None:
        value = table.get(key)
        if value is None or type(value) is date:
            return value
        if isinstance(value, str):
            try:
                return date.fromisoformat(value)
            except ValueError:
                pass
        self.faults.append((f"{path}.{key}", "must be a date like 2025-07-01"))
        return None

    def travel(self, mapping: Mapping[str, object]) -> TravelSettings:
        table = self.table(mapping, "travel", ("detour", "speed_kmh"))
        usual = TravelSettings()
        return TravelSettings(
            detour=float(self.number(table, "travel.detour", Decimal(str(usual.detour)))),
            speed_kmh=float(self.number(table, "travel.speed_kmh", Decimal(str(usual.speed_kmh)))),
        )

    def limits(self, mapping: Mapping[str, object]) -> Mapping[Priority, Decimal]:
        table = self.table(mapping, "limits", tuple(Priority))
        none = Decimal(0)
        return MappingProxyType(
            {
                priority: self.number(table, f"limits.{priority}", none)
                for priority in Priority
                if priority.value in table
            }
        )

    def weights(self, mapping: Mapping[str, object]) -> Weights:
        table = self.table(mapping, "weights", ("travel", "level"))
        usual = Weights()
        return Weights(
            travel=self.number(table, "weights.travel", usual.travel, zero=True),
            level=self.number(table, "weights.level", usual.level, zero=True),
        )

    def pairs(self, value: object) -> tuple[Pair, ...]:
        if not isinstance(value, list | tuple):
            self.faults.append(("pairs", "must be a list of tables"))
            return ()
        return tuple(
            pair
            for index, entry in enumerate(value)
            if (pair := self.pair(entry, f"pairs[{index}]")) is not None
        )

    def pair(self, value: object, path: str) -> Pair | None:
        before = len(self.faults)
        table = self.known(value, path, ("from", "to", "skipping", "valid_from", "valid_to", "source"))
        if not isinstance(value, Mapping):
            return None
        sender = self.tier(table.get("from"), f"{path}.from")
        to = table.get("to")
        listed = [to] if isinstance(to, str) else to
        targets: list[Tier | None] = []
        if isinstance(listed, list | tuple) and listed:
            targets = [self.tier(target, f"{path}.to") for target in listed]
        else:
            self.faults.append((f"{path}.to", "must list at least one tier"))
        skipping = self.skipping(table, path)
        valid_from = self.day(table, path, "valid_from")
        valid_to = self.day(table, path, "valid_to")
        if valid_from is not None and valid_to is not None and valid_to < valid_from:
            self.faults.append((f"{path}.valid_to", "must not be before valid_from"))
        source = self.text(table, path, "source", required=False)
        if sender is None or len(self.faults) > before:
            return None
        known = frozenset(target for target in targets if target is not None)
        return Pair(sender, known, skipping, valid_from, valid_to, source)

    def tier(self, value: object, path: str) -> Tier | None:
        if isinstance(value, str) and value in tuple(Tier):
            return Tier(value)
        self.faults.append((path, f"must be one of {', '.join(Tier)}"))
        return None

    def skipping(self, table: Mapping[str, object], path: str) -> Skipping:
        value = table.get("skipping", Skipping.WHEN_NEXT_LEVEL_LACKS)
        if isinstance(value, str) and value in tuple(Skipping):
            return Skipping(value)
        self.faults.append((f"{path}.skipping", f"must be one of {', '.join(Skipping)}"))
        return Skipping.WHEN_NEXT_LEVEL_LACKS


_LARGEST = Decimal(1_000_000)
_TABLES = ("network", "pairs", "travel", "limits", "weights", "slip", "clocks")
