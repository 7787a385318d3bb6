"""A backup that was never restored is none: dump, destroy, restore, verify, as docs/operations.md says to.

The demo plays its referrals into a cluster; pg_dump writes it to a file as the owner of the database; the
cluster is removed. A new one, with roles and passwords of its own, gets the file by pg_restore. Then every
table and sequence is compared, the play goes once more on what was restored, by systems with their old keys,
and each old referral is read by its sender. All of it happens in a folder of its own, which is removed.
Exit code 0 when all is as it was, else 1.
"""

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import asyncpg
import click
import httpx
from rich import box
from rich.console import Console
from rich.table import Table

from referral.cli import cli
from referral.cli.credentials import FILE
from referral.cli.demo_system import System
from referral.embedded import EmbeddedError, EmbeddedPostgres
from referral.embedded.place import find_binaries
from referral.store.pool import SERVICE_ROLE
from scripts.ports import reserved_ports
from scripts.superuser import superuser_dsn

PATIENCE = 120  # seconds for one step; the whole takes about 15


class Check(NamedTuple):
    """One comparison: what was before, what is after, and whether that is right."""

    what: str
    before: str
    after: str
    right: bool


class Failed(Exception):
    """A step that could not be done; one line."""


class Held(NamedTuple):
    """What a database holds: of each table the rows and a digest of them, of each sequence its place."""

    tables: dict[str, str]
    sequences: dict[str, str]


class Referral(NamedTuple):
    """A stored referral."""

    number: str
    id: str
    sender: str
    content: str


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.parse_args(arguments)
    console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 110)
    began = time.monotonic()
    try:
        with reserved_ports(1) as (port,), tempfile.TemporaryDirectory(prefix="referral-drill-") as name:
            folder = Path(name)
            folder.chmod(0o755)  # the account of PostgreSQL reaches it, also when root drills
            checks = drill(folder, str(port), console)
    except (Failed, EmbeddedError, OSError, subprocess.TimeoutExpired, asyncpg.PostgresError) as failed:
        console.print(f"FAILED: {' '.join(str(failed).split())}")
        return 1
    table = Table("", "before", "after", "", box=box.SIMPLE_HEAD)
    for check in checks:
        table.add_row(check.what, check.before, check.after, "ok" if check.right else "WRONG")
    console.print(table)
    wrong = sum(not check.right for check in checks)
    console.print(f"{len(checks)} checks, {wrong} wrong, {time.monotonic() - began:.0f} s")
    return 1 if wrong else 0


def drill(folder: Path, port: str, console: Console) -> list[Check]:
    """The whole of it. Raises Failed.

    port: one for both services: the address of one that moves stays, and signed assertions name it.
    """
    old, new, dump = folder / "old", folder / "new", folder / "referral.dump"
    with EmbeddedPostgres.open(old) as server:
        with playing(old, port):
            console.print("played")
        mighty = superuser_dsn(old, server, "referral")
        before, referrals = asyncio.run(held(mighty)), asyncio.run(stored_referrals(mighty))
        postgresql("pg_dump", "--format=custom", f"--file={dump}", f"--dbname={server.owner_dsn}")
        console.print(f"dumped, {dump.stat().st_size // 1024} KiB")
    keys = (old / FILE).read_bytes()  # they are the systems' own, as in their vaults
    shutil.rmtree((old / "postgres").resolve())
    shutil.rmtree(old)
    console.print("destroyed")
    with EmbeddedPostgres.open(new) as server:
        mighty = superuser_dsn(new, server, "referral")
        # Roles are the cluster's: a dump does not hold them. The owner and the login role are there already.
        asyncio.run(execute(mighty, f"CREATE ROLE {SERVICE_ROLE} NOLOGIN"))
        asyncio.run(execute(mighty, f"GRANT {SERVICE_ROLE} TO referral_login"))
        options = ("--exit-on-error", "--single-transaction", f"--dbname={server.owner_dsn}")
        postgresql("pg_restore", *options, str(dump))
        console.print("restored")
        checks = [*compare(before, asyncio.run(held(mighty)))]
        if all(check.right for check in checks):
            (new / FILE).write_bytes(keys)
            checks += audit(new, "audit, as restored")
            with playing(new, port) as address:
                console.print("played on what was restored")
                checks.append(compare_keys(keys, (new / FILE).read_bytes()))
                checks += asyncio.run(compare_referrals(address, json.loads(keys), referrals))
            checks.append(compare_numbers(referrals, asyncio.run(stored_referrals(mighty))))
            checks += audit(new, "audit, gone on")
    return checks


# Steps ----------------------------------------------------------------------------------------------


@contextmanager
def playing(data: Path, port: str) -> Iterator[str]:
    """The play, and then the service, which goes on serving at the address."""
    command = [sys.executable, "-m", "referral", "demo", "--play", "--port", port, "--data", str(data)]
    with subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        impatient = threading.Timer(PATIENCE, process.kill)
        impatient.start()
        try:
            told = []
            for line in process.stdout or ():
                told.append(line)
                if line.startswith("Serving on "):
                    break
            else:
                raise Failed(f"the play: {''.join(told[-5:])}")
            yield f"http://127.0.0.1:{port}"
        finally:
            impatient.cancel()
            process.terminate()


def environment() -> dict[str, str]:
    """Ours, without what would lead to another database or address."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith(("DATABASE_", "REFERRAL_"))
    }


def postgresql(program: str, *options: str) -> None:
    """A client of the PostgreSQL that the service brings along."""
    command = [find_binaries(None) / program, *options]
    clean = {"PATH": os.defpath}
    done = subprocess.run(command, env=clean, capture_output=True, text=True, timeout=PATIENCE, check=False)
    if done.returncode != 0:
        raise Failed(f"{program}: {done.stderr.strip()}")


async def execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute(statement)
    await connection.close()


# What is looked at ----------------------------------------------------------------------------------


async def held(dsn: str) -> Held:
    connection = await asyncpg.connect(dsn)
    tables = {}
    for (name,) in await connection.fetch(
        "SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
        " AND relnamespace = 'public'::regnamespace ORDER BY 1"
    ):
        # The name is the catalogue's.
        lines = f"SELECT md5(t::text) AS line FROM {name} t"  # noqa: S608
        count, digest = await connection.fetchrow(
            f"SELECT count(*), coalesce(md5(string_agg(line, '' ORDER BY line)), '') FROM ({lines}) lines"  # noqa: S608
        )
        tables[name] = f"{count} rows {digest[:12]}"
    sequences = await connection.fetch(
        "SELECT sequencename, coalesce(last_value::text, 'unused') FROM pg_sequences"
        " WHERE schemaname = 'public'"
    )
    await connection.close()
    return Held(tables, dict(sequences))


async def stored_referrals(dsn: str) -> list[Referral]:
    connection = await asyncpg.connect(dsn)
    found = await connection.fetch(
        "SELECT r.number, r.id, r.sender, d.content::text FROM referral r"
        " JOIN document d ON d.type = 'ServiceRequest' AND d.id = r.id ORDER BY r.number"
    )
    await connection.close()
    return [Referral(*row) for row in found]


def compare(before: Held, after: Held) -> Iterator[Check]:
    for kind, was, now in (
        ("table", before.tables, after.tables),
        ("sequence", before.sequences, after.sequences),
    ):
        for name in sorted(was.keys() | now.keys()):
            first, second = was.get(name, "absent"), now.get(name, "absent")
            yield Check(f"{kind} {name}", first, second, first == second)


def compare_keys(before: bytes, after: bytes) -> Check:
    """`demo` gives a new key to a system whose old one the store does not know."""
    was, now = ([one["private_jwk"] for one in json.loads(file)["systems"]] for file in (before, after))
    return Check(
        "keys of systems", f"{len(was)}", f"{sum(one in now for one in was)} are still good", was == now
    )


async def compare_referrals(
    address: str, credentials: dict[str, list[dict[str, str]]], referrals: list[Referral]
) -> list[Check]:
    """Each as its sender reads it over FHIR."""
    checks = []
    by_facility = {one["facility"]: one for one in credentials["systems"]}
    async with httpx.AsyncClient(base_url=address, timeout=PATIENCE) as http:
        for old in referrals:
            system = System(http, by_facility[old.sender], f"{address}/oauth/token")
            read = await system.read("ServiceRequest", old.id)
            same = read == json.loads(old.content, parse_float=Decimal)
            checks.append(Check(f"referral {old.number}", "", "as it was" if same else "another", same))
    return checks


def compare_numbers(before: list[Referral], after: list[Referral]) -> Check:
    """New referrals have numbers beyond all old ones."""
    highest, known = before[-1].number, {old.id for old in before}
    new = [one.number for one in after if one.id not in known]
    right = bool(new) and min(new) > highest and len(set(new)) == len(new)
    return Check(
        "numbers of referrals", f"up to {highest}", f"{len(new)} from {min(new, default='-')}", right
    )


def audit(data: Path, what: str) -> Iterator[Check]:
    """The chain of the audit, where this version has one."""
    group = cli.get_command(click.Context(cli), "audit")
    if isinstance(group, click.Group) and group.get_command(click.Context(group), "verify"):
        command = [sys.executable, "-m", "referral", "audit", "verify", "--data", str(data)]
        done = subprocess.run(
            command, env=environment(), capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        said = (done.stdout + done.stderr).strip().splitlines()
        yield Check(what, "", said[-1] if said else "", done.returncode == 0)


if __name__ == "__main__":
    sys.exit(main())
