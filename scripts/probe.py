"""How fast the service reads and places referrals, as a ratio to a bare floor beside it.

The floor is FastAPI with one asyncpg statement: it reads one row by its id, or inserts one row of 2 KB jsonb.
Both run with one worker on one PostgreSQL with fsync, both are asked by the same client, in turns, over
loopback. A ratio says more than a figure: a slower machine slows both. This is a probe and no benchmark.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import httpx
import uvicorn
import uvloop
from fastapi import FastAPI, Request, Response
from joserfc import jwt
from joserfc.jwk import ECKey

from referral.actions.add_client import add_client, generate_keys
from referral.actions.import_network import import_network
from referral.domain.facility import FacilityId
from referral.embedded import EmbeddedPostgres
from referral.exchange.network_files import read_network
from referral.store.migrate import migrate
from referral.store.pool import Store

TARGETS = ("kien-an-hospital", "tien-lang-medical-centre", "an-lao-medical-centre")
STATION = "kien-hai-health-station"
TECHNIQUE = {
    "system": "http://referral.example/fhir/CodeSystem/technique-qd4440-2020",
    "code": "03.3327.0459",
}
CONNECTIONS = (1, 16)
ROUNDS = 3
BODY_BYTES = 2000
JSON = "application/fhir+json"


class Work(NamedTuple):
    """One kind of request to one server: `ask` makes method, path and body, `status` is what must come."""

    port: int
    status: int
    ask: Callable[[], tuple[str, str, bytes]]


# The floor ------------------------------------------------------------------------------------------


def floor(dsn: str, port: int) -> None:
    """Serve the floor until stopped."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.pool = await asyncpg.create_pool(dsn, min_size=1, max_size=10)
        yield
        await app.state.pool.close()

    app = FastAPI(lifespan=lifespan)

    @app.get("/floor/{row}")
    async def read(row: str) -> Response:
        found = await app.state.pool.fetchval("SELECT content::text FROM floor WHERE id = $1", row)
        return Response(found, media_type=JSON)

    @app.post("/floor")
    async def insert(request: Request) -> Response:
        body = (await request.body()).decode()
        await app.state.pool.execute("INSERT INTO floor VALUES ($1, $2)", str(uuid.uuid4()), body)
        return Response(body, 201, media_type=JSON)

    uvicorn.run(app, port=port, http="httptools", access_log=False)


# The client -----------------------------------------------------------------------------------------


async def drive(work: Work, token: str, connections: int, seconds: float) -> float:
    """Requests per second over so many connections, each with one request at a time."""
    end = time.perf_counter() + seconds
    return sum(await asyncio.gather(*(_one(work, token, end) for _ in range(connections)))) / seconds


async def _one(work: Work, token: str, end: float) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", work.port)
    count = 0
    with contextlib.closing(writer):
        while time.perf_counter() < end:
            method, path, body = work.ask()
            head = (
                f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
                f"Content-Type: {JSON}\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            writer.write(head.encode() + body)
            answer = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(answer.partition(b"content-length: ")[2].partition(b"\r\n")[0])
            content = await reader.readexactly(length)
            if int(answer[9:12]) != work.status:
                sys.exit(f"{method} {path}: {answer[9:12].decode()}, not {work.status}: {content[:500]!r}")
            count += 1
    return count


# What is asked --------------------------------------------------------------------------------------


def referral(patient: str, target: str, number: int) -> dict[str, Any]:
    """A referral of about BODY_BYTES, unlike any other."""
    content = {
        "resourceType": "ServiceRequest",
        "identifier": [{"system": "http://station.example/orders", "value": f"{number}-{uuid.uuid4()}"}],
        "status": "active",
        "intent": "order",
        "category": [{"coding": [{"system": "http://snomed.info/sct", "code": "3457005"}]}],
        "priority": "urgent",
        "code": {"coding": [TECHNIQUE]},
        "subject": {"reference": f"Patient/{patient}"},
        "requester": {"reference": f"Organization/{STATION}"},
        "performer": [{"reference": f"Organization/{target}"}],
        "reasonCode": [{"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "K35.8"}]}],
    }
    missing = BODY_BYTES - len(json.dumps(content))
    return {**content, "note": [{"text": f"{number} ".ljust(missing - 25, "x")}]}


async def sign_in(http: httpx.AsyncClient, store: Store) -> str:
    """An access token of the station's system."""
    private, public = generate_keys()
    client = await add_client(
        store,
        client_id=None,
        facility=FacilityId(STATION),
        name="probe",
        scope="system/*.cruds",
        jwks={"keys": [public]},
        now=datetime.now(UTC),
    )
    endpoint = f"{http.base_url}/oauth/token".replace("//oauth", "/oauth")
    claims = {"iss": client.id, "sub": client.id, "aud": endpoint, "jti": str(uuid.uuid4())}
    claims["exp"] = int(time.time()) + 60
    key = ECKey.import_key(private)
    form = {
        "grant_type": "client_credentials",
        "scope": "system/*.cruds",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": jwt.encode({"alg": "ES384", "kid": private["kid"]}, claims, key, ["ES384"]),
    }
    answer = await http.post("/oauth/token", data=form)
    return answer.raise_for_status().json()["access_token"]


async def measure(store: Store, owner_dsn: str, ports: tuple[int, int], seconds: float) -> None:
    """Drive the service and the floor in turns and print what came of it."""
    patients, targets, numbers = itertools.cycle([""]), itertools.cycle(TARGETS), itertools.count()

    def body() -> bytes:
        return json.dumps(referral(next(patients), next(targets), next(numbers))).encode()

    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{ports[0]}", timeout=30) as http:
        token = await sign_in(http, store)
        http.headers.update({"Authorization": f"Bearer {token}", "Content-Type": JSON})

        async def post(resource_type: str, content: bytes) -> str:
            answer = await http.post(f"/fhir/{resource_type}", content=content)
            return str(answer.raise_for_status().json()["id"])

        person = json.dumps({"resourceType": "Patient", "name": [{"family": "Probe"}]}).encode()
        patients = itertools.cycle([await post("Patient", person) for _ in range(50)])
        placed = itertools.cycle([await post("ServiceRequest", body()) for _ in range(100)])
    rows = [(str(uuid.uuid4()), body().decode()) for _ in range(100)]
    owner = await asyncpg.connect(owner_dsn)
    await owner.executemany("INSERT INTO floor VALUES ($1, $2)", rows)
    await owner.execute("ANALYZE")  # plans made for empty tables would be measured otherwise
    await owner.close()
    known = itertools.cycle([row for row, _ in rows])
    service, bare = ports
    works = {
        "read": (
            Work(service, 200, lambda: ("GET", f"/fhir/ServiceRequest/{next(placed)}", b"")),
            Work(bare, 200, lambda: ("GET", f"/floor/{next(known)}", b"")),
        ),
        "place": (
            Work(service, 201, lambda: ("POST", "/fhir/ServiceRequest", body())),
            Work(bare, 201, lambda: ("POST", "/floor", body())),
        ),
    }
    part = seconds / (len(works) * len(CONNECTIONS) * 2 * ROUNDS)
    print(f"{'':7}{'connections':>12}{'service/s':>11}{'floor/s':>9}{'ratio':>7}")
    for (name, pair), connections in itertools.product(works.items(), CONNECTIONS):
        for work in pair:
            await drive(work, token, connections, 0.3)  # the first requests pay for what is made once
        rounds = [[await drive(work, token, connections, part) for work in pair] for _ in range(ROUNDS)]
        ours, floors = (statistics.median(column) for column in zip(*rounds, strict=True))
        ratio = statistics.median(one / other for one, other in rounds)
        print(f"{name:7}{connections:12}{ours:11.0f}{floors:9.0f}{ratio:7.2f}", flush=True)


# Start and stop -------------------------------------------------------------------------------------


@contextlib.contextmanager
def started(command: list[str], ready: str, folder: Path) -> Iterator[None]:
    """A program that runs until we leave; enters once `ready` stands in what it writes."""
    log = folder / f"{Path(command[1]).stem}.log"
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            deadline = time.monotonic() + 30
            while ready not in log.read_text():
                if process.poll() is not None or time.monotonic() > deadline:
                    sys.exit(f"{command[1]} does not start: {log.read_text()[-2000:]}")
                time.sleep(0.05)
            yield
        finally:
            process.send_signal(signal.SIGTERM)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=30, help="of measuring, 5 to 200; default 30")
    parser.add_argument("--floor", nargs=2, metavar=("DSN", "PORT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.floor:
        floor(options.floor[0], int(options.floor[1]))
        return
    if not 5 <= options.seconds <= 200:
        parser.error("--seconds is from 5 to 200")
    with tempfile.TemporaryDirectory(prefix="referral-probe-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with EmbeddedPostgres.open(folder) as postgres:
            uvloop.run(run(postgres, folder, options.seconds))


async def run(postgres: EmbeddedPostgres, folder: Path, seconds: float) -> None:
    """Fill the database, start both services, measure."""
    migrate(postgres.owner_dsn)
    store = await Store.open(postgres.dsn, size=2)
    try:
        with resources.as_file(
            resources.files("referral.exchange").joinpath("networks", "haiphong")
        ) as files:
            await import_network(store, read_network(files), datetime.now(UTC))
        owner = await asyncpg.connect(postgres.owner_dsn)
        await owner.execute("CREATE TABLE floor (id text PRIMARY KEY, content jsonb NOT NULL)")
        await owner.close()
        ports = free_port(), free_port()
        serve = [sys.executable, "-m", "referral", "serve", "--data", str(folder), "--port", str(ports[0])]
        bare = [sys.executable, __file__, "--floor", postgres.owner_dsn, str(ports[1])]
        with (
            started(serve, f"ready on http://127.0.0.1:{ports[0]}", folder),
            started(bare, f"http://127.0.0.1:{ports[1]}", folder),
        ):
            await measure(store, postgres.owner_dsn, ports, seconds)
    finally:
        await store.close()


def free_port() -> int:
    """A port of loopback that nobody has at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


if __name__ == "__main__":
    main()
