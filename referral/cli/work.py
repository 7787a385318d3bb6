"""`referral work`: the clocks of all referrals, in a process of their own."""

import asyncio
import signal
from datetime import UTC, datetime
from pathlib import Path

import click

from referral.actions.refresh_network import refresh_network, watch_network
from referral.app import configure_logging
from referral.cli.database import Database, data_option, open_database, read_settings
from referral.cli.errors import Refusal
from referral.cli.serve import close_store, run
from referral.cli.server import Stopping
from referral.delivery.clocks import Clocks, keep_clocks
from referral.embedded import has_cluster
from referral.network.snapshot import SnapshotHolder
from referral.settings import Settings, SettingsError
from referral.store.pool import Store


@click.command()
@data_option
@click.option(
    "--base-url",
    help="The address that the service is ready on: what is written with it is its own."
    " [default: REFERRAL_BASE_URL]",
)
def work(data: Path, base_url: str | None) -> None:
    """Run the clocks of all referrals until stopped, apart from `serve`.

    They warn, escalate, pass on and let lapse what is due, once, however many such processes and services
    run. A service with REFERRAL_WORK=apart runs none itself. SIGTERM and Ctrl-C let what is in flight finish.
    The log goes to standard error, one JSON object a line. A data directory without a database or a network
    is refused.
    """
    settings = read_settings(base_url)
    if settings.base_url is None:
        raise SettingsError(
            "REFERRAL_BASE_URL is not set: name the address of the service, or give --base-url"
        )
    # A worker serves what is there: of a name that was mistyped it would say that the clocks run.
    if settings.database_url is None and not has_cluster(data):
        raise Refusal(f"{data} holds no database: name the data directory of the service")
    configure_logging(settings.log_level)
    with open_database(data) as database:
        database.migrate_own()
        run(_work(database, f"{settings.base_url}/fhir", settings))


async def _work(database: Database, base: str, settings: Settings) -> None:
    stopping, asked = Stopping(), asyncio.Event()
    store = await Store.open(
        database.dsn, size=settings.pool_size, statement_seconds=settings.statement_seconds
    )
    try:
        snapshots = SnapshotHolder()
        await refresh_network(store, snapshots)
        if database.embedded is not None and not snapshots.current.policies:
            raise Refusal(
                "there is no network here whose clocks could run: import it first, or name another --data"
            )

        def stop() -> None:
            stopping.begin()
            asked.set()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop)
        clocks = Clocks(store, snapshots, base)
        works = [
            asyncio.create_task(watch_network(store, snapshots)),
            asyncio.create_task(keep_clocks(clocks, lambda: datetime.now(UTC), until=asked)),
        ]
        click.echo("the clocks run")
        await asked.wait()
        works[0].cancel()
        await asyncio.wait(works, timeout=stopping.seconds_left())
    finally:
        await close_store(store)
