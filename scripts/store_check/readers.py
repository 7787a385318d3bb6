"""Who may read what is what the events say: their grants played again, in the order they were made."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from referral.domain.lifecycle import OfferState
from referral.domain.visibility import CLINICAL
from referral.fhir.attachment import BINARY
from referral.fhir.package import HANDED_ON
from scripts.store_check.facts import Facts, Key, Row, Version, is_open, is_with_receiver
from scripts.store_check.grants import Grant, Grants, Link
from scripts.store_check.violation import Violation

_WITHOUT_CARE = {
    OfferState.REJECTED,
    OfferState.REDIRECTED,
    OfferState.WITHDRAWN,
    OfferState.LAPSED,
    OfferState.ENTERED_IN_ERROR,
}
_SAID = {"in-progress", "completed"}
"""Statuses of words that others hear."""


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


def _played(facts: Facts) -> Grants:
    """Plays one transaction after the other, each in the order of `apply_changes`."""
    play = Grants(facts)
    written: dict[str, list[tuple[Key, Version]]] = defaultdict(list)
    for key, versions in facts.versions.items():
        for version in versions:
            written[version.tx].append((key, version))
    acts: dict[str, list[Row]] = defaultdict(list)
    for event in facts.events:
        acts[event["tx"]].append(event)
    # A transaction that waited for another has the higher numbers, whichever of the two began first.
    for transaction in dict.fromkeys(row["tx"] for row in facts.changes):
        _play_one(play, written[transaction], acts[transaction])
    return play


def _play_one(play: Grants, written: Sequence[tuple[Key, Version]], events: Sequence[Row]) -> None:
    play.shown.clear()
    _write(play, written)
    packages = [given for event in events for given in _packages(play, event)]
    ended = [event for event in events if _end(play, event)]
    if ended:
        play.end_onward({event["id"] for event in ended}, ended[0]["at"])
    for event in events:
        _give(play, event)
        _give_to_the_other(play, event)
    # The patient may have a photo.
    times = {("Patient", offer["patient"]): at for offer, at in packages}
    late = [(key, version) for key, version in written if _is_late(play.facts, key, version)]
    packages += [given for key, version in late for given in _packages_naming(play, key, version)]
    for offer, at in packages:
        _give_package(play, offer, at)
    times |= {holder: version.at for key, version in late for holder in _holders_naming(play, key, version)}
    times |= {key: event["at"] for event in events for key in play.shown}
    times |= {key: version.at for key, version in written if key in play.shown}
    for key, at in times.items():
        _hand_on(play, key, at)


def _write(play: Grants, written: Sequence[tuple[Key, Version]]) -> None:
    for key, version in written:
        play.newest[key] = version
        for link in version.links:
            play.naming[link].add(key)
        is_new = version.number == 1 or key[0] not in HANDED_ON
        if any(kind == BINARY or not is_new for kind, _ in version.links):
            play.shown.add(key)
        if version.number == 1 and key[0] in CLINICAL:
            play.grant(version.owner, key, "owner", "", version.at)


def _packages(play: Grants, event: Row) -> Iterator[tuple[Row, datetime]]:
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


def _is_late(facts: Facts, key: Key, version: Version) -> bool:
    """Whether something may have named it before it was there: it is new, or brought back."""
    before = next((one for one in facts.versions[key] if one.number == version.number - 1), None)
    is_named = key[0] in CLINICAL and key[0] != "Patient"
    return is_named and not version.deleted and (before is None or before.deleted)


def _packages_naming(play: Grants, key: Key, version: Version) -> Iterator[tuple[Row, datetime]]:
    """The offers, with whose package it goes from now on, of the referrals by its own facility."""
    for kind, name in sorted(play.naming[key]):
        referral = play.facts.referrals.get(name) if kind == "ServiceRequest" else None
        if referral is None or referral["sender"] != version.owner or not play.names((kind, name), key):
            continue
        for offer in play.facts.offers_of.get(name, ()):
            state = play.states.get(offer["id"])
            if state is not None and (is_open(state) or state == OfferState.COMPLETED):
                yield offer, version.at


def _holders_naming(play: Grants, key: Key, version: Version) -> Iterator[Key]:
    for holder in sorted(play.naming[key]):
        by_itself = holder[0] in HANDED_ON and play.newest[holder].owner == version.owner
        if by_itself and play.names(holder, key):
            yield holder


def _end(play: Grants, event: Row) -> bool:
    """End what an offer gave that ends without care; whether it did."""
    offer = play.facts.offers.get(event["id"]) if event["type"] == "Task" else None
    if offer is None or event["to_state"] not in _WITHOUT_CARE or event["move"] == "amend":
        return False
    in_error = event["to_state"] == OfferState.ENTERED_IN_ERROR
    play.end(offer["owner"], offer["id"], event["at"], in_error=in_error)
    # What was said between the two goes with it on both sides.
    play.end(offer["requester"], offer["id"], event["at"], in_error=False)
    return True


def _give(play: Grants, event: Row) -> None:
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


def _give_outputs(play: Grants, event: Row, referral: Row) -> None:
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
        link = Link(event["facility"], referral["id"], referral["patient"])
        for given in _closure(play, [key], link):
            for facility in facilities - {author}:
                play.grant(facility, given, "package", referral["id"], event["at"])


def _give_to_the_other(play: Grants, event: Row) -> None:
    """A question, an answer and what they name are seen by the other party, and so is the wish to stop."""
    facts, at, key = play.facts, event["at"], (event["type"], event["id"])
    if key[0] == "Communication" and _is_said_now(facts, key, event["version"]):
        answers, asks = facts.answered.get(key[1]), facts.asked.get(key[1])
        if answers is not None:
            play.grant(answers["owner"], key, "referral", answers["referral"], at)
            play.shown.add(key)
            _give_named(play, key, event, answers, answers["owner"])
        elif asks is not None:
            _give_named(play, key, event, asks, asks["requester"])
    elif key[0] == "Task" and event["move"] == "create" and key[1] in facts.aborts:
        offer = facts.aborts[key[1]]
        for facility in (offer["owner"], offer["network"]):
            play.grant(facility, key, "referral", offer["referral"], at)


def _is_said_now(facts: Facts, key: Key, number: int) -> bool:
    """Whether these words are said in this version, and were not before."""
    said = {one.number: one.status[0] in _SAID for one in facts.versions[key]}
    return said.get(number, False) and not said.get(number - 1, False)


def _give_named(play: Grants, key: Key, event: Row, offer: Row, to: str) -> None:
    """What words name in their payload goes with the offer of which they are."""
    version = next(one for one in play.facts.versions[key] if one.number == event["version"])
    for named in version.brings:
        known = play.newest.get(named)
        if known is None or known.owner == to:
            continue
        link = Link(event["facility"], offer["id"], known.patient or offer["patient"])
        for given in _closure(play, [named], link):
            play.grant(to, given, "package", offer["id"], event["at"])


def _give_communication(play: Grants, key: Key, event: Row) -> None:
    """What is said about a referral is heard by its sender and by who has, or had, the patient."""
    facts = play.facts
    version = next((one for one in facts.versions[key] if one.number == event["version"]), None)
    if version is None or version.status[0] not in _SAID:
        return
    for kind, name in version.about:
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


def _give_package(play: Grants, offer: Row, at: datetime) -> None:
    """The patient, and the closure of what the referral names, as far as its sender may give it."""
    link, patient = Link(offer["requester"], offer["id"], offer["patient"]), ("Patient", offer["patient"])
    if play.may_give(link.giver, patient, link.via):
        play.grant(offer["owner"], patient, "package", offer["id"], at)
    request = play.newest.get(("ServiceRequest", offer["referral"]))
    for key in _closure(play, request.links if request else (), link):
        play.grant(offer["owner"], key, "package", offer["id"], at)


def _closure(play: Grants, named: Iterable[Key], link: Link, *, gone: bool = False) -> set[Key]:
    """These and what they are made of, as far as the giver may give it and it is about the patient.

    gone: with what is deleted.
    """
    waiting, given = list(named), set[Key]()
    while waiting:
        key = waiting.pop()
        known = play.newest.get(key)
        if known is None or key in given or not _is_about(key, known, link.patient):
            continue
        if (gone or not known.deleted) and play.may_give(link.giver, key, link.via):
            given.add(key)
            waiting += known.links
    return given


def _hand_on(play: Grants, key: Key, at: datetime) -> None:
    """What something names is seen by whom that was given, and so on, as far as its author may give it."""
    holder = play.newest.get(key)
    if holder is None:
        return
    for row in list(play.of_key[key]):
        facility, kind, _, scope, via = row
        by_itself = scope == "package" or kind not in {"ServiceRequest", "Task"}
        if scope == "owner" or row in play.until or not by_itself:
            continue
        for given in _closure(play, holder.links, Link(holder.owner, via, holder.patient), gone=True):
            play.grant(facility, given, scope, via, at)


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
