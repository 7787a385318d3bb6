"""`$suggest-targets` on the wire: Parameters in, Parameters out (http://hl7.org/fhir/R4/parameters.html)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from referral.domain.errors import InvalidElement, MissingElement
from referral.domain.facility import FacilityId
from referral.domain.suggestion import Excluded, Need, Suggestion, Suggestions, Term
from referral.fhir import systems
from referral.fhir.elements import reference
from referral.fhir.referral import codes_said, direction_of, priority_of, specialty_of, technique_of
from referral.fhir.validation import check_resource

DEFAULT_COUNT: Final = 10
MAX_COUNT: Final = 100

# What a request may still lack while its target is looked for.
_NOT_YET: Final[Mapping[str, Any]] = {
    "status": "draft",
    "intent": "order",
    "subject": {"display": "not yet named"},
}
_EXPECTED: Final = {
    "serviceRequest": ("resource",),
    "count": ("valuePositiveInt", "valueUnsignedInt", "valueInteger"),
    "excluded": ("valueBoolean",),
}
_COUNT: Final = "The count is a whole number from 1."
_YES_OR_NO: Final = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. request: the ServiceRequest that was sent, None where a stored one is meant.

    count: how many targets at most, 1 to `MAX_COUNT`. with_excluded: also who is ruled out, and why.
    """

    request: Mapping[str, Any] | None = None
    count: int = DEFAULT_COUNT
    with_excluded: bool = False


def read_question(content: dict[str, Any], *, stored: bool) -> Question:
    """Read Parameters. stored: the request is named by the address, and none may be sent.

    A request that is sent may be a draft: it may lack status, intent and subject, and is checked otherwise.
    Raises InvalidElement, UnknownCode or MissingElement.
    """
    entries = content.get("parameter")
    entries = entries if isinstance(entries, list) else []
    check_resource("Parameters", dict(content) | ({"parameter": _completed(entries)} if entries else {}))
    given: dict[str, Any] = {}
    for position, entry in enumerate(entries):
        path = f"Parameters.parameter[{position}]"
        if "name" not in entry:
            raise MissingElement("A parameter needs its name.", f"{path}.name")
        name = entry["name"]
        if name not in _EXPECTED or (stored and name == "serviceRequest"):
            raise InvalidElement(f"The parameter {name[:64]!r} is not known here.", f"{path}.name")
        if name in given:
            raise InvalidElement(f"The parameter {name} may be given once only.", f"{path}.name")
        kind = next((kind for kind in _EXPECTED[name] if kind in entry), None)
        if kind is None:
            raise InvalidElement(f"The parameter {name} has a {_EXPECTED[name][0]}.", path)
        given[name] = entry[kind]
    request = given.get("serviceRequest")
    if request is None and not stored:
        raise MissingElement("The parameter serviceRequest is required.", "Parameters.parameter")
    if request is not None and request["resourceType"] != "ServiceRequest":
        raise InvalidElement("The parameter serviceRequest is a ServiceRequest.", "Parameters.parameter")
    count = given.get("count", DEFAULT_COUNT)
    if count < 1:
        raise InvalidElement(_COUNT, "Parameters.parameter")
    return Question(request, min(count, MAX_COUNT), given.get("excluded", False))


def read_query(pairs: Sequence[tuple[str, str]]) -> Question:
    """Read the question about a stored request from a query string, decoded. Raises InvalidElement."""
    given: dict[str, str] = {}
    for name, value in pairs:
        if name not in {"count", "excluded"}:
            raise InvalidElement(f"The parameter {name[:64]!r} is unknown: there are count and excluded.")
        if name in given:
            raise InvalidElement(f"The parameter {name} may be given once only.")
        given[name] = value
    count = given.get("count", str(DEFAULT_COUNT))
    if not (count.isascii() and count.isdigit() and len(count) <= 9 and int(count) >= 1):
        raise InvalidElement(_COUNT)
    excluded = given.get("excluded", "false")
    if excluded not in _YES_OR_NO:
        raise InvalidElement("The parameter excluded is true or false.")
    return Question(None, min(int(count), MAX_COUNT), _YES_OR_NO[excluded])


def need_of(request: Mapping[str, Any], patient: Mapping[str, Any] | None, on: date) -> Need:
    """Read what a ServiceRequest asks for. patient: the Patient it is about, where known.

    Raises UnknownCode for a direction that is none.
    """
    patient = patient or {}
    return Need(
        technique=technique_of(request),
        specialty=specialty_of(request),
        priority=priority_of(request),
        direction=direction_of(request, "ServiceRequest.extension"),
        age=age_on(patient["birthDate"], on) if "birthDate" in patient else None,
        sex=patient.get("gender"),
        codes=frozenset(codes_said(request)),
    )


def age_on(birth_date: str, on: date) -> int:
    """Completed years of someone born on a FHIR date, which may lack day or month: then the middle is taken.

    Half a year off is better than not known: a service for children must not be suggested to the old.
    """
    year, month, day = (*map(int, birth_date.split("-")), 0, 0)[:3]
    birthday = (month, day or 15) if month else (7, 1)
    return max(0, on.year - year - ((on.month, on.day) < birthday))


def write_suggestions(suggestions: Suggestions, names: Mapping[FacilityId, str]) -> dict[str, Any]:
    """Give the answer as Parameters: targets in rank order, then those ruled out. names: for display."""
    parameters = [_suggestion(found, names) for found in suggestions.ranked]
    parameters += [_excluded(found, names) for found in suggestions.excluded]
    # FHIR has no empty arrays.
    return {"resourceType": "Parameters"} | ({"parameter": parameters} if parameters else {})


def _completed(entries: Iterable[Any]) -> list[Any]:
    return [
        entry | {"resource": {**_NOT_YET, **entry["resource"]}}
        if isinstance(entry, dict)
        and isinstance(entry.get("resource"), dict)
        and entry["resource"].get("resourceType") == "ServiceRequest"
        else entry
        for entry in entries
    ]


def _suggestion(found: Suggestion, names: Mapping[FacilityId, str]) -> dict[str, Any]:
    cost = {"value": found.cost, "unit": "min", "system": systems.UCUM, "code": "min"}
    parts = [_target(found.target, names)]
    if found.service is not None:
        parts.append({"name": "service", "valueReference": reference("HealthcareService", found.service)})
    parts.append({"name": "cost", "valueQuantity": cost})
    parts += [_term(term) for term in found.terms]
    return {"name": "suggestion", "part": parts}


def _term(term: Term) -> dict[str, Any]:
    return {
        "name": "term",
        "part": [
            {"name": "code", "valueCode": term.code.value},
            {"name": "minutes", "valueDecimal": term.minutes},
            {"name": "text", "valueString": term.text},
        ],
    }


def _excluded(found: Excluded, names: Mapping[FacilityId, str]) -> dict[str, Any]:
    return {
        "name": "excluded",
        "part": [
            _target(found.target, names),
            {"name": "rule", "valueCode": found.rule.value},
            {"name": "text", "valueString": found.text},
        ],
    }


def _target(facility: FacilityId, names: Mapping[FacilityId, str]) -> dict[str, Any]:
    target = reference("Organization", facility)
    name = names.get(facility)
    return {"name": "target", "valueReference": target | {"display": name} if name else target}
