"""What decides who sees a resource: its type.

Clinical resources are seen by whom `access` names; those of the directory by every facility that acts in
a network whose directory they stand in. The directory tells nothing of patients; the wall of the database
(`is_directory`) lists the same types. Definitions are the service's own, and everybody's who is signed in.
"""

from typing import Final

CLINICAL: Final = frozenset(
    {
        "AllergyIntolerance",
        "Appointment",
        "Binary",
        "CarePlan",
        "Communication",
        "Composition",
        "Condition",
        "Consent",
        "Coverage",
        "DiagnosticReport",
        "DocumentReference",
        "Encounter",
        "ImagingStudy",
        "Immunization",
        "MeasureReport",
        "MedicationRequest",
        "MedicationStatement",
        "Observation",
        "Patient",
        "Procedure",
        "Provenance",
        "QuestionnaireResponse",
        "RelatedPerson",
        "ServiceRequest",
        "Specimen",
        "Task",
    }
)

DIRECTORY: Final = frozenset(
    {
        "Endpoint",
        "HealthcareService",
        "Location",
        "Organization",
        "OrganizationAffiliation",
        "Practitioner",
        "PractitionerRole",
        "Questionnaire",
        "Schedule",
        "Slot",
    }
)

DEFINITIONS: Final = frozenset(
    {
        "CapabilityStatement",
        "CodeSystem",
        "OperationDefinition",
        "SearchParameter",
        "StructureDefinition",
        "ValueSet",
    }
)
