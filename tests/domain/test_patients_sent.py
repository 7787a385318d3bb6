"""How many others are sent where: all that were counted but the patient of whom it is asked."""

from datetime import UTC, datetime, timedelta

import pytest

from referral.domain.facility import FacilityId, NetworkId
from referral.domain.patients_sent import Asked, PatientsSent

AT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
HILLS, UPPER, LOWER = NetworkId("hills"), FacilityId("upper"), FacilityId("lower")
SENT = PatientsSent({HILLS: {UPPER: 3, LOWER: 1}}, AT)
BEFORE, AFTER = AT - timedelta(seconds=1), AT + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("sent", "asked", "upper", "lower"),
    [
        (SENT, None, 3, 1),
        (SENT, Asked(UPPER, BEFORE), 2, 1),
        (SENT, Asked(LOWER, BEFORE), 3, 0),
        # What came after the count is not in it.
        (SENT, Asked(UPPER, AFTER), 3, 1),
        (SENT, Asked(FacilityId("another"), BEFORE), 3, 1),
        (PatientsSent(), Asked(UPPER, BEFORE), 0, 0),
    ],
)
def test_the_patient_of_whom_it_is_asked_is_none_of_the_others(
    sent: PatientsSent, asked: Asked | None, upper: int, lower: int
) -> None:
    others = sent.others(HILLS, asked)
    assert (others.get(UPPER, 0), others.get(LOWER, 0)) == (upper, lower)
    assert not sent.others(NetworkId("elsewhere"), asked)
