"""The states of an offer that SQL writes out are those of the lifecycle."""

import re

import asyncpg

from referral.domain.lifecycle import BEFORE_ANSWER, BEFORE_ARRIVAL, OPEN_OFFER, OfferState
from referral.store.statements import nouns, statements
from tests.conftest import Database

_O = OfferState
ENDED_WITHOUT_CARE = {_O.REJECTED, _O.REDIRECTED, _O.WITHDRAWN, _O.LAPSED, _O.ENTERED_IN_ERROR}
WRITTEN_OUT = {
    ("answer_times", BEFORE_ANSWER),
    ("answer_times", frozenset({_O.ACCEPTED, _O.REJECTED, _O.REDIRECTED})),
    ("end_onward", BEFORE_ARRIVAL),
    ("may_give", frozenset(_O) - BEFORE_ANSWER - ENDED_WITHOUT_CARE),
    ("offer_one_open", OPEN_OFFER),
    ("offer_state_check", frozenset(_O)),
    ("offer_waiting", BEFORE_ANSWER),
    ("offers_ahead", BEFORE_ARRIVAL),
    ("standing_of", OPEN_OFFER),
    ("suggestion.overlay", BEFORE_ARRIVAL),
    ("waiting_offers", BEFORE_ANSWER),
    ("with_late", OPEN_OFFER | {_O.COMPLETED}),
}
_LISTS = re.compile(r"[(\[]('[a-z-]+'(?:::text)?(?:,\s*'[a-z-]+'(?:::text)?)+)[)\]]")


async def test_states_of_an_offer_are_written_out_as_the_lifecycle_has_them(database: Database) -> None:
    owner = await asyncpg.connect(database.owner_dsn)
    try:
        made = await owner.fetch(
            "SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
            " UNION ALL SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
            " UNION ALL SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE connamespace = 'public'::regnamespace"
            " UNION ALL SELECT viewname, definition FROM pg_views WHERE schemaname = 'public'"
            " UNION ALL SELECT policyname, qual FROM pg_policies"
        )
    finally:
        await owner.close()
    places = [(row[0], row[1] or "") for row in made]
    places += [(f"{noun}.{name}", sql) for noun in nouns() for name, sql in statements(noun).items()]
    found = set()
    for place, sql in places:
        for listed in _LISTS.findall(sql):
            values = set(re.findall("'([a-z-]+)'", listed))
            if values <= set(OfferState) and values & BEFORE_ARRIVAL:
                found.add((place, frozenset(map(OfferState, values))))
    assert found == WRITTEN_OUT
