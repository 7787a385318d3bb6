"""`referral load` beside single creates over HTTP, in one run: python -m scripts.benchmark.load_rate"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any, Final

from referral.actions.import_network import import_network
from referral.embedded import EmbeddedPostgres
from referral.exchange.network_files import read_network
from referral.store.migrate import migrate
from referral.store.pool import Store
from scripts.benchmark.client import Requests, Slice, drive, http_request
from scripts.benchmark.seed import SENDER
from scripts.benchmark.stage import Systems, running, serve_command
from scripts.ports import reserved_ports

_CONNECTIONS: Final = 16
_OBSERVATIONS: Final = 4  # of each patient


def resources_of(start: int, count: int) -> Iterator[dict[str, Any]]:
    """So many resources with ids: patients, each with some observations after it."""
    for number in range(start, start + count):
        who = number // (_OBSERVATIONS + 1)
        if number % (_OBSERVATIONS + 1) == 0:
            yield {
                "resourceType": "Patient",
                "id": f"load-{who}",
                "identifier": [{"system": "urn:load:patient", "value": f"L{who:08d}"}],
                "name": [{"family": "Trần", "given": ["Thị", f"Mẫu {who}"]}],
                "gender": "female",
                "birthDate": f"19{who % 90 + 10}-05-04",
            }
        else:
            yield {
                "resourceType": "Observation",
                "id": f"load-{number}",
                "status": "final",
                "code": {"coding": [{"system": "http://loinc.org", "code": "8310-5"}], "text": "Temperature"},
                "subject": {"reference": f"Patient/load-{who}"},
                "effectiveDateTime": "2026-03-01T08:00:00+07:00",
                "valueQuantity": {
                    "value": 36.5,
                    "unit": "Cel",
                    "system": "http://unitsofmeasure.org",
                    "code": "Cel",
                },
            }


async def single_creates(systems: Systems, port: int, seconds: float) -> Slice:
    """POST of the same mixture, over so many connections, for so long."""
    await systems.sign_in()
    who = await systems.ask(SENDER, "POST", "Patient", next(resources_of(0, 1)))
    bodies = []
    for one in resources_of(0, _OBSERVATIONS + 1):
        del one["id"]
        if "subject" in one:
            one["subject"] = {"reference": f"Patient/{who['id']}"}
        bodies.append(one)
    token = systems.token(SENDER)
    asked = [
        http_request("POST", f"/fhir/{one['resourceType']}", token, json.dumps(one).encode())
        for one in bodies
    ]

    def make() -> Iterator[bytes]:
        while True:
            yield from asked

    return await drive(Requests(port, 201, make), _CONNECTIONS, seconds)


def load(data: Path, file: Path, base_url: str) -> float:
    """Seconds that the command takes, its start included."""
    begun = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "referral", "load", str(file), "--facility", SENDER, "--data", str(data)],
        env={**os.environ, "REFERRAL_BASE_URL": base_url},
        check=True,
    )
    return time.perf_counter() - begun


async def run(options: argparse.Namespace, postgres: EmbeddedPostgres, folder: Path) -> None:
    migrate(postgres.owner_dsn)
    with reserved_ports(1) as (port,):
        await _compare(options, postgres, folder, port)


async def _compare(options: argparse.Namespace, postgres: EmbeddedPostgres, folder: Path, port: int) -> None:
    systems = Systems(f"http://127.0.0.1:{port}")
    store = await Store.open(postgres.dsn, size=2)
    with resources.as_file(resources.files("referral.exchange").joinpath("networks", "haiphong")) as network:
        await import_network(store, read_network(network), datetime.now(UTC))
    await systems.add(store, [SENDER])
    await store.close()
    file = folder / "resources.ndjson"
    with file.open("w", encoding="utf-8") as lines:
        for one in resources_of(0, options.count):
            lines.write(json.dumps(one, ensure_ascii=False) + "\n")
    with running(serve_command(folder, port), f"{systems.base_url}/readyz", folder / "serve.log"):
        before = await single_creates(systems, port, options.seconds)
        seconds = await asyncio.to_thread(load, folder, file, systems.base_url)
        after = await single_creates(systems, port, options.seconds)
        again = await asyncio.to_thread(load, folder, file, systems.base_url)
    single, rate = (before.rate + after.rate) / 2, options.count / seconds
    told = f"{before.rate:.0f} and {after.rate:.0f} a second"
    print(f"single creates over HTTP, {_CONNECTIONS} connections: {told}")
    print(
        f"referral load of {options.count}: {seconds:.1f} s, {rate:.0f} a second: {rate / single:.2f} times"
    )
    print(f"the same again, nothing to do: {again:.1f} s, {options.count / again:.0f} a second")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="resources to load (100000)")
    parser.add_argument("--seconds", type=float, default=5.0, help="of single creates, before and after (5)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="referral-load-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with EmbeddedPostgres.open(folder) as postgres:
            asyncio.run(run(options, postgres, folder))


if __name__ == "__main__":
    main()
