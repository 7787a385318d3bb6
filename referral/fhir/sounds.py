"""Names by their sound, as Vietnamese is spoken: what people write otherwise who have heard it.

Regions make no difference between l and n, s and x, ch and tr, between d, gi and r, or between some endings.
For `phonetic`, whose algorithm is left to the server (https://hl7.org/fhir/R4/patient.html#search).
"""

import re
from typing import Final

from referral.fhir.text_keys import fold

# In this order, within each word.
_ALIKE: Final = tuple(
    (re.compile(written), spoken)
    for written, spoken in (
        (r"y", "i"),
        (r"ph", "f"),
        (r"\b(?:gi(?=[aeou])|r)", "d"),
        (r"\b(?:tr|ch)", "c"),
        (r"\bx", "s"),
        (r"\bn(?![gh])", "l"),
        (r"\bngh", "ng"),
        (r"\bgh", "g"),
        (r"\b(?:q|c(?=[aou]))", "k"),
        (r"(?:ng|nh)\b", "n"),
        (r"(?:ch|c|k)\b", "t"),
        (r"(\w)\1+", r"\1"),
    )
)


def sound(text: str) -> str:
    """The folded text as it sounds: equal for `Sen` and `Xen`, for `Lam` and `Nam`."""
    spoken = fold(text)
    for written, instead in _ALIKE:
        spoken = written.sub(instead, spoken)
    return spoken
