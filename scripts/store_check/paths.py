"""The events of each referral and offer are a path of the lifecycle's tables, to where the rows stand."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from referral.domain.deadlines import ClockMove
from referral.domain.lifecycle import (
    BEFORE_ANSWER,
    BEFORE_ARRIVAL,
    OFFER_RULES,
    OPEN_OFFER,
    REFERRAL_FOLLOWS,
    REFERRAL_RULES,
    OfferMove,
    OfferState,
    Party,
    ReferralMove,
    ReferralState,
)
from referral.fhir.states import OFFER_STATUS, REFERRAL_STATUS
from scripts.store_check.facts import Facts, Key, Row, Version
from scripts.store_check.violation import Violation

_FIRST = {
    ("ServiceRequest", "draft", None, "draft"),
    ("ServiceRequest", "submit", "draft", "unplaced"),
    ("Task", "offer", None, "requested"),
    ("Task", "claim", None, "arrived"),
}


def check_paths(facts: Facts) -> Iterator[Violation]:
    """Every row of `referral` and `offer` against its events, and every version of its document."""
    events: dict[Key, list[Row]] = defaultdict(list)
    acts: dict[str, list[Row]] = defaultdict(list)
    for event in facts.events:
        events[event["type"], event["id"]].append(event)
        acts[event["tx"]].append(event)
    rows = {("ServiceRequest", name): row for name, row in facts.referrals.items()}
    rows |= {("Task", name): row for name, row in facts.offers.items()}
    for key, row in rows.items():
        yield from _check_path(key, row, events.get(key, []), acts)
        yield from _check_statuses(key, facts.versions.get(key, []), events.get(key, []))
    for key, path in events.items():
        if key not in rows and any(event["to_state"] is not None for event in path):
            yield Violation("path-unfounded", "/".join(key), "has moves, and no row of referral or offer")


def _check_path(
    key: Key, row: Row, path: Sequence[Row], acts: Mapping[str, Sequence[Row]]
) -> Iterator[Violation]:
    where = "/".join(key)
    state, version = None, 0
    for place, event in enumerate(path):
        if event["version"] < version:
            yield Violation("path-order", where, f"{event['move']} of version {event['version']} is late")
        version = event["version"]
        if event["to_state"] is None:
            if event["move"] != "identify":
                yield Violation("path-illegal", where, f"{event['move']} tells of no state")
            continue
        step = f"{event['from_state']} -> {event['to_state']} by {event['move']} of {event['party']}"
        if place == 0:
            first = (key[0], event["move"], event["from_state"], event["to_state"])
            if first not in _FIRST or version != 1:
                yield Violation("path-start", where, f"begins with {step}, version {version}")
        elif event["from_state"] != state:
            yield Violation("path-broken", where, f"{step}, and stood at {state}")
        elif not _is_legal(key[0], event, acts[event["tx"]]):
            yield Violation("path-illegal", where, step)
        state = event["to_state"]
    if state != row["state"]:
        yield Violation("path-end", where, f"the row says {row['state']}, the events {state}")
    if not any(event["at"] == row["updated_at"] for event in path):
        yield Violation("path-end", where, f"no event at {row['updated_at']}, when the row changed")


def _is_legal(kind: str, event: Row, act: Sequence[Row]) -> bool:
    """Whether an event after the first is a row of the tables. `act`: all events of its transaction."""
    before, move, after, party = (event[name] for name in ("from_state", "move", "to_state", "party"))
    aside = _is_aside(kind, event, act)
    if aside is not None:
        return aside
    if kind == "Task":
        return any(
            before in rule.source
            and rule.move == move
            and party in rule.by
            and (rule.target or before) == after
            for rule in OFFER_RULES
        )
    onward = party in {Party.RECEIVER, Party.SYSTEM} and any(other["move"] == "refer-onward" for other in act)
    for rule in REFERRAL_RULES:
        by = party in rule.by or (move == "offer" and onward)
        reached = {rule.target or before, rule.with_offer}
        if before in rule.source and rule.move == move and by and after in reached:
            return True
    # Else it follows its offer, which made the same move in the same act.
    return any(
        before in row.source
        and after == row.target
        and any(
            other["type"] == "Task"
            and other["referral"] == event["id"]
            and other["move"] == move
            and other["to_state"] in row.offer
            for other in act
        )
        for row in REFERRAL_FOLLOWS
    )


def _is_aside(kind: str, event: Row, act: Sequence[Row]) -> bool | None:
    """Whether an event is right of which the tables say nothing; None for all others."""
    before, move, after, party = (event[name] for name in ("from_state", "move", "to_state", "party"))
    moves = {(one["move"], one["from_state"]) for one in act}
    match kind, move:
        case _, "amend":
            return bool(before == after)
        case _, ClockMove.WARN | ClockMove.ESCALATE:
            return bool(before == after and party == Party.SYSTEM)
        case "Task", OfferMove.ANSWER if before == after:
            # Another question is still open.
            return party == Party.SENDER and after in OPEN_OFFER
        case "Task", OfferMove.REFER_ONWARD if party == Party.SYSTEM:
            # Silence moves it along the list of its sender.
            escalates = any(name == ClockMove.ESCALATE for name, _ in moves)
            return escalates and before in BEFORE_ANSWER and after == OfferState.REDIRECTED
        case "Task", ReferralMove.CLAIM:
            # The patient is somewhere else: there an offer begins, arrived.
            begins = (ReferralMove.CLAIM, None) in moves
            return begins and before in BEFORE_ARRIVAL and after == OfferState.REDIRECTED
    return None


def _check_statuses(key: Key, versions: Sequence[Version], path: Sequence[Row]) -> Iterator[Violation]:
    """Each version of the document has the words of the state that the last of its events tells."""
    where = "/".join(key)
    if not versions:
        yield Violation("document-missing", where, "its row has no document")
    states: dict[int, str] = {}
    standing = None
    for event in path:
        standing = event["to_state"] or standing
        if standing is not None:
            states[event["version"]] = standing
    for version in versions:
        state = states.get(version.number)
        if state is None:
            continue
        words = (
            tuple(OFFER_STATUS[OfferState(state)])
            if key[0] == "Task"
            else (REFERRAL_STATUS[ReferralState(state)], None)
        )
        if version.status != words:
            yield Violation(
                "document-state", where, f"version {version.number} says {version.status}, it was {state}"
            )
