#!/usr/bin/env python3
"""Write the made parts of docs/validation.md from the invariants; with --check say whether they are stale."""

import importlib.util
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from made_parts import main, table

ROOT = Path(__file__).resolve().parent.parent
if importlib.util.find_spec("referral") is None:
    sys.path.insert(0, str(ROOT))

from referral.fhir.bindings import INVARIANTS  # noqa: E402  (the path must be set first)
from referral.fhir.invariants import RULES, UNCHECKED, WALKED  # noqa: E402


def invariants() -> str:
    asked = {(rule.path, rule.key) for rule in RULES} | WALKED.keys()
    return table(
        ("element", "key", "rule"),
        ((f"`{path}`", key, INVARIANTS[path][key].replace("|", "\\|")) for path, key in sorted(asked)),
    )


def unchecked() -> str:
    why: dict[tuple[str, str], list[str]] = {}
    for (path, key), reason in sorted(UNCHECKED.items()):
        why.setdefault((path.partition(".")[0], reason), []).append(key)
    rows = ((f"`{of_type}`", ", ".join(keys), reason) for (of_type, reason), keys in why.items())
    return table(("type", "keys", "why"), rows)


PARTS: Mapping[str, Callable[[], str]] = {"invariants": invariants, "unchecked": unchecked}

if __name__ == "__main__":
    sys.exit(main(__file__, ROOT / "docs" / "validation.md", PARTS))
