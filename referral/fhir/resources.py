"""The resource types that the service stores.

Clinical types are read through the `access` table; directory types are read by every member of
a network.
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

SUPPORTED: Final = CLINICAL | DIRECTORY
