"""The worked examples of fhir_profiles/, and the counter-examples: each an example with one rule broken."""

import json
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[2] / "fhir_profiles"
PACKAGE = FOLDER / "package"

Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class CounterExample:
    """`name` is that of its file, `rule` what it breaks, `example` what it was before, `element` where."""

    name: str
    rule: str
    example: str
    resource: Resource
    element: str

    def __str__(self) -> str:
        return self.name


def examples() -> dict[str, Resource]:
    """Each by its type and id."""
    found = [json.loads(path.read_bytes()) for path in sorted((PACKAGE / "example").glob("*.json"))]
    return {f"{resource['resourceType']}/{resource['id']}": resource for resource in found}


def counter_examples() -> list[CounterExample]:
    known, found = examples(), []
    for path in sorted((FOLDER / "counter-examples").glob("*.json")):
        told = json.loads(path.read_bytes())
        resource = changed(known[told["example"]], told["change"])
        element = f"{resource['resourceType']}.{told['change'][0]['path'].split('/')[1]}"
        found.append(CounterExample(path.stem, told["rule"], told["example"], resource, element))
    return found


def profile_of(resource: Resource) -> str | None:
    """The name of the profile that an example declares."""
    declared = resource.get("meta", {}).get("profile", [None])[0]
    return None if declared is None else str(declared).rpartition("/")[2]


def changed(resource: Resource, change: list[dict[str, Any]]) -> Resource:
    """After a JSON Patch of the operations add, replace, remove and move."""
    made = deepcopy(resource)
    for step in change:
        value = step.get("value")
        if step["op"] == "move":
            place, key = _at(made, step["from"])
            value = place.pop(key)
        place, key = _at(made, step["path"])
        if step["op"] == "remove":
            del place[key]
        elif step["op"] == "replace":
            assert key in place if isinstance(place, dict) else key < len(place), step
            place[key] = value
        elif isinstance(place, list):
            place.insert(key, value)
        else:
            place[key] = value
    return made


def _at(resource: Any, pointer: str) -> tuple[Any, Any]:
    *outer, last = pointer.split("/")[1:]
    place = resource
    for name in outer:
        place = place[int(name)] if isinstance(place, list) else place[name]
    if isinstance(place, list):
        return place, len(place) if last == "-" else int(last)
    return place, last
