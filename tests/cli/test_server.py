"""The server of `serve`: hundreds of slow clients, the files it may open, metrics at their own address."""

import asyncio
import contextlib
import socket
import subprocess
import sys
from pathlib import Path

import httpx

from scripts.ports import reserved_ports
from tests.cli.test_serve import PATIENCE, _refused, _run, _serve
from tests.conftest import Database, listen


async def dribble(port: int, count: int, stack: contextlib.AsyncExitStack) -> None:
    """So many connections that have sent half a head."""
    loop = asyncio.get_running_loop()
    for _ in range(count):
        client = stack.enter_context(socket.socket())
        client.setblocking(False)
        await loop.sock_connect(client, ("127.0.0.1", port))
        await loop.sock_sendall(client, b"GET /fhir/metadata HTTP/1.1\r\nHost: x\r\nX-Slow: ")


async def test_others_are_served_beside_six_hundred_slow_clients(
    demo_database: Database, tmp_path: Path
) -> None:
    with (
        reserved_ports(1) as (port,),
        _serve(
            tmp_path / "d",
            DATABASE_URL=demo_database.dsn,
            REFERRAL_MAX_CONNECTIONS="200",
            REFERRAL_METRICS_LISTEN=f"127.0.0.1:{port}",
        ) as running,
    ):
        apart = f"127.0.0.1:{port}"
        async with contextlib.AsyncExitStack() as stack, httpx.AsyncClient(timeout=PATIENCE) as kept:
            for _ in range(6):
                await dribble(running.port, 100, stack)
                assert (await kept.get(f"{running.url}/readyz")).status_code == 200
                async with httpx.AsyncClient(timeout=PATIENCE) as new:
                    assert (await new.get(f"{running.url}/readyz")).status_code == 200
            # The metrics are at their own address, alone, and their clients are no part of the limit.
            assert (await kept.get(f"{running.url}/metrics")).status_code == 404
            text = (await kept.get(f"http://{apart}/metrics")).text
            told = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
            assert float(told["referral_connections"]) <= 200
            assert float(told['referral_connections_dropped_total{reason="full"}']) >= 400
            assert (await kept.get(f"http://{apart}/readyz")).status_code == 404
        running.process.terminate()
        assert running.process.wait(PATIENCE) == 0


def test_a_taken_address_for_the_metrics_is_one_line(demo_database: Database, tmp_path: Path) -> None:
    with listen() as taken:
        port = taken.getsockname()[1]
        line = _refused(
            _run(
                *("serve", "--data", str(tmp_path / "d"), "--port", "0"),
                DATABASE_URL=demo_database.dsn,
                REFERRAL_METRICS_LISTEN=f"127.0.0.1:{port}",
            )
        )
    assert f"port {port}" in line


def test_the_soft_limit_of_files_is_raised_and_the_hard_one_kept() -> None:
    program = (
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (100, 500))\n"
        "from referral.cli.server import bearable\n"
        "print(bearable(12_000), *resource.getrlimit(resource.RLIMIT_NOFILE), bearable(50))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=PATIENCE
    )
    assert done.stdout.split() == ["300", "500", "500", "50"]
