"""docs/lifecycle.md is what the tables say."""

import subprocess
import sys
from pathlib import Path

import pytest

from referral.domain.lifecycle import OFFER_RULES, REFERRAL_RULES, OfferState, ReferralState

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "make_lifecycle_docs.py"
PAGE = ROOT / "docs" / "lifecycle.md"


def run(*arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, SCRIPT, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_page_is_up_to_date(tmp_path):
    check = run("--check", folder=tmp_path)
    assert (check.returncode, check.stderr) == (0, "")


def test_a_changed_page_is_stale_until_written_again(tmp_path):
    page = tmp_path / "lifecycle.md"
    page.write_text(PAGE.read_text(encoding="utf-8").replace("acknowledge", "nod"), encoding="utf-8")
    check = run("--check", "--file", page, folder=tmp_path)
    assert check.returncode == 1
    assert check.stderr == f"{page} is stale: run scripts/make_lifecycle_docs.py\n"

    assert run("--file", page, folder=tmp_path).returncode == 0
    assert page.read_text(encoding="utf-8") == PAGE.read_text(encoding="utf-8")


def test_a_missing_page_is_stale(tmp_path):
    assert run("--check", "--file", tmp_path / "none.md", folder=tmp_path).returncode == 1


@pytest.mark.parametrize("heading", ["Referral", "Offer"])
def test_every_state_and_every_rule_stands_on_the_page(heading):
    chapter = PAGE.read_text(encoding="utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    states, rules = (ReferralState, REFERRAL_RULES) if heading == "Referral" else (OfferState, OFFER_RULES)
    for state in states:
        assert f"\n| {state} | " in chapter
        assert f'state "{state}" as ' in chapter
    lines = chapter.splitlines()
    for rule in rules:
        rows = [
            line
            for line in lines
            if f" | {rule.move} | " in line and line.endswith(f"| {', '.join(rule.needs)} |")
        ]
        assert any({*rule.source} <= set(row.strip("| ").split(" | ")[0].split(", ")) for row in rows)
