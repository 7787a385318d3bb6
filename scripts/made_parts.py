"""Pages of the docs of which parts are made: between `<!-- made: NAME -->` and `<!-- end -->`."""

import argparse
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

PART = re.compile(r"(<!-- made: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def main(program: str, page: Path, parts: Mapping[str, Callable[[], str]]) -> int:
    """The exit code of a program that writes the parts of a page, or with --check compares them."""
    parser = argparse.ArgumentParser(description=f"Write the made parts of {page.name}.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when the page is stale")
    parser.add_argument("--file", type=Path, default=page, help="the page")
    options = parser.parse_args()
    text = options.file.read_text(encoding="utf-8")
    named = [found[2] for found in PART.finditer(text)]
    if sorted(named) != sorted(parts):
        print(f"{options.file} has the parts {named}, not {sorted(parts)}", file=sys.stderr)
        return 1
    made = PART.sub(lambda found: f"{found[1]}\n{parts[found[2]]()}\n{found[3]}", text)
    if not options.check:
        options.file.write_text(made, encoding="utf-8")
        return 0
    if made == text:
        return 0
    print(f"{options.file} is stale: run scripts/{Path(program).name}", file=sys.stderr)
    return 1


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [" | ".join(cells) for cells in [head, ["---"] * len(head), *rows]]
    return "\n".join([*(f"| {line} |" for line in lines), ""])
