import pytest

from referral.domain.codes import (
    AccessScope,
    Direction,
    Disposition,
    MissReason,
    Outcome,
    Priority,
    RejectReason,
    WithdrawReason,
)


def test_priorities_rise_from_routine_to_stat():
    assert sorted(["stat", "asap", "routine", "urgent"], key=lambda code: Priority(code).rank) == [
        "routine",
        "urgent",
        "asap",
        "stat",
    ]


# The words are a contract with the outside: a renamed one breaks what others have stored.
@pytest.mark.parametrize(
    ("codes", "words"),
    [
        (Direction, "up down lateral"),
        (Outcome, "cured improved unchanged worse died went-home-severe undetermined"),
        (Disposition, "discharged returned-to-referrer moved-on left-on-request absconded died"),
        (RejectReason, "no-capacity outside-capability insufficient-information wrong-level duplicate other"),
        (
            WithdrawReason,
            (
                "patient-died patient-declined patient-chose-elsewhere improved no-transport no-answer"
                " wrong-target transferred-outside-network entered-by-mistake other"
            ),
        ),
        (MissReason, "not-arrived turned-back unreachable other"),
        (AccessScope, "owner referral package"),
    ],
)
def test_the_words_of_each_list(codes, words):
    assert [str(code) for code in codes] == words.split()
