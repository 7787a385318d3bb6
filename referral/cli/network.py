"""`referral network`: import a network, or check its files first."""

import asyncio
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from referral.actions import import_network as action
from referral.actions.identify_facilities import joined_id
from referral.cli.database import data_option, open_store
from referral.cli.errors import Refusal
from referral.exchange.network_files import ImportFaults, NetworkDraft, RowFault, read_network

LINES_SHOWN: Final = 200


@click.group()
def network() -> None:
    """Import a network from a folder of CSV files and a policy.toml, or check it first."""


@network.command("import")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@data_option
def import_folder(folder: Path, data: Path) -> None:
    """Import the network in DIR: all of it or nothing. The same files again change nothing.

    What was edited over FHIR since is overwritten, and each overwrite is printed.
    """
    draft = _read(folder)
    _report(draft, asyncio.run(_run(draft, data, writes=True)), writes=True)


@network.command("check")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@data_option
def check_folder(folder: Path, data: Path) -> None:
    """Say what `import` would do with DIR, without writing."""
    draft = _read(folder)
    _report(draft, asyncio.run(_run(draft, data, writes=False)), writes=False)


def _read(folder: Path) -> NetworkDraft:
    try:
        return read_network(folder)
    except ImportFaults as faults:
        raise print_faults(faults.faults, folder, "nothing was imported") from faults


def print_faults(faults: Sequence[RowFault], where: Path, so: str) -> Refusal:
    """Print what is wrong with a file or folder, and give what ends the command."""
    _print_capped([_fault_line(fault) for fault in faults])
    return Refusal(f"{len(faults)} fault{'s' if len(faults) > 1 else ''} in {where}; {so}")


def _fault_line(fault: RowFault) -> str:
    place = fault.file + (f":{fault.line}" if fault.line else "")
    return f"{place}: {fault.column}: {fault.reason}" if fault.column else f"{place}: {fault.reason}"


def _print_capped(lines: list[str]) -> None:
    for line in lines[:LINES_SHOWN]:
        click.echo(line)
    if len(lines) > LINES_SHOWN:
        click.echo(f"and {len(lines) - LINES_SHOWN} more")


async def _run(draft: NetworkDraft, data: Path, *, writes: bool) -> action.ImportReport:
    async with open_store(data) as store:
        with _progress() as progress:
            does = action.import_network if writes else action.check_network
            return await does(store, draft, datetime.now(UTC), progress)


@contextmanager
def _progress() -> Iterator[action.Progress | None]:
    """A bar on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield None
        return
    columns = (TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        steps: dict[str, TaskID] = {}

        def show(step: str, done: int, total: int) -> None:
            if step not in steps:
                steps[step] = bar.add_task(step)
            bar.update(steps[step], completed=done, total=total)

        yield show


def _report(draft: NetworkDraft, report: action.ImportReport, *, writes: bool) -> None:
    for warning in report.warnings:
        click.echo(f"warning: {warning}")
    if report.overwrites:
        click.echo("Overwritten:" if writes else "Would be overwritten:")
        _print_capped([f"  {line}" for line in report.overwrites])
    click.echo(f"{draft.name} ({draft.id}): {len(draft.facilities)} facilities")
    click.echo(f"  {'':<13}{'new':>9}{'changed':>9}{'same':>9}{'ended':>9}")
    for kind, counts in report.counts.items():
        numbers = (counts.created, counts.updated, counts.unchanged, counts.removed)
        click.echo(f"  {kind:<13}" + "".join(f"{number:>9}" for number in numbers))
    _print_other_ids(draft, report)
    if not report.changed:
        click.echo("Nothing to change." if not writes else "Nothing changed.")


def _print_other_ids(draft: NetworkDraft, report: action.ImportReport) -> None:
    """Say how many Organizations do not have the file's id: the rule, and one by one what is beside it."""
    if not report.other_ids:
        return
    singular = len(report.other_ids) == 1
    differ = "1 Organization id differs" if singular else f"{len(report.other_ids)} Organization ids differ"
    click.echo(f"{differ} from the file's, where another network has that id: {draft.id}.<id>")
    others = {code: one for code, one in report.other_ids.items() if one != joined_id(draft.id, code)}
    if others:
        click.echo("Of these, not by that rule (known by the insurer's code, or too long):")
        _print_capped([f"  {code}: {one}" for code, one in others.items()])
