"""The audit, which is found in its own rows: see `fhir/audit_query.py`."""

from typing import Final

from referral.fhir.parameters.parameter import Parameter, code, date, reference, token

_WHO: Final = ("Device", "Organization", "Patient", "Practitioner", "PractitionerRole", "RelatedPerson")

PARAMETERS: Final[dict[str, tuple[Parameter, ...]]] = {
    "AuditEvent": (
        code("action", "action", "audit-event-action"),
        reference("agent", "agent.who", *_WHO),
        date("date", "recorded"),
        reference("entity", "entity.what"),
        code("outcome", "outcome", "audit-event-outcome"),
        reference("patient", ("agent.who", "entity.what"), "Patient"),
        token("subtype", "subtype"),
        token("type", "type"),
    )
}
