"""A referral as a ServiceRequest (http://hl7.org/fhir/R4/servicerequest.html).

Reads what a sender asks for, and writes what the hub owns: status, number, journey, network, direction.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from referral.domain.codes import Direction, Priority
from referral.domain.errors import BrokenRule, UnknownCode
from referral.domain.referral import Referral
from referral.fhir import systems
from referral.fhir.elements import codings, drop_extension, extension, reference, set_extension
from referral.fhir.references import Key, Resolve, references_at, target_of
from referral.fhir.states import REFERRAL_STATUS
from referral.fhir.text_keys import token_key

FROZEN = ("code", "subject", "performer", "replaces")
"""What stands as it was once a referral is submitted; another need is another request."""

_RESULTS = frozenset({"DiagnosticReport", "Observation"})
_CATEGORIES = {(systems.SNOMED_CT, "3457005"), (systems.REFERRAL_KIND, "referral")}


def is_referral(content: Mapping[str, Any]) -> bool:
    """Whether a ServiceRequest asks to move a patient's care: an order of category referral."""
    return content.get("intent") == "order" and any(
        coding in _CATEGORIES for category in content.get("category", ()) for coding in codings(category)
    )


def resembles_referral(content: Mapping[str, Any]) -> bool:
    """Whether a ServiceRequest has the code of a referral, in its category or, as BSeR has it, in its code.

    Who sends one that `is_referral` does not know may wait for an answer that never comes.
    """
    concepts = [content.get("code"), *content.get("category", ())]
    return any(coding in _CATEGORIES for concept in concepts for coding in codings(concept))


def priority_of(content: Mapping[str, Any]) -> Priority:
    """Urgency; routine where none is given (the default of the FHIR element)."""
    return Priority(content.get("priority", "routine"))


def direction_of(content: Mapping[str, Any], expression: str) -> Direction | None:
    """The direction the sender gave; None where the hub is to find it. Raises UnknownCode."""
    found = extension(content, systems.DIRECTION_EXTENSION)
    if found is None:
        return None
    try:
        return Direction(found.get("valueCode", ""))
    except ValueError:
        raise UnknownCode("The direction is up, down or lateral.", expression) from None


def network_reference(content: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The reference to the network that the sender named, if any; empty where it names none in it."""
    found = extension(content, systems.NETWORK_EXTENSION)
    return None if found is None else found.get("valueReference", {})


def status_reason(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """Why a request is revoked: HL7's extension request-statusReason; empty where absent."""
    found = extension(content, systems.STATUS_REASON_EXTENSION)
    return dict((found or {}).get("valueCodeableConcept", {}))


def technique_of(content: Mapping[str, Any]) -> tuple[str, str] | None:
    """List and code of the technique asked for in `code`; None where it names none."""
    for system, code in codings(content.get("code")):
        technique_list = systems.technique_list(system or "")
        if technique_list:
            return technique_list, code
    return None


def specialty_of(content: Mapping[str, Any]) -> str | None:
    """Code of the specialty asked for in `performerType`; None where it names none."""
    return next((code for _, code in codings(content.get("performerType"))), None)


def need_code(content: Mapping[str, Any]) -> str | None:
    """The code that a tie may be limited to: of the technique, else of the specialty asked for."""
    technique = technique_of(content)
    return specialty_of(content) if technique is None else technique[1]


def codes_said(content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The codes of a ServiceRequest that the lists of a policy may name: what for, and why."""
    for concept in (content.get("code"), *content.get("reasonCode", ())):
        yield from ((system, code) for system, code in codings(concept) if system is not None)


def conditions_named(content: Mapping[str, Any], base: str, resolve: Resolve) -> tuple[str, ...]:
    """Ids of the Conditions that are its reason."""
    keys = (target_of(one, base, resolve) for _, one in references_at(content, "reasonReference"))
    return tuple(key[1] for key in keys if key is not None and key[0] == "Condition")


def results_named(content: Mapping[str, Any], base: str) -> tuple[tuple[int, Key], ...]:
    """The resources in `supportingInfo` that may be results, each with its position."""
    keys = (target_of(one, base, lambda _system, _value: None) for one in content.get("supportingInfo", ()))
    return tuple((at, key) for at, key in enumerate(keys) if key is not None and key[0] in _RESULTS)


def own_numbers(content: Mapping[str, Any]) -> list[tuple[str, str]]:
    """System ('' for none) and value of the sender's own identifiers, as `token_key` gives them."""
    return [
        (token_key(found.get("system", "")), token_key(found["value"]))
        for found in content.get("identifier", ())
        if "value" in found and found.get("system") != systems.REFERRAL_NUMBER_IDENTIFIER
    ]


def check_frozen(before: Mapping[str, Any], after: Mapping[str, Any], expression: str) -> None:
    """Raises BrokenRule when an update changes what is frozen, or lowers the priority."""
    for element in FROZEN:
        if before.get(element) != after.get(element):
            raise BrokenRule(
                f"The {element} of a submitted referral is fixed; cancel this one and send a new request "
                "with `replaces`.",
                f"{expression}.{element}",
            )
    if priority_of(after).rank < priority_of(before).rank:
        raise BrokenRule("The priority of a submitted referral may only rise.", f"{expression}.priority")


def keep_parties(content: dict[str, Any], before: Mapping[str, Any]) -> list[str]:
    """Put back who asks, in which network, and what the referral continues.

    Returns the names of elements for which an update said something else.
    """
    aside: list[str] = []
    for name in ("requester", "basedOn"):
        if name in content and content[name] != before.get(name):
            aside.append(name)
        if name in before:
            content[name] = before[name]
        else:
            content.pop(name, None)
    stands, sent = (extension(found, systems.NETWORK_EXTENSION) for found in (before, content))
    if stands is not None and sent != stands:
        value = {name: value for name, value in stands.items() if name != "url"}
        set_extension(content, systems.NETWORK_EXTENSION, value)
        aside += ["network"] if sent is not None else []
    return aside


def stamp_referral(content: dict[str, Any], referral: Referral) -> list[str]:
    """Write what the hub owns; returns the names of elements whose sent value was put aside."""
    aside: list[str] = []
    status = REFERRAL_STATUS[referral.state]
    if content.get("status") != status:
        aside.append("status")
    content["status"] = status
    if referral.number is not None and referral.journey is not None:
        aside += _stamp_number(content, referral.number)
        journey = {"system": systems.REFERRAL_NUMBER_IDENTIFIER, "value": referral.journey}
        aside += _stamp_extension(content, systems.JOURNEY_EXTENSION, {"valueIdentifier": journey}, "journey")
    aside += _stamp_extension(
        content, systems.DIRECTION_EXTENSION, {"valueCode": referral.direction.value}, "direction"
    )
    network = extension(content, systems.NETWORK_EXTENSION)
    if network is None:
        named = {"valueReference": reference("Organization", referral.network)}
        set_extension(content, systems.NETWORK_EXTENSION, named)
    return aside


def drop_recognition(content: dict[str, Any]) -> bool:
    """Take away what says that a result is recognised: the hub alone tells that, and never keeps it."""
    marked = [
        one
        for one in (content, *content.get("supportingInfo", ()), *content.get("reasonReference", ()))
        if extension(one, systems.RECOGNITION_EXTENSION) is not None
    ]
    for one in marked:
        drop_extension(one, systems.RECOGNITION_EXTENSION)
    return bool(marked)


def _stamp_extension(content: dict[str, Any], url: str, value: dict[str, Any], name: str) -> list[str]:
    found = extension(content, url)
    set_extension(content, url, value)
    return [name] if found is not None and {"url": url, **value} != found else []


def _stamp_number(content: dict[str, Any], number: str) -> list[str]:
    own = {
        "type": {"coding": [{"system": systems.IDENTIFIER_TYPE, "code": "FILL"}]},
        "system": systems.REFERRAL_NUMBER_IDENTIFIER,
        "value": number,
    }
    sent = content.get("identifier", [])
    rest = [found for found in sent if found.get("system") != systems.REFERRAL_NUMBER_IDENTIFIER]
    theirs = [found for found in sent if found.get("system") == systems.REFERRAL_NUMBER_IDENTIFIER]
    place = sent.index(theirs[0]) if theirs else len(sent)
    content["identifier"] = [*rest[:place], own, *rest[place:]]
    return ["identifier"] if theirs and theirs != [own] else []
