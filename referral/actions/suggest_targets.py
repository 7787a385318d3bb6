"""Suggest where to send a patient: the one entry for every door."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from referral.domain.calendar import rules_day
from referral.domain.codes import Priority
from referral.domain.errors import BrokenRule, Forbidden, MissingElement, NotFound
from referral.domain.facility import FacilityId, NetworkId
from referral.domain.policy import Policy
from referral.domain.policy_rules import ListKind
from referral.domain.suggestion import Need, Suggestions
from referral.fhir.content import read_content
from referral.fhir.references import Key, identifier_of, target_of
from referral.fhir.referral import conditions_named, network_reference, results_named
from referral.fhir.suggestion import DEFAULT_COUNT, need_of
from referral.network.snapshot import Snapshot
from referral.network.suggest import suggest
from referral.store.pool import Connection, Store
from referral.store.suggestion import (
    find_diagnoses,
    find_patient,
    find_patient_by_identifier,
    find_request,
    read_full_services,
    read_known,
    read_overlay,
    read_results,
)


@dataclass(frozen=True, slots=True)
class _Case:
    """A need, whose it is, and what is known of its network.

    referral: id, where it may be a stored one. authored_on: since when it is one, whose rules hold for it.
    conditions: ids of those that it names as its reason. results: what it brings that may be one. patient:
    id, where it was sent and is stored.
    """

    need: Need
    sender: FacilityId
    network: NetworkId | None
    referral: str | None
    authored_on: datetime | None = None
    conditions: tuple[str, ...] = ()
    results: tuple[Key, ...] = ()
    patient: str | None = None


async def suggest_targets(
    store: Store,
    snapshot: Snapshot,
    *,
    actor: FacilityId,
    about: Need | Mapping[str, Any] | str,
    base: str,
    on: datetime,
    network: NetworkId | None = None,
    count: int = DEFAULT_COUNT,
    with_excluded: bool = False,
) -> Suggestions:
    """Rank the targets of a need as it is at the moment `on`; at most `count`.

    about: a bare need or a ServiceRequest that was sent (the actor is the sender), or the id of a stored one,
    which is looked at from where its sender is. base: address of the FHIR endpoint. network: where the
    request names none. Raises NotFound for a stored request that the actor does not see, Forbidden for a
    sender without a network, MissingElement where it has several and none is named, BrokenRule where the
    named one is not its own, UnknownCode.
    """
    day = rules_day(on)
    if isinstance(about, str) or (not isinstance(about, Need) and _names_what_is_stored(about)):
        async with store.reading(actor) as connection:
            if isinstance(about, str):
                case = await _stored_case(connection, actor, about, base, day)
            else:
                case = await _sent_case(connection, actor, about, base, day)
            named = _network(snapshot, case, network, day)
            policy = snapshot.policy(named, rules_day(case.authored_on or on))
            case = await _with_what_it_names(connection, actor, case, policy)
            sent = snapshot.sent if policy.weights.goes_by_waits else None
            overlay = await read_overlay(connection, actor, named, case.referral, sent)
            if policy.weights.continuity and (case.patient or case.referral):
                known = await read_known(connection, case.patient, case.referral)
                overlay = replace(overlay, known=known)
    else:
        case = _bare_case(actor, about, base, day)
        named = _network(snapshot, case, network, day)
        if snapshot.policy(named, day).weights.goes_by_waits:
            async with store.reading(actor) as connection:
                overlay = await read_overlay(connection, actor, named, None, snapshot.sent)
        else:
            overlay = await read_full_services(store, actor, named)
    if case.need.priority is Priority.STAT:
        # Who cannot wait goes where somebody is at work; all others are told when to come.
        zone = ZoneInfo(snapshot.policy(named, day).calendar.zone)
        overlay = replace(overlay, at=on.astimezone(zone))
    return suggest(
        snapshot,
        named,
        case.need,
        case.sender,
        overlay,
        day,
        count=count,
        with_excluded=with_excluded,
        rules_of=rules_day(case.authored_on or on),
    )


def _names_what_is_stored(request: Mapping[str, Any]) -> bool:
    """Whether a request that was sent may be a stored one, about a patient who is, or name what is."""
    subject = request.get("subject", {})
    known = "reference" in subject or "identifier" in subject
    return known or not request.keys().isdisjoint({"id", "reasonReference", "supportingInfo"})


def _bare_case(actor: FacilityId, about: Need | Mapping[str, Any], base: str, day: date) -> _Case:
    """A case that is all in the question."""
    if isinstance(about, Need):
        return _Case(about, actor, None, None)
    return _Case(need_of(about, None, day), actor, _named_network(about, base), None)


async def _stored_case(
    connection: Connection, actor: FacilityId, request: str, base: str, day: date
) -> _Case:
    found = await find_request(connection, request)
    if found is None:
        raise NotFound("There is no such referral, or none that you may see.")
    content = read_content(found.content)
    patient = None if found.patient is None else read_content(found.patient)
    network = found.network or _named_network(content, base)
    need = need_of(content, patient, day)
    # What is no referral (None) has what it says from its author.
    if found.directed is False:
        # The hub's, from the last offer: who rejected must not decide where to look next.
        need = replace(need, direction=None)
    return _Case(
        need,
        found.sender or actor,
        network,
        request,
        found.authored_on,
        conditions_named(content, base, _unresolved),
        tuple(key for _, key in results_named(content, base)),
    )


async def _sent_case(
    connection: Connection, actor: FacilityId, request: Mapping[str, Any], base: str, day: date
) -> _Case:
    patient = await _patient(connection, actor, request.get("subject"), base)
    # The id counts where it is that of a stored request; a sender's own id for a draft finds nothing.
    return _Case(
        need_of(request, patient, day),
        actor,
        _named_network(request, base),
        request.get("id"),
        conditions=conditions_named(request, base, _unresolved),
        results=tuple(key for _, key in results_named(request, base)),
        patient=None if patient is None else patient.get("id"),
    )


def _unresolved(_system: str, _value: str) -> None:
    """Here an identifier alone stands for nothing."""


async def _with_what_it_names(
    connection: Connection, actor: FacilityId, case: _Case, policy: Policy
) -> _Case:
    """The case with what its Conditions are coded as and the results it brings, where the policy asks."""
    need = case.need
    if case.conditions and any(one.kind is ListKind.STRAIGHT_TO_LEVEL for one in policy.lists):
        codes = need.codes | await find_diagnoses(connection, actor, case.conditions)
        need = replace(need, codes=codes)
    if case.results and policy.weights.results and policy.recognition:
        found = await read_results(connection, case.results)
        need = replace(need, results=tuple(found.values()))
    return replace(case, need=need)


async def _patient(
    connection: Connection, actor: FacilityId, subject: Mapping[str, Any] | None, base: str
) -> dict[str, Any] | None:
    """The Patient that a draft is about; None where none is known, which rules nobody out."""
    if subject is None:
        return None
    logical = identifier_of(subject)
    if logical is not None:
        found = await find_patient_by_identifier(connection, actor, *logical)
    else:
        kind, patient = target_of(subject, base, lambda _system, _value: None) or ("", "")
        found = await find_patient(connection, actor, patient) if kind == "Patient" else None
    return None if found is None else read_content(found)


def _named_network(request: Mapping[str, Any], base: str) -> NetworkId | None:
    """The network of the extension; an address that is none of ours names a network that nobody is in."""
    named = network_reference(request)
    if named is None:
        return None
    key = target_of(named, base, lambda _system, _value: None)
    return NetworkId(key[1] if key is not None else "")


def _network(snapshot: Snapshot, case: _Case, wanted: NetworkId | None, day: date) -> NetworkId:
    """The network that the case is decided in."""
    own = snapshot.networks_of(case.sender, day)
    named = case.network if case.network is not None else wanted
    if not own:
        raise Forbidden("The sender is a member of no network today, or its position is not known yet.")
    if named is None and len(own) > 1:
        raise MissingElement(
            "The sender has several networks; name one in the extension `network`.",
            "ServiceRequest.extension",
        )
    if named is not None and named not in own:
        raise BrokenRule("The network of a referral is one of its sender's own.", "ServiceRequest.extension")
    return named if named is not None else own[0]
