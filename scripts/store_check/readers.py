"""Who may read what is what the events say: their grants played again, in the order they were made."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from referral.domain.lifecycle import OfferState
from referral.domain.visibility import CLINICAL
from referral.fhir.attachment import BINARY
from referral.fhir.package import HANDED_ON
from scripts.store_check.facts import Facts, Key, Row, Version, is_open, is_with_receiver
from scripts.store_check.violation import Violation

Grant = tuple[str, str, str, str, str]
"""facility, type, id, scope, via"""

_WITHOUT_CARE = {
    OfferState.REJECTED,
    OfferState.REDIRECTED,
    OfferState.WITHDRAWN,
    OfferState.LAPSED,
    OfferState.ENTERED_IN_ERROR,
}


@dataclass(slots=True)
class _Play:
    """The grants as they stand after the transactions played so far."""

    facts: Facts
    since: dict[Grant, datetime] = field(default_factory=dict)
    until: dict[Grant, datetime] = field(default_factory=dict)
    living: dict[tuple[str, Key], int] = field(default_factory=lambda: defaultdict(int))
    given: dict[tuple[str, str], set[Grant]] = field(default_factory=lambda: defaultdict(set))
    """Living grants by facility and via."""
    of_key: dict[Key, list[Grant]] = field(default_factory=lambda: defaultdict(list))
    """All grants of a resource, in their order."""
    shown: set[Key] = field(default_factory=set)
    """What this transaction gives to somebody by itself, and writes with links that may be new."""
    newest: dict[Key, Version] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    """Of offers."""

    def grant(self, facility: str, key: Key, scope: str, via: str, at: datetime) -> None:
        row = (facility, *key, scope, via)
        if row not in self.since:
            self.since[row] = at
            self.living[facility, key] += 1
            self.given[facility, via].add(row)
            self.of_key[key].append(row)

    def end(self, facility: str, via: str, at: datetime, *, in_error: bool) -> None:
        ended = {
            row
            for row in self.given[facility, via]
            if row[3] == "package" or (in_error and row[3] == "referral" and row[1] != "Task")
        }
        for row in ended:
            self.until[row] = at
            self.living[facility, (row[1], row[2])] -= 1
        self.given[facility, via] -= ended

    def sees(self, facility: str, key: Key) -> bool:
        return self.living.get((facility, key), 0) > 0


def check_readers(facts: Facts) -> Iterator[Violation]:
    """The table `access` against the grants and endings that versions and events tell of."""
    play = _played(facts)
    found = {
        (row["facility"], row["type"], row["id"], row["scope"], row["via"]): (row["since"], row["until"])
        for row in facts.access
    }
    for grant in sorted(play.since.keys() - found.keys()):
        yield Violation("access-missing", f"{grant[1]}/{grant[2]}", _told(grant))
    for grant in sorted(found.keys() - play.since.keys()):
        yield Violation("access-unfounded", f"{grant[1]}/{grant[2]}", _told(grant))
    for grant in sorted(found.keys() & play.since.keys()):
        since, until = found[grant]
        if until != play.until.get(grant):
            text = f"{_told(grant)} ends {until}, and should {play.until.get(grant)}"
            yield Violation("access-end", f"{grant[1]}/{grant[2]}", text)
        elif since != play.since[grant]:
            text = f"{_told(grant)} begins {since}, and should {play.since[grant]}"
            yield Violation("access-begin", f"{grant[1]}/{grant[2]}", text)


def _told(grant: Grant) -> str:
    facility, _, _, scope, via = grant
    return f"{scope} of {facility}" + (f" by {via}" if via else "")


def _played(facts: Facts) -> _Play:
    """Plays one transaction after the other, each in the order of `apply_changes`."""
    play = _Play(facts)
    written: dict[str, list[tuple[Key, Version]]] = defaultdict(list)
    for key, versions in facts.versions.items():
        for version in versions:
            written[version.tx].append((key, version))
    acts: dict[str, list[Row]] = defaultdict(list)
    for event in facts.events:
        acts[event["tx"]].append(event)
    # A transaction that waited for another has the higher numbers, whichever of the two began first.
    for transaction in dict.fromkeys(row["tx"] for row in facts.changes):
        play.shown.clear()
        _write(play, written[transaction])
        events = acts[transaction]
        packages = [given for event in events for given in _packages(play, event)]
        for event in events:
            _end(play, event)
        for event in events:
            _give(play, event)
            _give_to_the_other(play, event)
        for offer, at in packages:
            _give_package(play, offer, at)
        for key, version in written[transaction]:
            if key in play.shown:
                _hand_on(play, key, version.at)
        for event in events:
            for key in play.shown - {key for key, _ in written[transaction]}:
                _hand_on(play, key, event["at"])
    return play


def _write(play: _Play, written: list[tuple[Key, Version]]) -> None:
    for key, version in written:
        play.newest[key] = version
        is_new = version.number == 1 or key[0] not in HANDED_ON
        if any(kind == BINARY or not is_new for kind, _ in version.links):
            play.shown.add(key)
        if version.number == 1 and key[0] in CLINICAL:
            play.grant(version.owner, key, "owner", "", version.at)


def _packages(play: _Play, event: Row) -> Iterator[tuple[Row, datetime]]:
    """Offers whose owners are given the package because of an event; keeps the state of each offer."""
    if event["type"] == "Task" and event["to_state"] is not None:
        is_new = event["id"] not in play.states
        play.states[event["id"]] = event["to_state"]
        if is_new and event["id"] in play.facts.offers:
            yield play.facts.offers[event["id"]], event["at"]
    elif event["type"] == "ServiceRequest" and event["move"] == "amend":
        for offer in play.facts.offers_of.get(event["id"], ()):
            state = play.states.get(offer["id"])
            if state is not None and (is_open(state) or state == OfferState.COMPLETED):
                yield offer, event["at"]


def _end(play: _Play, event: Row) -> None:
    offer = play.facts.offers.get(event["id"]) if event["type"] == "Task" else None
    if offer is not None and event["to_state"] in _WITHOUT_CARE and event["move"] != "amend":
        in_error = event["to_state"] == OfferState.ENTERED_IN_ERROR
        play.end(offer["owner"], offer["id"], event["at"], in_error=in_error)
        # What was said between the two goes with it on both sides.
        play.end(offer["requester"], offer["id"], event["at"], in_error=False)


def _give(play: _Play, event: Row) -> None:
    facts, at, key = play.facts, event["at"], (event["type"], event["id"])
    referral = facts.referrals.get(event["referral"] or "")
    if key[0] == "Communication":
        _give_communication(play, key, event)
    elif referral is None:
        return
    elif event["move"] == "submit":
        for facility in {referral["network"]} | _senders_before(facts, referral):
            play.grant(facility, key, "referral", referral["id"], at)
    elif key[0] == "Task" and event["move"] in {"offer", "claim"} and event["from_state"] is None:
        offer = facts.offers[event["id"]]
        play.grant(offer["owner"], ("ServiceRequest", referral["id"]), "referral", offer["id"], at)
        for facility in {offer["owner"], referral["network"]} | _senders_before(facts, referral):
            play.grant(facility, key, "referral", offer["id"], at)
    elif key[0] == "Task":
        _give_outputs(play, event, referral)


def _give_outputs(play: _Play, event: Row, referral: Row) -> None:
    """The summary to all who sent the patient; reports and appointments, as they are named, to the last."""
    numbers = {one.number: one for one in play.facts.versions["Task", event["id"]]}
    version, before = numbers.get(event["version"]), numbers.get(event["version"] - 1)
    if version is None or event["to_state"] is None or event["move"] == "amend":
        return
    known = before.brings if before is not None else ()
    to_last = [(one, {referral["sender"]}) for one in version.brings if one not in known]
    for one in version.brings:
        seen = play.newest.get(one)
        if one not in known and seen is not None and seen.patient is None and seen.owner == event["facility"]:
            play.grant(referral["sender"], one, "package", referral["id"], event["at"])
    to_all = {referral["sender"]} | _senders_before(play.facts, referral)
    summaries = [(one, to_all) for one in version.about if event["move"] == "complete"]
    for key, facilities in (*to_last, *summaries):
        author = play.newest[key].owner if key in play.newest else None
        for given in _closure(play, [key], event["facility"], referral["patient"]):
            for facility in facilities - {author}:
                play.grant(facility, given, "package", referral["id"], event["at"])


def _give_to_the_other(play: _Play, event: Row) -> None:
    """An answer, and the wish to stop, are seen by the receiver."""
    facts, at, key = play.facts, event["at"], (event["type"], event["id"])
    if key[0] == "Communication" and event["move"] == "create" and key[1] in facts.answered:
        offer = facts.answered[key[1]]
        play.grant(offer["owner"], key, "referral", offer["referral"], at)
        play.shown.add(key)
    elif key[0] == "Task" and event["move"] == "create" and key[1] in facts.aborts:
        offer = facts.aborts[key[1]]
        for facility in (offer["owner"], offer["network"]):
            play.grant(facility, key, "referral", offer["referral"], at)


def _give_communication(play: _Play, key: Key, event: Row) -> None:
    """What is said about a referral is heard by its sender and by who has, or had, the patient."""
    facts = play.facts
    version = next((one for one in facts.versions[key] if one.number == event["version"]), None)
    for kind, name in version.about if version else ():
        offer = facts.offers.get(name) if kind == "Task" else None
        referral = facts.referrals.get(offer["referral"] if offer is not None else name)
        if referral is None:
            continue
        heard = {referral["sender"]} | {
            one["owner"]
            for one in facts.offers_of.get(referral["id"], ())
            if one["id"] in play.states and is_with_receiver(play.states[one["id"]])
        }
        for facility in heard - {event["facility"]}:
            play.grant(facility, key, "referral", referral["id"], event["at"])
            play.shown.add(key)


def _give_package(play: _Play, offer: Row, at: datetime) -> None:
    """The patient, and the closure of what the referral names, as far as its sender may see it."""
    sender, patient = offer["requester"], ("Patient", offer["patient"])
    if play.sees(sender, patient):
        play.grant(offer["owner"], patient, "package", offer["id"], at)
    request = play.newest.get(("ServiceRequest", offer["referral"]))
    for key in _closure(play, request.links if request else (), sender, offer["patient"]):
        play.grant(offer["owner"], key, "package", offer["id"], at)


def _closure(play: _Play, named: Iterable[Key], giver: str, patient: str) -> set[Key]:
    """These and what they are made of, as far as the giver sees it and it is about the patient."""
    waiting, given = list(named), set[Key]()
    while waiting:
        key = waiting.pop()
        known = play.newest.get(key)
        if known is None or key in given or not _is_about(key, known, patient) or not play.sees(giver, key):
            continue
        given.add(key)
        waiting += known.links
    return given


def _hand_on(play: _Play, key: Key, at: datetime) -> None:
    """What something names is seen by whom that was given, and so on, as far as its author sees it."""
    holder = play.newest.get(key)
    if holder is None:
        return
    for row in list(play.of_key[key]):
        facility, kind, _, scope, via = row
        by_itself = scope == "package" or kind not in {"ServiceRequest", "Task"}
        if scope == "owner" or row in play.until or not by_itself:
            continue
        waiting, seen = [key], {key}
        while waiting:
            current = play.newest.get(waiting.pop())
            for link in current.links if current is not None else ():
                known = play.newest.get(link)
                if link in seen or known is None or not play.sees(holder.owner, link):
                    continue
                if _is_about(link, known, holder.patient):
                    seen.add(link)
                    waiting.append(link)
                    play.grant(facility, link, scope, via, at)


def _is_about(key: Key, known: Version, patient: str | None) -> bool:
    """Bytes need not say about whom they are."""
    return known.patient == patient or (key[0] == BINARY and known.patient is None)


def _senders_before(facts: Facts, referral: Row) -> set[str]:
    """The senders of the referrals before this one in its journey, without its own."""
    found: set[str] = set()
    seen = {referral["id"]}
    before = facts.referrals.get(referral["based_on"] or "")
    while before is not None and before["id"] not in seen:
        seen.add(before["id"])
        found.add(before["sender"])
        before = facts.referrals.get(before["based_on"] or "")
    return found - {referral["sender"]}
