"""OperationOutcome: how all that went wrong, or is worth knowing, is told.

https://hl7.org/fhir/R4/operationoutcome.html
"""

from collections.abc import Iterable
from typing import Any, Literal

Severity = Literal["fatal", "error", "warning", "information"]

Issue = tuple[Severity, str, str, str | None]
"""Severity, code of http://hl7.org/fhir/issue-type, text for a person, FHIRPath of the element."""


def operation_outcome(issues: Iterable[Issue]) -> dict[str, Any]:
    """Give the resource as content. Raises ValueError without any issue: FHIR requires one."""
    written = [_issue(*issue) for issue in issues]
    if not written:
        raise ValueError("an OperationOutcome needs at least one issue")
    return {"resourceType": "OperationOutcome", "issue": written}


def _issue(severity: Severity, code: str, text: str, expression: str | None) -> dict[str, Any]:
    issue: dict[str, Any] = {"severity": severity, "code": code, "diagnostics": text}
    return issue if expression is None else issue | {"expression": [expression]}
