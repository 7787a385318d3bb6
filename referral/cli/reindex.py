"""`referral reindex`."""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from referral.actions.reindex import reindex as index_again
from referral.cli.database import data_option, open_database, read_settings
from referral.settings import SettingsError
from referral.store.owner import as_owner

_EVERY = 10_000  # resources from line to line, where the progress is not shown on a terminal


@click.command()
@data_option
@click.option(
    "--base-url",
    help="The address that the service is ready on: what is written with it is its own."
    " [default: REFERRAL_BASE_URL]",
)
def reindex(data: Path, base_url: str | None) -> None:
    """Build what searches go by from all resources again.

    Needed once after an upgrade that says so; until then searches miss what the version before did not index.
    The service may run meanwhile. What was interrupted begins anew when it is called again. Works as the role
    that owns the database: DATABASE_OWNER_URL beside DATABASE_URL.
    """
    address = read_settings(base_url).base_url
    if address is None:
        raise SettingsError(
            "REFERRAL_BASE_URL is not set: name the address of the service, or give --base-url"
        )
    with open_database(data) as database:
        if database.owner_dsn is None:
            raise SettingsError("DATABASE_OWNER_URL is not set: reindex works as the owner of the database")
        database.migrate_own()
        done = asyncio.run(_reindex(database.owner_dsn, f"{address}/fhir"))
    click.echo(f"{done} resources are indexed.")


async def _reindex(owner_dsn: str, base: str) -> int:
    on_terminal = sys.stderr.isatty()
    told = 0

    def tell(done: int, total: int) -> None:
        nonlocal told
        if on_terminal:
            click.echo(f"\r{done} of {total}", err=True, nl=False)
        elif done // _EVERY > told // _EVERY:
            click.echo(f"{done} of {total}", err=True)
        told = done

    async with as_owner(owner_dsn) as connection:
        done = await index_again(connection, base=base, now=datetime.now(UTC), tell=tell)
    if on_terminal:
        click.echo("\r\033[K", err=True, nl=False)
    return done
