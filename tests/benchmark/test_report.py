"""What a run says: the table for people, the JSON for programs."""

import json
from pathlib import Path

import pytest

from scripts.benchmark.client import Slice
from scripts.benchmark.measure import Cost, Figures, cost_of, figures_of
from scripts.benchmark.report import GOALS, Result, closing_lines, cost_line, line, write_json
from scripts.benchmark.works import WORKS


def figures(**changes: object) -> Figures:
    values = {
        "work": "read",
        "connections": 16,
        "rate": 1200.0,
        "p50_ms": 3.25,
        "p99_ms": 12.5,
        "floor": 2000.0,
        "ratio": 0.6,
        "ratio_min": 0.55,
        "ratio_max": 0.65432198,
        "client_us": 40.0,
    }
    return Figures(**(values | changes))  # type: ignore[arg-type]


def test_the_json_has_the_agreed_names(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    cost = Cost("place", 16, "request-id", 400.0, 2.0, 8.0, 0.9, 0.8, 0.95)
    write_json(Result([figures()], 161.25, 2.5, 10_000, [cost]), file)
    assert json.loads(file.read_text()) == {
        "rows": [
            {
                "work": "read",
                "connections": 16,
                "rate": 1200.0,
                "p50_ms": 3.25,
                "p99_ms": 12.5,
                "floor": 2000.0,
                "ratio": 0.6,
                "ratio_min": 0.55,
                "ratio_max": 0.6543,
            }
        ],
        "memory_mib": 161.25,
        "ready_s": 2.5,
        "seed": 10_000,
        "without": [
            {
                "work": "place",
                "connections": 16,
                "without": "request-id",
                "rate": 400.0,
                "p50_ms": 2.0,
                "p99_ms": 8.0,
                "ratio": 0.9,
                "ratio_min": 0.8,
                "ratio_max": 0.95,
            }
        ],
    }


@pytest.mark.parametrize(
    ("ratio", "connections", "said"), [(0.6, 16, "0.60 met"), (0.59, 16, "0.60 not met"), (0.1, 1, ">= 0.60")]
)
def test_a_goal_is_told_for_sixteen_connections(ratio: float, connections: int, said: str) -> None:
    assert line(figures(ratio=ratio, connections=connections)).endswith(said)


def test_goals_are_those_of_works() -> None:
    assert set(GOALS) < set(WORKS)
    assert line(figures(work="search")).endswith("none")


def test_start_and_memory_are_told_with_their_goals() -> None:
    assert closing_lines(Result([], 300.0, 4.0, 0)) == [
        "ready after 4.0 s, goal <= 5: met",
        "memory at rest 300.0 MiB, goal <= 280: not met",
    ]
    assert closing_lines(Result([], None, None, 0)) == []


def came(count: int, seconds: float = 1.0) -> Slice:
    return Slice(seconds, tuple(n / 1000 for n in range(1, count + 1)), 0.5)


def test_the_ratio_is_the_median_of_the_rounds() -> None:
    found = figures_of("read", 1, [(came(100), came(50)), (came(100), came(60)), (came(200), came(80))])
    assert (found.rate, found.floor) == (60, 100)
    assert (found.ratio, found.ratio_min, found.ratio_max) == (0.5, 0.4, 0.6)
    assert found.p50_ms == pytest.approx(33, abs=2)
    assert found.p99_ms == pytest.approx(78, abs=2)
    assert found.client_us == pytest.approx(1.5 / 190 * 1e6)


def test_a_cost_is_what_is_left_of_the_rate_without_it() -> None:
    found = cost_of("read", 16, "wall", [(came(50), came(100)), (came(60), came(100)), (came(80), came(100))])
    assert (found.rate, found.ratio, found.ratio_min, found.ratio_max) == (100, 0.6, 0.5, 0.8)
    assert cost_line(found) == (
        "  without wall: 100/s, p50 51.00 ms, p99 100.00 ms; with it 0.600 of that (0.500 to 0.800)"
    )
