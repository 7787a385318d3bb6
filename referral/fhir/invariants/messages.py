"""Invariants of what carries resources: Bundle, Parameters. https://hl7.org/fhir/R4/bundle.html"""

from collections.abc import Sequence
from typing import Final

from referral.fhir.invariants.rule import BROKEN, Content, Rule, any_of, has, has_choice, holds

_REQUESTS: Final = frozenset({"batch", "transaction", "history"})
_RESPONSES: Final = frozenset({"batch-response", "transaction-response", "history"})


def _entries_disagree(part: str, types: frozenset[str]) -> Rule:
    def fails(content: Content) -> Sequence[str]:
        wanted = content.get("type") in types
        return [
            f".entry[{position}].{part}"
            for position, entry in enumerate(content.get("entry", ()))
            if (part in entry) is not wanted
        ]

    return Rule("Bundle", "bdl-3" if part == "request" else "bdl-4", fails)


def _repeated_addresses(content: Content) -> Sequence[str]:
    if content.get("type") == "history":
        return ()
    seen: set[object] = set()
    found = []
    for position, entry in enumerate(content.get("entry", ())):
        if "fullUrl" in entry:
            version = entry.get("resource", {}).get("meta", {}).get("versionId")
            if (entry["fullUrl"], version) in seen:
                found.append(f".entry[{position}].fullUrl")
            seen.add((entry["fullUrl"], version))
    return found


def _searched(content: Content) -> Sequence[str]:
    if content.get("type") == "searchset":
        return ()
    return [f".entry[{at}].search" for at, entry in enumerate(content.get("entry", ())) if "search" in entry]


def _begins_with(kind: str, resource_type: str) -> Rule:
    def fails(content: Content) -> Sequence[str]:
        if content.get("type") != kind:
            return ()
        for entry in content.get("entry", ()):
            if entry.get("resource", {}).get("resourceType") == resource_type:
                return ()
            break
        return (".entry[0].resource",)

    return Rule("Bundle", "bdl-11" if kind == "document" else "bdl-12", fails)


def _is_identified_document(content: Content) -> bool:
    identifier = content.get("identifier", {})
    return content.get("type") != "document" or (has(identifier, "system") and has(identifier, "value"))


def _unclear_parameter(content: Content) -> Sequence[str]:
    """inv-1: a value, a resource or parts, one alone."""
    given = has_choice(content, "value") + ("resource" in content) + ("part" in content)
    return () if given == 1 else BROKEN


RULES: Final = (
    holds(
        "Bundle",
        "bdl-1",
        lambda c: not has(c, "total") or c.get("type") in {"searchset", "history"},
        ".total",
    ),
    Rule("Bundle", "bdl-2", _searched),
    _entries_disagree("request", _REQUESTS),
    _entries_disagree("response", _RESPONSES),
    any_of("Bundle.entry", "bdl-5", "resource", "request", "response"),
    Rule("Bundle", "bdl-7", _repeated_addresses),
    holds("Bundle.entry", "bdl-8", lambda c: "/_history/" not in c.get("fullUrl", ""), ".fullUrl"),
    holds("Bundle", "bdl-9", _is_identified_document, ".identifier"),
    holds("Bundle", "bdl-10", lambda c: c.get("type") != "document" or "timestamp" in c, ".timestamp"),
    _begins_with("document", "Composition"),
    _begins_with("message", "MessageHeader"),
    Rule("Parameters.parameter", "inv-1", _unclear_parameter),
)
