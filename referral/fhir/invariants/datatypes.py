"""Invariants of the datatypes. https://hl7.org/fhir/R4/datatypes.html"""

from decimal import Decimal
from typing import Any, Final

from referral.fhir.content import RawNumber
from referral.fhir.intervals import interval
from referral.fhir.invariants.rule import Content, Rule, any_of, has, has_choice, holds, needs, not_both

_UCUM: Final = "http://unitsofmeasure.org"
_MEALS: Final = frozenset({"C", "CM", "CD", "CV"})
_DAY: Final = len("2026-01-01")


def number(value: object) -> Decimal | None:
    """The value of a number of content; None for what is absent."""
    if isinstance(value, RawNumber):
        return value.decimal
    return Decimal(value) if isinstance(value, int) else None


def in_order(low: Any, high: Any) -> bool:
    """Whether a date is not after another, as far as their precision and zones tell."""
    if not isinstance(low, str) or not isinstance(high, str):
        return True
    if "T" in low and "T" in high:
        return interval(low).low < interval(high).high
    # A day has no zone: what both say is compared as it is written.
    known = min(len(low), len(high), _DAY)
    return low[:known] <= high[:known]


def _unit_of(content: Content) -> object:
    return content.get("system"), content.get("code"), content.get("unit") if "code" not in content else None


def _range_in_order(content: Content) -> bool:
    low, high = content.get("low", {}), content.get("high", {})
    first, last = number(low.get("value")), number(high.get("value"))
    # Other units would have to be converted, so nothing can be told.
    return first is None or last is None or _unit_of(low) != _unit_of(high) or first <= last


def _amount(content: Content) -> bool:
    """A value has a unit, and the unit is of UCUM."""
    return (has(content, "code") or not has(content, "value")) and content.get("system", _UCUM) == _UCUM


def _is_count(content: Content) -> bool:
    value = content.get("value")
    whole = not isinstance(value, RawNumber) or "." not in value.text
    return _amount(content) and content.get("code", "1") == "1" and whole


def _is_age(content: Content) -> bool:
    value = number(content.get("value"))
    return _amount(content) and (value is None or value > 0)


def _is_duration(content: Content) -> bool:
    return not has(content, "code") or (content.get("system") == _UCUM and has(content, "value"))


def _is_ratio(content: Content) -> bool:
    numerator = "numerator" in content
    return numerator == ("denominator" in content) and (numerator or "extension" in content)


def _offset_fits(content: Content) -> bool:
    when = content.get("when", ())
    return not has(content, "offset") or (bool(when) and _MEALS.isdisjoint(when))


def _not_negative(path: str, key: str, name: str) -> Rule:
    return holds(path, key, lambda content: (number(content.get(name)) or 0) >= 0, f".{name}")


def _trigger_has_its_part(content: Content) -> bool:
    kind = content.get("type", "")
    if kind == "named-event":
        return has(content, "name")
    if kind == "periodic":
        return has_choice(content, "timing")
    return not kind.startswith("data-") or "data" in content


RULES: Final = (
    holds("Age", "age-1", _is_age),
    holds("Attachment", "att-1", lambda c: not has(c, "data") or has(c, "contentType"), ".contentType"),
    needs("ContactPoint", "cpt-2", "value", "system"),
    holds("Count", "cnt-3", _is_count),
    holds("Distance", "dis-1", _amount),
    holds("Duration", "drt-1", _is_duration),
    holds("DataRequirement.codeFilter", "drq-1", lambda c: has(c, "path") != has(c, "searchParam")),
    holds("DataRequirement.dateFilter", "drq-2", lambda c: has(c, "path") != has(c, "searchParam")),
    any_of("Expression", "exp-1", "expression", "reference"),
    holds("Period", "per-1", lambda c: in_order(c.get("start"), c.get("end"))),
    needs("Quantity", "qty-3", "code", "system"),
    holds("Range", "rng-2", _range_in_order),
    holds("Ratio", "rat-1", _is_ratio),
    needs("Timing.repeat", "tim-1", "duration", "durationUnit"),
    needs("Timing.repeat", "tim-2", "period", "periodUnit"),
    _not_negative("Timing.repeat", "tim-4", "duration"),
    _not_negative("Timing.repeat", "tim-5", "period"),
    needs("Timing.repeat", "tim-6", "periodMax", "period"),
    needs("Timing.repeat", "tim-7", "durationMax", "duration"),
    needs("Timing.repeat", "tim-8", "countMax", "count"),
    holds("Timing.repeat", "tim-9", _offset_fits, ".offset"),
    not_both("Timing.repeat", "tim-10", "timeOfDay", "when"),
    holds("TriggerDefinition", "trd-1", lambda c: "data" not in c or not has_choice(c, "timing")),
    needs("TriggerDefinition", "trd-2", "condition", "data"),
    holds("TriggerDefinition", "trd-3", _trigger_has_its_part),
)

SIMPLE_QUANTITY: Final = holds("Quantity", "sqty-1", lambda c: not has(c, "comparator"), ".comparator")
"""Of a Quantity in the elements that hold a SimpleQuantity."""
