"""What a resource of the directory says in typed rows: the reverse of `directory.py`.

All functions take content that is structurally R4 and a function `at` that makes the FHIRPath of an
element. They raise UnknownCode for codes of ours that do not exist, BrokenRule for values that no row takes.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, TypeVar

from referral.domain.errors import BrokenRule, MissingElement, UnknownCode
from referral.domain.facility import (
    MAINLAND,
    AffiliationKind,
    Capacity,
    CapacityStatus,
    FacilityId,
    Level,
    Service,
    ServiceId,
    Tier,
)
from referral.fhir.content import number_text
from referral.fhir.elements import codings, extension
from referral.fhir.intervals import interval
from referral.fhir.opening_hours import opening_hours
from referral.fhir.systems import (
    AFFILIATION_KIND,
    AGE_RANGE_EXTENSION,
    CAPACITY_EXTENSION,
    FACILITY_IDENTIFIER,
    FORMER_LEVEL_EXTENSION,
    GENDER,
    HOURS_EXTENSION,
    INSURER_IDENTIFIER,
    LANDMASS_EXTENSION,
    LEVEL_EXTENSION,
    NETWORK_KIND,
    ORGANIZATION_KIND,
    POINTS_EXTENSION,
    POSITION_SOURCE_EXTENSION,
    TIER,
    technique_list,
)

At = Callable[[str], str]
Code = TypeVar("Code", bound=StrEnum)

_LONGEST_CODE: Final = 64
_OLDEST: Final = 150


def organization_row(content: Mapping[str, Any], at: At) -> dict[str, Any]:
    """Columns of a facility that its Organization states: all but those of its place."""
    return {
        "name": content.get("name") or _first(content.get("alias")) or "",
        "name_en": _first(content.get("alias")),
        "level": _extension_code(content, LEVEL_EXTENSION, Level, at),
        "points": _integer(content, POINTS_EXTENSION),
        "former_level": (extension(content, FORMER_LEVEL_EXTENSION) or {}).get("valueCode"),
        "commune": next((found["city"] for found in content.get("address", ()) if "city" in found), None),
        "insurer_code": _identifier(content, INSURER_IDENTIFIER, at),
        "phone": next(
            (
                found["value"]
                for found in content.get("telecom", ())
                if found.get("system") == "phone" and "value" in found
            ),
            None,
        ),
        "active": content.get("active") is not False,
    }


def is_network(content: Mapping[str, Any]) -> bool:
    """Whether an Organization is typed as a network."""
    return any(
        coding == (ORGANIZATION_KIND, NETWORK_KIND)
        for found in content.get("type", ())
        for coding in codings(found)
    )


def location_row(content: Mapping[str, Any], at: At) -> dict[str, Any] | None:
    """Columns of a facility that a Location may state; None for a part of a place or one without position."""
    position = content.get("position")
    if position is None or "partOf" in content:
        return None
    found: dict[str, Any] = {
        "position": (extension(content, POSITION_SOURCE_EXTENSION) or {}).get("valueString"),
        "landmass": (extension(content, LANDMASS_EXTENSION) or {}).get("valueCode", MAINLAND),
    }
    for name, limit in (("latitude", 90), ("longitude", 180)):
        if name not in position:
            raise MissingElement(f"A position needs its {name}.", at(f"position.{name}"))
        value = Decimal(number_text(position[name]))
        if abs(value) > limit:
            raise BrokenRule(f"The {name} must be from -{limit} to {limit} degrees.", at(f"position.{name}"))
        found[name] = float(value)
    return found


def service_of(service_id: str, facility: str, content: Mapping[str, Any], at: At) -> Service:
    """The service that a HealthcareService describes."""
    specialties = [code for found in content.get("specialty", ()) for _, code in codings(found)]
    ages, sex = _eligibility(content, at)
    hours = (extension(content, HOURS_EXTENSION) or {}).get("valueString")
    return Service(
        id=ServiceId(service_id),
        facility=FacilityId(facility),
        name=content.get("name") or _first(specialties) or service_id,
        specialty=_first(specialties),
        age_min=ages[0],
        age_max=ages[1],
        sex=sex,
        hours=hours or opening_hours(content.get("availableTime", ())),
        active=content.get("active") is not False,
    )


def techniques_of(content: Mapping[str, Any]) -> frozenset[tuple[str, str]]:
    """(list, code) of each technique that a HealthcareService names."""
    return frozenset(
        (name, code)
        for found in content.get("type", ())
        for system, code in codings(found)
        if (name := technique_list(system or "")) is not None
    )


def capacity_of(content: Mapping[str, Any], at: At) -> Capacity | None:
    """What a HealthcareService says it can take; None when it says nothing."""
    found = extension(content, CAPACITY_EXTENSION)
    if found is None:
        return None
    status = _extension_code(found, "status", CapacityStatus, at)
    free, moment = _integer(found, "free"), (extension(found, "asOf") or {}).get("valueDateTime")
    if status is None:
        raise BrokenRule("A capacity needs its status.", at("extension"))
    if free is not None and free < 0:
        raise BrokenRule("Free places cannot be fewer than none.", at("extension"))
    return Capacity(status, free, None if moment is None else _moment(moment))


def affiliation_kind(content: Mapping[str, Any], at: At) -> AffiliationKind | None:
    """The kind of an OrganizationAffiliation; None for one that is none of ours."""
    for found in content.get("code", ()):
        if (code := _own_code(found, AFFILIATION_KIND)) is not None:
            return _member(code, AffiliationKind, at("code"))
    return None


def tier_of(content: Mapping[str, Any], at: At) -> Tier | None:
    """The tier that an affiliation `member` gives; None when it gives none."""
    for found in content.get("code", ()):
        if (code := _own_code(found, TIER)) is not None:
            return _member(code, Tier, at("code"))
    return None


def member_code(content: Mapping[str, Any], at: At) -> str | None:
    """The id of a member in its network, as its affiliation states it."""
    return _identifier(content, FACILITY_IDENTIFIER, at)


def needs_of(content: Mapping[str, Any]) -> tuple[str, ...]:
    """Codes of the techniques and specialties that a tie is limited to."""
    found = (code for concept in content.get("specialty", ()) for _, code in codings(concept))
    return tuple(dict.fromkeys(found))


def period_of(content: Mapping[str, Any], at: At) -> tuple[date | None, date | None]:
    """First and last day of an affiliation."""
    period = content.get("period", {})
    start, end = period.get("start"), period.get("end")
    first = None if start is None else _days(start)[0]
    last = None if end is None else _days(end)[1]
    if first is not None and last is not None and last < first:
        raise BrokenRule("The period ends before it starts.", at("period"))
    return first, last


def _days(text: str) -> tuple[date, date]:
    """First and last day of a FHIR dateTime; a full date counts where it was written, whatever the zone."""
    span = interval(text[:10])
    return span.low.date(), (span.high - timedelta(microseconds=1)).date()


def _moment(text: str) -> datetime:
    return interval(text).low.astimezone(UTC)


def _eligibility(content: Mapping[str, Any], at: At) -> tuple[tuple[int | None, int | None], str | None]:
    ages: tuple[int | None, int | None] = (None, None)
    sex = None
    for position, entry in enumerate(content.get("eligibility", ())):
        if found := extension(entry, AGE_RANGE_EXTENSION):
            span, place = found.get("valueRange", {}), at(f"eligibility[{position}].extension")
            ages = (_age(span.get("low"), place), _age(span.get("high"), place))
        for system, code in codings(entry.get("code")):
            if system == GENDER and code in {"female", "male"}:
                sex = code
    return ages, sex


def _age(quantity: Mapping[str, Any] | None, place: str) -> int | None:
    if quantity is None or "value" not in quantity:
        return None
    value = Decimal(number_text(quantity["value"]))
    if quantity.get("code", "a") != "a" or value != value.to_integral_value() or not 0 <= value <= _OLDEST:
        raise BrokenRule(f"An age is a whole number of years (code a) from 0 to {_OLDEST}.", place)
    return int(value)


def _extension_code(content: Mapping[str, Any], url: str, codes: type[Code], at: At) -> Code | None:
    found = extension(content, url)
    if found is None or "valueCode" not in found:
        return None
    return _member(found["valueCode"], codes, at("extension"))


def _member(code: str, codes: type[Code], expression: str) -> Code:
    try:
        return codes(code)
    except ValueError:
        raise UnknownCode(f"The code must be one of: {', '.join(codes)}.", expression) from None


def _own_code(concept: Mapping[str, Any], system: str) -> str | None:
    return next((code for its, code in codings(concept) if its == system), None)


def _integer(content: Mapping[str, Any], url: str) -> int | None:
    found = extension(content, url)
    return None if found is None or "valueInteger" not in found else int(found["valueInteger"])


def _identifier(content: Mapping[str, Any], system: str, at: At) -> str | None:
    for position, found in enumerate(_entries(content, "identifier")):
        if found.get("system") == system and "value" in found:
            value: str = found["value"]
            if len(value) > _LONGEST_CODE:
                raise BrokenRule(
                    f"This identifier has {_LONGEST_CODE} characters at most.",
                    at(f"identifier[{position}].value"),
                )
            return value
    return None


def _entries(content: Mapping[str, Any], element: str) -> Iterator[Mapping[str, Any]]:
    yield from content.get(element, ())


def _first(values: list[str] | None) -> str | None:
    return values[0] if values else None
