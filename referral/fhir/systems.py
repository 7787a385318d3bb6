"""Every canonical address, code system and identifier system that the service writes or looks for.

Ours stand under `BASE`; the others are HL7's (https://hl7.org/fhir/R4/terminologies-systems.html) and
IHE's (https://profiles.ihe.net/ITI/mCSD/).
"""

from typing import Final

BASE: Final = "http://referral.example/fhir"

_CODE_SYSTEM: Final = f"{BASE}/CodeSystem"
_EXTENSION: Final = f"{BASE}/StructureDefinition"
_IDENTIFIER: Final = f"{BASE}/sid"
_HL7: Final = "http://terminology.hl7.org/CodeSystem"
_HL7_EXTENSION: Final = "http://hl7.org/fhir/StructureDefinition"

# Our code systems.
REFERRAL_KIND: Final = f"{_CODE_SYSTEM}/referral-kind"
DIRECTION: Final = f"{_CODE_SYSTEM}/direction"
TIER: Final = f"{_CODE_SYSTEM}/tier"
LEVEL: Final = f"{_CODE_SYSTEM}/level"
AFFILIATION_KIND: Final = f"{_CODE_SYSTEM}/affiliation-kind"
OFFER_STATUS: Final = f"{_CODE_SYSTEM}/offer-status"
TASK_INPUT: Final = f"{_CODE_SYSTEM}/task-input"
TASK_OUTPUT: Final = f"{_CODE_SYSTEM}/task-output"
OUTCOME: Final = f"{_CODE_SYSTEM}/outcome"
DISPOSITION: Final = f"{_CODE_SYSTEM}/disposition"
REJECT_REASON: Final = f"{_CODE_SYSTEM}/reject-reason"
WITHDRAW_REASON: Final = f"{_CODE_SYSTEM}/withdraw-reason"
END_REASON: Final = f"{_CODE_SYSTEM}/end-reason"
MISS_REASON: Final = f"{_CODE_SYSTEM}/miss-reason"
MOVE: Final = f"{_CODE_SYSTEM}/move"
CLOCK: Final = f"{_CODE_SYSTEM}/clock"
PARTY: Final = f"{_CODE_SYSTEM}/party"
LOOP: Final = f"{_CODE_SYSTEM}/loop"
LOOP_REASON: Final = f"{_CODE_SYSTEM}/loop-reason"
SUMMARY_SECTION: Final = f"{_CODE_SYSTEM}/summary-section"
SPECIALTY: Final = f"{_CODE_SYSTEM}/specialty"
ORGANIZATION_KIND: Final = f"{_CODE_SYSTEM}/organization-kind"
NETWORK_KIND: Final = "network"
_TECHNIQUE: Final = f"{_CODE_SYSTEM}/technique-"

# Code systems of others.
SNOMED_CT: Final = "http://snomed.info/sct"
ICD_10: Final = "http://hl7.org/fhir/sid/icd-10"
UCUM: Final = "http://unitsofmeasure.org"
TASK_CODE: Final = "http://hl7.org/fhir/CodeSystem/task-code"
IDENTIFIER_TYPE: Final = f"{_HL7}/v2-0203"
PHYSICAL_TYPE: Final = f"{_HL7}/location-physical-type"
GENDER: Final = "http://hl7.org/fhir/administrative-gender"
MCSD_TYPE: Final = "https://profiles.ihe.net/ITI/mCSD/CodeSystem/IHE.mCSD.Organization.Location.Types"
MCSD_FACILITY: Final = "facility"
BOOLEAN: Final = f"{_HL7}/special-values"
SECURITY_SERVICE: Final = f"{_HL7}/restful-security-service"

# Code systems of the audit: DICOM's (PS3.16), HL7's, and those of IHE BALP (https://profiles.ihe.net/ITI/BALP/).
DICOM: Final = "http://dicom.nema.org/resources/ontology/DCM"
AUDIT_EVENT_TYPE: Final = f"{_HL7}/audit-event-type"
AUDIT_ENTITY_TYPE: Final = f"{_HL7}/audit-entity-type"
AUDIT_OBJECT_ROLE: Final = f"{_HL7}/object-role"
AUDIT_SOURCE_TYPE: Final = f"{_HL7}/security-source-type"
PARTICIPATION_TYPE: Final = f"{_HL7}/v3-ParticipationType"
RESTFUL_INTERACTION: Final = "http://hl7.org/fhir/restful-interaction"
BALP_ENTITY_TYPE: Final = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType"
BALP_PROFILE: Final = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."

# Our extensions.
DIRECTION_EXTENSION: Final = f"{_EXTENSION}/direction"
REFERRAL_GROUND_EXTENSION: Final = f"{_EXTENSION}/referral-ground"
JOURNEY_EXTENSION: Final = f"{_EXTENSION}/journey"
NETWORK_EXTENSION: Final = f"{_EXTENSION}/network"
LEVEL_EXTENSION: Final = f"{_EXTENSION}/level"
POINTS_EXTENSION: Final = f"{_EXTENSION}/points"
FORMER_LEVEL_EXTENSION: Final = f"{_EXTENSION}/former-level"
LANDMASS_EXTENSION: Final = f"{_EXTENSION}/landmass"
POSITION_SOURCE_EXTENSION: Final = f"{_EXTENSION}/position-source"
HOURS_EXTENSION: Final = f"{_EXTENSION}/hours"
AGE_RANGE_EXTENSION: Final = f"{_EXTENSION}/age-range"
CAPACITY_EXTENSION: Final = f"{_EXTENSION}/capacity"
RECOGNITION_EXTENSION: Final = f"{_EXTENSION}/recognition"
DIED_AT_EXTENSION: Final = f"{_EXTENSION}/died-at"

# Extensions of others.
STATUS_REASON_EXTENSION: Final = f"{_HL7_EXTENSION}/request-statusReason"

# Identifier systems.
FACILITY_IDENTIFIER: Final = f"{_IDENTIFIER}/facility"
INSURER_IDENTIFIER: Final = f"{_IDENTIFIER}/insurer-code"
REFERRAL_NUMBER_IDENTIFIER: Final = f"{_IDENTIFIER}/referral-number"
CLIENT_IDENTIFIER: Final = f"{_IDENTIFIER}/client"


def technique_system(technique_list: str) -> str:
    """Code system of one dated national list of techniques."""
    return f"{_TECHNIQUE}{technique_list}"


def technique_list(system: str) -> str | None:
    """Name of the technique list that a code system stands for; None for any other system."""
    name = system.removeprefix(_TECHNIQUE)
    return name if name and name != system else None
