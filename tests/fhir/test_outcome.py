"""An OperationOutcome says what it was given, and is R4."""

import pytest

from referral.fhir.outcome import operation_outcome
from referral.fhir.validation import check_resource


def test_issues_stand_in_their_order() -> None:
    outcome = operation_outcome(
        [
            ("error", "required", "The element status is required.", "Task.status"),
            ("information", "informational", "Nothing has changed.", None),
        ]
    )
    assert outcome == {
        "resourceType": "OperationOutcome",
        "issue": [
            {
                "severity": "error",
                "code": "required",
                "diagnostics": "The element status is required.",
                "expression": ["Task.status"],
            },
            {"severity": "information", "code": "informational", "diagnostics": "Nothing has changed."},
        ],
    }
    check_resource("OperationOutcome", outcome)


def test_an_outcome_without_issues_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        operation_outcome([])
