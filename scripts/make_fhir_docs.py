#!/usr/bin/env python3
"""Write the made parts of docs/fhir.md from the registries; with --check only say whether they are current.

A made part stands between `<!-- made: NAME -->` and `<!-- end -->`; the rest of the page is written by hand.
"""

import argparse
import importlib.util
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if importlib.util.find_spec("referral") is None:
    sys.path.insert(0, str(ROOT))

from referral.api.errors import ANSWERS  # noqa: E402  (the path must be set first)
from referral.fhir.parameters import PARAMETERS, Parameter  # noqa: E402
from referral.fhir.resources import CLINICAL, DIRECTORY  # noqa: E402

PART = re.compile(r"(<!-- made: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when the page is stale")
    parser.add_argument("--file", type=Path, default=ROOT / "docs" / "fhir.md", help="the page")
    options = parser.parse_args(arguments)
    page = options.file.read_text(encoding="utf-8")
    named = [found[2] for found in PART.finditer(page)]
    if sorted(named) != sorted(PARTS):
        print(f"{options.file} has the parts {named}, not {sorted(PARTS)}", file=sys.stderr)
        return 1
    made = PART.sub(lambda found: f"{found[1]}\n{PARTS[found[2]]()}\n{found[3]}", page)
    if not options.check:
        options.file.write_text(made, encoding="utf-8")
        return 0
    if made == page:
        return 0
    print(f"{options.file} is stale: run scripts/make_fhir_docs.py", file=sys.stderr)
    return 1


def types() -> str:
    rows = (("clinical", CLINICAL), ("directory", DIRECTORY))
    return table(("kind", "types"), ((kind, ", ".join(sorted(found))) for kind, found in rows))


def parameters() -> str:
    chapters = (
        f"### {resource_type}\n\n"
        + table(("parameter", "kind", "looks at"), map(row_of(resource_type), found))
        for resource_type, found in sorted(PARAMETERS.items())
    )
    return "\n".join(chapters)


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


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [" | ".join(cells) for cells in [head, ["---"] * len(head), *rows]]
    return "\n".join([*(f"| {line} |" for line in lines), ""])


PARTS: Mapping[str, Callable[[], str]] = {"types": types, "parameters": parameters, "errors": errors}

if __name__ == "__main__":
    sys.exit(main())
