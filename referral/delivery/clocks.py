"""The clocks: what is due is done, once, whoever looks first.

A tick once a second is the guarantee; the rows of `deadline` are the truth. So several workers may run, one
that ends in the middle leaves all or nothing of an effect, and after a time without any the next one does
what was missed, the most urgent of it first.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import structlog

from referral.actions.fire_deadline import Hub, arm, let_lapse, redirect, warn_of_close
from referral.actions.go_on import going_on, tell_failure
from referral.actions.suggest_targets import suggest_targets
from referral.domain.calendar import rules_day
from referral.domain.deadlines import Slot, Stage
from referral.domain.errors import DomainError, StoreUnavailable
from referral.domain.facility import FacilityId, NetworkId
from referral.domain.lifecycle import Party
from referral.domain.policy_rules import ClockKind
from referral.network.snapshot import SnapshotHolder
from referral.store.deadline import (
    DueDeadline,
    due_deadlines,
    fire_deadlines,
    postpone_deadline,
    without_deadline,
)
from referral.store.pool import Store

_log = structlog.get_logger(__name__)

_AT_ONCE: Final = 500
_LAPSES_AT_ONCE: Final = 10
_LATER: Final = timedelta(minutes=1)
_ARM_EVERY: Final = 3600.0
"""Seconds between two looks for referrals without a clock."""
_ARMED_AT_ONCE: Final = 50

_BEFORE_ANSWER: Final = {ClockKind.ACKNOWLEDGE, ClockKind.ANSWER}


class Effect(StrEnum):
    """What a deadline did."""

    WARNED = "warned"
    ESCALATED = "escalated"
    REDIRECTED = "redirected"
    LAPSED = "lapsed"
    FAILED = "failed"


class Clocks:
    """The clocks of all networks, for one process. base: address of the FHIR endpoint."""

    def __init__(self, store: Store, snapshots: SnapshotHolder, base: str) -> None:
        self._store, self._snapshots = store, snapshots
        self._hub = Hub(store, snapshots, base)

    async def fire_due(self, now: datetime, until: asyncio.Event | None = None) -> Counter[Effect]:
        """Do all that is due at this moment; how often what was done. Raises StoreUnavailable.

        What one referral refuses is told of, and looked at again a minute later; the others go on. until: no
        more is begun when it is set.
        """
        done: Counter[Effect] = Counter()
        while until is None or not until.is_set():
            effects = await self.fire_some(now)
            done += effects
            # What is left is in the hands of others.
            if not effects:
                break
        return done

    async def fire_some(self, now: datetime) -> Counter[Effect]:
        """Do some of what is due at this moment, the most urgent of it first; as `fire_due`.

        What one statement does for all comes first, then what has to look for the next target, then what
        lapses: the slips of a whole network end at one midnight.
        """
        async with self._store.reading(None) as connection:
            due = await due_deadlines(connection, now, _AT_ONCE, _LAPSES_AT_ONCE)
        quick = [one for one in due if not self._takes_a_while(one)]
        done = await self._together([(one, None) for one in quick], now)
        for one in due:
            if self._takes_a_while(one):
                done += await self._by_itself(one, now)
        return done

    async def arm(self, now: datetime, after: str = "") -> str | None:
        """Give deadlines to some referrals under way that have none: from before there were any.

        after: the last one of those before. The last one of these; None: there are no more.
        """
        async with self._store.reading(None) as connection:
            found = await without_deadline(connection, after, _ARMED_AT_ONCE)
        for referral, network in found:
            with going_on("clock_not_begun", referral=referral):
                await arm(self._hub, referral, network, now)
        return found[-1][0] if found else None

    async def _by_itself(self, due: DueDeadline, now: datetime) -> Counter[Effect]:
        try:
            effect = await self._alone(due, now)
            if effect is None:
                effect = await self._together([(due, await self._next_target(due, now))], now)
        except StoreUnavailable:
            raise
        except Exception as failure:  # noqa: BLE001 - one referral must not stop the clocks of all others
            return await self._put_off(due, failure, now)
        return effect

    async def _together(
        self, due: Sequence[tuple[DueDeadline, str | None]], now: datetime
    ) -> Counter[Effect]:
        """Warn and escalate all in one statement; where that fails, each by itself."""
        if not due:
            return Counter()
        try:
            async with self._store.writing(None) as connection:
                return Counter(_EFFECTS[stage] for stage in await fire_deadlines(connection, now, due))
        except StoreUnavailable:
            raise
        except Exception as failure:  # noqa: BLE001 - as above
            if len(due) == 1:
                return await self._put_off(due[0][0], failure, now)
        done: Counter[Effect] = Counter()
        for one in due:
            done += await self._together([one], now)
        return done

    async def _put_off(self, due: DueDeadline, failure: Exception, now: datetime) -> Counter[Effect]:
        kind = due.kind.value if due.kind else None
        tell_failure("clock_failed", failure, referral=due.referral, slot=due.slot.value, kind=kind)
        async with self._store.writing(None) as connection:
            await postpone_deadline(connection, due, now + _LATER)
        return Counter({Effect.FAILED: 1})

    async def _alone(self, due: DueDeadline, now: datetime) -> Counter[Effect] | None:
        """What moves a referral or its journey, each by itself; None for what only warns and escalates."""
        if due.slot is Slot.SLIP and due.stage is Stage.WARNED:
            return _counted(Effect.LAPSED, await let_lapse(self._hub, due, now))
        if due.kind is ClockKind.CLOSE and due.stage is Stage.RUNNING:
            return _counted(Effect.WARNED, await warn_of_close(self._hub, due, now))
        if self._redirects(due) and await redirect(self._hub, due, now):
            return _counted(Effect.REDIRECTED, True)
        return None

    @staticmethod
    def _takes_a_while(due: DueDeadline) -> bool:
        """Whether it does more than to warn or escalate, or has to look for the facility to ask next."""
        if due.stage is Stage.RUNNING:
            return due.kind is ClockKind.CLOSE
        return due.slot is Slot.SLIP or _asks_somebody(due)

    def _redirects(self, due: DueDeadline) -> bool:
        """Whether silence moves this offer: the receiver's, before an answer, where the policy lets it."""
        if not _is_unanswered(due) or due.stage is not Stage.WARNED:
            return False
        day = rules_day(due.authored_on)
        policy = self._snapshots.current.known_policy(NetworkId(due.network), day)
        return policy is not None and policy.auto_redirect

    async def _next_target(self, due: DueDeadline, now: datetime) -> str | None:
        """Whom to ask next when somebody has to be asked: the best target who is not silent already."""
        if due.stage is not Stage.WARNED or not _asks_somebody(due):
            return None
        try:
            found = await suggest_targets(
                self._store,
                self._snapshots.current,
                actor=FacilityId(due.network),
                about=due.referral,
                base=self._hub.base,
                on=now,
                count=2,
            )
        except StoreUnavailable:
            raise
        except DomainError as error:
            # Such as a sender who left the network: it is escalated all the same.
            _log.warning("clock_without_suggestion", referral=due.referral, reason=type(error).__name__)
            return None
        others = (one.target for one in found.ranked if one.target != due.debtor)
        return next(others, None)


async def keep_clocks(
    clocks: Clocks, now: Callable[[], datetime], every: float = 1.0, until: asyncio.Event | None = None
) -> None:
    """Do what is due once in so many seconds; a database that is away is asked again.

    until: when it is set, what is in hand is finished, and no more is begun; None: for ever.
    """
    until = until or asyncio.Event()
    async with asyncio.TaskGroup() as both:
        both.create_task(_keep_firing(clocks, now, every, until))
        both.create_task(_keep_armed(clocks, now, until))


async def _keep_armed(clocks: Clocks, now: Callable[[], datetime], until: asyncio.Event) -> None:
    """Begin the clocks that are missing: a look at all referrals, so seldom, and beside what is due."""
    while not until.is_set():
        last: str | None = ""
        # That the database is away the other loop tells.
        with contextlib.suppress(StoreUnavailable), going_on("clocks_not_begun"):
            while last is not None and not until.is_set():
                last = await clocks.arm(now(), last)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(until.wait(), _ARM_EVERY if last is None else _LATER.total_seconds())


async def _keep_firing(
    clocks: Clocks, now: Callable[[], datetime], every: float, until: asyncio.Event
) -> None:
    away, failed, done = False, "", Counter[Effect]()
    while not until.is_set():
        done.clear()
        try:
            done = await clocks.fire_some(now())
            if done:
                _log.info("clocks_fired", **{effect.value: count for effect, count in done.items()})
            if away:
                _log.info("clocks_resumed")
            away, failed = False, ""
        except StoreUnavailable as failure:
            if not away:
                _log.warning("clocks_interrupted", reason=str(failure))
            away = True
        except Exception as failure:  # noqa: BLE001 - a worker that ended would let referrals get lost
            name = type(failure).__name__
            if failed != name:
                tell_failure("clocks_failed", failure)
            failed = name
        # Some of it may be left: that waits for no tick, but for what has become due meanwhile.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(until.wait(), 0 if done else every)


def _asks_somebody(due: DueDeadline) -> bool:
    """Whether the step is somebody's whom another facility could take the place of."""
    return due.kind is ClockKind.PLACE or _is_unanswered(due)


def _is_unanswered(due: DueDeadline) -> bool:
    """Whether it is an offer on which its receiver is silent."""
    return due.kind in _BEFORE_ANSWER and due.owes is Party.RECEIVER


_EFFECTS: Final = {Stage.WARNED: Effect.WARNED, Stage.ESCALATED: Effect.ESCALATED}


def _counted(effect: Effect, done: bool) -> Counter[Effect]:
    return Counter({effect: int(done)}) if done else Counter()
