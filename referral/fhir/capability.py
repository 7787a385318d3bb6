"""The CapabilityStatement: what the service really does, from the registries.

https://hl7.org/fhir/R4/capabilitystatement.html
"""

from datetime import UTC, datetime
from typing import Any, Final

from referral.fhir import json_patch, systems
from referral.fhir.parameters import PARAMETERS, Parameter, reverse_references
from referral.fhir.resources import STORED, SUPPORTED, TOLD_ONCE
from referral.fhir.search_parameters import canonical_of

FHIR_VERSION: Final = "4.0.1"
MEDIA_TYPE: Final = "application/fhir+json"
INTERACTIONS: Final = (
    *("read", "vread", "history-instance", "history-type", "search-type"),
    *("create", "update", "patch", "delete"),
)
# What is told once is not changed afterwards.
_CHANGING: Final = frozenset({"update", "patch", "delete"})
# A referral or offer is updated with If-Match only, and never under an id of the client.
_VERSIONED_UPDATE: Final = frozenset({"ServiceRequest", "Task"})
_OAUTH_URIS: Final = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
_VALIDATE: Final = "http://hl7.org/fhir/OperationDefinition/Resource-validate"
# Of fhir_profiles/; that of Parameters is told by the operation.
_PROFILES: Final = {
    "Composition": ("referral-summary",),
    "DocumentReference": ("summary",),
    "HealthcareService": ("service",),
    "Location": ("location",),
    "Organization": ("facility",),
    "OrganizationAffiliation": ("affiliation", "membership"),
    "ServiceRequest": ("referral",),
    "Task": ("offer",),
}
_OPERATIONS: Final = {
    "ServiceRequest": ("claim", "everything", "moves", "suggest-targets"),
    "Task": ("moves",),
}
# Search parameters of every type, as HL7 has them; all others are published here.
_COMMON: Final = tuple(
    {
        "name": name,
        "definition": f"http://hl7.org/fhir/SearchParameter/Resource-{name[1:]}",
        "type": kind,
        "documentation": text,
    }
    for name, kind, text in (
        ("_id", "token", "Id of the resource"),
        ("_lastUpdated", "date", "Moment of the last change"),
    )
)


def capability_statement(
    *, fhir_base: str, token_endpoint: str, version: str, date: datetime
) -> dict[str, Any]:
    """CapabilityStatement of this instance.

    `fhir_base` and `token_endpoint` are absolute addresses, `version` that of the software, `date`
    (aware) when the statement began to hold: the start of the service.
    """
    return {
        "resourceType": "CapabilityStatement",
        "url": f"{systems.BASE}/CapabilityStatement/referral",
        "version": version,
        "name": "Referral",
        "title": "Referral service",
        "status": "active",
        "date": date.astimezone(UTC).isoformat(timespec="seconds"),
        "kind": "instance",
        "software": {"name": "referral", "version": version},
        "implementation": {"description": "Two-way referral between facilities", "url": fhir_base},
        "fhirVersion": FHIR_VERSION,
        "format": [MEDIA_TYPE, "json"],
        "patchFormat": [json_patch.MEDIA_TYPE],
        "rest": [
            {
                "mode": "server",
                "security": _security(token_endpoint),
                "resource": [
                    _resource(each) if each in STORED else _read_only(each) for each in sorted(SUPPORTED)
                ],
                "interaction": [{"code": "transaction"}, {"code": "batch"}],
            }
        ],
    }


def _security(token_endpoint: str) -> dict[str, Any]:
    return {
        "extension": [
            {"url": _OAUTH_URIS, "extension": [{"url": "token", "valueUri": token_endpoint}]},
        ],
        "service": [{"coding": [{"system": systems.SECURITY_SERVICE, "code": "SMART-on-FHIR"}]}],
        "description": "SMART Backend Services: client_credentials with private_key_jwt (ES384, RS384)",
    }


def _resource(resource_type: str) -> dict[str, Any]:
    parameters, once = PARAMETERS[resource_type], resource_type in TOLD_ONCE
    resource: dict[str, Any] = {
        "type": resource_type,
        "supportedProfile": [
            f"{systems.BASE}/StructureDefinition/{name}" for name in _PROFILES.get(resource_type, ())
        ],
        "interaction": [{"code": code} for code in INTERACTIONS if not (once and code in _CHANGING)],
        "versioning": "versioned-update" if resource_type in _VERSIONED_UPDATE else "versioned",
        "readHistory": True,
        "updateCreate": resource_type not in _VERSIONED_UPDATE,
        "conditionalCreate": True,
        "conditionalRead": "full-support",
        "conditionalUpdate": not once,
        "conditionalDelete": "not-supported" if once else "single",
        "referencePolicy": ["literal", "logical"],
        "searchInclude": [
            f"{resource_type}:{parameter.name}" for parameter in parameters if parameter.refers
        ],
        "searchRevInclude": [
            f"{source}:{parameter.name}" for source, parameter in reverse_references(resource_type)
        ],
        "searchParam": [*_COMMON, *(_search_parameter(resource_type, each) for each in parameters)],
    }
    resource["operation"] = [{"name": "validate", "definition": _VALIDATE}]
    for name in _OPERATIONS.get(resource_type, ()):
        definition = f"{systems.BASE}/OperationDefinition/{name}"
        resource["operation"].append({"name": name, "definition": definition})
    # FHIR knows no empty lists.
    return {name: value for name, value in resource.items() if value != []}


def _read_only(resource_type: str) -> dict[str, Any]:
    """What the service tells of itself has no versions, and leads to nothing."""
    return {
        "type": resource_type,
        "interaction": [{"code": "read"}, {"code": "search-type"}],
        "versioning": "no-version",
        "readHistory": False,
        "updateCreate": False,
        "conditionalCreate": False,
        "conditionalRead": "not-supported",
        "conditionalUpdate": False,
        "conditionalDelete": "not-supported",
        "searchParam": [
            *_COMMON,
            *(_search_parameter(resource_type, each) for each in PARAMETERS[resource_type]),
        ],
    }


def _search_parameter(resource_type: str, parameter: Parameter) -> dict[str, str]:
    return {
        "name": parameter.name,
        "definition": canonical_of(resource_type, parameter),
        "type": parameter.kind.value,
        "documentation": parameter.expression(resource_type),
    }
