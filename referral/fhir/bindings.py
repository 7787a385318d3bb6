"""Codes of required bindings that the R4B models do not tell in full.

The models list the codes of most required bindings; they cut long lists short and are silent where
the specification shows no list. https://hl7.org/fhir/R4/terminologies.html#required
"""

from typing import Final

# Codes of `code` elements, by model and element. No codes: any may stand there, whatever the model lists.
CODES: Final[dict[tuple[str, str], frozenset[str]]] = {
    (model, element): frozenset(codes.split())
    for model, element, codes in (
        (
            "Observation",
            "status",
            "registered preliminary final amended corrected cancelled entered-in-error unknown",
        ),
        (
            "Task",
            "status",
            """draft requested received accepted rejected ready cancelled in-progress on-hold failed
            completed entered-in-error""",
        ),
        (
            "DiagnosticReport",
            "status",
            """registered partial preliminary final amended corrected appended cancelled
            entered-in-error unknown""",
        ),
        (
            "Encounter",
            "status",
            "planned arrived triaged in-progress onleave finished cancelled entered-in-error unknown",
        ),
        ("CapabilityStatement", "format", ""),
        ("CapabilityStatement", "patchFormat", ""),
        ("Quantity", "comparator", "< <= >= >"),
        (
            "TimingRepeat",
            "when",
            """MORN MORN.early MORN.late NOON AFT AFT.early AFT.late EVE EVE.early EVE.late NIGHT PHS HS
            WAKE C CM CD CV AC ACM ACD ACV PC PCM PCD PCV""",
        ),
    )
}

# CodeableConcepts with a required binding: one coding must be of this system and these codes.
CONCEPTS: Final[dict[tuple[str, str], tuple[str, frozenset[str]]]] = {
    ("Condition", "clinicalStatus"): (
        "http://terminology.hl7.org/CodeSystem/condition-clinical",
        frozenset(["active", "recurrence", "relapse", "inactive", "remission", "resolved"]),
    ),
    ("Condition", "verificationStatus"): (
        "http://terminology.hl7.org/CodeSystem/condition-ver-status",
        frozenset(["unconfirmed", "provisional", "differential", "confirmed", "refuted", "entered-in-error"]),
    ),
}
