"""docs/validation.md lists the invariants that are checked."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def made(*arguments: str | Path) -> int:
    command = [sys.executable, ROOT / "scripts" / "make_validation_docs.py", *arguments]
    return subprocess.run(command, capture_output=True, check=False).returncode


def test_the_page_is_that_of_the_code(tmp_path: Path) -> None:
    assert made("--check") == 0
    page = tmp_path / "validation.md"
    text = (ROOT / "docs" / "validation.md").read_text(encoding="utf-8")
    page.write_text(text.replace("| `Period` | per-1 |", "| `Period` | per-2 |"), encoding="utf-8")
    assert made("--check", "--file", page) == 1
