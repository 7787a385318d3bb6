import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral.domain.number import check_digit, is_referral_number, referral_number

prefixes = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=2, max_size=2)
sequences = st.integers(0, 99_999_999)


# Published numbers by the same rule: the example of ISO 7064, a Croatian OIB, a German tax id.
@pytest.mark.parametrize("number", ["07945", "69435151530", "36574261809"])
def test_check_digit_of_published_numbers(number):
    assert check_digit(number[:-1]) == number[-1]


def test_a_number_is_prefix_sequence_and_check_digit():
    assert referral_number("HP", 794) == "HP00000794" + check_digit("00000794")


@given(prefixes, sequences)
def test_every_number_made_is_a_number(prefix, sequence):
    number = referral_number(prefix, sequence)
    assert is_referral_number(number)
    assert (number[:2], int(number[2:10]), len(number)) == (prefix, sequence, 11)


@given(prefixes, sequences, st.integers(2, 10), st.integers(1, 9))
def test_a_wrong_digit_is_found(prefix, sequence, place, shift):
    number = referral_number(prefix, sequence)
    wrong = str((int(number[place]) + shift) % 10)
    assert not is_referral_number(number[:place] + wrong + number[place + 1 :])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "HP",
        "HP0000079",
        "hp000000011",
        "H1000000011",
        "HP000000011 ",
        "HP000000011\n",
        "HP00000001١",
        "HP0000000011",
    ],
)
def test_what_has_not_the_form_is_no_number(text):
    assert not is_referral_number(text)


@pytest.mark.parametrize("prefix", ["", "H", "HPX", "hp", "H1", "ĐN"])
def test_a_prefix_is_two_capital_letters(prefix):
    with pytest.raises(ValueError, match="two letters"):
        referral_number(prefix, 1)


@pytest.mark.parametrize("sequence", [-1, 100_000_000])
def test_a_sequence_has_eight_digits(sequence):
    with pytest.raises(ValueError, match="eight digits"):
        referral_number("HP", sequence)
