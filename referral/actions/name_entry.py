"""Name the Bundle entry in what the database refuses: by then all drafts are one change."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from referral.actions.draft import Draft
from referral.domain.errors import DomainError, Problem


@contextmanager
def entries_named(drafts: Sequence[Draft]) -> Iterator[None]:
    """A problem with an element of a type of which one entry is there is one of that entry."""
    try:
        yield
    except DomainError as error:
        error.problems = tuple(_named(problem, drafts) for problem in error.problems)
        raise


def _named(problem: Problem, drafts: Sequence[Draft]) -> Problem:
    of_type, _, path = (problem.expression or "").partition(".")
    entries = [draft.place for draft in drafts if draft.place and draft.type == of_type]
    return replace(problem, expression=f"{entries[0]}.{path}") if len(entries) == 1 else problem
