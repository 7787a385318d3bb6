"""`referral policy`: the rules of a network, in force, in a file, and what lies between the two."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import click

from referral.actions import activate_policy as action
from referral.cli.database import data_option, open_store
from referral.cli.errors import Refusal
from referral.cli.network import print_faults
from referral.cli.policy_lines import difference, policy_lines
from referral.domain.calendar import rules_day
from referral.domain.errors import BrokenRule, PolicyUnreadable
from referral.domain.facility import NetworkId
from referral.domain.policy_advice import hardly_meant
from referral.domain.policy_history import PolicyHistory, PolicyVersion
from referral.exchange.csv_table import RowFault
from referral.exchange.policy_file import PolicyFile, read_policy
from referral.store.policy import StoredPolicy, find_network_names, find_policies

network_option = click.option("--network", help="Id of the network; needed where there are several.")
day_option = click.DateTime(["%Y-%m-%d"])
file_argument = click.argument("file", metavar="FILE", type=click.Path(path_type=Path))


@click.group()
def policy() -> None:
    """The rules of a network: show them, check or compare a policy.toml, put it in force."""


@policy.command()
@data_option
@network_option
@click.option("--on", "day", type=day_option, help="The rules that hold on this day; without it, today's.")
@click.option("--number", type=int, help="This version, in force or not.")
def show(data: Path, network: str | None, day: datetime | None, number: int | None) -> None:
    """Show every rule with its source and its days, and which lists are absent."""
    stored = asyncio.run(_stored(data, network))
    on = day.date() if day else _today()
    history = _history(stored)
    shown = _numbered(history, number) if number is not None else _on(history, on)
    for line in _versions(stored, history, on):
        click.echo(line)
    click.echo(f"Version {shown.number}:")
    for line in policy_lines(shown.policy):
        click.echo(f"  {line}")


@policy.command()
@data_option
@file_argument
@click.option("--from", "begins", type=day_option, help="The day from which it is to hold.")
def check(data: Path, file: Path, begins: datetime | None) -> None:
    """Say what `activate` would do with FILE, without writing."""
    read = _read(file)
    _report(read, asyncio.run(_run(data, read, begins, writes=False)), writes=False)


@policy.command()
@data_option
@file_argument
@click.option("--from", "begins", type=day_option, help="The day from which it is to hold.")
def activate(data: Path, file: Path, begins: datetime | None) -> None:
    """Put the policy in FILE in force: from the day it names, or that of --from, or today.

    The versions before it stay as they are, and hold for the referrals of their days.
    """
    read = _read(file)
    _report(read, asyncio.run(_run(data, read, begins, writes=True)), writes=True)


@policy.command()
@data_option
@network_option
@click.argument("first", metavar="FILE|NUMBER")
@click.argument("second", metavar="[FILE|NUMBER]", required=False)
def diff(data: Path, network: str | None, first: str, second: str | None) -> None:
    """Show which rules differ between two policies: files, or numbers of stored versions.

    With one of them alone, between what is in force today and that one.
    """
    read = {word: _read(Path(word)) for word in (first, second) if word and not word.isdecimal()}
    named = network or next((found.policy.network for found in read.values()), None)
    stored: list[StoredPolicy] = []
    if second is None or len(read) < len({first, second}):
        stored = asyncio.run(_stored(data, named))

    def lines(word: str) -> list[str]:
        found = read[word].policy if word in read else _numbered(_history(stored), int(word)).policy
        return policy_lines(found)

    before = lines(first) if second else policy_lines(_on(_history(stored), _today()).policy)
    found = difference(before, lines(second or first))
    for line in found:
        click.echo(line)
    if not found:
        click.echo("No rule differs.")


def _read(file: Path) -> PolicyFile:
    faults: list[RowFault] = []
    found = read_policy(file, faults)
    if found is None:
        raise print_faults(faults, file, "nothing was changed")
    for name in sorted(found.policy.unknown):
        click.echo(f"warning: {file.name}: table [{name}] is unknown and has no effect")
    return found


async def _run(data: Path, file: PolicyFile, begins: datetime | None, *, writes: bool) -> action.Activation:
    does = action.activate_policy if writes else action.check_policy
    async with open_store(data) as store:
        try:
            return await does(
                store,
                file.policy,
                file.mapping,
                valid_from=begins.date() if begins else None,
                now=datetime.now(UTC),
            )
        except BrokenRule as broken:
            for problem in broken.problems:
                click.echo(problem.text)
            raise Refusal("the policy does not fit the network; nothing was changed") from broken


def _report(read: PolicyFile, found: action.Activation, *, writes: bool) -> None:
    for told in hardly_meant(read.policy, found.valid_from):
        click.echo(f"warning: {told}")
    if found.number is None:
        click.echo(f"{found.network}: these rules are in force from that day already; nothing to change.")
        return
    begins = "begins" if writes else "would begin"
    click.echo(f"{found.network}: version {found.number} {begins} on {found.valid_from}.")
    if found.valid_from < _today():
        click.echo("Referrals that were written since that day are judged by it too.")
    if found.replaces is not None:
        click.echo(
            f"Version {found.replaces}, from the same day, {'counts' if writes else 'would count'} no more."
        )


async def _stored(data: Path, network: str | None) -> list[StoredPolicy]:
    async with open_store(data) as store, store.reading(None) as connection:
        networks = await find_network_names(connection)
        if network is None and len(networks) > 1:
            raise Refusal(f"there are several networks: name one with --network ({', '.join(networks)})")
        if not networks or (network is not None and network not in networks):
            raise Refusal(f"there is no network {network}" if network else "there is no network yet")
        return await find_policies(connection, NetworkId(network) if network else next(iter(networks)))


def _history(stored: Sequence[StoredPolicy]) -> PolicyHistory:
    return PolicyHistory.from_stored((one.number, one.valid_from, one.mapping) for one in stored)


def _on(history: PolicyHistory, day: date) -> PolicyVersion:
    try:
        return history.version_on(day)
    except PolicyUnreadable as error:
        told = "; ".join(f"{path}: {rule}" for one in history.unread for path, rule in one.faults)
        raise Refusal(f"{error} What is wrong with it: {told}") from error


def _numbered(history: PolicyHistory, number: int) -> PolicyVersion:
    found = next((one for one in history.versions if one.number == number), None)
    unread = next((one for one in history.unread if one.number == number), None)
    if unread is not None:
        told = "; ".join(f"{path}: {rule}" for path, rule in unread.faults)
        raise Refusal(f"version {number} is one that this version of the program cannot read: {told}")
    if found is None:
        raise Refusal(
            f"there is no version {number}: there are 1 to {len(history.versions) + len(history.unread)}"
        )
    return found


def _versions(stored: Sequence[StoredPolicy], history: PolicyHistory, on: date) -> list[str]:
    holds = history.number_on(on)
    last = {one.valid_from: one.number for one in stored}
    lines = []
    for one in stored:
        state = f"in force on {on}" if one.number == holds else ""
        if last[one.valid_from] != one.number:
            state = f"replaced by {last[one.valid_from]}"
        begins = one.valid_from or "the beginning"
        kept = f"stored {one.stored_at:%Y-%m-%d %H:%M} by {one.stored_by}"
        lines.append(f"Version {one.number} from {begins}, {kept}{f', {state}' if state else ''}")
    return lines


def _today() -> date:
    return rules_day(datetime.now(UTC))
