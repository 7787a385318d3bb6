"""Where the time of a work goes: CPU by process, and inside the service by part and by function.

With py-spy on the PATH the running service is sampled; else it runs under cProfile, which makes calls dear:
then parts of many small calls look larger than they are. The CPU by process is measured without either.
"""

import asyncio
import pstats
import shutil
import signal
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from scripts.benchmark.client import Requests, drive
from scripts.benchmark.measure import Effort
from scripts.benchmark.without import can_do_without, without
from scripts.benchmark.works import Material, Work

CONNECTIONS: Final = 16
_MOST_FUNCTIONS: Final = 25
_CPU_HEADER: Final = f"  {'':20}{'server':>12}{'PostgreSQL':>12}{'client':>12}{'all':>12}{'rate/s':>12}"
_RATE: Final = "500"  # samples a second

# The first that stands in a file's path names its part.
_PARTS: Final = (
    *(f"referral/{layer}/" for layer in ("api", "actions", "fhir", "store", "network", "domain", "cli")),
    *(
        "referral/",
        "asyncpg/",
        "fastapi/",
        "starlette/",
        "uvicorn/",
        "structlog/",
        "pydantic",
        "orjson",
        "json/",
    ),
    *("networkx/", "httptools", "asyncio/", "contextlib.py", "logging/"),
)


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds of own time in one function."""

    part: str
    function: str
    seconds: float


async def profile(
    material: Material,
    work: Work,
    servers: tuple[psutil.Process, psutil.Process],
    effort: Effort,
    profiles: Path,
    *,
    apart: Sequence[str] = (),
) -> list[str]:
    """Drive a work, and say in lines where the time went; also without what is named apart.

    servers: the service and the floor.
    """
    await material.systems.sign_in()
    names = [name for name in apart if can_do_without(name, work)]
    if work.name == "move":
        beside = len(names) * (2 * effort.seconds + effort.profile)
        await material.stock(effort.warm + 3 * effort.profile + 1 + beside)
    await drive(work.ours, CONNECTIONS, effort.warm)
    backend = psutil.Process(await material.owner.fetchval("SELECT pg_backend_pid()"))
    postmaster = backend.parent() or backend
    lines = [f"{work.name}, {CONNECTIONS} connections; microseconds of CPU for one:", _CPU_HEADER]
    totals = {}

    async def count(name: str, requests: Requests, server: psutil.Process) -> None:
        spent, rate = await _cpu_of(requests, (server, postmaster), effort.profile)
        totals[name] = sum(spent)
        lines.append(f"  {name:20}" + "".join(f"{figure:12.0f}" for figure in (*spent, sum(spent), rate)))

    await count("service", work.ours, servers[0])
    for name in names:
        async with without(name, material.owner, work) as requests:
            await drive(requests, CONNECTIONS, effort.seconds)
            await count(f"without {name}", requests, servers[0])
        await drive(work.ours, CONNECTIONS, effort.seconds)
    await count("floor", work.floor, servers[1])
    lines.append(f"  ratio by CPU {totals['floor'] / totals['service']:.3f}")
    if sampler := shutil.which("py-spy"):
        found = await _sampled(sampler, work, servers[0], effort.profile, profiles)
    else:
        found = await _called(work, servers[0], effort.profile, profiles)
    return [*lines, *_table(found)]


async def _cpu_of(
    requests: Requests, processes: tuple[psutil.Process, psutil.Process], seconds: float
) -> tuple[tuple[float, float, float], float]:
    """Microseconds of CPU that one request takes of the server, of PostgreSQL and of the client; the rate."""
    before = _cpu(*processes)
    came = await drive(requests, CONNECTIONS, seconds)
    own, database = (after - was for after, was in zip(_cpu(*processes), before, strict=True))
    each = 1e6 / len(came.latencies)
    return (own * each, database * each, came.client_seconds * each), came.rate


def _cpu(server: psutil.Process, postmaster: psutil.Process) -> tuple[float, float]:
    """CPU seconds until now: of the server, and of all processes of PostgreSQL."""
    return _seconds(server), sum(_seconds(one) for one in (postmaster, *postmaster.children()))


def _seconds(process: psutil.Process) -> float:
    """Of the process and of its children that have ended."""
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)


async def _called(work: Work, service: psutil.Process, seconds: float, profiles: Path) -> list[Spent]:
    file = profiles / "profile"
    file.unlink(missing_ok=True)
    service.send_signal(signal.SIGUSR1)
    await drive(work.ours, CONNECTIONS, seconds)
    service.send_signal(signal.SIGUSR2)
    deadline = time.monotonic() + 30
    while not file.exists():
        if time.monotonic() > deadline:
            raise TimeoutError("the service wrote no profile")
        await asyncio.sleep(0.05)
    stats = pstats.Stats(str(file)).stats  # type: ignore[attr-defined]
    return [
        Spent(_part(path, function), _label(path, line, function), own)
        for (path, line, function), (_, _, own, _, _) in stats.items()
    ]


async def _sampled(
    sampler: str, work: Work, service: psutil.Process, seconds: float, profiles: Path
) -> list[Spent]:
    file = profiles / "samples"
    recording = await asyncio.create_subprocess_exec(
        *(sampler, "record", "--pid", str(service.pid), "--duration", str(max(1, round(seconds)))),
        *("--rate", _RATE, "--format", "raw", "--full-filenames", "--output", str(file)),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    await drive(work.ours, CONNECTIONS, seconds + 1)
    await recording.wait()
    return list(read_samples(file.read_text(encoding="utf-8").splitlines()))


def read_samples(lines: Iterable[str]) -> Iterable[Spent]:
    """Own time from collapsed stacks: `frame;frame;function (path:line) 12`."""
    for line in lines:
        stack, _, count = line.rpartition(" ")
        function, _, place = stack.rpartition(";")[2].partition(" (")
        path, _, number = place.removesuffix(")").rpartition(":")
        yield Spent(_part(path, function), _label(path, int(number or 0), function), int(count) / int(_RATE))


def _part(path: str, function: str) -> str:
    if path == "~" or not path:
        names = ("uvloop", "asyncpg", "orjson", "pydantic", "httptools", "jsonb")
        found = next((name for name in names if name in function), "built-in functions")
        return "event loop, sockets, waiting" if found == "uvloop" else found
    return next((part.strip("/") for part in _PARTS if part in path), "other")


def _label(path: str, line: int, function: str) -> str:
    if path == "~":
        return function
    return f"{'/'.join(Path(path).parts[-2:])}:{line} {function}"


def _table(spent: Sequence[Spent]) -> list[str]:
    """Shares of the time by part, and the functions with most."""
    total = sum(one.seconds for one in spent) or 1.0
    parts: Counter[str] = Counter()
    functions: Counter[str] = Counter()
    for one in spent:
        parts[one.part] += one.seconds  # type: ignore[assignment]
        functions[one.function] += one.seconds  # type: ignore[assignment]
    lines = ["  share of the service's time by part:"]
    lines += [f"    {value / total:6.1%}  {name}" for name, value in parts.most_common()]
    lines.append("  and by function, own time:")
    lines += [f"    {value / total:6.1%}  {name}" for name, value in functions.most_common(_MOST_FUNCTIONS)]
    return lines
