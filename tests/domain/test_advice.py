"""What the lists of a policy say of a referral, to whom, and when they say nothing."""

from datetime import date

import pytest

from referral.domain.advice import advice_at_end, advice_to_receiver, advice_to_sender, has_advice
from referral.domain.codes import Direction, Disposition
from referral.domain.policy import Policy
from referral.domain.policy_rules import ICD_10

DAY = date(2026, 3, 2)
BEFORE = date(2025, 12, 31)
NETWORK = {"id": "harbour", "name": "Harbour network", "prefix": "HN"}


def policy(*lists: dict[str, object]) -> Policy:
    told = [{"source": "charter", "valid_from": "2026-01-01"} | one for one in lists]
    return Policy.from_mapping({"network": NETWORK, "lists": told})


RULES = policy(
    {"kind": "notifiable", "codes": ["A22"], "date": "2025-06-01"},
    {"kind": "up-referral", "codes": ["I21", "A22"], "text": "the heart"},
    {"kind": "down-referral", "codes": ["I10"], "to": "station"},
    {"kind": "down-referral", "codes": ["I69"], "to": "basic"},
    {"kind": "down-referral", "codes": ["J44"], "source": "guideline"},
)
NO_CRITERION = "No code of the referral meets a criterion of the way up. Source: charter."


@pytest.mark.parametrize(
    ("direction", "codes", "day", "told"),
    [
        (
            Direction.UP,
            ["A22.1"],
            DAY,
            [
                "A22.1 is notifiable. Source: charter, 2025-06-01.",
                "A22.1 meets a criterion of the way up: the heart. Source: charter.",
            ],
        ),
        (
            Direction.UP,
            ["I21", "I21.9", "Z00"],
            DAY,
            ["I21, I21.9 meets a criterion of the way up: the heart."],
        ),
        (Direction.UP, ["I10"], DAY, [NO_CRITERION]),
        (Direction.UP, [], DAY, [NO_CRITERION]),
        (Direction.LATERAL, ["A22"], DAY, ["A22 is notifiable. Source: charter, 2025-06-01."]),
        (Direction.DOWN, ["I21"], DAY, []),
        (Direction.UP, ["A22"], BEFORE, []),
    ],
)
def test_the_sender_is_told(direction: Direction, codes: list[str], day: date, told: list[str]) -> None:
    found = advice_to_sender(RULES, direction, {(ICD_10, code) for code in codes}, day)
    assert len(found) == len(told)
    for one, words in zip(found, told, strict=True):
        assert str(one).startswith(words)


@pytest.mark.parametrize(
    ("code", "in_care", "direction", "told"),
    [
        ("A22", False, Direction.UP, ["A22 is notifiable."]),
        ("I10", False, Direction.UP, []),
        ("I10", True, Direction.UP, ["I10 can be cared for at a station."]),
        ("I69", True, Direction.LATERAL, ["I69 can be cared for at the level basic."]),
        ("J44.1", True, Direction.UP, ["J44.1 can be cared for further down."]),
        ("I10", True, Direction.DOWN, []),
    ],
)
def test_the_receiver_is_told(code: str, in_care: bool, direction: Direction, told: list[str]) -> None:
    found = advice_to_receiver(RULES, direction, [(ICD_10, code)], DAY, in_care=in_care)
    assert [one.text for one in found] == told


@pytest.mark.parametrize("disposition", [None, *Disposition])
def test_at_the_end_who_keeps_a_patient_that_a_list_names_is_told(disposition: Disposition | None) -> None:
    codes = [(ICD_10, "J44")]
    found = [
        len(advice_at_end(RULES, direction, codes, DAY, disposition))
        for direction in (Direction.UP, Direction.DOWN)
    ]
    kept = disposition in {Disposition.DISCHARGED, Disposition.MOVED_ON}
    assert found == [1 if kept else 0, 0]


def test_empty_lists_say_nothing() -> None:
    empty = policy({"kind": "up-referral"}, {"kind": "notifiable", "source": None})
    assert has_advice(empty)
    assert advice_to_sender(empty, Direction.UP, [(ICD_10, "I21")], DAY) == ()
    assert not has_advice(policy({"kind": "long-slip", "codes": ["I10"]}))
