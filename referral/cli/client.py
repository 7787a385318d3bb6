"""`referral client`: the systems that may ask for tokens."""

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich import box
from rich.table import Table

from referral.actions.add_client import add_client, generate_keys, list_clients
from referral.cli.database import data_option, open_store
from referral.cli.errors import Refusal
from referral.cli.facility import find_facility
from referral.cli.new_file import new_file
from referral.cli.standard_output import standard_output
from referral.domain.actor import Client
from referral.domain.facility import FacilityId, NetworkId


@click.group()
def client() -> None:
    """Register the systems that may ask for tokens, and list them."""


@client.command()
@data_option
@click.option(
    "--facility",
    required=True,
    help="Whose system it is: its id, or its id in the network's file; a network's id: its office.",
)
@click.option("--network", help="Id of the network, where several have a facility of that id in their files.")
@click.option("--name", required=True, help="What people call the system.")
@click.option("--id", "client_id", help="Client id. [default: a random one]")
@click.option("--scope", default="system/*.cruds", show_default=True, help="SMART system scopes.")
@click.option(
    "--jwks", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="File with its public keys."
)
@click.option(
    "--generate", is_flag=True, help="Make a key for it; the private key is printed, and kept nowhere."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="With --generate: write the key to this new file.",
)
def add(
    *,
    data: Path,
    facility: str,
    network: str | None,
    name: str,
    client_id: str | None,
    scope: str,
    jwks: Path | None,
    generate: bool,
    out: Path | None,
) -> None:
    """Register a system of a facility: all it does is done by that facility."""
    if (jwks is None) != generate:
        raise click.UsageError("Give either --jwks or --generate.")
    if out is not None and not generate:
        raise click.UsageError("--out needs --generate.")
    of = (facility, None if network is None else NetworkId(network))
    asked = {"name": name, "client_id": client_id, "scope": scope}
    if jwks is not None:
        added = asyncio.run(_add(data, of, _read(jwks), **asked))
        click.echo(f"{added.id} of {added.facility}")
        return
    private, public = generate_keys()
    with new_file(out) as file:
        added = asyncio.run(_add(data, of, {"keys": [public]}, **asked))
        click.echo(json.dumps(private, indent=1), file=file)
    where = "" if out is None else f", its private key is in {out}"
    click.echo(f"{added.id} of {added.facility}{where}", err=out is None)


async def _add(
    data: Path, of: tuple[str, NetworkId | None], jwks: Mapping[str, object], **asked: Any
) -> Client:
    async with open_store(data) as store:
        async with store.reading(None) as connection:
            # An unknown one is refused with all else that is wrong.
            facility = await find_facility(connection, *of) or FacilityId(of[0])
        return await add_client(store, facility=facility, jwks=jwks, now=datetime.now(UTC), **asked)


@client.command("list")
@data_option
def list_all(data: Path) -> None:
    """List all registered systems with the ids of their keys."""
    table = Table("client", "facility", "name", "scope", "active", "keys", box=box.SIMPLE_HEAD)
    clients = asyncio.run(_list(data))
    for found in clients:
        keys = ", ".join(str(key["kid"]) for key in found.keys)
        table.add_row(
            found.id, found.facility, found.name, str(found.scope), "yes" if found.active else "no", keys
        )
    if not clients:
        click.echo("No client is registered.")
        return
    # Ids are there to be copied: a long row is for the terminal to wrap.
    standard_output(wide=True).print(table, soft_wrap=True)


async def _list(data: Path) -> tuple[Client, ...]:
    async with open_store(data) as store:
        return await list_clients(store)


def _read(path: Path) -> Mapping[str, object]:
    """A JWK Set. Raises Refusal for a file that is none."""
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise Refusal(f"{path} is not JSON") from error
    if not isinstance(found, dict):
        raise Refusal(f'{path} is not a JWK Set, {{"keys": [...]}}')
    return found
