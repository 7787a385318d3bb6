"""What a target costs beside the way and a level too high: a charge for each term that a policy weighs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from referral.domain.facility import CapacityStatus
from referral.domain.recognition import reliers, window_of
from referral.domain.suggestion import CostCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from referral.domain.facility import FacilityId
    from referral.network.candidate import Examination


@dataclass(frozen=True, slots=True)
class Charge:
    """A term: its minutes for a target, zero or more, and the reason in words. least: no target has less."""

    code: CostCode
    minutes: Callable[[FacilityId], float]
    text: Callable[[FacilityId], str]
    least: float = 0.0


def charges_of(examination: Examination) -> tuple[Charge, ...]:
    """Give the charges of a question: those alone that have a weight and something to go by."""
    makers = (_answer, _wait, _insurance, _continuity, _green_channel, _results)
    return tuple(charge for make in makers for charge in make(examination))


def _answer(examination: Examination) -> Iterator[Charge]:
    weight = float(examination.policy.weights.answer)
    times, network = examination.snapshot.answers, examination.network
    if not weight or network not in times.networks:
        return

    def minutes(target: FacilityId) -> float:
        return weight * (times.expected(network, target) or 0.0)

    def text(target: FacilityId) -> str:
        count = times.answers(network, target)
        expected = f"{times.expected(network, target) or 0.0:.0f} min until an answer"
        return f"{expected}, by {count} of its own" if count else f"{expected}, as in the whole network"

    yield Charge(CostCode.ANSWER, minutes, text)


def _wait(examination: Examination) -> Iterator[Charge]:
    weights, overlay = examination.policy.weights, examination.overlay
    number = examination.snapshot.places.number
    if not weights.wait and not weights.waitlist:
        return

    listed = any(one.status is CapacityStatus.WAITLIST for one in overlay.capacity.values())

    def waitlist(target: FacilityId) -> bool:
        return listed and bool(weights.waitlist) and examination.has_waitlist(number[target])

    def minutes(target: FacilityId) -> float:
        ahead = float(weights.wait) * overlay.ahead.get(target, 0)
        return ahead + (float(weights.waitlist) if waitlist(target) else 0.0)

    def text(target: FacilityId) -> str:
        ahead = overlay.ahead.get(target, 0)
        sent = {0: "nobody else is sent there", 1: "1 other patient is sent there"}
        told = sent.get(ahead, f"{ahead} other patients are sent there")
        return f"{told}, and it has a waitlist" if waitlist(target) else told

    yield Charge(CostCode.WAIT, minutes, text)


def _insurance(examination: Examination) -> Iterator[Charge]:
    # There is one case so far: levels are left out.
    rules = examination.policy.insurance_on(examination.ruled_on)
    if not rules:
        return
    forms, snapshot = examination.policy.forms, examination.snapshot
    sender = snapshot.places.facilities[snapshot.places.number[examination.sender]]

    def skips(target: FacilityId) -> bool:
        steps = forms.steps(sender, snapshot.places.facilities[snapshot.places.number[target]])
        return steps is not None and steps > 1

    def minutes(target: FacilityId) -> float:
        return sum(float(rule.minutes) for rule in rules) if skips(target) else 0.0

    def text(target: FacilityId) -> str:
        if not skips(target):
            return "the insured pay no more there"
        return "; ".join(f"{rule.text} ({rule.basis.source})" for rule in rules)

    yield Charge(CostCode.INSURANCE, minutes, text)


def _continuity(examination: Examination) -> Iterator[Charge]:
    weight, known = float(examination.policy.weights.continuity), examination.overlay.known
    if not weight or known is None:
        return

    def text(target: FacilityId) -> str:
        return "the patient was in care there before" if target in known else "no care there is known of"

    least = 0.0 if known else weight
    yield Charge(CostCode.CONTINUITY, lambda target: 0.0 if target in known else weight, text, least)


def _green_channel(examination: Examination) -> Iterator[Charge]:
    weight = float(examination.policy.weights.green_channel)
    if not weight:
        return
    channelled = examination.channelled

    def text(target: FacilityId) -> str:
        return "by the green channel" if target in channelled else "no green channel leads there"

    least = 0.0 if channelled else weight
    yield Charge(CostCode.GREEN_CHANNEL, lambda target: 0.0 if target in channelled else weight, text, least)


def _results(examination: Examination) -> Iterator[Charge]:
    weight, need = float(examination.policy.weights.results), examination.need
    if not weight or not need.results:
        return
    snapshot, network, today = examination.snapshot, examination.network, examination.on
    recognised: Counter[FacilityId] = Counter()
    total = 0
    for result in need.results:
        if window_of(result, examination.policy, examination.ruled_on, today) is not None:
            total += 1
            ties = snapshot.recognising(network, result.house) if result.house is not None else ()
            recognised.update(reliers(ties, need.code, today))
    if not total:
        return

    def minutes(target: FacilityId) -> float:
        return weight * (total - recognised[target]) / total

    def text(target: FacilityId) -> str:
        return f"{recognised[target]} of {total} results need not be repeated there"

    most = max(recognised.values(), default=0)
    yield Charge(CostCode.RESULTS, minutes, text, weight * (total - most) / total)
