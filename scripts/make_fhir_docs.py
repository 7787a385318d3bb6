#!/usr/bin/env python3
"""Write the made parts of docs/fhir.md from the registries; with --check only say whether they are stale."""

import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from made_parts import main, table

ROOT = Path(__file__).resolve().parent.parent
if importlib.util.find_spec("referral") is None:
    sys.path.insert(0, str(ROOT))

from referral.api.errors import ANSWERS  # noqa: E402  (the path must be set first)
from referral.fhir.parameters import COMMON, PARAMETERS, Parameter  # noqa: E402
from referral.fhir.resources import AUDIT_EVENT, CLINICAL, DEFINITIONS, DIRECTORY  # noqa: E402


def types() -> str:
    rows = (
        ("clinical", CLINICAL),
        ("directory", DIRECTORY),
        ("definitions, read and searched", DEFINITIONS),
        ("audit, read and searched", {AUDIT_EVENT}),
    )
    return table(("kind", "types"), ((kind, ", ".join(sorted(found))) for kind, found in rows))


def parameters() -> str:
    chapters = [("Every type", "Resource", COMMON)]
    chapters += [
        (resource_type, resource_type, tuple(each for each in found if each not in COMMON))
        for resource_type, found in sorted(PARAMETERS.items())
    ]
    return "\n".join(
        f"### {title}\n\n" + table(("parameter", "kind", "looks at"), map(row_of(resource_type), found))
        for title, resource_type, found in chapters
        if found
    )


def row_of(resource_type: str) -> Callable[[Parameter], Sequence[str]]:
    return lambda found: (
        f"`{found.name}`",
        found.kind.value,
        f"`{found.expression(resource_type)}`".replace(" | ", "`, `"),
    )


def errors() -> str:
    def meaning(kind: type) -> str:
        # "An unknown element (400 invalid)." without what stands in the other columns
        return (kind.__doc__ or "").strip().splitlines()[0].rpartition(" (")[0]

    rows = sorted(ANSWERS.items(), key=lambda row: row[1].status)
    return table(
        ("HTTP", "issue.code", "when"),
        ((str(answer.status), f"`{answer.code}`", meaning(kind)) for kind, answer in rows),
    )


PARTS: Mapping[str, Callable[[], str]] = {"types": types, "parameters": parameters, "errors": errors}

if __name__ == "__main__":
    sys.exit(main(__file__, ROOT / "docs" / "fhir.md", PARTS))
