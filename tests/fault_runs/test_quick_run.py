"""A short run of `scripts/faults`: real processes are killed, and nothing is lost."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_a_short_run_loses_nothing() -> None:
    command = [sys.executable, "-m", "scripts.fault_runs", "--quick"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("0 violations\n")
    rows = dict(re.findall(r"^(\S.*?) {2,}(\d.*)$", done.stdout, re.MULTILINE))
    _, acknowledged, _, _ = map(int, rows["all writes"].split())
    assert acknowledged > 0
    assert int(rows["all faults"]) > 0
    assert any(name.startswith("clock: ") for name in rows)
