"""What every refusal has in common, and that it leaves nothing behind."""

from typing import Any

import httpx
from fhir.resources.R4B.operationoutcome import OperationOutcome

from referral.fhir.content import read_content
from referral.fhir.validation import check_resource
from tests.owner import behind_the_wall
from tests.running_service import RunningService

_KEPT = (
    *("document", "document_version", "event", "change", "access", "referral", "offer"),
    *("referral_identifier", "search_token", "search_reference", "search_date", "search_string", "directory"),
    *("blob", "attachment"),
)

Issue = dict[str, Any]

ABSENT: dict[str, Any] = {"extension": [{"url": "urn:test:why", "valueCode": "unknown"}]}
"""What may stand beside a primitive, or in its place."""


def outcome(answer: httpx.Response) -> list[Issue]:
    """The issues of an OperationOutcome that is valid R4; fails for anything else, and for every 5xx."""
    assert answer.status_code < 500, answer.text
    assert answer.headers["content-type"] == "application/fhir+json; charset=utf-8"
    found = answer.json()
    check_resource("OperationOutcome", read_content(answer.content))
    OperationOutcome.model_validate(found)
    return list(found["issue"])


def refused(answer: httpx.Response, status: int, code: str, expression: str | None = None) -> Issue:
    """The one issue of a refusal."""
    (issue,) = outcome(answer)
    assert (answer.status_code, issue["severity"], issue["code"]) == (status, "error", code), answer.text
    assert issue.get("expression") == (None if expression is None else [expression]), answer.text
    assert issue["diagnostics"]
    return issue


async def rows(service: RunningService) -> dict[str, int]:
    """How many rows each table of resources and of what happened has."""
    counts = ", ".join(f"(SELECT count(*) FROM {table}) AS {table}" for table in _KEPT)
    async with behind_the_wall(service.store) as connection:
        # Tokens that were issued in between leave rows too, and so do reads and refusals.
        written = "SELECT count(*) FROM audit WHERE action IN ('create', 'update') AND outcome < 400"
        return dict(await connection.fetchrow(f"SELECT {counts}, ({written}) AS audit"))
