from datetime import date
from importlib import resources

import pytest

from referral.domain.policy import Policy
from referral.domain.policy_advice import hardly_meant
from referral.exchange.policy_file import read_policy

NEW_YEAR = date(2026, 1, 1)
EVEN = {"kind": "answer", "stat": 10, "asap": 20, "urgent": 30, "routine": 30}


def policy(**tables: object) -> Policy:
    network = {"id": "hill", "name": "Hill", "prefix": "HI"}
    return Policy.from_stored({"network": network, **tables})


@pytest.mark.parametrize(
    ("tables", "told"),
    [
        ({}, []),
        ({"clocks": [EVEN]}, []),
        (
            {"clocks": [EVEN | {"stat": 100, "routine": 1}]},
            [
                "clock answer: stat has longer than asap (100 and 20 minutes)",
                "clock answer: urgent has longer than routine (30 and 1 minutes)",
            ],
        ),
        # A working hour is as long as four on the wall.
        ({"clocks": [EVEN | {"urgent": 100}]}, []),
        (
            {"clocks": [EVEN | {"valid_from": "2026-02-01", "valid_to": "2026-12-31"}]},
            [
                "clock answer: begins on 2026-02-01; until then that of the program holds",
                "clock answer: ends on 2026-12-31; from 2027-01-01 that of the program holds",
            ],
        ),
        (
            {
                "clocks": [
                    EVEN | {"valid_from": "2025-02-01", "valid_to": "2026-12-31"},
                    EVEN | {"valid_from": "2027-01-01"},
                ]
            },
            [],
        ),
        (
            {"slip": {"working_days": 1, "warn_working_days": 3}},
            ["slip: is warned of 3 working days before it ends, and good for 1: at once"],
        ),
    ],
)
def test_what_is_hardly_meant(tables: dict[str, object], told: list[str]) -> None:
    assert hardly_meant(policy(**tables), NEW_YEAR) == told


@pytest.mark.parametrize("name", ["haiphong", "qinghe"])
def test_nothing_is_of_the_policies_that_are_shipped(name: str) -> None:
    file = resources.files("referral.exchange").joinpath("networks", name, "policy.toml")
    with resources.as_file(file) as path:
        read = read_policy(path, [])
    assert read is not None
    assert hardly_meant(read.policy, NEW_YEAR) == []
