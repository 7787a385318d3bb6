"""`referral suggest`."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

import click
from rich import box
from rich.console import Console
from rich.table import Column, Table

from referral.actions.refresh_network import refresh_network
from referral.actions.suggest_targets import suggest_targets
from referral.cli.database import data_option, open_store
from referral.cli.errors import Refusal
from referral.cli.facility import find_facility
from referral.cli.standard_output import standard_output
from referral.domain.codes import Direction, Priority
from referral.domain.facility import FacilityId, NetworkId, Technique
from referral.domain.suggestion import Need, Suggestion, Suggestions
from referral.fhir.suggestion import DEFAULT_COUNT, MAX_COUNT
from referral.network.snapshot import Snapshot, SnapshotHolder
from referral.store.pool import Connection, Store
from referral.store.suggestion import techniques_of_code

_REASON = 20
"""Narrowest column of reasons; on a terminal too narrow for that the rows wrap."""


def _words(codes: type[StrEnum]) -> click.Choice[str]:
    """The codes as they are written; click would take the names of the members."""
    return click.Choice([code.value for code in codes])


@click.command()
@data_option
@click.option(
    "--from",
    "sender",
    required=True,
    help="The facility that sends: its id, or its id in the network's file.",
)
@click.option("--technique", help="Code of the technique that the patient needs.")
@click.option("--list", "technique_list", help="List of that technique, where several have its code.")
@click.option("--specialty", help="Code of the specialty that the patient needs.")
@click.option("--priority", type=_words(Priority), default="routine", show_default=True)
@click.option("--direction", type=_words(Direction), help="Where to; without it any way.")
@click.option(
    "--network",
    help="Id of the network, where the sender has several, or several networks have such a sender.",
)
@click.option("--count", type=click.IntRange(1, MAX_COUNT), default=DEFAULT_COUNT, show_default=True)
@click.option("--excluded", is_flag=True, help="Also show who is ruled out, and by which rule.")
def suggest(
    *,
    data: Path,
    sender: str,
    technique: str | None,
    technique_list: str | None,
    specialty: str | None,
    priority: str,
    direction: str | None,
    network: str | None,
    count: int,
    excluded: bool,
) -> None:
    """Show where a patient could go now, the cheapest first; the minutes of a row add up to its cost."""
    if technique is None and technique_list is not None:
        raise click.UsageError("--list needs --technique.")
    need = Need(
        specialty=specialty,
        priority=Priority(priority),
        direction=None if direction is None else Direction(direction),
    )
    within = None if network is None else NetworkId(network)
    asyncio.run(_suggest(data, sender, (technique, technique_list), need, within, count, excluded))


async def _suggest(  # noqa: PLR0917 - passes on what the command was given
    data: Path,
    code: str,
    asked: tuple[str | None, str | None],
    need: Need,
    network: NetworkId | None,
    count: int,
    excluded: bool,
) -> None:
    async with open_store(data) as store:
        async with store.reading(None) as connection:
            sender = await _facility(connection, code, network)
            technique = await _technique(connection, *asked)
        if technique is not None:
            need = replace(need, technique=(technique.list, technique.code))
        snapshot = await _snapshot(store)
        found = await suggest_targets(
            store,
            snapshot,
            actor=sender,
            about=need,
            base="",
            on=datetime.now(UTC),
            network=network,
            count=count,
            with_excluded=excluded,
        )
    console = standard_output()
    what = "" if technique is None else f" for {technique.name} ({technique.code}, {technique.list})"
    console.print(f"From {_name(snapshot, sender)}{what}, {need.priority}:", soft_wrap=True)
    _print(console, snapshot, found, excluded)


async def _facility(connection: Connection, code: str, network: NetworkId | None) -> FacilityId:
    found = await find_facility(connection, code, network)
    if found is None:
        raise Refusal(f"there is no facility {code}")
    return found


async def _technique(
    connection: Connection, code: str | None, technique_list: str | None
) -> Technique | None:
    if code is None:
        return None
    found = await techniques_of_code(connection, code, technique_list)
    if not found:
        raise Refusal(
            f"there is no technique {code}" + (f" in the list {technique_list}" if technique_list else "")
        )
    if len(found) > 1:
        lists = ", ".join(technique.list for technique in found)
        raise Refusal(f"several lists have a technique {code}: name one with --list: {lists}")
    return found[0]


async def _snapshot(store: Store) -> Snapshot:
    holder = SnapshotHolder()
    await refresh_network(store, holder)
    return holder.current


def _name(snapshot: Snapshot, facility: FacilityId) -> str:
    found = snapshot.facility(facility)
    return facility if found is None else found.name


def _print(console: Console, snapshot: Snapshot, found: Suggestions, excluded: bool) -> None:
    if found.ranked:
        console.print(_ranked(snapshot, found.ranked), soft_wrap=True)
    else:
        console.print("No facility of the network can take this patient now.")
    if excluded:
        ruled_out = _facility_column("ruled out", [entry.target for entry in found.excluded])
        table = Table(ruled_out, Column("rule and why", min_width=_REASON), box=box.SIMPLE_HEAD)
        for entry in found.excluded:
            table.add_row(_labelled(snapshot, entry.target), entry.text)
        console.print(table, soft_wrap=True)


def _ranked(snapshot: Snapshot, ranked: tuple[Suggestion, ...]) -> Table:
    target = _facility_column("target", [suggestion.target for suggestion in ranked])
    table = Table("#", target, box=box.SIMPLE_HEAD)
    codes = [term.code for term in ranked[0].terms]
    for code in codes:
        table.add_column(f"{code} min", justify="right")
    table.add_column("= cost min", justify="right")
    table.add_column("because", min_width=_REASON)
    for rank, suggestion in enumerate(ranked, 1):
        minutes = [str(term.minutes) for term in suggestion.terms]
        reasons = "; ".join(term.text for term in suggestion.terms)
        label = _labelled(snapshot, suggestion.target)
        table.add_row(str(rank), label, *minutes, str(suggestion.cost), reasons)
    return table


def _facility_column(head: str, facilities: Sequence[FacilityId]) -> Column:
    """A column of names and ids that is never narrower than an id, so that each can be copied."""
    return Column(head, overflow="fold", min_width=max(map(len, facilities), default=0))


def _labelled(snapshot: Snapshot, facility: FacilityId) -> str:
    return f"{_name(snapshot, facility)}\n{facility}"
