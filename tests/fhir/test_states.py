import pytest

from referral.domain.errors import BrokenRule, UnknownCode
from referral.domain.lifecycle import OfferState, ReferralMove, ReferralState
from referral.fhir.states import (
    OFFER_STATUS,
    REFERRAL_STATUS,
    is_submitted,
    offer_state,
    referral_move,
    target_state,
)

# A second transcription of the design's table: state, Task.status, businessStatus.
OFFERS = """
requested requested requested
received received received
awaiting-information received awaiting-information
accepted accepted accepted
scheduled accepted visit-scheduled
in-transit accepted in-transit
no-show accepted no-show
arrived in-progress arrived
completed completed completed
closed completed closed
rejected rejected rejected
redirected rejected referred-onward
withdrawn cancelled withdrawn
lapsed cancelled lapsed
stopped failed stopped
entered-in-error entered-in-error -
"""
OFFER_WORDS = [
    (state, status, None if business == "-" else business)
    for state, status, business in map(str.split, OFFERS.strip().splitlines())
]


@pytest.mark.parametrize(("state", "status", "business"), OFFER_WORDS)
def test_offer_words_both_ways(state, status, business):
    assert OFFER_STATUS[OfferState(state)] == (status, business)
    assert offer_state(status, business) == state


def test_every_state_has_its_words():
    assert set(OFFER_STATUS) == {state for state, _, _ in OFFER_WORDS} == set(OfferState)
    assert REFERRAL_STATUS == {
        "draft": "draft",
        "unplaced": "active",
        "offered": "active",
        "in-care": "active",
        "completed": "completed",
        "closed": "completed",
        "cancelled": "revoked",
        "lapsed": "revoked",
        "entered-in-error": "entered-in-error",
    }
    assert set(REFERRAL_STATUS) == set(ReferralState)


DEFAULTS = {
    "requested": "requested",
    "received": "received",
    "accepted": "accepted",
    "rejected": "rejected",
    "in-progress": "arrived",
    "completed": "completed",
    "cancelled": "withdrawn",
    "failed": "stopped",
    "entered-in-error": "entered-in-error",
}


@pytest.mark.parametrize("stored", OfferState)
@pytest.mark.parametrize(("status", "state"), DEFAULTS.items())
def test_a_changed_status_means_its_default_whatever_business_status_is_left_over(stored, status, state):
    old_status, old_business = OFFER_STATUS[stored]
    expected = None if status == old_status else state
    assert target_state(stored, status, None) == expected
    assert target_state(stored, status, old_business) == expected


@pytest.mark.parametrize("stored", OfferState)
@pytest.mark.parametrize(("state", "status", "business"), OFFER_WORDS)
def test_both_words_mean_their_state(stored, state, status, business):
    if business is not None:
        assert target_state(stored, status, business) == (None if stored == state else state)


@pytest.mark.parametrize(
    ("stored", "status", "business"),
    [
        ("accepted", "accepted", "arrived"),
        ("requested", "requested", "accepted"),
        ("requested", "accepted", "visit-scheduled-not"),
        ("requested", "entered-in-error", "withdrawn"),
        ("scheduled", "in-progress", "accepted"),
    ],
)
def test_words_that_do_not_go_together(stored, status, business):
    expected = UnknownCode if business.endswith("-not") else BrokenRule
    with pytest.raises(expected) as refusal:
        target_state(OfferState(stored), status, business)
    assert [problem.expression for problem in refusal.value.problems] == ["Task.businessStatus"]


@pytest.mark.parametrize(
    ("status", "error"),
    [("banana", UnknownCode), ("draft", BrokenRule), ("ready", BrokenRule), ("on-hold", BrokenRule)],
)
def test_a_status_that_no_offer_has(status, error):
    with pytest.raises(error) as refusal:
        target_state(OfferState.REQUESTED, status, "requested")
    assert [problem.expression for problem in refusal.value.problems] == ["Task.status"]


def test_a_referral_begins_as_draft_or_active():
    assert is_submitted("active")
    assert not is_submitted("draft")
    with pytest.raises(BrokenRule) as refusal:
        is_submitted("completed")
    assert [problem.expression for problem in refusal.value.problems] == ["ServiceRequest.status"]


@pytest.mark.parametrize("stored", ReferralState)
@pytest.mark.parametrize("status", ["draft", "active", "on-hold", "revoked", "completed", "entered-in-error"])
def test_a_referral_status_read_as_a_move(stored, status):
    expected = {
        "active": ReferralMove.SUBMIT if stored == "draft" else None,
        "revoked": ReferralMove.CANCEL,
        "entered-in-error": ReferralMove.DISCARD if stored == "draft" else ReferralMove.MARK_ERROR,
    }
    unchanged = status == REFERRAL_STATUS[stored]
    assert referral_move(stored, status) is (None if unchanged else expected.get(status))
