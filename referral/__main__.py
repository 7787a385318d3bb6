"""`python -m referral`, and the console script `referral`."""

import io
import signal
import sys
from types import FrameType

from referral.cli import cli


def main() -> None:
    """Run the command line. SIGTERM leaves through every `with`, so that nothing stays behind."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Names are Vietnamese; a terminal that cannot show a letter shows a mark instead of failing.
            stream.reconfigure(errors="replace")
    signal.signal(signal.SIGTERM, _end)
    cli(prog_name="referral")


def _end(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
