"""`referral migrate`."""

from pathlib import Path

import click

from referral.cli.database import data_option, open_database
from referral.settings import SettingsError
from referral.store.migrate import migrate as migrate_store


@click.command()
@data_option
@click.option(
    "--to",
    "revision",
    default="head",
    show_default=True,
    help="Revision of the schema, or steps: +1, -1. An earlier one takes tables away, and what is in them;"
    " `base` takes all.",
)
def migrate(data: Path, revision: str) -> None:
    """Bring the database to the schema of this version.

    Works as the role that owns the database: DATABASE_OWNER_URL beside DATABASE_URL. `serve` and
    `demo` do it by themselves where the database is their own.
    """
    with open_database(data) as database:
        if database.owner_dsn is None:
            raise SettingsError("DATABASE_OWNER_URL is not set: migrate works as the owner of the database")
        reached = migrate_store(database.owner_dsn, revision)
    click.echo(f"The database is at revision {reached}.")
