"""The addresses of a Bundle's pages."""

from urllib.parse import parse_qsl, urlencode

from hypothesis import given
from hypothesis import strategies as st

from referral.api.search import link

PLAIN = st.text("aZ09_.~/:,=&-", max_size=8)
PAIRS = st.lists(st.tuples(*[PLAIN | st.text(st.characters(codec="utf-8"), max_size=8)] * 2), max_size=4)


@given(PAIRS)
def test_a_link_asks_for_just_what_was_asked_for(pairs: list[tuple[str, str]]) -> None:
    made = link("http://hub.example/fhir/Task", tuple(pairs))
    assert made == "http://hub.example/fhir/Task" + ("?" if pairs else "") + urlencode(pairs, safe="/:")
    assert parse_qsl(made.partition("?")[2], keep_blank_values=True, separator="&") == pairs
