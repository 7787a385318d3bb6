"""The rows of referrals and offers say what their documents say, and agree with each other."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from referral.domain.codes import Direction
from referral.domain.lifecycle import BEFORE_ARRIVAL, OfferState, ReferralState
from referral.fhir import systems
from referral.fhir.elements import extension
from referral.fhir.package import patient_of
from referral.fhir.referral import direction_of, own_numbers, priority_of
from scripts.store_check.facts import Facts, Row, is_open, resolver
from scripts.store_check.violation import Violation

# What one offer at least must be while its referral is in this state. In all others none is open.
_HELD: Mapping[ReferralState, frozenset[OfferState]] = {
    ReferralState.OFFERED: BEFORE_ARRIVAL,
    ReferralState.IN_CARE: frozenset({OfferState.ARRIVED}),
    ReferralState.COMPLETED: frozenset({OfferState.COMPLETED}),
    ReferralState.CLOSED: frozenset({OfferState.CLOSED}),
}


def check_rows(facts: Facts) -> Iterator[Violation]:
    """What rows say of each other: one number for each, at most one open offer, states that fit."""
    numbers = Counter(row["number"] for row in facts.referrals.values() if row["number"])
    for number, times in numbers.items():
        if times > 1:
            yield Violation("number-twice", number, f"{times} referrals have it")
    own = Counter(
        (row["sender"], row["system"], row["value"]) for rows in facts.identifiers.values() for row in rows
    )
    for (sender, _, value), times in own.items():
        if times > 1:
            yield Violation("identifier-twice", f"{sender} {value}", f"{times} referrals have it")
    for name, row in facts.referrals.items():
        states = [offer["state"] for offer in facts.offers_of.get(name, ())]
        held = [state for state in states if is_open(state)]
        if len(held) > 1:
            yield Violation("open-offers", f"ServiceRequest/{name}", f"{len(held)} offers are open")
        state = ReferralState(row["state"])
        needed = _HELD.get(state, frozenset())
        if (needed and needed.isdisjoint(states)) or not needed.issuperset(held):
            yield Violation(
                "referral-and-offers", f"ServiceRequest/{name}", f"is {state}, and its offers are {states}"
            )
        if row["journey"] is not None:
            before = facts.referrals.get(row["based_on"] or "")
            expected = before["journey"] if before is not None else row["number"]
            if row["journey"] != expected:
                text = f"is of journey {row['journey']}, and should be of {expected}"
                yield Violation("journey", f"ServiceRequest/{name}", text)
    for name, row in facts.offers.items():
        about = facts.referrals.get(row["referral"])
        told = ("network", "patient")
        if (
            about is None
            or any(row[part] != about[part] for part in told)
            or row["requester"] != about["sender"]
        ):
            yield Violation("offer-of-referral", f"Task/{name}", "is of another sender, patient or network")


def check_document(facts: Facts, kind: str, name: str, content: Mapping[str, Any]) -> Iterator[Violation]:
    """The newest content of one resource against its row, where it has one."""
    if kind == "ServiceRequest" and name in facts.referrals:
        found, row = _of_referral(facts, name, content), facts.referrals[name]
    elif kind == "Task" and name in facts.offers:
        found, row = _of_offer(facts, name, content), facts.offers[name]
    else:
        return
    for part, said in found.items():
        if row[part] != said:
            text = f"{part} is {row[part]} in its row and {said} in its document"
            yield Violation("row-and-document", f"{kind}/{name}", text)


def check_identifiers(facts: Facts, name: str, content: Mapping[str, Any]) -> Iterator[Violation]:
    """The rows that keep one request from becoming two referrals are its sender's numbers."""
    row = facts.referrals[name]
    wanted = set(own_numbers(content)) if row["state"] != ReferralState.ENTERED_IN_ERROR else set()
    found = {
        (one["system"], one["value"])
        for one in facts.identifiers.get(name, ())
        if one["sender"] == row["sender"]
    }
    if found != wanted or len(found) != len(facts.identifiers.get(name, ())):
        text = f"{len(found)} rows of its own numbers, and {len(wanted)} in the document"
        yield Violation("identifier-rows", f"ServiceRequest/{name}", text)


def _of_referral(facts: Facts, name: str, content: Mapping[str, Any]) -> dict[str, Any]:
    owner = facts.versions["ServiceRequest", name][-1].owner
    journey = extension(content, systems.JOURNEY_EXTENSION) or {}
    network = extension(content, systems.NETWORK_EXTENSION) or {}
    reference = network.get("valueReference", {}).get("reference", "")
    return {
        "sender": owner,
        "number": _number(content.get("identifier", ())),
        "journey": journey.get("valueIdentifier", {}).get("value"),
        "direction": direction_of(content, "") or Direction.UP,
        "priority": priority_of(content),
        "patient": patient_of("ServiceRequest", content, facts.base, resolver(facts, owner, content)),
        **({"network": reference.rpartition("/")[2]} if reference else {}),
    }


def _of_offer(facts: Facts, name: str, content: Mapping[str, Any]) -> dict[str, Any]:
    row = facts.offers[name]
    owner = facts.versions["Task", name][-1].owner
    said = {
        "requester": owner,
        "priority": priority_of(content),
        "patient": patient_of("Task", content, facts.base, resolver(facts, owner, content)),
        "referral": str(content.get("focus", {}).get("reference", "")).rpartition("/")[2],
    }
    about: Row | None = facts.referrals.get(row["referral"])
    group = content.get("groupIdentifier", {}).get("value")
    if about is not None and about["number"] != group:
        said["referral"] = f"of number {group}"
    return said


def _number(identifiers: Any) -> str | None:
    found = [
        one.get("value") for one in identifiers if one.get("system") == systems.REFERRAL_NUMBER_IDENTIFIER
    ]
    return found[0] if len(found) == 1 else None
