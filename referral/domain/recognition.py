"""Results that a receiver need not repeat: computed from its ties and the policy's windows, never stored."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from referral.domain.facility import Affiliation, FacilityId
from referral.domain.policy import Policy
from referral.domain.policy_rules import Code

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Result:
    """A final result that a referral brings: what it is of, and the day it is from.

    house: who performed it and wrote it itself; None where these are two.
    """

    codes: frozenset[Code]
    dated: date
    house: FacilityId | None


@dataclass(frozen=True, slots=True)
class Recognised:
    """`until`: the last day. rule: a code for the policy's rule. basis: id of the OrganizationAffiliation."""

    until: date
    rule: str
    basis: str | None


def window_of(result: Result, policy: Policy, ruled_on: date, today: date) -> tuple[date, str] | None:
    """Give until when a result need not be repeated, and the rule; None without a rule, or when it is over.

    ruled_on: the day whose rules hold.
    """
    days = policy.recognised_days(result.codes, ruled_on)
    # East of Greenwich it is tomorrow already for some hours.
    if days is None or not -_DAY <= today - result.dated <= days * _DAY:
        return None
    return result.dated + timedelta(days=days), f"results-{days}-days"


def recognised_by(
    ties: Iterable[Affiliation], relier: str, need: str | None, today: date
) -> Affiliation | None:
    """Give the tie by which a facility relies on a house's results, for what is needed today.

    ties: those by which anybody relies on that house.
    """
    return next((tie for tie in ties if tie.organization == relier and tie.serves(need, today)), None)


def reliers(ties: Collection[Affiliation], need: str | None, today: date) -> frozenset[FacilityId]:
    """Give the facilities that rely on the results of a house today, by these ties."""
    return frozenset(tie.organization for tie in ties if tie.serves(need, today))
