"""OperationOutcome: how all that went wrong, or is worth knowing, is told.

https://hl7.org/fhir/R4/operationoutcome.html
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["fatal", "error", "warning", "information"]


@dataclass(frozen=True, slots=True)
class Issue:
    """One issue: `code` from http://hl7.org/fhir/issue-type, `text` for a person, `expression` a FHIRPath."""

    severity: Severity
    code: str
    text: str
    expression: str | None = None


def operation_outcome(issues: Iterable[Issue]) -> dict[str, Any]:
    """The resource as content. Raises ValueError without any issue: FHIR requires one."""
    written = [_issue(issue) for issue in issues]
    if not written:
        raise ValueError("an OperationOutcome needs at least one issue")
    return {"resourceType": "OperationOutcome", "issue": written}


def _issue(issue: Issue) -> dict[str, Any]:
    written: dict[str, Any] = {
        "severity": issue.severity,
        "code": issue.code,
        "diagnostics": issue.text,
    }
    if issue.expression is not None:
        written["expression"] = [issue.expression]
    return written
