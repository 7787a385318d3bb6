"""Everything that can be wrong with what a party asks for: one closed hierarchy.

`api/errors.py` maps each class to an HTTP status and an OperationOutcome issue code;
a test proves that table complete. Texts never quote patient data.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    `text` is a sentence for a person; `expression` the FHIRPath of the element, where known; `kind` what it
    is by itself, where that is not the class of the error that tells it among others.
    """

    text: str
    expression: str | None = None
    kind: "type[DomainError] | None" = None


class DomainError(Exception):
    """Base of all errors that a party is told about. Holds at least one `Problem`."""

    def __init__(self, problem: str | Sequence[Problem], expression: str | None = None) -> None:
        self.problems: tuple[Problem, ...] = (
            (Problem(problem, expression),) if isinstance(problem, str) else tuple(problem)
        )
        super().__init__("; ".join(found.text for found in self.problems))


class MalformedContent(DomainError):
    """Not JSON, not an object, duplicate keys, a NUL, too deep (400 structure)."""


class InvalidElement(DomainError):
    """An unknown element or parameter, or a value of the wrong form (400 invalid)."""


class UnknownCode(DomainError):
    """A code outside a required value set (400 code-invalid)."""


class MissingElement(DomainError):
    """A required element is absent (422 required)."""


class BrokenRule(DomainError):
    """The content contradicts a rule of referral or an integrity rule (422 business-rule)."""


class NotSignedIn(DomainError):
    """No token, or one that is not valid (401 login)."""


class Forbidden(DomainError):
    """The actor is known and may not do this (403 forbidden)."""


class NotFound(DomainError):
    """Unknown, or not visible to the actor: the same answer (404 not-found)."""


class NotSupported(DomainError):
    """A resource type or interaction that the service does not offer (404 not-supported)."""


class IdNotAllowed(DomainError):
    """A client chose the id of something whose ids the hub gives (405 not-supported)."""


class Gone(DomainError):
    """Was here and is deleted (410 deleted)."""


class IllegalMove(DomainError):
    """The lifecycle has no such move from here by this party (409 conflict).

    `legal` names the moves that are open to the party now.
    """

    def __init__(self, text: str, legal: Sequence[str], expression: str | None = None) -> None:
        self.legal = tuple(legal)
        offered = ", ".join(self.legal) or "none"
        super().__init__(f"{text} Legal moves for you now: {offered}.", expression)


class Duplicate(DomainError):
    """What the actor wants to create is there already (409 duplicate)."""


class NeverDeleted(DomainError):
    """What happened is not undone by deleting its record (405 not-supported)."""


class NeverChanged(DomainError):
    """What happened is told once, and that is not changed (405 not-supported)."""


class ReadOnly(DomainError):
    """The service tells it of itself, and nobody sends it (405 not-supported)."""


class StillNeeded(DomainError):
    """It cannot be deleted, because something else rests on it (409 conflict)."""


class StaleVersion(DomainError):
    """`If-Match` names a version that is no longer the newest (412 conflict)."""


class SeveralMatches(DomainError):
    """More than one resource meets the condition of a create (412 multiple-matches)."""


class VersionRequired(DomainError):
    """A referral or offer is updated without `If-Match` (428 required)."""


class TooLarge(DomainError):
    """The body is larger than the service takes (413 too-long)."""


class WrongMediaType(DomainError):
    """The body is of a media type that the service does not read (415 not-supported)."""


class NotAcceptable(DomainError):
    """The client takes no form of answer that the service gives (406 not-supported)."""


class TooManyRequests(DomainError):
    """The caller sends more than its share (429 throttled)."""


class TooManyClaims(TooManyRequests):
    """The caller has claimed too often what there is not (429 throttled, for up to an hour)."""


class PolicyUnreadable(DomainError):
    """The stored policy of the network is one that this version cannot read (503 transient)."""


class StoreUnavailable(DomainError):
    """The database is away; the same request may succeed later (503 transient)."""
