"""What the lists of a policy have to say of a referral. It is told to who decides, and stops nobody."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from referral.domain.codes import Direction, Disposition
from referral.domain.facility import Tier
from referral.domain.policy import Policy
from referral.domain.policy_rules import Basis, Code, CodeList, ListKind


class AdviceCode(StrEnum):
    """What an advice is about."""

    NOTIFIABLE = "notifiable"
    UP_CRITERION = "up-criterion"
    NO_UP_CRITERION = "no-up-criterion"
    DOWN_CRITERION = "down-criterion"


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing that a rule says; `source` is that of the rule, with its day where it has one."""

    code: AdviceCode
    text: str
    source: str | None = None

    def __str__(self) -> str:
        """The text with its source, as one message."""
        return f"{self.text} Source: {self.source}." if self.source else self.text


_ADVISING = frozenset({ListKind.NOTIFIABLE, ListKind.UP_REFERRAL, ListKind.DOWN_REFERRAL})
_KEEPS = frozenset({Disposition.DISCHARGED, Disposition.MOVED_ON})


def has_advice(policy: Policy) -> bool:
    """Tell whether a policy has a list that something could be said by."""
    return any(one.kind in _ADVISING for one in policy.lists)


def advice_to_sender(
    policy: Policy, direction: Direction, codes: Collection[Code], on: date
) -> tuple[Advice, ...]:
    """Say whether a disease is notifiable, and which criterion of the way up fits, or that none does.

    codes: of what the referral is for, and why. Lists that are empty say nothing.
    """
    told = list(_notifiable(policy, codes, on))
    if direction is Direction.UP:
        told += _on_the_way_up(policy, codes, on)
    return tuple(told)


def advice_to_receiver(
    policy: Policy, direction: Direction, codes: Collection[Code], on: date, *, in_care: bool
) -> tuple[Advice, ...]:
    """Say whether a disease is notifiable; of a patient in care (not sent down), who may go down again."""
    told = list(_notifiable(policy, codes, on))
    if in_care and direction is not Direction.DOWN:
        told += _on_the_way_down(policy, codes, on)
    return tuple(told)


def advice_at_end(
    policy: Policy, direction: Direction, codes: Collection[Code], on: date, disposition: Disposition | None
) -> tuple[Advice, ...]:
    """Say who could have gone down again, where the receiver's disposition does not return the patient."""
    if disposition not in _KEEPS or direction is Direction.DOWN:
        return ()
    return tuple(_on_the_way_down(policy, codes, on))


def _notifiable(policy: Policy, codes: Collection[Code], on: date) -> Iterable[Advice]:
    for one in policy.listed(ListKind.NOTIFIABLE, codes, on):
        yield _advice(AdviceCode.NOTIFIABLE, one, codes, "is notifiable")


def _on_the_way_up(policy: Policy, codes: Collection[Code], on: date) -> Iterable[Advice]:
    fitting = policy.listed(ListKind.UP_REFERRAL, codes, on)
    for one in fitting:
        yield _advice(AdviceCode.UP_CRITERION, one, codes, "meets a criterion of the way up")
    known = [one for one in policy.lists if one.kind is ListKind.UP_REFERRAL and one.basis.in_force(on)]
    if not fitting and any(one.codes for one in known):
        sources = dict.fromkeys(_source(one.basis) for one in known if one.codes)
        text = "No code of the referral meets a criterion of the way up."
        yield Advice(AdviceCode.NO_UP_CRITERION, text, "; ".join(filter(None, sources)))


def _on_the_way_down(policy: Policy, codes: Collection[Code], on: date) -> Iterable[Advice]:
    for one in policy.listed(ListKind.DOWN_REFERRAL, codes, on):
        where = "further down"
        if one.to is not None:
            where = f"at a {one.to.label}" if isinstance(one.to, Tier) else f"at the level {one.to}"
        yield _advice(AdviceCode.DOWN_CRITERION, one, codes, f"can be cared for {where}")


def _advice(code: AdviceCode, listed: CodeList, codes: Collection[Code], what: str) -> Advice:
    named = ", ".join(sorted(value for system, value in codes if listed.names((system, value))))
    words = f": {listed.text}" if listed.text else ""
    return Advice(code, f"{named} {what}{words}.", _source(listed.basis))


def _source(basis: Basis) -> str | None:
    return f"{basis.source}, {basis.dated}" if basis.source and basis.dated else basis.source
