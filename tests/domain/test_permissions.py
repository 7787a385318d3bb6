import pytest

from referral.domain.permissions import parties_of


@pytest.mark.parametrize(
    ("actor", "parties"),
    [
        ("station", {"sender"}),
        ("hospital", {"receiver"}),
        ("network", {"office"}),
        ("stranger", set()),
        (None, {"system"}),
    ],
)
def test_an_actor_is_the_party_that_its_facility_is(actor, parties):
    assert parties_of(actor, sender="station", receiver="hospital", office="network") == parties


def test_a_member_facility_is_a_party_beside_its_other_parts():
    assert parties_of("other", sender="station", member=True) == {"member"}
    assert parties_of("station", sender="station", member=True) == {"sender", "member"}


def test_the_clock_is_nobody_else_when_there_is_no_receiver_or_office():
    assert parties_of(None, sender="station") == {"system"}
