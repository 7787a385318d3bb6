"""Invariants of forms. https://hl7.org/fhir/R4/questionnaire.html"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from referral.fhir.invariants.rule import Content, Rule, has, holds, not_both

_WITH_OPTIONS: Final = frozenset(
    "choice open-choice decimal integer date dateTime time string quantity".split()
)
_WITH_LENGTH: Final = frozenset("boolean decimal integer string text url open-choice".split())


def _fits_its_items(content: Content) -> bool:
    if content.get("type") == "group":
        return "item" in content
    return content.get("type") != "display" or "item" not in content


def _links(content: Content, path: str = "") -> Iterator[tuple[str, Any]]:
    for position, item in enumerate(content.get("item", ())):
        place = f"{path}.item[{position}]"
        yield f"{place}.linkId", item.get("linkId")
        yield from _links(item, place)


def _repeated_links(content: Content) -> Sequence[str]:
    seen: set[object] = set()
    found = []
    for path, link in _links(content):
        if link in seen:
            found.append(path)
        seen.add(link)
    return found


def _not_for_display(key: str, *names: str) -> Rule:
    return holds(
        "Questionnaire.item",
        key,
        lambda c: c.get("type") != "display" or not any(has(c, name) for name in names),
        f".{names[0]}",
    )


RULES: Final = (
    holds("Questionnaire.item", "que-1", _fits_its_items, ".item"),
    Rule("Questionnaire", "que-2", _repeated_links),
    _not_for_display("que-3", "code"),
    not_both("Questionnaire.item", "que-4", "answerOption", "answerValueSet"),
    holds(
        "Questionnaire.item",
        "que-5",
        lambda c: c.get("type") in _WITH_OPTIONS or not (has(c, "answerValueSet") or "answerOption" in c),
        ".type",
    ),
    _not_for_display("que-6", "required", "repeats"),
    holds(
        "Questionnaire.item.enableWhen",
        "que-7",
        lambda c: c.get("operator") != "exists" or has(c, "answerBoolean"),
        ".answer",
    ),
    holds(
        "Questionnaire.item",
        "que-8",
        lambda c: c.get("type") not in {"group", "display"} or "initial" not in c,
        ".initial",
    ),
    _not_for_display("que-9", "readOnly"),
    holds(
        "Questionnaire.item",
        "que-10",
        lambda c: c.get("type") in _WITH_LENGTH or not has(c, "maxLength"),
        ".maxLength",
    ),
    not_both("Questionnaire.item", "que-11", "answerOption", "initial"),
    holds(
        "Questionnaire.item",
        "que-12",
        lambda c: len(c.get("enableWhen", ())) <= 2 or has(c, "enableBehavior"),
        ".enableBehavior",
    ),
    holds(
        "Questionnaire.item",
        "que-13",
        lambda c: c.get("repeats") is True or len(c.get("initial", ())) <= 1,
        ".initial",
    ),
    not_both("QuestionnaireResponse.item", "qrs-1", "answer", "item"),
)
