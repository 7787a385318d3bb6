#!/usr/bin/env python3
"""Write the made parts of docs/operations.md; with --check only say whether they are current."""

import importlib.util
import sys
from pathlib import Path

from made_parts import main, table

ROOT = Path(__file__).resolve().parent.parent
if importlib.util.find_spec("referral") is None:
    sys.path.insert(0, str(ROOT))

from referral.settings import VARIABLES  # noqa: E402  (the path must be set first)


def settings() -> str:
    return table(("variable", "meaning"), ((f"`{name}`", meaning) for name, meaning in VARIABLES.items()))


if __name__ == "__main__":
    sys.exit(main(__file__, ROOT / "docs" / "operations.md", {"settings": settings}))
