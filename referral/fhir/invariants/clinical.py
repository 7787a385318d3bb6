"""Invariants of the resources of care and of the directory."""

from collections.abc import Mapping, Sequence
from typing import Final

from referral.fhir.invariants.datatypes import in_order
from referral.fhir.invariants.rule import (
    BROKEN,
    Content,
    Rule,
    any_of,
    coded,
    has,
    has_choice,
    holds,
    needs,
    not_both,
)

_ALLERGY_VERIFICATION: Final = "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification"
_CONDITION_VERIFICATION: Final = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
_CONDITION_CLINICAL: Final = "http://terminology.hl7.org/CodeSystem/condition-clinical"
_ERROR: Final = frozenset({"entered-in-error"})
_ENDED: Final = frozenset({"resolved", "remission", "inactive"})
_WITHOUT_TIMES: Final = frozenset({"proposed", "cancelled", "waitlist"})
_NOT_KEPT: Final = frozenset({"no-show", "cancelled"})


def _is_mistaken(content: Content, system: str) -> bool:
    return coded(content.get("verificationStatus"), system, _ERROR)


def _has_times_if_needed(content: Content) -> bool:
    has_both = has(content, "start") and has(content, "end")
    return has_both or content.get("status") in _WITHOUT_TIMES


def _is_ended_if_abated(content: Content) -> bool:
    if not has_choice(content, "abatement"):
        return True
    return coded(content.get("clinicalStatus"), _CONDITION_CLINICAL, _ENDED)


def _repeated_components(content: Content) -> Sequence[str]:
    """obs-7: a component must not say again, with another value, what the whole says."""
    if not has_choice(content, "value"):
        return ()
    said = {_identity(coding) for coding in content.get("code", {}).get("coding", ())}
    return [
        f".component[{position}].code"
        for position, component in enumerate(content.get("component", ()))
        if any(_identity(coding) in said for coding in component.get("code", {}).get("coding", ()))
    ]


def _identity(coding: Content) -> frozenset[tuple[str, str]]:
    """Equal for codings of which all elements are equal; thousands are compared as fast as two."""
    return frozenset((name, repr(value)) for name, value in coding.items())


def _unclear_strata(content: Content) -> Sequence[str]:
    """mrp-2: a stratum has a value or components."""
    return [
        f".group[{g}].stratifier[{s}].stratum[{n}]"
        for g, group in enumerate(content.get("group", ()))
        for s, stratifier in enumerate(group.get("stratifier", ()))
        for n, stratum in enumerate(stratifier.get("stratum", ()))
        if ("value" in stratum) == ("component" in stratum)
    ]


def _at_home(content: Content) -> Sequence[str]:
    return BROKEN if content.get("use") == "home" else ()


RULES: Final = (
    holds(
        "AllergyIntolerance",
        "ait-1",
        lambda c: _is_mistaken(c, _ALLERGY_VERIFICATION) or "clinicalStatus" in c,
        ".clinicalStatus",
    ),
    holds(
        "AllergyIntolerance",
        "ait-2",
        lambda c: not (_is_mistaken(c, _ALLERGY_VERIFICATION) and "clinicalStatus" in c),
        ".clinicalStatus",
    ),
    any_of("Appointment.participant", "app-1", "type", "actor"),
    holds("Appointment", "app-2", lambda c: has(c, "start") == has(c, "end")),
    holds("Appointment", "app-3", _has_times_if_needed),
    holds(
        "Appointment",
        "app-4",
        lambda c: "cancelationReason" not in c or c.get("status") in _NOT_KEPT,
        ".cancelationReason",
    ),
    any_of("AppointmentResponse", "apr-1", "participantType", "actor"),
    not_both("AuditEvent.entity", "sev-1", "name", "query"),
    not_both("CarePlan.activity", "cpl-3", "detail", "reference"),
    any_of("Composition.section", "cmp-1", "text", "entry", "section"),
    not_both("Composition.section", "cmp-2", "entry", "emptyReason"),
    any_of("Condition.stage", "con-1", "summary", "assessment"),
    any_of("Condition.evidence", "con-2", "code", "detail"),
    holds("Condition", "con-4", _is_ended_if_abated, ".clinicalStatus"),
    holds(
        "Condition",
        "con-5",
        lambda c: not (_is_mistaken(c, _CONDITION_VERIFICATION) and "clinicalStatus" in c),
        ".clinicalStatus",
    ),
    any_of("Consent", "ppc-1", "policy", "policyRule"),
    holds("Group", "grp-1", lambda c: "member" not in c or c.get("actual") is True, ".member"),
    any_of("Immunization.education", "imm-1", "documentType", "reference"),
    holds(
        "MeasureReport", "mrp-1", lambda c: c.get("type") != "data-collection" or "group" not in c, ".group"
    ),
    Rule("MeasureReport", "mrp-2", _unclear_strata),
    any_of("Observation.referenceRange", "obs-3", "low", "high", "text"),
    holds(
        "Observation",
        "obs-6",
        lambda c: "dataAbsentReason" not in c or not has_choice(c, "value"),
        ".dataAbsentReason",
    ),
    Rule("Observation", "obs-7", _repeated_components),
    any_of("Organization", "org-1", "identifier", "name"),
    any_of("Patient.contact", "pat-1", "name", "telecom", "address", "organization"),
    needs("ServiceRequest", "prr-1", "orderDetail", "code"),
    holds("Task", "inv-1", lambda c: in_order(c.get("authoredOn"), c.get("lastModified")), ".lastModified"),
)

AT_ELEMENTS: Final[Mapping[str, Rule]] = {
    "Organization.address": Rule("Organization.address", "org-2", _at_home),
    "Organization.telecom": Rule("Organization.telecom", "org-3", _at_home),
}
"""Invariants of a datatype where it stands in one element of one type."""
