"""`referral load`: many resources from files."""

import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from referral.actions.load_resources import LoadReport, Refused, load_resources
from referral.actions.new_id import new_id
from referral.api.errors import issues_of
from referral.api.services import LARGEST_BODY
from referral.cli.database import data_option, open_store, read_settings
from referral.cli.errors import Refusal
from referral.cli.facility import find_facility
from referral.cli.new_file import new_file
from referral.domain.facility import FacilityId, NetworkId
from referral.exchange.ndjson import read_lines
from referral.fhir import systems
from referral.fhir.content import write_content
from referral.fhir.outcome import operation_outcome
from referral.store.pool import Store

_TOLD_EVERY: Final = 10  # seconds, where there is no terminal


@click.command()
@click.argument(
    "files",
    metavar="FILE...",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
)
@data_option
@click.option(
    "--facility",
    required=True,
    help="On whose behalf: its id, or its id in the network's file; a network's id: its office.",
)
@click.option("--network", help="Id of the network, where several have a facility of that id in their files.")
@click.option(
    "--errors",
    type=click.Path(path_type=Path, dir_okay=False),
    help="New file for what is refused: an OperationOutcome a line. [default: standard output]",
)
def load(
    files: tuple[Path, ...], data: Path, facility: str, network: str | None, errors: Path | None
) -> None:
    """Load FHIR resources, one a line, by the rules of single creates and updates.

    A resource keeps its id; one without is given an id by its content. What is there already and the same is
    left alone, so the same command goes on where one was broken off. Lines that are refused are told, and
    the others are loaded.
    """
    started = time.monotonic()
    for path in files:
        if not path.is_file():
            raise Refusal(f"{path}: there is no such file")
    of = (facility, None if network is None else NetworkId(network))
    with ExitStack() as stack:
        file = stack.enter_context(new_file(errors))

        def refuse(refused: Refused) -> None:
            file.write(_outcome(refused) + "\n")

        report = asyncio.run(_load(files, data, of, refuse))
    seconds = time.monotonic() - started
    click.echo(
        f"{report.created} new, {report.updated} changed, {report.same} the same, {report.refused} refused,"
        f" in {seconds:.1f} s",
        err=errors is None,
    )
    if report.refused:
        where = f": see {errors}" if errors else ""
        raise Refusal(f"{report.refused} of {report.done} lines were refused{where}")


async def _load(
    files: tuple[Path, ...], data: Path, of: tuple[str, NetworkId | None], refuse: Callable[[Refused], None]
) -> LoadReport:
    settings = read_settings()
    async with open_store(data) as store:
        with _progress() as tell:
            return await load_resources(
                store,
                read_lines(files, LARGEST_BODY),
                facility=await _facility(store, *of),
                base=f"{settings.base_url}/fhir" if settings.base_url else systems.BASE,
                now=lambda: datetime.now(UTC),
                new_id=lambda: new_id(datetime.now(UTC)),
                attachments=settings.attachments,
                refuse=refuse,
                tell=tell,
            )


async def _facility(store: Store, code: str, network: NetworkId | None) -> FacilityId:
    async with store.reading(None) as connection:
        found = await find_facility(connection, code, network)
    if found is None:
        raise Refusal(f"there is no facility {code!r}" + (f" in {network}" if network else ""))
    return found


def _outcome(refused: Refused) -> str:
    """One line: what is wrong, and where."""
    where = refused.line.place + (f": {'/'.join(refused.key)}" if refused.key else "")
    issues = [
        (severity, code, f"{where}: {text}", expression)
        for severity, code, text, expression in issues_of(refused.error)
    ]
    return write_content(operation_outcome(issues)).decode()


@contextmanager
def _progress() -> Iterator[Callable[[LoadReport], None]]:
    """Counts on a terminal, a line now and then elsewhere."""
    if sys.stderr.isatty():
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True)) as bar:
            task = bar.add_task("load", total=None)
            yield lambda report: bar.update(task, completed=report.done, description=_counts(report))
        return
    told = time.monotonic()

    def tell(report: LoadReport) -> None:
        nonlocal told
        if time.monotonic() - told > _TOLD_EVERY:
            told = time.monotonic()
            click.echo(_counts(report), err=True)

    yield tell


def _counts(report: LoadReport) -> str:
    return f"{report.done} lines, {report.refused} refused"
