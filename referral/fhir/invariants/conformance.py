"""Invariants of the conformance resources. https://hl7.org/fhir/R4/conformance-module.html"""

from collections.abc import Iterator
from typing import Any, Final

from referral.fhir.invariants.rule import Content, any_of, distinct, has, holds, needs, not_both

_UNLIKE: Final = frozenset({"narrower", "inexact"})


def _says(content: Content, name: str) -> str:
    return str(content.get(name, ""))


def _concept_codes(content: Content) -> Iterator[Any]:
    for concept in content.get("concept", ()):
        yield concept.get("code")
        yield from _concept_codes(concept)


def _preferred_are_distinct(content: Content) -> bool:
    preferred = [each for each in content.get("uniqueId", ()) if each.get("preferred") is True]
    return distinct([each.get("type") for each in preferred])


RULES: Final = (
    any_of("CapabilityStatement", "cpb-1", "rest", "messaging", "document"),
    any_of("CapabilityStatement", "cpb-2", "description", "software", "implementation"),
    holds(
        "CapabilityStatement",
        "cpb-3",
        lambda c: (
            _says(c, "kind") == "instance" or not any("endpoint" in each for each in c.get("messaging", ()))
        ),
    ),
    holds(
        "CapabilityStatement",
        "cpb-7",
        lambda c: distinct([(d.get("profile"), d.get("mode")) for d in c.get("document", ())]),
        ".document",
    ),
    holds(
        "CapabilityStatement.rest",
        "cpb-9",
        lambda c: distinct([each.get("type") for each in c.get("resource", ())]),
        ".resource",
    ),
    holds(
        "CapabilityStatement.rest.resource",
        "cpb-12",
        lambda c: distinct([each.get("name") for each in c.get("searchParam", ())]),
        ".searchParam",
    ),
    holds(
        "CapabilityStatement",
        "cpb-14",
        lambda c: _says(c, "kind") != "instance" or "implementation" in c,
        ".implementation",
    ),
    holds(
        "CapabilityStatement",
        "cpb-15",
        lambda c: _says(c, "kind") != "capability" or ("implementation" not in c and "software" in c),
    ),
    holds(
        "CapabilityStatement",
        "cpb-16",
        lambda c: _says(c, "kind") != "requirements" or ("implementation" not in c and "software" not in c),
    ),
    holds("CodeSystem", "csd-1", lambda c: distinct(list(_concept_codes(c))), ".concept"),
    holds(
        "ConceptMap.group.element.target",
        "cmd-1",
        lambda c: has(c, "comment") or _says(c, "equivalence") not in _UNLIKE,
        ".comment",
    ),
    holds(
        "ConceptMap.group.unmapped",
        "cmd-2",
        lambda c: _says(c, "mode") != "fixed" or has(c, "code"),
        ".code",
    ),
    holds(
        "ConceptMap.group.unmapped",
        "cmd-3",
        lambda c: _says(c, "mode") != "other-map" or has(c, "url"),
        ".url",
    ),
    holds(
        "NamingSystem",
        "nsd-1",
        lambda c: (
            _says(c, "kind") != "root" or all(each.get("type") != "uuid" for each in c.get("uniqueId", ()))
        ),
        ".uniqueId",
    ),
    holds("NamingSystem", "nsd-2", _preferred_are_distinct, ".uniqueId"),
    any_of("OperationDefinition.parameter", "opd-1", "type", "part"),
    holds(
        "OperationDefinition.parameter",
        "opd-2",
        lambda c: not has(c, "searchType") or _says(c, "type") == "string",
        ".searchType",
    ),
    holds(
        "OperationDefinition.parameter",
        "opd-3",
        lambda c: "targetProfile" not in c or _says(c, "type") in {"Reference", "canonical"},
        ".targetProfile",
    ),
    needs("SearchParameter", "spd-1", "xpath", "xpathUsage"),
    holds(
        "SearchParameter",
        "spd-2",
        lambda c: "chain" not in c or _says(c, "type") == "reference",
        ".chain",
    ),
    any_of("ValueSet.compose.include", "vsd-1", "valueSet", "system"),
    holds(
        "ValueSet.compose.include",
        "vsd-2",
        lambda c: not ("concept" in c or "filter" in c) or has(c, "system"),
        ".system",
    ),
    not_both("ValueSet.compose.include", "vsd-3", "concept", "filter"),
    any_of("ValueSet.expansion.contains", "vsd-6", "code", "display"),
    holds(
        "ValueSet.expansion.contains",
        "vsd-9",
        lambda c: has(c, "code") or c.get("abstract") is True,
        ".code",
    ),
    needs("ValueSet.expansion.contains", "vsd-10", "code", "system"),
)
