"""`referral demo`: the network of Hai Phong, and a play in which its facilities refer patients."""

import asyncio
import contextlib
import socket
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from referral.actions.import_network import import_network
from referral.app import configure_logging
from referral.cli.credentials import FILE, give_credentials
from referral.cli.database import Database, data_option, open_database, read_settings
from referral.cli.demo_system import Credentials
from referral.cli.scenario import StepFailed, play
from referral.cli.serve import DEFAULT_PORT, address_of, claim, listen, run, running
from referral.exchange.network_files import read_network
from referral.settings import Settings
from referral.store.migrate import migrate
from referral.store.pool import Store

_HOST = "127.0.0.1"
_PLAY_FAILED = 1
_STOPPED = 130


@click.command()
@data_option
@click.option(
    "--port", type=click.IntRange(0, 65535), default=DEFAULT_PORT, show_default=True, help="0: any free one."
)
@click.option(
    "--play", "playing", is_flag=True, help="Play the scenario over HTTP, then serve until stopped."
)
@click.option(
    "--once",
    is_flag=True,
    help="With --play: end after the scenario; exit code 1 names the step that failed.",
)
def demo(data: Path, port: int, playing: bool, once: bool) -> None:
    """Load the demo network of Hai Phong, and play a referral through it.

    Writes demo-credentials.json to the data directory: a client with its private key for every
    facility and for the network's office. May be repeated; keys that work are kept.
    """
    if once and not playing:
        raise click.UsageError("--once needs --play")
    if port == 0 and not playing:
        raise click.UsageError("--port 0 needs --play: the credentials name the port of a later serve")
    settings = read_settings()
    # A line for each request would bury the play; whoever wants them runs `serve`, or asks for debug.
    configure_logging("warning" if settings.log_level == "info" else settings.log_level)
    console = Console(highlight=False, soft_wrap=True)
    if not playing:
        with open_database(data) as database:
            run(_prepare(database, data, settings, settings.base_url or f"http://{_HOST}:{port}", console))
        return
    with listen(_HOST, port) as listener, open_database(data) as database:
        claim(database)
        status = run(_play(database, data, settings, listener, console, once=once))
    sys.exit(status)


async def _prepare(
    database: Database, data: Path, settings: Settings, base_url: str, console: Console
) -> Credentials:
    """Migrate, import the network and give credentials."""
    if database.owner_dsn is not None:
        migrate(database.owner_dsn)
    store = await Store.open(database.dsn, size=settings.pool_size)
    try:
        with (
            Console(stderr=True).status("Loading the network of Hai Phong"),
            resources.as_file(
                resources.files("referral.exchange").joinpath("networks", "haiphong")
            ) as folder,
        ):
            network = read_network(folder)
            await import_network(store, network, datetime.now(UTC))
            credentials = await give_credentials(store, network.id, data / FILE, base_url)
    finally:
        await store.close()
    console.print(
        f"{network.name}: {len(network.facilities)} facilities, a system for each and for the office."
    )
    console.print(f"Their keys are in {data / FILE}", markup=False)
    return credentials


async def _play(
    database: Database,
    data: Path,
    settings: Settings,
    listener: socket.socket,
    console: Console,
    *,
    once: bool,
) -> int:
    """Serve, play, and serve on; the exit code."""
    here = address_of(listener)
    base_url = settings.base_url or here
    credentials = await _prepare(database, data, settings, base_url, console)
    async with running(database, listener, base_url, settings) as serving:
        console.print(f"ready on {base_url}", markup=False)
        playing = asyncio.create_task(play(here, credentials, _Narrator(console)))
        await asyncio.wait({playing, serving}, return_when=asyncio.FIRST_COMPLETED)
        if not playing.done():
            playing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await playing
            return _STOPPED
        try:
            playing.result()
        except StepFailed as failed:
            console.print(Text(f"\nFAILED at the step: {failed.step}\n  {failed.what}", "bold red"))
            return _PLAY_FAILED
        console.print(Text("\nEvery step went as it should.", "bold green"))
        if not once:
            console.print(f"\nServing on {base_url}/fhir until stopped (Ctrl-C).", markup=False)
            await serving
    return 0


class _Narrator:
    """Tells the play on a console, or into a file or pipe just as readably."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._chapter = 0
        self._step = 0

    def chapter(self, title: str) -> None:
        """A heading with its number."""
        self._chapter += 1
        self._step = 0
        self._console.print(Text(f"\n{self._chapter}. {title}\n", "bold"))

    def step(self, text: str, facts: Sequence[str]) -> None:
        """A numbered sentence, and its facts below."""
        self._step += 1
        self._console.print(Text(f"{self._chapter}.{self._step:<3} {text}"))
        for fact in facts:
            self._console.print(Text(f"      {fact}", "dim"))
