"""Rows of the audit as AuditEvents in the shape of IHE Basic Audit Log Patterns (BALP).

https://hl7.org/fhir/R4/auditevent.html, https://profiles.ihe.net/ITI/BALP/content.html. BALP has patterns for
what succeeded; what was refused has the same parts and no profile, as has what BALP has no pattern for.
"""

from base64 import b64encode
from collections.abc import Iterator, Mapping
from datetime import UTC
from typing import Any, Final
from urllib.parse import parse_qsl

from referral.domain.audit import AuditAction, AuditRecord, AuditRow
from referral.fhir import systems
from referral.fhir.opaque_id import AUDIT_ROW, opaque_id
from referral.fhir.primitives import ID

Content = dict[str, Any]
_Coding = tuple[str, str, str]

_REST: Final = (systems.AUDIT_EVENT_TYPE, "rest", "RESTful Operation")
_SECURITY_ALERT: Final = (systems.DICOM, "110113", "Security Alert")
# What happened in general.
_TYPES: Final[Mapping[str, _Coding]] = {
    AuditAction.TOKEN: (systems.DICOM, "110114", "User Authentication"),
    AuditAction.CLIENT_ADD: _SECURITY_ALERT,
    AuditAction.IMPORT: (systems.DICOM, "110107", "Import"),
    AuditAction.ACTIVATE_POLICY: _SECURITY_ALERT,
    AuditAction.EXPORT: (systems.DICOM, "110106", "Export"),
    AuditAction.REFUSED: _SECURITY_ALERT,
}
# What happened in particular.
_SUBTYPES: Final[Mapping[str, _Coding]] = {
    AuditAction.CREATE: (systems.RESTFUL_INTERACTION, "create", "create"),
    AuditAction.UPDATE: (systems.RESTFUL_INTERACTION, "update", "update"),
    AuditAction.TRANSACTION: (systems.RESTFUL_INTERACTION, "transaction", "transaction"),
    AuditAction.PATCH: (systems.RESTFUL_INTERACTION, "patch", "patch"),
    AuditAction.DELETE: (systems.RESTFUL_INTERACTION, "delete", "delete"),
    AuditAction.BATCH: (systems.RESTFUL_INTERACTION, "batch", "batch"),
    AuditAction.VREAD: (systems.RESTFUL_INTERACTION, "vread", "vread"),
    AuditAction.HISTORY_INSTANCE: (systems.RESTFUL_INTERACTION, "history-instance", "history-instance"),
    AuditAction.HISTORY_TYPE: (systems.RESTFUL_INTERACTION, "history-type", "history-type"),
    AuditAction.READ: (systems.RESTFUL_INTERACTION, "read", "read"),
    AuditAction.SEARCH: (systems.RESTFUL_INTERACTION, "search-type", "search-type"),
    AuditAction.EXECUTE: (systems.RESTFUL_INTERACTION, "operation", "operation"),
    AuditAction.TOKEN: (systems.DICOM, "110122", "Login"),
    AuditAction.ACTIVATE_POLICY: (systems.DICOM, "110131", "Software Configuration"),
    AuditAction.CLIENT_ADD: (systems.DICOM, "110137", "User Security Attributes Changed"),
}
_ACTION_CODES: Final[Mapping[str, str]] = {
    AuditAction.CREATE: "C",
    AuditAction.CLIENT_ADD: "C",
    AuditAction.UPDATE: "U",
    AuditAction.IMPORT: "U",
    AuditAction.ACTIVATE_POLICY: "U",
    AuditAction.PATCH: "U",
    AuditAction.DELETE: "D",
    AuditAction.READ: "R",
    AuditAction.VREAD: "R",
    AuditAction.HISTORY_INSTANCE: "R",
    AuditAction.HISTORY_TYPE: "R",
    AuditAction.REPLAY: "R",
    AuditAction.EXPORT: "R",
}
_PROFILES: Final[Mapping[str, str]] = {
    AuditAction.CREATE: "Create",
    AuditAction.UPDATE: "Update",
    AuditAction.PATCH: "Update",
    AuditAction.DELETE: "Delete",
    AuditAction.READ: "Read",
    AuditAction.VREAD: "Read",
    AuditAction.SEARCH: "Query",
}
# In a read the server is the source of what flows; in all else it receives (see the profiles).
_SOURCE: Final = ("110153", "Source Role ID")
_DESTINATION: Final = ("110152", "Destination Role ID")
_PATIENT_PARAMETERS: Final = {"beneficiary", "for", "patient", "subject"}
_HISTORIES: Final = {AuditAction.HISTORY_INSTANCE, AuditAction.HISTORY_TYPE}
_READS: Final = {AuditAction.READ, AuditAction.VREAD, AuditAction.REPLAY, AuditAction.EXPORT, *_HISTORIES}


def audit_event(row: AuditRow, site: str, key: bytes) -> Content:
    """The AuditEvent of a row. `site`: the base URL of the service, or the name of its host.

    key: as of `opaque_id`.
    """
    record, patient = row.record, row.patient or sought_patient(row.record)
    profile = _profile(row, patient)
    found: Content = {
        "resourceType": "AuditEvent",
        "id": opaque_id(key, AUDIT_ROW, row.seq),
        **coded(record.action),
        "recorded": record.at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "outcome": outcome_code(refused=record.outcome >= 400),
        "agent": list(_agents(record, site)),
        "source": {
            "site": site,
            "observer": {"display": site},
            "type": [_coding(systems.AUDIT_SOURCE_TYPE, "4", "Application Server")],
        },
    }
    if profile is not None:
        found["meta"] = {"profile": [systems.BALP_PROFILE + profile]}
    if record.outcome >= 400:
        found["outcomeDesc"] = _refusal(record)
    entities = list(_entities(record, patient))
    if entities:
        found["entity"] = entities
    return found


def _profile(row: AuditRow, patient: str | None) -> str | None:
    """The pattern that the event follows in all its parts; None where one part is not known."""
    record = row.record
    name = _PROFILES.get(record.action)
    told = record.query is not None if name == "Query" else record.id is not None
    if name is None or not told or record.outcome >= 400 or record.client is None or record.address is None:
        return None
    return f"Patient{name}" if patient is not None else name


def _refusal(record: AuditRecord) -> str:
    if record.action == AuditAction.REFUSED and record.details:
        return f"{record.details.get('more')} more requests without a valid token"
    return f"HTTP {record.outcome}"


def coded(action: str) -> Content:
    """What an AuditEvent says of the action by codes alone."""
    subtype = _SUBTYPES.get(action)
    found: Content = {
        "type": _coding(*_TYPES.get(action, _REST)),
        "action": _ACTION_CODES.get(action, "E"),
    }
    return found if subtype is None else found | {"subtype": [_coding(*subtype)]}


def outcome_code(*, refused: bool) -> str:
    """https://hl7.org/fhir/R4/valueset-audit-event-outcome.html: 4 is the request's fault."""
    return "4" if refused else "0"


def sought_patient(record: AuditRecord) -> str | None:
    """The one patient that a search names by id."""
    if record.action != AuditAction.SEARCH or not record.query:
        return None
    named = {
        value.removeprefix("Patient/")
        for name, value in parse_qsl(record.query)
        if name.partition(":")[0] in _PATIENT_PARAMETERS or (record.type == "Patient" and name == "_id")
    }
    found = named.pop() if len(named) == 1 else ""
    return found if ID.fullmatch(found) else None


def _agents(record: AuditRecord, site: str) -> Iterator[Content]:
    reads = record.action in _READS
    client, server = (_DESTINATION, _SOURCE) if reads else (_SOURCE, _DESTINATION)
    if record.client is not None or record.address is not None:
        who = {"identifier": {"system": systems.CLIENT_IDENTIFIER, "value": record.client}}
        agent: Content = {
            "type": _concept(systems.DICOM, *client),
            "who": who if record.client is not None else {"display": "unknown"},
            "requestor": record.actor is None,
        }
        if record.address is not None:
            agent["network"] = {"address": record.address, "type": "2"}
        yield agent
    yield {
        "type": _concept(systems.DICOM, *server),
        "who": {"display": site},
        "requestor": False,
        "network": {"address": site, "type": "5" if "://" in site else "1"},
    }
    if record.actor is not None:
        # No person is known: a system acts for its facility.
        role = (
            ("CST", "custodian") if record.action == AuditAction.CREATE else ("IRCP", "information recipient")
        )
        yield {
            "type": _concept(systems.PARTICIPATION_TYPE, *role),
            "who": {"reference": f"Organization/{record.actor}"},
            "requestor": True,
        }


def _entities(record: AuditRecord, patient: str | None) -> Iterator[Content]:
    if patient is not None:
        yield {
            "what": {"reference": f"Patient/{patient}"},
            "type": _coding(systems.AUDIT_ENTITY_TYPE, "1", "Person"),
            "role": _coding(systems.AUDIT_OBJECT_ROLE, "1", "Patient"),
        }
    if record.type is not None and record.id is not None:
        version = f"/_history/{record.version}" if record.version is not None else ""
        yield {
            "what": {"reference": f"{record.type}/{record.id}{version}"},
            "type": _coding(systems.AUDIT_ENTITY_TYPE, "2", "System Object"),
            "role": _coding(systems.AUDIT_OBJECT_ROLE, "4", "Domain Resource"),
        }
    # A refused request of no known type may have had no parameters: FHIR knows no empty text.
    if sought := _sought(record):
        yield {
            "type": _coding(systems.AUDIT_ENTITY_TYPE, "2", "System Object"),
            "role": _coding(systems.AUDIT_OBJECT_ROLE, "24", "Query"),
            "query": b64encode(sought.encode()).decode(),
        }
    if record.request_id is not None:
        yield {
            "what": {"identifier": {"value": record.request_id}},
            "type": _coding(systems.BALP_ENTITY_TYPE, "XrequestId"),
        }


def _sought(record: AuditRecord) -> str:
    if record.query is None or record.type is None or record.action == AuditAction.UNSUPPORTED:
        return record.query or ""
    if record.action in _HISTORIES:
        about = record.type if record.id is None else f"{record.type}/{record.id}"
        return f"{about}/_history?{record.query}"
    return f"{record.type}?{record.query}"


def _coding(system: str, code: str, display: str | None = None) -> Content:
    return {"system": system, "code": code} | ({"display": display} if display else {})


def _concept(system: str, code: str, display: str) -> Content:
    return {"coding": [_coding(system, code, display)]}
