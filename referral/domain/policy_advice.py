"""What is allowed in a policy, and is hardly meant: told to who checks it, and changes nothing."""

from collections.abc import Iterator
from datetime import date, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Final

from referral.domain.codes import Priority
from referral.domain.policy import Policy
from referral.domain.policy_rules import CalendarRules, Clock, ClockKind, runs_in_working_time

_WEEK: Final = 7 * 24 * 60  # minutes
_GIVE_OR_TAKE: Final = Fraction(3, 2)


def hardly_meant(policy: Policy, begins: date) -> list[str]:
    """What of the clocks and the slip is hardly meant in a policy that is to hold from that day on.

    A clock gives less time to what is more urgent; one that the policy has holds on all of its days, for on
    the others that of the program would; a slip is warned of after it was signed.
    """
    return [*_turned_round(policy), *_with_gaps(policy, begins), *_warned_at_once(policy)]


def _turned_round(policy: Policy) -> Iterator[str]:
    for clock in policy.clocks:
        for sooner, later in pairwise(reversed(Priority)):
            if _lasts(clock, sooner, policy.calendar) > _lasts(clock, later, policy.calendar):
                yield (
                    f"clock {clock.kind}: {sooner} has longer than {later}"
                    f" ({clock.minutes[sooner]} and {clock.minutes[later]} minutes)"
                )


def _lasts(clock: Clock, priority: Priority, calendar: CalendarRules) -> Fraction:
    """About how many minutes that is by the clock on the wall; with nights and days off it may be more."""
    minutes = Fraction(clock.minutes[priority])
    if not runs_in_working_time(priority):
        return minutes
    return minutes * _WEEK / calendar.minutes_a_week * _GIVE_OR_TAKE


def _with_gaps(policy: Policy, begins: date) -> Iterator[str]:
    """Between two rows there is none: the reader refuses that."""
    for kind in ClockKind:
        days = [clock.basis for clock in policy.clocks if clock.kind is kind]
        if not days:
            continue
        first = min(basis.valid_from or date.min for basis in days)
        last = max(basis.valid_to or date.max for basis in days)
        if first > begins:
            yield f"clock {kind}: begins on {first}; until then that of the program holds"
        if last < date.max:
            yield f"clock {kind}: ends on {last}; from {last + timedelta(days=1)} that of the program holds"


def _warned_at_once(policy: Policy) -> Iterator[str]:
    slip = policy.slip
    if slip.warn_working_days >= slip.working_days:
        yield (
            f"slip: is warned of {slip.warn_working_days} working days before it ends, and good for"
            f" {slip.working_days}: at once"
        )
