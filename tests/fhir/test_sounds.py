import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral.fhir.sounds import sound
from referral.fhir.text_keys import fold


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Nam", "Lam"),
        ("Sen", "Xen"),
        ("Trung", "Chung"),
        ("Dũng", "Giũng"),
        ("Rương", "Dương"),
        ("Thúy", "Thuí"),
        ("Quyên", "Kuiên"),
        ("Cường", "Kường"),
        ("Phương", "Fuong"),
        ("Nghĩa", "Ngĩa"),
        ("Tuấn", "Tuấng"),
        ("Anna", "Ana"),
    ],
)
def test_what_sounds_alike_is_alike(one, other):
    assert sound(f"Trần {one} Hà") == sound(f"Trần {other} Hà")


@pytest.mark.parametrize(
    ("one", "other"), [("Nga", "La"), ("Nhung", "Lung"), ("Hòa", "Bình"), ("Minh", "Mai")]
)
def test_what_sounds_otherwise_is_not(one, other):
    assert sound(one) != sound(other)


@given(st.text())
def test_any_text_has_a_sound_that_is_folded(text):
    assert fold(sound(text)) == sound(text)
