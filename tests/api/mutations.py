"""Valid resources, changed at any place into what may or may not be one."""

import copy
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.api.refusals import ABSENT
from tests.factories import B

_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.sampled_from(
        ["", " ", "\x00", "a" * 3000, "2026-02-30", "9999-12-31T23:59:60Z", "0001", "$x", "#", "#x"]
    ),
    st.sampled_from(["active", "completed", "Patient/x", "Task/", "http://", "urn:uuid:", "../.."]),
    st.just(f"{B}/StructureDefinition/network"),
)
_NAMES = st.sampled_from(
    ["reference", "identifier", "value", "system", "coding", "code", "extension", "url", "type", "", "a\nb"]
)
VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3),
    max_leaves=5,
)
"""Any JSON."""

_KINDS = ("drop", "replace", "double", "nest", "hide", "rename", "copy")
_POSITIONS = st.integers(0, 10_000)


@dataclass(frozen=True, slots=True)
class Mutation:
    """One change. `at` and `other` choose among the places that a resource has, however many they are."""

    kind: str
    at: int
    other: int
    value: Any

    def apply(self, content: dict[str, Any]) -> None:
        """Change the content in place."""
        found = list(_places(content, ()))
        if not found:
            return
        *steps, last = found[self.at % len(found)]
        holder = _at(content, steps)
        match self.kind:
            case "replace":
                holder[last] = copy.deepcopy(self.value)
            case "double":
                holder[last] = [holder[last], copy.deepcopy(holder[last])]
            case "nest":
                holder[last] = {str(last): holder[last]}
            case "copy":
                holder[last] = copy.deepcopy(_at(content, found[self.other % len(found)]))
            case "hide" if isinstance(last, str):
                del holder[last]
                holder[f"_{last}"] = copy.deepcopy(ABSENT)
            case "rename" if isinstance(last, str):
                names = ("extension", "contained", "id", "subject", "status", "identifier")
                holder[names[self.other % len(names)]] = holder.pop(last)
            case _:
                del holder[last]


MUTATIONS = st.lists(
    st.builds(Mutation, st.sampled_from(_KINDS), _POSITIONS, _POSITIONS, VALUES), min_size=1, max_size=3
)


def mutated(valid: dict[str, Any], mutations: list[Mutation]) -> dict[str, Any]:
    """A changed copy."""
    content = copy.deepcopy(valid)
    for mutation in mutations:
        mutation.apply(content)
    return content


def _places(value: Any, path: tuple[Any, ...]) -> Any:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, held in list(inner):
        yield (*path, step)
        yield from _places(held, (*path, step))


def _at(content: Any, steps: Any) -> Any:
    for step in steps:
        content = content[step]
    return content
