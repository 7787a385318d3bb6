#!/usr/bin/env python3
"""Write docs/lifecycle.md from the lifecycle tables; with --check only say whether it is up to date."""

import argparse
import importlib.util
import sys
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if importlib.util.find_spec("referral") is None:
    sys.path.insert(0, str(ROOT))

from referral.domain.deadlines import running_clock  # noqa: E402  (the path must be set first)
from referral.domain.lifecycle import (  # noqa: E402
    BEFORE_ARRIVAL,
    OFFER_RULES,
    OPEN_OFFER,
    REFERRAL_FOLLOWS,
    REFERRAL_RULES,
    OfferRule,
    OfferState,
    ReferralState,
    Rule,
)
from referral.domain.next_step import OfferStanding  # noqa: E402
from referral.fhir.states import OFFER_STATUS, REFERRAL_STATUS  # noqa: E402

# One edge of a diagram: from, to, label.
Edge = tuple[str, str, str]

INTRODUCTION = """\
# Lifecycle

<!-- Made by scripts/make_lifecycle_docs.py from referral/domain/lifecycle.py and referral/fhir/states.py. -->

A referral is put to one target at a time: each time is an offer. What is not in the tables below is
refused with 409 and the list of the legal moves. A move that leaves the status as it is writes an event.
"""

FOOTNOTES = """\
One update of a Task may stand for two moves, each with its event: `requested` to `accepted` includes
acknowledge; completing an offer that was accepted, scheduled, in transit or a no-show includes arrive;
arriving with a `preliminary` is a report, too.
`time` and `place` together stand in for `appointment`. When the patient died or absconded, complete needs
a `note` in place of the `summary`; completing a down-referral needs a `note` alone, and a
`disposition` besides where its receiver is not the one who first sent the patient up.
Refer-onward opens the offer to the new target in the same transaction. A claim opens one that has arrived
already, and ends another that is open as redirected. After acceptance, answer also needs a question that is
open; an offer stays awaiting-information until all its questions are answered. Stop needs the sender's Task
with the code abort.

Who owes the next step of an offer: the sender while it is awaiting-information or a no-show, while a question
is open, and when it is completed; the receiver in every other open state.
"""


CLOCKS = """\
A clock has the minutes that the [policy](policy.md) gives for the priority, in working time for `routine`.
When its time is over it warns, when twice of it is it escalates to the office and the sender, with the
facility that could be asked next: an event each, and nothing ends. While a question is open the receiver's
clock stands still and the sender's `answer` runs; then it goes on where it stood. A higher priority counts
from the same moment; each other step begins its own. Between the acceptance and the arrival none runs but
that of the slip ([why](decisions/0023-silence-between-acceptance-and-arrival.md)).

Where the policy lets it (`auto_redirect`), escalating puts an offer that nobody answered to the next
facility of the sender's list that can be asked, if there is one: the policy refuses the clock what it refuses
the sender. When nobody closes in time, the loop of the journey is `lost` with the warning.

The slip counts from the signing (`ServiceRequest.authoredOn`; from the submission where it was over by
then, or is to come), by the calendar of the policy. Both sides are warned some working days before its last
day; after that the referral lapses, unless the patient has left or has arrived. That alone ends a
referral. Its sender then owes to replace or to dismiss it, and `place` begins anew for that: silence about
what lapsed comes to the office as other silence does.

Who has left (`depart`, also before anybody answered) is on the way until he arrives, does not come, or gets
another visit. No silence takes the offer from under him: it is not put to the next of a list, and does not
lapse. When the slip is over meanwhile, that is escalated to the office.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when the file is stale")
    parser.add_argument("--file", type=Path, default=ROOT / "docs" / "lifecycle.md", help="the page")
    options = parser.parse_args(arguments)
    page = render()
    if not options.check:
        options.file.write_text(page, encoding="utf-8")
        return 0
    if options.file.is_file() and options.file.read_text(encoding="utf-8") == page:
        return 0
    print(f"{options.file} is stale: run scripts/make_lifecycle_docs.py", file=sys.stderr)
    return 1


def render() -> str:
    """The whole page as Markdown."""
    ends = [rule for rule in OFFER_RULES if is_end_without_completion(rule)]
    way = [rule for rule in OFFER_RULES if not is_end_without_completion(rule)]
    return "\n".join(
        [
            INTRODUCTION,
            "## Referral\n",
            table(("status", "ServiceRequest.status"), REFERRAL_STATUS.items()),
            diagram(ReferralState.DRAFT, ReferralState, [*edges(REFERRAL_RULES), *follows()]),
            rules_table(REFERRAL_RULES),
            "What was replaced is neither replaced again nor dismissed or claimed.\n",
            "What happens to its offer moves a referral too:\n",
            table(
                ("from", "when its offer is", "to"),
                ((in_order(row.source), in_order(row.offer), row.target) for row in REFERRAL_FOLLOWS),
            ),
            "## Offer\n",
            table(
                ("status", "Task.status", "Task.businessStatus", "open", "before arrival"),
                (
                    (
                        state,
                        words.status,
                        words.business or "-",
                        mark(state in OPEN_OFFER),
                        mark(state in BEFORE_ARRIVAL),
                    )
                    for state, words in OFFER_STATUS.items()
                ),
            ),
            "The way to the end of care:\n",
            diagram(OfferState.REQUESTED, OfferState, edges(way)),
            "Every other end:\n",
            ends_diagram(ends),
            rules_table(OFFER_RULES),
            FOOTNOTES,
            "## Clocks\n",
            table(("while it is", "who owes the next step", "clock"), clocks()),
            CLOCKS,
        ]
    )


def clocks() -> Iterable[Sequence[str]]:
    """Each state in which somebody owes a step: of a referral, and of its offer where that says more."""
    of_offer = {ReferralState.OFFERED, ReferralState.IN_CARE}
    for state in ReferralState:
        for offer in OfferState if state in of_offer else (None,):
            arrived = offer is OfferState.ARRIVED
            if offer is not None and (
                offer not in OPEN_OFFER or arrived is not (state is ReferralState.IN_CARE)
            ):
                continue
            running = running_clock(state, OfferStanding(offer) if offer else None)
            if running is not None:
                yield (offer or state, running[0], running[1] or "-")
    asked = running_clock(ReferralState.IN_CARE, OfferStanding(OfferState.ARRIVED, asked=True))
    if asked is not None:
        yield ("accepted, scheduled or arrived, with an open question", asked[0], asked[1] or "-")


def is_end_without_completion(rule: OfferRule) -> bool:
    """Whether the rule leads out of the open states on another way than completion."""
    return rule.target not in {None, *OPEN_OFFER, OfferState.COMPLETED, OfferState.CLOSED}


def edges(rules: Iterable[Rule[Any, Any]]) -> list[Edge]:
    """One edge for each state that a rule starts from and each that it may end in."""
    return [
        (source, target or source, label(rule))
        for rule in rules
        for source in sorted(rule.source)
        for target in [rule.target, *([rule.with_offer] if rule.with_offer else [])]
    ]


def follows() -> list[Edge]:
    return [
        (source, row.target, f"offer {' or '.join(sorted(row.offer))}")
        for row in REFERRAL_FOLLOWS
        for source in sorted(row.source)
    ]


def diagram(start: StrEnum, states: Iterable[StrEnum], found: Iterable[Edge]) -> str:
    """A mermaid state diagram; edges between the same two states become one with several lines."""
    labels: dict[tuple[str, str], list[str]] = {}
    for source, target, text in found:
        labels.setdefault((source, target), []).append(text)
    used = {state for pair in labels for state in pair}
    lines = [f'state "{state}" as {node(state)}' for state in states if state in used]
    lines.append(f"[*] --> {node(start)}")
    lines += [f"{node(a)} --> {node(b)} : {'<br/>'.join(texts)}" for (a, b), texts in labels.items()]
    return mermaid(lines)


def ends_diagram(rules: Sequence[OfferRule]) -> str:
    """As `diagram`, with one box for all the states that a rule starts from."""
    boxes: dict[frozenset[OfferState], str] = {}
    for rule in rules:
        boxes.setdefault(rule.source, f"from_{len(boxes) + 1}")
    lines = [
        f'state "{"before arrival" if source == BEFORE_ARRIVAL else in_order(source)}" as {box}'
        for source, box in boxes.items()
    ]
    targets = {rule.target for rule in rules}
    lines += [f'state "{state}" as {node(state)}' for state in OfferState if state in targets]
    lines += [f"{boxes[rule.source]} --> {node(str(rule.target))} : {label(rule)}" for rule in rules]
    return mermaid(lines)


def mermaid(lines: Iterable[str]) -> str:
    return "\n".join(["```mermaid", "stateDiagram-v2", *(f"    {line}" for line in lines), "```", ""])


def rules_table(rules: Iterable[Rule[Any, Any]]) -> str:
    return table(
        ("from", "move", "by", "to", "needs"),
        (
            (in_order(rule.source), rule.move, in_order(rule.by), result(rule), ", ".join(rule.needs))
            for rule in rules
        ),
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [" | ".join(cells) for cells in [head, ["---"] * len(head), *rows]]
    return "\n".join([*(f"| {line} |" for line in lines), ""])


def result(rule: Rule[Any, Any]) -> str:
    target = rule.target or "the same"
    return f"{rule.with_offer} with a target, else {target}" if rule.with_offer else target


def label(rule: Rule[Any, Any]) -> str:
    return f"{rule.move} ({in_order(rule.by)})"


def in_order(members: Iterable[StrEnum]) -> str:
    """The names in the order in which their enumeration declares them."""
    found = set(members)
    return ", ".join(member for member in type(next(iter(found))) if member in found)


def node(state: str) -> str:
    return state.replace("-", "_")


def mark(is_so: bool) -> str:
    return "yes" if is_so else ""


if __name__ == "__main__":
    sys.exit(main())
