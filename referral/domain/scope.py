"""What a client may ask for at all: SMART v2 system scopes.

https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from referral.domain.errors import BrokenRule, Forbidden


class Interaction(StrEnum):
    """What is done with a resource type; `read` covers versions and their history, `search` type history."""

    CREATE = "create"
    READ = "read"
    UPDATE = "update"
    DELETE = "delete"
    SEARCH = "search"


ANY_TYPE: Final = "*"

# One letter each, in the order that the specification fixes: `.sr` is no scope.
_LETTERS: Final = {interaction.value[0]: interaction for interaction in Interaction}
_LETTER_ORDER: Final = "".join(_LETTERS)
_VERSION_1: Final = {"read": "rs", "write": "cud", "*": "cruds"}
_SCOPE: Final = re.compile(r"system/(\*|[A-Z][A-Za-z]{0,63})\.(read|write|\*|(?=[a-z])c?r?u?d?s?)")


@dataclass(frozen=True, slots=True)
class Scopes:
    """A set of rights: pairs of a resource type (or `*`) and an interaction."""

    granted: frozenset[tuple[str, Interaction]]

    def allows(self, resource_type: str, interaction: Interaction) -> bool:
        """True when one of the scopes covers the interaction with the type."""
        return (resource_type, interaction) in self.granted or (ANY_TYPE, interaction) in self.granted

    def within(self, limit: "Scopes") -> "Scopes":
        """The rights in both, also where one names a type and the other all types."""
        both = {right for right in self.granted if limit.allows(*right)}
        both |= {right for right in limit.granted if self.allows(*right)}
        return Scopes(frozenset(both))

    def __bool__(self) -> bool:
        return bool(self.granted)

    def __str__(self) -> str:
        """Scopes in the v2 form, separated by spaces, all types first; a type says only what `*` does not."""
        types = sorted(
            {resource_type for resource_type, _ in self.granted}, key=lambda name: (name != ANY_TYPE, name)
        )
        words = ((name, self._letters(name)) for name in types)
        return " ".join(f"system/{name}.{letters}" for name, letters in words if letters)

    def _letters(self, resource_type: str) -> str:
        return "".join(
            letter
            for letter, interaction in _LETTERS.items()
            if (resource_type, interaction) in self.granted
            and (resource_type == ANY_TYPE or (ANY_TYPE, interaction) not in self.granted)
        )


def read_scopes(text: str) -> Scopes:
    """Read `system/Type.cruds` scopes, also of v1 (`.read`, `.write`, `.*`), separated by spaces.

    Raises BrokenRule naming each word that is no system scope, or when there is no word.
    """
    words = text.split()
    wrong = [word for word in words if _SCOPE.fullmatch(word) is None]
    if wrong:
        named = ", ".join(word[:100] for word in wrong[:10])
        raise BrokenRule(
            f"Not a system scope: {named}. The form is system/ServiceRequest.rs or system/*.{_LETTER_ORDER},"
            f" letters in the order {_LETTER_ORDER}."
        )
    if not words:
        raise BrokenRule("At least one scope is needed, for example system/*.cruds.")
    return understood_scopes(text)


def understood_scopes(text: str) -> Scopes:
    """The system scopes among the words of `text`; others are passed over.

    A client may ask for more than it gets: https://www.rfc-editor.org/rfc/rfc6749#section-3.3
    """
    rights: set[tuple[str, Interaction]] = set()
    for word in text.split():
        match = _SCOPE.fullmatch(word)
        if match is not None:
            resource_type, asked = match.groups()
            rights |= {(resource_type, _LETTERS[letter]) for letter in _VERSION_1.get(asked, asked)}
    return Scopes(frozenset(rights))


def check_scope(scopes: Scopes, resource_type: str, interaction: Interaction) -> None:
    """Raise Forbidden unless the scopes allow the interaction with the resource type."""
    if not scopes.allows(resource_type, interaction):
        raise Forbidden(f"The scope of this token does not allow {interaction} of {resource_type}.")
