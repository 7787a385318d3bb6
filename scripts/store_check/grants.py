"""Who was given what, by which offer or referral; and who may give it on: decision 0019."""

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from referral.domain.lifecycle import BEFORE_ARRIVAL, OfferState
from scripts.store_check.facts import Facts, Key, Row, Version

Grant = tuple[str, str, str, str, str]
"""facility, type, id, scope, via"""

_SAID_YES = {
    OfferState.ACCEPTED,
    OfferState.SCHEDULED,
    OfferState.IN_TRANSIT,
    OfferState.NO_SHOW,
    OfferState.ARRIVED,
    OfferState.COMPLETED,
    OfferState.CLOSED,
    OfferState.STOPPED,
}


class Link(NamedTuple):
    """Who gives something, by which offer or referral, about which patient."""

    giver: str
    via: str
    patient: str | None


@dataclass(slots=True)
class Grants:
    """The grants as they stand after the transactions played so far."""

    facts: Facts
    since: dict[Grant, datetime] = field(default_factory=dict)
    until: dict[Grant, datetime] = field(default_factory=dict)
    given: dict[tuple[str, str], set[Grant]] = field(default_factory=lambda: defaultdict(set))
    """Living grants by facility and via."""
    of_key: dict[Key, list[Grant]] = field(default_factory=lambda: defaultdict(list))
    """All grants of a resource, in their order."""
    shown: set[Key] = field(default_factory=set)
    """What this transaction gives to somebody by itself, and writes with links that may be new."""
    newest: dict[Key, Version] = field(default_factory=dict)
    naming: dict[Key, set[Key]] = field(default_factory=lambda: defaultdict(set))
    """What has ever named a resource."""
    states: dict[str, str] = field(default_factory=dict)
    """Of offers."""

    def grant(self, facility: str, key: Key, scope: str, via: str, at: datetime) -> None:
        """Give it, unless that was given before, even if it has ended since."""
        row = (facility, *key, scope, via)
        if row not in self.since:
            self.since[row] = at
            self.given[facility, via].add(row)
            self.of_key[key].append(row)

    def end(self, facility: str, via: str, at: datetime, *, in_error: bool) -> None:
        """End what an offer gave to one of its parties."""
        self._end(
            {
                row
                for row in self.given[facility, via]
                if row[3] == "package" or (in_error and row[3] == "referral" and row[1] != "Task")
            },
            at,
        )

    def end_onward(self, ended: Collection[str], at: datetime) -> None:
        """End what nobody may give any more in the referrals that rest on these offers, and those on them."""
        reached = set(ended)
        while reached:
            onward = [offer for name in reached for offer in self._resting_on(self.facts.offers[name])]
            self._end(
                {
                    row
                    for offer in onward
                    for via in (offer["id"], offer["referral"])
                    for row in self.given[offer["owner"], via]
                    if row[3] != "owner" and not self.may_give(offer["requester"], (row[1], row[2]), via)
                },
                at,
            )
            reached = {offer["id"] for offer in onward}

    def may_give(self, facility: str, key: Key, via: str) -> bool:
        """Whether it gives this by an offer or a referral: what is its own, or was given to it for good.

        What it has by an offer alone it gives by a referral that rests on that, where it said yes; or back.
        """
        living = [row for row in self.of_key[key] if row[0] == facility and row not in self.until]
        if not living:
            return False
        through = {self._through(row) for row in living}
        if None in through:
            return True
        offer = self.facts.offers.get(via)
        referral = self.facts.referrals.get(offer["referral"] if offer is not None else via)
        if referral is None:
            return False
        rests_on = referral["based_on"] if referral["sender"] == facility else referral["id"]
        return any(
            one["owner"] == facility
            and self.states.get(one["id"]) in _SAID_YES
            and not through.isdisjoint({one["id"], one["referral"]})
            for one in self.facts.offers_of.get(rests_on or "", ())
        )

    def names(self, holder: Key, key: Key) -> bool:
        """Whether something names another as it stands now."""
        return key in self.newest[holder].links

    def _through(self, row: Grant) -> str | None:
        """The offer by which somebody sees something, or the referral offered to it; None for ever."""
        facility, _, _, scope, via = row
        if scope == "owner":
            return None
        offered = any(
            one["owner"] == facility and one["id"] in self.states for one in self.facts.offers_of.get(via, ())
        )
        return via if via in self.states or offered else None

    def _resting_on(self, offer: Row) -> Iterator[Row]:
        for name in self.facts.based_on.get(offer["referral"], ()):
            if self.facts.referrals[name]["sender"] == offer["owner"]:
                for one in self.facts.offers_of.get(name, ()):
                    if self.states.get(one["id"]) in BEFORE_ARRIVAL:
                        yield one

    def _end(self, ended: Collection[Grant], at: datetime) -> None:
        for row in ended:
            self.until[row] = at
            self.given[row[0], row[4]].discard(row)
