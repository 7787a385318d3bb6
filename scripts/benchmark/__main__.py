"""How fast the service is beside a bare floor: the command line."""

import argparse
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import uvloop

from referral.embedded import EmbeddedPostgres
from referral.store.migrate import migrate
from scripts.benchmark.run import FULL, QUICK, run
from scripts.benchmark.without import WITHOUT
from scripts.benchmark.works import MORE, WORKS

DEFAULT_SEED = 10_000
QUICK_SEED = 2_000
MOST_SEED = 5_000_000


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measure the service beside a bare floor, on this machine. See docs/performance.md.",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file, too")
    parser.add_argument("--quick", action="store_true", help="few and short rounds: under 50 s")
    parser.add_argument(
        "--seed",
        type=int,
        metavar="N",
        help=f"referrals that are stored first, 0 to {MOST_SEED}; default {DEFAULT_SEED}, quick {QUICK_SEED}",
    )
    parser.add_argument(
        "--work",
        action="append",
        choices=(*WORKS, *MORE),
        metavar="NAME",
        help=f"only this; may be repeated: {', '.join(WORKS)}, {', '.join(MORE)}",
    )
    parser.add_argument(
        "--without",
        action="append",
        choices=WITHOUT,
        metavar="NAME",
        help=f"in each round also a slice without this; may be repeated: {', '.join(WITHOUT)}",
    )
    parser.add_argument("--profile", action="store_true", help="say where the time of each work goes, too")
    options = parser.parse_args(arguments)
    if options.seed is None:
        options.seed = QUICK_SEED if options.quick else DEFAULT_SEED
    if not 0 <= options.seed <= MOST_SEED:
        parser.error(f"--seed is from 0 to {MOST_SEED}")
    return options


def main() -> None:
    """Run it in a directory that is gone afterwards."""
    options = parse()
    # Also where interrupts are ignored, as behind nohup: what is stored must not be left behind.
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, lambda number, _: sys.exit(128 + number))
    with tempfile.TemporaryDirectory(prefix="referral-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the account of PostgreSQL must reach it
        with EmbeddedPostgres.open(folder) as postgres:
            migrate(postgres.owner_dsn)
            uvloop.run(run(options, postgres, folder, QUICK if options.quick else FULL))


if __name__ == "__main__":
    main()
