"""Reading and setting the small parts that resources share: codings, extensions."""

from collections.abc import Iterator, Mapping
from typing import Any


def codings(concept: object) -> Iterator[tuple[str | None, str]]:
    """(system, code) of each coding of a CodeableConcept that has a code."""
    if isinstance(concept, dict):
        for coding in concept.get("coding", ()):
            if "code" in coding:
                yield coding.get("system"), coding["code"]


def code_of(concept: object, system: str) -> str | None:
    """The code of this system in a CodeableConcept; a coding without a system counts as of this one."""
    return next((code for its, code in codings(concept) if its in {None, system}), None)


def concept(system: str, code: str, text: str | None = None) -> dict[str, Any]:
    """A CodeableConcept of one coding."""
    made: dict[str, Any] = {"coding": [{"system": system, "code": code}]}
    return made | {"text": text} if text else made


def with_system(given: Mapping[str, Any], system: str) -> dict[str, Any]:
    """The CodeableConcept with the system written where a coding has a code alone."""
    if "coding" not in given:
        return dict(given)
    return dict(given) | {
        "coding": [
            {"system": system, **coding} if "code" in coding and "system" not in coding else coding
            for coding in given["coding"]
        ]
    }


def extension(content: Mapping[str, Any], url: str) -> Mapping[str, Any] | None:
    """The first extension with this url; None where there is none."""
    return next((found for found in content.get("extension", ()) if found.get("url") == url), None)


def set_extension(content: dict[str, Any], url: str, value: Mapping[str, Any]) -> None:
    """Put one extension, its value[x] as a mapping of one key: where one with this url stands, else last."""
    before = content.get("extension", [])
    rest = [found for found in before if found.get("url") != url]
    place = next((place for place, found in enumerate(before) if found.get("url") == url), len(before))
    content["extension"] = [*rest[:place], {"url": url, **value}, *rest[place:]]


def drop_extension(content: dict[str, Any], url: str) -> None:
    """Take away every extension with this url."""
    rest = [found for found in content.get("extension", ()) if found.get("url") != url]
    if rest:
        content["extension"] = rest
    else:
        content.pop("extension", None)


def reference(resource_type: str, resource_id: str) -> dict[str, str]:
    """A literal reference to a resource of this service."""
    return {"reference": f"{resource_type}/{resource_id}"}
