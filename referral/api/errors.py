"""The one table from what went wrong to what is answered. https://hl7.org/fhir/R4/http.html#Status-Codes"""

from collections.abc import Mapping
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from referral.domain import errors
from referral.fhir.content import write_content
from referral.fhir.outcome import Issue, operation_outcome

MEDIA_TYPE = "application/fhir+json; charset=utf-8"


class Answer(NamedTuple):
    """HTTP status and FHIR issue code (http://hl7.org/fhir/issue-type)."""

    status: int
    code: str
    headers: Mapping[str, str] = {}


ANSWERS: Mapping[type[errors.DomainError], Answer] = {
    errors.MalformedContent: Answer(400, "structure"),
    errors.InvalidElement: Answer(400, "invalid"),
    errors.UnknownCode: Answer(400, "code-invalid"),
    errors.MissingElement: Answer(422, "required"),
    errors.BrokenRule: Answer(422, "business-rule"),
    errors.NotSignedIn: Answer(401, "login", {"WWW-Authenticate": 'Bearer realm="fhir"'}),
    errors.Forbidden: Answer(403, "forbidden"),
    errors.NotFound: Answer(404, "not-found"),
    errors.NotSupported: Answer(404, "not-supported"),
    errors.IdNotAllowed: Answer(405, "not-supported", {"Allow": "GET"}),
    errors.NeverChanged: Answer(405, "not-supported", {"Allow": "GET"}),
    errors.ReadOnly: Answer(405, "not-supported", {"Allow": "GET"}),
    errors.NeverDeleted: Answer(405, "not-supported", {"Allow": "GET, PUT, PATCH"}),
    errors.StillNeeded: Answer(409, "conflict"),
    errors.Gone: Answer(410, "deleted"),
    errors.IllegalMove: Answer(409, "conflict"),
    errors.Duplicate: Answer(409, "duplicate"),
    errors.StaleVersion: Answer(412, "conflict"),
    errors.SeveralMatches: Answer(412, "multiple-matches"),
    errors.VersionRequired: Answer(428, "required"),
    errors.TooLarge: Answer(413, "too-long"),
    errors.WrongMediaType: Answer(415, "not-supported"),
    errors.NotAcceptable: Answer(406, "not-supported"),
    errors.TooManyRequests: Answer(429, "throttled", {"Retry-After": "5"}),
    errors.TooManyClaims: Answer(429, "throttled", {"Retry-After": "900"}),
    errors.PolicyUnreadable: Answer(503, "transient", {"Retry-After": "60"}),
    errors.StoreUnavailable: Answer(503, "transient", {"Retry-After": "5"}),
}


def answer_to(error: errors.DomainError) -> Answer:
    """The row for an error: that of its class, else of the class it refines."""
    return next(ANSWERS[kind] for kind in type(error).__mro__ if kind in ANSWERS)


def outcome_response(status: int, issues: list[Issue], headers: Mapping[str, str] | None = None) -> Response:
    """An OperationOutcome as a response."""
    body = write_content(operation_outcome(issues))
    return Response(body, status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def issues_of(error: errors.DomainError) -> list[Issue]:
    """What an error tells, each problem under the code of its own kind."""
    code = answer_to(error).code
    return [
        ("error", ANSWERS[problem.kind].code if problem.kind else code, problem.text, problem.expression)
        for problem in error.problems
    ]


def domain_error_response(error: errors.DomainError) -> Response:
    """An error of the domain as a response."""
    status, _, headers = answer_to(error)
    return outcome_response(status, issues_of(error), headers)


async def domain_error(_request: Request, error: Exception) -> Response:
    """The answer where an error of the domain was raised; `RequestLog` answers the faults."""
    if not isinstance(error, errors.DomainError):
        raise error
    return domain_error_response(error)


def fault_response() -> Response:
    """The answer where the service itself is at fault; it says nothing of what went wrong."""
    text = "A fault of this service, not of your request; its operators find it in the log by the request id."
    return outcome_response(500, [("fatal", "exception", text, None)])
