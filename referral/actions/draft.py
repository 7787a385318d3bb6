"""What a request asks to write, and what becomes of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from referral.domain.errors import DomainError, StaleVersion
from referral.domain.search import SearchQuery
from referral.fhir.content import reread_content
from referral.fhir.json_patch import Operation
from referral.store.blob import NewBlob
from referral.store.change_set import Key

ABSENT: Final = -1
"""In place of a version: there must be none."""


@dataclass(frozen=True, slots=True)
class Draft:
    """One resource that a client asks to write.

    content: as read from the body; the hub adds to it. place: where it stands in the request, such as
    `Bundle.entry[2].resource` (empty outside a Bundle). expected: the version named by `If-Match`, or ABSENT.
    condition: a create is done only where nothing meets this; all else is of the one resource that meets it,
    and `id` is then one for a new resource. met: the version that met it. patch: what is to be done to the
    resource as it stands. is_delete: it is to be deleted. Both have no content. named: references by a search
    in the content, as they are written, and what they search. blob: what a Binary holds, which is then not in
    the content.
    """

    type: str
    id: str
    content: dict[str, Any]
    is_create: bool
    expected: int | None = None
    place: str = ""
    condition: SearchQuery | None = None
    is_delete: bool = False
    patch: tuple[Operation, ...] | None = None
    named: tuple[tuple[str, SearchQuery], ...] = ()
    blob: NewBlob | None = None
    met: int | None = None

    @property
    def key(self) -> Key:
        """Type and id."""
        return (self.type, self.id)

    def at(self, path: str) -> str:
        """The FHIRPath of an element of this draft, such as `Task.owner`."""
        return f"{self.type}.{path}"

    def check_met(self, version: int) -> None:
        """Raises StaleVersion where what met the condition is at another version by now."""
        if self.met not in {None, version}:
            raise StaleVersion("What met the condition was changed at the same moment: ask again.")

    @contextmanager
    def placed(self) -> Iterator[None]:
        """Name the Bundle entry in the errors of this draft."""
        try:
            yield
        except DomainError as error:
            if self.place:
                error.problems = tuple(
                    replace(problem, expression=self._below(problem.expression)) for problem in error.problems
                )
            raise

    def _below(self, expression: str | None) -> str:
        if expression is None or not expression.startswith(f"{self.type}."):
            return self.place
        return f"{self.place}.{expression[len(self.type) + 1 :]}"


@dataclass(frozen=True, slots=True)
class Written:
    """A resource as it stands after the transaction: `content` are the bytes to answer with.

    notes: what the hub kept as it was although the client sent something else. unchanged: nothing was
    written, and no row of the audit says that it was shown. deleted: it is not there, now or since long; the
    version is 0 where there never was any that the actor saw.
    """

    type: str
    id: str
    version: int
    at: datetime
    content: bytes
    created: bool
    notes: tuple[str, ...] = ()
    unchanged: bool = False
    deleted: bool = False


def standing(key: Key, content: bytes, notes: tuple[str, ...] = ()) -> Written:
    """The answer for a stored resource that stays as it is."""
    meta = reread_content(content)["meta"]
    at = datetime.fromisoformat(meta["lastUpdated"])
    return Written(*key, int(meta["versionId"]), at, content, created=False, notes=notes)


def instant(moment: datetime) -> str:
    """A FHIR instant in UTC with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
