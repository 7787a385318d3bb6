"""When a place is open, by what it says of itself."""

from datetime import datetime

import pytest

from referral.domain.opening_hours import is_open

# A Monday.
WEEK = "Mon-Fri 07:00-16:30; Sat 07:00-11:00"
NIGHT = "Mon,Sun 20:00-06:00"


@pytest.mark.parametrize(
    ("hours", "day", "time", "expected"),
    [
        ("24/7", 7, "03:00", True),
        (WEEK, 2, "07:00", True),
        (WEEK, 2, "06:59", False),
        (WEEK, 2, "16:30", False),
        (WEEK, 7, "10:59", True),
        (WEEK, 7, "11:00", False),
        (WEEK, 8, "08:00", False),
        (NIGHT, 2, "21:00", True),
        (NIGHT, 3, "05:59", True),
        (NIGHT, 3, "06:00", False),
        (NIGHT, 3, "21:00", False),
        (NIGHT, 2, "05:00", True),
        ("Tue 00:00-24:00", 3, "23:59", True),
        # What cannot be told rules nobody out.
        (None, 2, "03:00", True),
        ("by appointment", 2, "03:00", True),
        ("Mon-Fry 07:00-08:00", 2, "03:00", True),
    ],
)
def test_a_place_is_open_when_it_says_so(hours: str | None, day: int, time: str, expected: bool) -> None:
    at = datetime.fromisoformat(f"2026-03-0{day}T{time}:00+07:00")
    assert is_open(hours, at) is expected
