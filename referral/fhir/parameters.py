"""The search parameters of every resource type: one registry for the index tables, the parser, the
CapabilityStatement and the docs.

Names, types and targets are those of R4 (https://hl7.org/fhir/R4/searchparameter-registry.html).
`_id` and `_lastUpdated` apply to every type; they are columns, not index rows.
"""

import re
from dataclasses import dataclass
from typing import Final

from referral.domain.search import Kind
from referral.fhir.systems import BOOLEAN

_HL7: Final = "http://hl7.org/fhir/"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One search parameter of one resource type.

    `paths` lead from the resource to the elements, separated by dots; `stem[x]` is any of its date
    forms, `name[code]` an element whose `system` is that code. `targets` are the types that a
    reference may have (none: any). `system` is what plain codes and booleans imply. `rows` is the
    parameter under which the index rows stand: `patient` reads those of `subject`.
    """

    name: str
    kind: Kind
    paths: tuple[str, ...]
    targets: tuple[str, ...] = ()
    system: str | None = None
    rows: str = ""

    @property
    def indexed(self) -> bool:
        """Whether the parameter has index rows of its own."""
        return self.rows == self.name

    def may_target(self, resource_type: str) -> bool:
        """Whether a reference of this parameter may name that type."""
        return self.kind is Kind.REFERENCE and (not self.targets or resource_type in self.targets)

    def expression(self, resource_type: str) -> str:
        """FHIRPath of the elements, for docs and the CapabilityStatement."""
        return " | ".join(f"{resource_type}.{_fhirpath(path)}" for path in self.paths) + (
            "" if self.indexed else f".where(resolve() is {self.targets[0]})"
        )


def _fhirpath(path: str) -> str:
    return re.sub(r"\[(\w+)\]", r".where(system = '\1')", path.replace("[x]", ""))


def _token(name: str, *paths: str) -> Parameter:
    return Parameter(name, Kind.TOKEN, paths, rows=name)


def _code(name: str, path: str, system: str) -> Parameter:
    return Parameter(name, Kind.TOKEN, (path,), system=_HL7 + system, rows=name)


def _boolean(name: str, path: str) -> Parameter:
    return Parameter(name, Kind.TOKEN, (path,), system=BOOLEAN, rows=name)


def _string(name: str, *paths: str) -> Parameter:
    return Parameter(name, Kind.STRING, paths, rows=name)


def _date(name: str, *paths: str) -> Parameter:
    return Parameter(name, Kind.DATE, paths, rows=name)


def _reference(name: str, path: str, *targets: str) -> Parameter:
    return Parameter(name, Kind.REFERENCE, (path,), targets, rows=name)


def _patient(path: str) -> Parameter:
    return Parameter("patient", Kind.REFERENCE, (path,), ("Patient",), rows="subject")


_PERSONS: Final = ("Practitioner", "PractitionerRole", "Patient", "RelatedPerson")
_ACTORS: Final = (*_PERSONS, "Organization", "Device")
_PERFORMERS: Final = (*_ACTORS, "CareTeam", "HealthcareService")
_IDENTIFIER: Final = _token("identifier", "identifier")
_ACTIVE: Final = _boolean("active", "active")
_CONTACT: Final = (_token("phone", "telecom[phone].value"), _token("email", "telecom[email].value"))
_PERSON_NAME: Final = (
    _string("name", "name"),
    _string("family", "name.family"),
    _string("given", "name.given"),
)

PARAMETERS: Final[dict[str, tuple[Parameter, ...]]] = {
    "Communication": (
        _reference("based-on", "basedOn"),
        _token("category", "category"),
        _IDENTIFIER,
        _reference("part-of", "partOf"),
        _patient("subject"),
        _date("received", "received"),
        _reference("recipient", "recipient", *_PERFORMERS, "Group"),
        _reference("sender", "sender", *_ACTORS, "HealthcareService"),
        _date("sent", "sent"),
        _code("status", "status", "event-status"),
        _reference("subject", "subject", "Patient", "Group"),
    ),
    "Condition": (
        _token("category", "category"),
        _token("clinical-status", "clinicalStatus"),
        _token("code", "code"),
        _IDENTIFIER,
        _date("onset-date", "onset[x]"),
        _patient("subject"),
        _date("recorded-date", "recordedDate"),
        _reference("subject", "subject", "Patient", "Group"),
        _token("verification-status", "verificationStatus"),
    ),
    "DocumentReference": (
        _reference("author", "author", *_ACTORS),
        _token("category", "category"),
        _reference("custodian", "custodian", "Organization"),
        _date("date", "date"),
        _token("identifier", "masterIdentifier", "identifier"),
        _patient("subject"),
        _reference("related", "context.related"),
        _code("status", "status", "document-reference-status"),
        _reference("subject", "subject", "Patient", "Practitioner", "Group", "Device"),
        _token("type", "type"),
    ),
    "HealthcareService": (
        _ACTIVE,
        _IDENTIFIER,
        _reference("location", "location", "Location"),
        _string("name", "name"),
        _reference("organization", "providedBy", "Organization"),
        _token("service-category", "category"),
        _token("service-type", "type"),
        _token("specialty", "specialty"),
    ),
    "Location": (
        _string("address", "address"),
        _IDENTIFIER,
        _string("name", "name", "alias"),
        _reference("organization", "managingOrganization", "Organization"),
        _reference("partof", "partOf", "Location"),
        _code("status", "status", "location-status"),
        _token("type", "type"),
    ),
    "Observation": (
        _reference(
            "based-on",
            "basedOn",
            "CarePlan",
            "DeviceRequest",
            "ImmunizationRecommendation",
            "MedicationRequest",
            "NutritionOrder",
            "ServiceRequest",
        ),
        _token("category", "category"),
        _token("code", "code"),
        _date("date", "effective[x]"),
        _IDENTIFIER,
        _patient("subject"),
        _reference("performer", "performer", *_PERSONS, "Organization", "CareTeam"),
        _code("status", "status", "observation-status"),
        _reference("subject", "subject", "Patient", "Group", "Device", "Location"),
    ),
    "Organization": (
        _ACTIVE,
        _string("address", "address"),
        _IDENTIFIER,
        _string("name", "name", "alias"),
        _reference("partof", "partOf", "Organization"),
        _token("type", "type"),
    ),
    "OrganizationAffiliation": (
        _ACTIVE,
        _date("date", "period"),
        _IDENTIFIER,
        _reference("location", "location", "Location"),
        _reference("network", "network", "Organization"),
        _reference("participating-organization", "participatingOrganization", "Organization"),
        _reference("primary-organization", "organization", "Organization"),
        _token("role", "code"),
        _reference("service", "healthcareService", "HealthcareService"),
        _token("specialty", "specialty"),
    ),
    "Patient": (
        _ACTIVE,
        _date("birthdate", "birthDate"),
        *_CONTACT,
        *_PERSON_NAME,
        _code("gender", "gender", "administrative-gender"),
        _IDENTIFIER,
        _reference("organization", "managingOrganization", "Organization"),
    ),
    "Practitioner": (
        _ACTIVE,
        *_CONTACT,
        *_PERSON_NAME,
        _code("gender", "gender", "administrative-gender"),
        _IDENTIFIER,
    ),
    "PractitionerRole": (
        _ACTIVE,
        _date("date", "period"),
        *_CONTACT,
        _IDENTIFIER,
        _reference("location", "location", "Location"),
        _reference("organization", "organization", "Organization"),
        _reference("practitioner", "practitioner", "Practitioner"),
        _token("role", "code"),
        _reference("service", "healthcareService", "HealthcareService"),
        _token("specialty", "specialty"),
    ),
    "ServiceRequest": (
        _date("authored", "authoredOn"),
        _reference("based-on", "basedOn", "CarePlan", "ServiceRequest", "MedicationRequest"),
        _token("category", "category"),
        _token("code", "code"),
        _IDENTIFIER,
        _code("intent", "intent", "request-intent"),
        _date("occurrence", "occurrence[x]"),
        _patient("subject"),
        _reference("performer", "performer", *_PERFORMERS),
        _token("performer-type", "performerType"),
        _code("priority", "priority", "request-priority"),
        _reference("replaces", "replaces", "ServiceRequest"),
        _reference("requester", "requester", *_ACTORS),
        _token("requisition", "requisition"),
        _code("status", "status", "request-status"),
        _reference("subject", "subject", "Patient", "Group", "Location", "Device"),
    ),
    "Task": (
        _date("authored-on", "authoredOn"),
        _reference("based-on", "basedOn"),
        _token("business-status", "businessStatus"),
        _token("code", "code"),
        _reference("focus", "focus"),
        _token("group-identifier", "groupIdentifier"),
        _IDENTIFIER,
        _code("intent", "intent", "task-intent"),
        _date("modified", "lastModified"),
        _reference("owner", "owner", *_PERFORMERS),
        _reference("part-of", "partOf", "Task"),
        _patient("for"),
        _token("performer", "performerType"),
        _date("period", "executionPeriod"),
        _code("priority", "priority", "request-priority"),
        _reference("requester", "requester", *_ACTORS),
        _code("status", "status", "task-status"),
        _reference("subject", "for"),
    ),
}

_BY_NAME: Final = {
    resource_type: {parameter.name: parameter for parameter in parameters}
    for resource_type, parameters in PARAMETERS.items()
}


def parameter(resource_type: str, name: str) -> Parameter | None:
    """The parameter of that name of a stored type; None for what the type does not have."""
    return _BY_NAME.get(resource_type, {}).get(name)


def reverse_references(resource_type: str) -> tuple[tuple[str, Parameter], ...]:
    """Every (type, reference parameter) whose elements may point to that type."""
    return tuple(
        (source, candidate)
        for source, parameters in PARAMETERS.items()
        for candidate in parameters
        if candidate.may_target(resource_type)
    )
