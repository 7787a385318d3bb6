"""`referral client`: the systems that may ask for tokens."""

import asyncio
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import click
from rich import box
from rich.table import Table

from referral.actions.add_client import add_client, generate_keys, list_clients
from referral.cli.database import data_option, open_store
from referral.cli.errors import Refusal
from referral.cli.standard_output import standard_output
from referral.domain.actor import Client
from referral.domain.facility import FacilityId
from referral.store.pool import Store
from referral.store.suggestion import facilities_of_code


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
    asked = {"facility": facility, "name": name, "client_id": client_id, "scope": scope}
    if jwks is not None:
        added = asyncio.run(_add(data, _read(jwks), **asked))
        click.echo(f"{added.id} of {added.facility}")
        return
    private, public = generate_keys()
    with _new_file(out) as file:
        added = asyncio.run(_add(data, {"keys": [public]}, **asked))
        click.echo(json.dumps(private, indent=1), file=file)
    where = "" if out is None else f", its private key is in {out}"
    click.echo(f"{added.id} of {added.facility}{where}", err=out is None)


async def _add(data: Path, jwks: Mapping[str, object], **asked: Any) -> Client:
    async with open_store(data) as store:
        asked["facility"] = await _facility(store, asked["facility"])
        return await add_client(store, jwks=jwks, now=datetime.now(UTC), **asked)


async def _facility(store: Store, code: str) -> FacilityId:
    """The facility that a network's file calls so; else the text itself, which may be the id of an office."""
    async with store.reading(None) as connection:
        found = await facilities_of_code(connection, code, None)
    if len(found) > 1:
        raise Refusal(f"several networks have a facility {code}: name its id: {', '.join(found)}")
    return found[0] if found else FacilityId(code)


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


@contextmanager
def _new_file(path: Path | None) -> Iterator[IO[str]]:
    """A new file of the owner alone, gone again when the body fails; without a path standard output."""
    if path is None:
        yield sys.stdout
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            yield file
    except BaseException:
        path.unlink()
        raise
