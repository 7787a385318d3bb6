"""The policy and the calendar that a referral goes by: those of its network on its day."""

from collections.abc import Callable
from datetime import date
from typing import Final

from referral.domain.calendar import WorkingCalendar, rules_day
from referral.domain.deadlines import Rules
from referral.domain.facility import NetworkId
from referral.domain.policy import Policy
from referral.domain.referral import Referral
from referral.network.snapshot import SnapshotHolder

RulesOf = Callable[[Referral], Rules]
"""Gives the rules that a referral goes by."""

_NO_PREFIX: Final = "XX"
_OWN_CALENDAR: Final = WorkingCalendar()


def rules_in(snapshots: SnapshotHolder) -> RulesOf:
    """The rules as the process knows them; the program's own for a network that it does not know (yet).

    So a referral has its clocks although a policy was imported a moment ago. Where the policy of its day
    cannot be read, what needs its rules raises PolicyUnreadable: it is not judged by others.
    """

    def rules_of(referral: Referral) -> Rules:
        snapshot, day = snapshots.current, rules_day(referral.authored_on)
        network = NetworkId(referral.network)
        if network not in snapshot.policies:
            return _own_rules(network, day)
        return Rules(snapshot.policy(network, day), snapshot.calendar(network, day), day)

    return rules_of


def program_rules(referral: Referral) -> Rules:
    """The program's own rules, whatever the network says."""
    return _own_rules(NetworkId(referral.network), rules_day(referral.authored_on))


def _own_rules(network: NetworkId, day: date) -> Rules:
    return Rules(Policy(network, network, _NO_PREFIX), _OWN_CALENDAR, day)
