"""What a run found, for people and for programs."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from scripts.benchmark.measure import Cost, Figures

# Least ratio to the floor, by work; the goals of the design. `search` has none of its own.
GOALS: Final = {
    "read": 0.60,
    "worklist": 0.30,
    "place": 0.20,
    "move": 0.20,
    "transaction": 0.10,
    "suggest": 1 / 1.5,
}
GOAL_CONNECTIONS: Final = 16
MOST_MEMORY_MIB: Final = 280
MOST_READY_SECONDS: Final = 5.0
_IN_JSON: Final = "work connections rate p50_ms p99_ms floor ratio ratio_min ratio_max".split()

HEADER: Final = (
    f"{'work':12}{'connections':>12}{'rate/s':>9}{'p50 ms':>9}{'p99 ms':>9}{'floor/s':>9}"
    f"{'ratio':>8}{'least':>7}{'most':>7}{'client us':>11}  goal"
)


@dataclass(frozen=True, slots=True)
class Result:
    """All of a run; None where it was left out."""

    rows: Sequence[Figures]
    memory_mib: float | None
    ready_s: float | None
    seed: int
    costs: Sequence[Cost] = ()


def line(figures: Figures) -> str:
    """One row of the table."""
    return (
        f"{figures.work:12}{figures.connections:12}{figures.rate:9.0f}{figures.p50_ms:9.2f}{figures.p99_ms:9.2f}"
        f"{figures.floor:9.0f}{figures.ratio:8.3f}{figures.ratio_min:7.3f}{figures.ratio_max:7.3f}"
        f"{figures.client_us:11.0f}  {_goal(figures)}"
    )


def cost_line(cost: Cost) -> str:
    """What it was without something, and what of that is left with it."""
    return (
        f"  without {cost.without}: {cost.rate:.0f}/s, p50 {cost.p50_ms:.2f} ms, p99 {cost.p99_ms:.2f} ms;"
        f" with it {cost.ratio:.3f} of that ({cost.ratio_min:.3f} to {cost.ratio_max:.3f})"
    )


def _goal(figures: Figures) -> str:
    goal = GOALS.get(figures.work)
    if goal is None:
        return "none"
    met = "" if figures.connections != GOAL_CONNECTIONS else " met" if figures.ratio >= goal else " not met"
    return f">= {goal:.2f}{met}"


def closing_lines(result: Result) -> list[str]:
    """Start-up and memory."""
    lines = []
    for name, value, unit, most in (
        ("ready after", result.ready_s, "s", MOST_READY_SECONDS),
        ("memory at rest", result.memory_mib, "MiB", MOST_MEMORY_MIB),
    ):
        if value is not None:
            lines.append(
                f"{name} {value:.1f} {unit}, goal <= {most:g}: {'met' if value <= most else 'not met'}"
            )
    return lines


def write_json(result: Result, file: Path) -> None:
    """The result in the form that others read: rows, memory_mib, ready_s, seed, without."""
    rows = [{name: _rounded(asdict(row)[name]) for name in _IN_JSON} for row in result.rows]
    ends = {"memory_mib": _rounded(result.memory_mib), "ready_s": _rounded(result.ready_s)}
    costs = [{name: _rounded(value) for name, value in asdict(cost).items()} for cost in result.costs]
    content = {"rows": rows, **ends, "seed": result.seed, "without": costs}
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _rounded(value: object) -> object:
    """A figure with the digits that mean something."""
    return round(value, 4) if isinstance(value, float) else value
