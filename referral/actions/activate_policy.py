"""Put a policy in force from a day on, as a new version: nothing is changed of those before it."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from referral.domain.audit import AuditAction
from referral.domain.calendar import rules_day
from referral.domain.errors import BrokenRule, NotFound, Problem
from referral.domain.facility import NetworkId
from referral.domain.policy import Policy
from referral.domain.policy_history import holding
from referral.domain.policy_reader import Fault
from referral.domain.policy_rules import Code
from referral.fhir.systems import technique_list
from referral.store.change_set import ChangeSet, apply_changes
from referral.store.network_import import lock_imports
from referral.store.policy import (
    find_network_names,
    find_policies,
    find_technique_codes,
    store_policy,
)
from referral.store.pool import Connection, Store

ACTIVATE_CLIENT: Final = "policy-activate"


@dataclass(frozen=True, slots=True)
class Activation:
    """What was (or would be) put in force. number: None where the same policy is in force already.

    replaces: the number of the version from the same day that counts no more.
    """

    network: NetworkId
    valid_from: date
    number: int | None
    replaces: int | None = None


async def activate_policy(
    store: Store, policy: Policy, mapping: Mapping[str, object], *, valid_from: date | None, now: datetime
) -> Activation:
    """Store the policy of a network as its next version.

    valid_from: None means the day that the policy itself names, else today. Raises NotFound for a network
    that was never imported, BrokenRule where the policy has another prefix, begins before the version of
    today did, or names techniques that no list has.
    """
    async with store.writing(policy.network) as connection:
        await lock_imports(connection)
        found = await decide(connection, policy, mapping, valid_from=valid_from, now=now)
        if found.number is None:
            return found
        await store_policy(
            connection, policy.network, mapping, valid_from=found.valid_from, now=now, by=ACTIVATE_CLIENT
        )
        audit = {
            "at": now,
            "actor": policy.network,
            "client": ACTIVATE_CLIENT,
            "action": AuditAction.ACTIVATE_POLICY,
            "details": {"policy": found.number, "valid_from": found.valid_from.isoformat()},
        }
        await apply_changes(connection, ChangeSet(audits=[audit]))
        return found


async def check_policy(
    store: Store, policy: Policy, mapping: Mapping[str, object], *, valid_from: date | None, now: datetime
) -> Activation:
    """Say what `activate_policy` would do, without writing. Raises the same."""
    async with store.reading(policy.network) as connection:
        return await decide(connection, policy, mapping, valid_from=valid_from, now=now)


async def decide(
    connection: Connection,
    policy: Policy,
    mapping: Mapping[str, object],
    *,
    valid_from: date | None,
    now: datetime,
    imported: Collection[tuple[str, str]] | None = None,
) -> Activation:
    """Say which version a policy becomes.

    imported: the techniques that an import is about to store with it, which may also bring another prefix.
    Raises as `activate_policy` does.
    """
    networks = await find_network_names(connection)
    if policy.network not in networks:
        raise NotFound(f"There is no network {policy.network}: import it first.")
    today = rules_day(now)
    begins = valid_from or policy.basis.valid_from or today
    stored = await find_policies(connection, policy.network)
    # Of that day and not of today: so what is planned for a day is taken back by the rules of today.
    now_on, then = holding(stored, today), holding(stored, begins)
    if then.mapping == json.loads(json.dumps(mapping)):
        return Activation(policy.network, begins, None)
    problems = [
        Problem(f"{path}: {rule}")
        for path, rule in await technique_faults(connection, policy, imported or ())
    ]
    prefix = networks[policy.network][1]
    if policy.prefix != prefix and imported is None:
        problems.append(Problem(f"network.prefix: is {prefix} in this network, for good"))
    # What is only planned holds nothing up: it begins on its day all the same.
    if now_on.valid_from is not None and begins < now_on.valid_from:
        after = f"version {now_on.number}, which began on {now_on.valid_from}"
        problems.append(Problem(f"version.valid_from: {begins} overlaps {after}"))
    if problems:
        raise BrokenRule(problems)
    same_day = then.number if then.valid_from == begins else None
    return Activation(policy.network, begins, stored[-1].number + 1, same_day)


async def technique_faults(
    connection: Connection, policy: Policy, techniques: Collection[tuple[str, str]] = ()
) -> list[Fault]:
    """Tell which techniques of the policy no list has: neither a stored one nor `techniques`."""
    named = [(f"lists[{at}].codes", one.codes) for at, one in enumerate(policy.lists)]
    named += [(f"recognition[{at}].codes", one.codes) for at, one in enumerate(policy.recognition)]
    wanted = [(path, one) for path, codes in named for code in codes if (one := _technique(code))]
    lists = {one[0] for _, one in wanted}
    if not lists:
        return []
    there = set(techniques) | await find_technique_codes(connection, lists)
    return sorted(
        {(path, f"no list {one[0]} has a technique {one[1]}") for path, one in wanted if one not in there}
    )


def _technique(code: Code) -> tuple[str, str] | None:
    name = technique_list(code[0])
    return None if name is None else (name, code[1])
