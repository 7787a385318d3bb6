"""`scripts/faults`: break the service in every way there is, and see that nothing was lost."""

import argparse
import asyncio
import os
import secrets
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg

from referral.settings import Settings, SettingsError
from scripts.fault_runs import slow
from scripts.fault_runs.disk import small_disk
from scripts.fault_runs.run import Plan, Result, run
from scripts.store_check.check import check_dsn, told
from scripts.store_check.violation import Violation
from scripts.store_check.writes import Outcome

_ADDRESS = "http://127.0.0.1:8000/fhir"


def main() -> int:
    """0: nothing found. 1: violations. 2: wrong use, or it does not start."""
    options = _options()
    if options.check:
        try:
            return _report(asyncio.run(check_dsn(options.check, options.base)))
        except (OSError, asyncpg.PostgresError, ValueError) as error:
            print(f"scripts/faults: cannot read that database: {error}", file=sys.stderr)
            return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that nothing is left behind
    seed = options.seed if options.seed is not None else secrets.randbelow(1_000_000)
    if options.slow is not None:
        return _hold(options.slow)
    if options.quick:
        plan = Plan(seed, writes=200, faults=6, seconds=12, disk_mebibytes=400)
    else:
        plan = Plan(seed, options.writes, options.faults, options.minutes * 60, disk_mebibytes=3000)
    print(f"seed {plan.seed}: {plan.writes} writes, {plan.faults} faults", flush=True)
    # Not below TMPDIR, which may be long: the path of a socket has little room.
    with tempfile.TemporaryDirectory(prefix="faults-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with small_disk(folder, plan.disk_mebibytes) as disk:
            result = asyncio.run(run(plan, folder, disk))
    print("\n".join(_table(result)))
    if result.journal.count(Outcome.ACKNOWLEDGED) < plan.writes or len(result.faults) < plan.faults:
        print(f"It ended before it was through, after {result.seconds:.0f} s.")
    return _report(result.violations)


def _hold(count: int) -> int:
    with tempfile.TemporaryDirectory(prefix="faults-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        held = asyncio.run(slow.run(folder, count))
    print(held)
    return _report(list(held.violations()))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/faults", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a short run, under 50 s")
    parser.add_argument("--writes", type=int, default=20_000, help="acknowledged ones; default 20000")
    parser.add_argument("--faults", type=int, default=60, help="default 60")
    parser.add_argument("--minutes", type=float, default=30, help="it ends after them; default 30")
    parser.add_argument("--seed", type=int, help="of the order of faults and moves; default a new one")
    parser.add_argument(
        "--slow",
        type=int,
        nargs="?",
        const=slow.MOST,
        metavar="N",
        help=f"only hold N connections that are slow, and serve another client; default {slow.MOST}",
    )
    parser.add_argument("--check", metavar="DSN", help="only check this database, as its owner")
    parser.add_argument(
        "--base", help=f"with --check: its FHIR base; default $REFERRAL_BASE_URL/fhir, else {_ADDRESS}"
    )
    options = parser.parse_args()
    if options.check and options.base is None:
        try:
            options.base = _own_base()
        except SettingsError as error:
            parser.error(str(error))
    if min(options.writes, options.faults, options.minutes, 1 if options.slow is None else options.slow) <= 0:
        parser.error("--writes, --faults, --minutes and --slow are above 0")
    return options


def _own_base() -> str:
    """Where the service of the database that is checked is reached: references may begin with it."""
    name = "REFERRAL_BASE_URL"
    address = Settings.from_environment({name: os.environ.get(name, "")}).base_url
    return _ADDRESS if address is None else f"{address}/fhir"


def _table(result: Result) -> Iterator[str]:
    journal = result.journal
    yield f"\n{'writes':34}{'sent':>8}{'done':>8}{'refused':>9}{'unknown':>9}"
    works = sorted({write.work for write in journal.writes})
    for work in [*works, "all writes"]:
        some = [write for write in journal.writes if work in {write.work, "all writes"}]
        counts = [sum(write.outcome is outcome for write in some) for outcome in Outcome]
        yield f"{work:34}{len(some):8}{counts[0]:8}{counts[1]:9}{counts[2]:9}"
    yield f"\n{'faults':34}{'times':>8}{'until a write was done again, s':>36}"
    for kind, seconds in result.faults_by_kind().items():
        spread = f"{min(seconds):.1f} to {max(seconds):.1f}"
        yield f"{kind:34}{len(seconds):8}{spread:>36}"
    yield f"{'all faults':34}{len(result.faults):8}"
    yield f"\n{'what the clocks did':34}{'times':>8}"
    for move, times in result.silence.items():
        yield f"{f'clock: {move}':34}{times:8}"
    for skipped in result.skipped:
        yield f"skipped: {skipped}"
    answers = ", ".join(f"{status or 'none'}: {times}" for status, times in sorted(result.answers.items()))
    yield f"\nanswers: {answers}"
    again = [write for write in journal.writes if write.tries > 1]
    yield f"{len(again)} writes sent again, {sum(write.replayed for write in again)} of them had been done"
    yield f"{result.seconds:.0f} s of writing, {result.check_seconds:.1f} s of checking"


def _report(violations: list[Violation]) -> int:
    for line in told(violations):
        print(line)
    print(f"{len(violations)} violations")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
