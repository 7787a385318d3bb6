"""The policy of a network as a TOML file (https://toml.io/en/v1.0.0)."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from math import isfinite
from pathlib import Path

from referral.actions.working_calendar import calendar_faults
from referral.domain.policy import Policy
from referral.domain.policy_reader import Fault, PolicyError, Reader
from referral.domain.policy_tables import read_calendar
from referral.exchange.csv_table import RowFault, is_clean, read_text, shown
from referral.fhir.primitives import ID

_LARGEST = 2_000_000
"""All codes of ICD-10 are a tenth of it."""


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """A policy and the JSON values it was made from, as they will be stored."""

    policy: Policy
    mapping: Mapping[str, object]


def read_policy(path: Path, faults: list[RowFault]) -> PolicyFile | None:
    """Read and check a policy; None, with every fault added to `faults`, when something is wrong.

    A fault's `column` is the path of the key (`pairs[0].from`). Dates become ISO texts before the
    policy is made, so that what is checked here is what is read again from JSON later.
    """
    if path.is_file() and path.stat().st_size > _LARGEST:
        faults.append(RowFault(path.name, 0, "", f"is larger than {_LARGEST // 1_000_000} MB"))
        return None
    text = read_text(path, faults)
    if text is None:
        return None
    try:
        content = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        # ValueError is also what Python says of an integer with thousands of digits.
        reason = "is nested too deeply" if isinstance(error, RecursionError) else f"is not TOML: {error}"
        faults.append(RowFault(path.name, 0, "", reason))
        return None
    before = len(faults)
    mapping = {
        key: _json_value(path.name, key, value, faults) for key, value in content.items() if is_clean(key)
    }
    if not all(is_clean(key) for key in content):
        faults.append(RowFault(path.name, 0, "", "has a key with a control character"))
    policy, found = _policy(mapping)
    found += calendar_faults(read_calendar(Reader(lenient=True), mapping))
    told = {fault.column for fault in faults[before:]}
    faults.extend(RowFault(path.name, 0, where, rule) for where, rule in found if where not in told)
    return None if policy is None or len(faults) > before else PolicyFile(policy, mapping)


def _policy(mapping: Mapping[str, object]) -> tuple[Policy | None, list[Fault]]:
    try:
        policy = Policy.from_mapping(mapping)
    except PolicyError as error:
        return None, list(error.faults)
    if ID.fullmatch(policy.network):
        return policy, []
    return policy, [("network.id", f"{shown(policy.network)} is not an id (1 to 64 of A-Z a-z 0-9 - .)")]


def _json_value(file: str, where: str, value: object, faults: list[RowFault]) -> object:
    """A value as JSON has it; what cannot be stored is told, and given so that the rest can be checked."""
    match value:
        case dict():
            if not all(is_clean(key) for key in value):
                faults.append(RowFault(file, 0, where, "has a key with a control character"))
            return {
                key: _json_value(file, f"{where}.{key}", inner, faults)
                for key, inner in value.items()
                if is_clean(key)
            }
        case list():
            return [_json_value(file, f"{where}[{at}]", inner, faults) for at, inner in enumerate(value)]
        case datetime() | date() | time():
            return value.isoformat()
        case float() if not isfinite(value):
            faults.append(RowFault(file, 0, where, "is not a finite number"))
        case str() if not is_clean(value):
            faults.append(RowFault(file, 0, where, "holds a control character"))
            return "".join(filter(is_clean, value))
        case _:
            pass
    return value
