"""What decides who sees a resource: its type.

Clinical resources are seen by whom `access` names; those of the directory by every facility that acts in
a network whose directory they stand in.
"""

from typing import Final

CLINICAL: Final = frozenset(
    {
        "Communication",
        "Condition",
        "DocumentReference",
        "Observation",
        "Patient",
        "ServiceRequest",
        "Task",
    }
)

DIRECTORY: Final = frozenset(
    {
        "HealthcareService",
        "Location",
        "Organization",
        "OrganizationAffiliation",
        "Practitioner",
        "PractitionerRole",
    }
)
