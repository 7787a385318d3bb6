"""What an invariant is, and the few shapes that most of them have."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from referral.fhir.bindings import INVARIANTS

Content = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """An invariant of R4 as a function over content whose structure is sound.

    fails: the paths below the element at which it is broken, such as `.item[2]`; `` for the element itself.
    """

    path: str
    key: str
    fails: Callable[[Content], Sequence[str]]

    @property
    def text(self) -> str:
        """The words of the definitions, after the key by which the specification knows it."""
        return f"{self.key}: {INVARIANTS[self.path][self.key]}"


BROKEN = ("",)
"""What fails at the element itself."""


def holds(path: str, key: str, test: Callable[[Content], object], at: str = "") -> Rule:
    """The element of this path must meet the test; `at` names the element below that is to blame."""
    broken = (at,)
    return Rule(path, key, lambda content: () if test(content) else broken)


def has(content: Content, name: str) -> bool:
    """FHIRPath `name.exists()`: a value, or extensions in its place. Not for choices."""
    return name in content or f"_{name}" in content


def has_choice(content: Content, name: str) -> bool:
    """The same for a choice such as value[x]."""
    size = len(name)
    plain = (found.lstrip("_") for found in content)
    return any(found.startswith(name) and found[size : size + 1].isupper() for found in plain)


def any_of(path: str, key: str, *names: str) -> Rule:
    """One of these must be there."""
    wanted = frozenset(names) | {f"_{name}" for name in names}
    return holds(path, key, lambda content: not wanted.isdisjoint(content))


def not_both(path: str, key: str, one: str, other: str) -> Rule:
    """These two must not be there together."""
    return holds(path, key, lambda content: not (has(content, one) and has(content, other)), f".{other}")


def needs(path: str, key: str, one: str, other: str) -> Rule:
    """The first must not be there without the other."""
    return holds(path, key, lambda content: not has(content, one) or has(content, other), f".{other}")


def coded(concept: object, system: str, codes: frozenset[str]) -> bool:
    """Whether a CodeableConcept has a coding of the system and one of the codes."""
    if not isinstance(concept, dict):
        return False
    return any(
        coding.get("system") == system and coding.get("code") in codes for coding in concept.get("coding", ())
    )


def distinct(values: Sequence[object]) -> bool:
    """FHIRPath `isDistinct()` of what can be hashed."""
    return len(set(values)) == len(values)
