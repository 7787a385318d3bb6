"""The short number of a referral: on the letter, in the QR code, said over the telephone."""

import re

_NUMBER = re.compile(r"[A-Z]{2}[0-9]{9}")
_PREFIX = re.compile(r"[A-Z]{2}")
_LARGEST_SEQUENCE = 99_999_999


def check_digit(digits: str) -> str:
    """The check digit of a string of ASCII digits by ISO/IEC 7064 MOD 11,10.

    It finds every single wrong digit and nearly all swapped neighbours.
    """
    product = 10
    for digit in digits:
        product = ((product + int(digit)) % 10 or 10) * 2 % 11
    return str((11 - product) % 10)


def referral_number(prefix: str, sequence: int) -> str:
    """Two letters of the network, eight digits of the sequence, one check digit: `HP000000011`.

    Raises ValueError when the prefix is not two letters A-Z or the sequence not in 0..99999999.
    """
    if not _PREFIX.fullmatch(prefix):
        raise ValueError(f"the prefix of a network is two letters A-Z, not {prefix!r}")
    if not 0 <= sequence <= _LARGEST_SEQUENCE:
        raise ValueError(f"a referral number has eight digits: {sequence} is out of range")
    digits = f"{sequence:08d}"
    return prefix + digits + check_digit(digits)


def is_referral_number(text: str) -> bool:
    """Whether the text has the form of a referral number and its check digit is right."""
    return _NUMBER.fullmatch(text) is not None and check_digit(text[2:10]) == text[10]
