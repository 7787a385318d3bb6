"""The service under cProfile, which is on between SIGUSR1 and SIGUSR2 and then written to a file.

Run as `python -m scripts.benchmark.profiled FILE serve ...`.
"""

import cProfile
import signal
import sys
from pathlib import Path
from types import FrameType

from referral.__main__ import main


def run() -> None:
    """Serve until stopped."""
    file = Path(sys.argv[1])
    profile = cProfile.Profile()

    def begin(_number: int, _frame: FrameType | None) -> None:
        profile.enable()

    def end(_number: int, _frame: FrameType | None) -> None:
        profile.disable()
        staging = file.with_suffix(".new")
        profile.dump_stats(staging)
        staging.rename(file)
        profile.clear()

    signal.signal(signal.SIGUSR1, begin)
    signal.signal(signal.SIGUSR2, end)
    sys.argv = ["referral", *sys.argv[2:]]
    main()


if __name__ == "__main__":
    run()
