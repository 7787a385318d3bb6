"""The one table from errors to answers, against section 8 of the design."""

import pkgutil
from collections.abc import Iterator
from importlib import import_module

import pytest

import referral
from referral.api.errors import ANSWERS, MEDIA_TYPE, answer_to, fault_response
from referral.domain import errors
from referral.domain.errors import DomainError
from referral.fhir.content import read_content
from referral.fhir.validation import check_resource

# Transcribed from the design: status and http://hl7.org/fhir/issue-type of each case.
DESIGN = {
    "MalformedContent": (400, "structure"),
    "InvalidElement": (400, "invalid"),
    "UnknownCode": (400, "code-invalid"),
    "MissingElement": (422, "required"),
    "BrokenRule": (422, "business-rule"),
    "NotSignedIn": (401, "login"),
    "Forbidden": (403, "forbidden"),
    "NotFound": (404, "not-found"),
    "NotSupported": (404, "not-supported"),
    "IdNotAllowed": (405, "not-supported"),
    "NeverChanged": (405, "not-supported"),
    "NeverDeleted": (405, "not-supported"),
    "ReadOnly": (405, "not-supported"),
    "StillNeeded": (409, "conflict"),
    "Gone": (410, "deleted"),
    "IllegalMove": (409, "conflict"),
    "Duplicate": (409, "duplicate"),
    "StaleVersion": (412, "conflict"),
    "SeveralMatches": (412, "multiple-matches"),
    "VersionRequired": (428, "required"),
    "TooLarge": (413, "too-long"),
    "WrongMediaType": (415, "not-supported"),
    "NotAcceptable": (406, "not-supported"),
    "TooManyRequests": (429, "throttled"),
    "TooManyClaims": (429, "throttled"),
    "PolicyUnreadable": (503, "transient"),
    "StoreUnavailable": (503, "transient"),
}
# https://hl7.org/fhir/R4/valueset-issue-type.html
ISSUE_TYPES = set(
    """invalid structure required value invariant security login unknown expired forbidden suppressed
    processing not-supported duplicate multiple-matches not-found deleted too-long code-invalid extension
    too-costly business-rule conflict transient lock-error no-store exception timeout incomplete throttled
    informational""".split()
)


def refinements(kind: type[DomainError]) -> Iterator[type[DomainError]]:
    for below in kind.__subclasses__():
        yield below
        yield from refinements(below)


def every_error() -> set[type[DomainError]]:
    for module in pkgutil.walk_packages(referral.__path__, "referral."):
        if ".migrations." not in module.name and not module.name.endswith("__main__"):
            import_module(module.name)
    return {kind for kind in refinements(DomainError) if kind.__module__.startswith("referral.")}


def test_every_error_of_the_code_has_an_answer() -> None:
    found = every_error()
    assert {kind.__name__ for kind in found if kind.__module__ == errors.__name__} == set(DESIGN)
    for kind in found:
        assert any(base in ANSWERS for base in kind.__mro__), f"{kind.__name__} has no row"


@pytest.mark.parametrize("name", DESIGN)
def test_its_status_and_code_are_those_of_the_design(name: str) -> None:
    kind = getattr(errors, name)
    error = kind("A text.", ()) if kind is errors.IllegalMove else kind("A text.")
    answer = answer_to(error)
    assert (answer.status, answer.code) == DESIGN[name]
    assert answer.code in ISSUE_TYPES


def test_the_table_has_no_row_for_what_does_not_exist() -> None:
    assert set(ANSWERS) <= every_error()


def test_what_a_client_may_repeat_says_when() -> None:
    for kind in (errors.StoreUnavailable, errors.TooManyRequests):
        assert int(ANSWERS[kind].headers["Retry-After"]) > 0
    assert ANSWERS[errors.NotSignedIn].headers["WWW-Authenticate"].startswith("Bearer")
    assert "GET" in ANSWERS[errors.IdNotAllowed].headers["Allow"]


def test_a_refinement_is_answered_as_what_it_refines() -> None:
    class LateAnswer(errors.IllegalMove):
        """An illegal move with a name of its own."""

    assert answer_to(LateAnswer("Too late.", ("close",))) is ANSWERS[errors.IllegalMove]


def test_an_illegal_move_names_the_legal_ones() -> None:
    assert errors.IllegalMove("No.", ("accept", "reject")).problems[0].text.endswith("accept, reject.")
    assert "none" in errors.IllegalMove("No.", ()).problems[0].text


def test_a_fault_is_told_without_saying_what_it_is() -> None:
    answer = fault_response()
    assert (answer.status_code, answer.headers["content-type"]) == (500, MEDIA_TYPE)
    content = read_content(bytes(answer.body))
    check_resource("OperationOutcome", content)
    assert [(issue["severity"], issue["code"]) for issue in content["issue"]] == [("fatal", "exception")]
