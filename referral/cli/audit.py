"""`referral audit`: verify that nothing in it was changed, and export it."""

import asyncio
import getpass
import json
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import IO

import click

from referral.actions.export_audit import export_events, export_seals
from referral.actions.verify_audit import AuditReport, SealKey, verify_audit
from referral.cli.database import data_option, open_database, read_settings
from referral.cli.errors import Refusal
from referral.cli.new_file import new_file
from referral.settings import SettingsError
from referral.store.owner import OwnerConnection, as_owner

_BROKEN = 1
_day = click.DateTime(["%Y-%m-%d"])


@click.group()
def audit() -> None:
    """Verify that nothing in the audit was changed, and export it.

    Works as the role that owns the database, as migrate does: the service itself cannot read the audit.
    """


@audit.command()
@data_option
@click.option("--day", type=_day, help="Only the seals and rows of this day (UTC). [default: all]")
@click.option(
    "--seals",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Seals that `audit export --seals` wrote before: each must still be there.",
)
def verify(data: Path, day: datetime | None, seals: Path | None) -> None:
    """Compute the seals again; exit code 1, and what does not agree, where something was changed."""
    kept = _read_seals(seals) if seals is not None else None
    report = asyncio.run(_verify(data, day.date() if day else None, kept))
    for line in report.faults:
        click.echo(line)
    click.echo(f"{report.days} days, {report.seals} seals, {report.rows} rows sealed.")
    if report.unsealed:
        click.echo(
            f"{report.unsealed} rows are not sealed yet, since {report.unsealed_since:%Y-%m-%d %H:%M:%S} UTC."
        )
    if report.faults:
        sys.exit(_BROKEN)
    click.echo("Everything agrees.")


async def _verify(data: Path, day: date | None, kept: dict[SealKey, str] | None) -> AuditReport:
    async with _open_owner(data) as connection:
        return await verify_audit(connection, day, kept)


@audit.command()
@data_option
@click.option("--from", "first", type=_day, help="The first day (UTC). [default: the first there is]")
@click.option("--to", "last", type=_day, help="The last day (UTC), it too. [default: the last there is]")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A new file. [default: standard output]",
)
@click.option(
    "--seals",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the seals of these days to this new file, to be kept elsewhere: see `audit verify --seals`.",
)
def export(
    data: Path, first: datetime | None, last: datetime | None, output: Path | None, seals: Path | None
) -> None:
    """Write the audit as AuditEvents, one JSON object a line. The export itself is recorded.

    The events hold what was asked for, so names of patients too. Only the owner may read the files.
    """
    since = first.replace(tzinfo=UTC) if first else datetime(1970, 1, 1, tzinfo=UTC)
    # Without a bound: what a clock that was ahead has dated would be in no export until that day.
    until = last.replace(tzinfo=UTC) + timedelta(days=1) if last else datetime.max.replace(tzinfo=UTC)
    days = since.date(), last.date() if last else date.max
    with new_file(output) as events, new_file(seals) as chain:
        written = asyncio.run(
            _export(data, since, until, events, (chain, *days) if seals is not None else None)
        )
    click.echo(f"{written} events", err=True)


async def _export(
    data: Path, since: datetime, until: datetime, events: IO[str], seals: tuple[IO[str], date, date] | None
) -> int:
    site = read_settings().base_url or socket.gethostname()
    written = 0
    async with _open_owner(data) as connection:
        now, account = datetime.now(UTC), _account()
        async for line in export_events(connection, since, until, now=now, site=site, account=account):
            events.write(f"{line}\n")
            written += 1
        if seals is not None:
            chain, first, last = seals
            async for line in export_seals(connection, first, last):
                chain.write(f"{line}\n")
    return written


def _account() -> str:
    """Who runs this; the number of an account without a name, as a container may have."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


@asynccontextmanager
async def _open_owner(data: Path) -> AsyncIterator[OwnerConnection]:
    with open_database(data) as database:
        database.migrate_own()
        if database.owner_dsn is None:
            raise SettingsError(
                "DATABASE_OWNER_URL is not set: the audit is read as the owner of the database"
            )
        async with as_owner(database.owner_dsn) as connection:
            yield connection


def _read_seals(path: Path) -> dict[SealKey, str]:
    """Raises Refusal for a file that `export --seals` did not write."""
    try:
        entries = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        return {
            (date.fromisoformat(entry["day"]), int(entry["number"])): str(entry["hash"]) for entry in entries
        }
    except (ValueError, KeyError, TypeError) as error:
        raise Refusal(f"{path} is no file of seals") from error
