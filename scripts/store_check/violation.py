"""What the checker finds."""

from typing import NamedTuple


class Violation(NamedTuple):
    """One contradiction. `kind` names the rule that is broken, `where` the resource, `text` says what."""

    kind: str
    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.where}: {self.text}"
