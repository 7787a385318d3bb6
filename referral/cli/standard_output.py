"""Standard output: on a terminal as wide as it is, else as wide as what is written."""

import sys

from rich.console import Console

_WIDE = 10_000


def standard_output(*, wide: bool = False) -> Console:
    """A console that breaks no line where no terminal is; `wide`: on a terminal neither, so that it wraps."""
    width = _WIDE if wide or not sys.stdout.isatty() else None
    return Console(highlight=False, markup=False, emoji=False, width=width)
