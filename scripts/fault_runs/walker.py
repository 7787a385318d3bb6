"""A random walk: place a referral in one of several ways, then move it as the lifecycle allows, or not."""

import asyncio

from referral.domain.lifecycle import (
    BEFORE_ARRIVAL,
    OPEN_OFFER,
    OfferMove,
    OfferState,
    Party,
    legal_offer_moves,
)
from scripts.fault_runs import bodies
from scripts.fault_runs.bodies import Resource
from scripts.fault_runs.desk import Case, numbers, owner_of, version_of
from scripts.fault_runs.moves import move_change, state_of
from scripts.fault_runs.placing import Placer
from scripts.fault_runs.system import Stopped, System

_MOST_MOVES = 14
_WEIGHTS = {
    OfferMove.ACKNOWLEDGE: 3,
    OfferMove.ACCEPT: 6,
    OfferMove.ANSWER: 4,
    OfferMove.SCHEDULE: 2,
    OfferMove.DEPART: 2,
    OfferMove.ARRIVE: 4,
    OfferMove.COMPLETE: 6,
    OfferMove.CLOSE: 6,
    OfferMove.REJECT: 2,
    OfferMove.REFER_ONWARD: 2,
    OfferMove.STOP: 0.3,
}
_DISPOSITIONS = ("discharged", "returned-to-referrer", "moved-on", "died")


class Walker(Placer):
    """One client task, from placing to closing, and past it."""

    async def walk(self) -> None:
        """One referral after another, until the run is over."""
        try:
            while True:
                case = await self._place()
                if case is not None:
                    await self._move_on(case)
        except Stopped:
            return

    # Moving -------------------------------------------------------------------------------------------

    async def _move_on(self, case: Case) -> None:
        for _ in range(self._dice.randrange(2, _MOST_MOVES)):
            chance = self._dice.random()
            if chance < 0.06:
                await self._amend(case)
            elif chance < 0.13:
                await self._talk(case)
            if case.task is None or state_of(case.task) not in OPEN_OFFER | {OfferState.COMPLETED}:
                if not await self._again(case):
                    return
            elif chance > 0.93:
                await self._try_wrong(case, case.task)
            elif chance > 0.87:
                await self._race(case, case.task)
            elif chance > 0.84 and state_of(case.task) in BEFORE_ARRIVAL:
                await (self._end_referral(case) if self._dice.random() < 0.6 else self._claim(case))
            else:
                await self._step(case, case.task)

    async def _step(self, case: Case, task: Resource) -> None:
        """One legal move by one of the parties."""
        move, system = self._choose(case, task)
        if move is OfferMove.ANSWER:
            await self._answer(case, task)
            return
        if move is OfferMove.STOP:
            await self._create(case.sender, "abort", bodies.abort(f"Task/{task['id']}"))
        change = await self._change(case, task, move, system)
        after: Resource | None = task
        if change is not None:
            after = await self._update(system, f"move {move}", task, change, move)
        if after is None:
            after = await self._task_as_it_stands(case)
        case.task = after
        if change is None or after is None:
            return
        if move is OfferMove.REFER_ONWARD:
            case.task = await self._task_of(case)
        elif move is OfferMove.ARRIVE and self._dice.random() < 0.2:
            await self._pass_up(case, system)
        elif move is OfferMove.COMPLETE and self._dice.random() < 0.7:
            await self._way_down(case)

    def _choose(self, case: Case, task: Resource) -> tuple[OfferMove, System]:
        state = state_of(task)
        choices: list[tuple[OfferMove, System]] = []
        for party, system in (
            (Party.RECEIVER, self._owner(task)),
            (Party.SENDER, case.sender),
            (Party.OFFICE, self._office),
        ):
            rules = legal_offer_moves(state, frozenset({party}))
            choices += [
                (rule.move, system)
                for rule in rules
                # A move that keeps the status is asked for by what comes with it; only a report is.
                if rule.move is not OfferMove.LAPSE
                and (rule.target is not None or rule.move is OfferMove.REPORT)
            ]
        weights = [
            0.1 if system is self._office or move is OfferMove.MARK_ERROR else _WEIGHTS.get(move, 1)
            for move, system in choices
        ]
        return self._dice.choices(choices, weights=weights)[0]

    async def _change(self, case: Case, task: Resource, move: OfferMove, system: System) -> Resource | None:
        """What an update says to make a move; None where what it needs could not be written."""
        written = None
        if move in {OfferMove.REPORT, OfferMove.COMPLETE}:
            written = await self._create(system, "summary", bodies.summary(case.subject))
            if written is None:
                return None
        known = {owner_of(task), case.sender.facility}
        others = [one.facility for one in self._hospitals if one.facility not in known]
        return move_change(
            task,
            move,
            reason=f"As it is {next(numbers)}",
            day=f"2030-01-{next(numbers) % 28 + 1:02d}",
            target=self._dice.choice(others),
            written=None if written is None else f"DocumentReference/{written['id']}",
            disposition=self._dice.choice(_DISPOSITIONS),
        )

    async def _way_down(self, case: Case) -> None:
        """Go on with the referral that sends the patient back, where there is one."""
        for found in await case.sender.find(f"ServiceRequest?based-on={case.address}"):
            # The hub names who sends; a referral of a hospital's own, which sends further, does not.
            sender = found.get("requester", {}).get("reference", "")
            hospital = self._systems.get(sender.rpartition("/")[2])
            if hospital is not None:
                down = Case(hospital, case.patient, found)
                down.task = await self._task_of(down)
                await self._move_on(down)

    async def _pass_up(self, case: Case, hospital: System) -> None:
        """The receiver sends the patient on: a referral of its own that continues this one."""
        others = [one.facility for one in self._hospitals if one is not hospital]
        request = bodies.referral(case.subject, bodies.facility(self._dice.choice(others))) | {
            "basedOn": [{"reference": case.address}]
        }
        placed = await self._create(hospital, "referral", request)
        if placed is not None:
            further = Case(hospital, case.patient, placed)
            further.task = await self._task_of(further)
            await self._move_on(further)

    async def _again(self, case: Case) -> bool:
        """Put the referral to the next target; whether it is still worth it."""
        request = await case.sender.read(case.address)
        if request is None or request["status"] not in {"active", "revoked"}:
            return False
        case.request = request
        if request["status"] == "revoked":
            return await self._after_its_end(case)
        if self._dice.random() < 0.3:
            await self._end_referral(case)
            return False
        asked = bodies.offer(case.address, self._target()) | {"reasonCode": {"text": "Once more"}}
        if self._dice.random() < 0.2:
            asked["for"] = dict(request["subject"])
        case.task = await self._create(case.sender, "offer", asked) or await self._task_of(case)
        return case.task is not None

    async def _after_its_end(self, case: Case) -> bool:
        """What was cancelled or has lapsed is claimed, replaced or dismissed, or left."""
        chance = self._dice.random()
        if chance < 0.25:
            await self._claim(case)
        elif chance < 0.5:
            new = bodies.referral(case.subject, self._target())
            new["replaces"] = [{"reference": case.address}]
            placed = await self._create(case.sender, "referral in place of another", new)
            case.request = placed or case.request
            case.task = await self._task_of(case)
        elif chance < 0.7:
            await self._end(case, case.request, "revoked")
            return False
        else:
            return False
        return case.task is not None

    async def _amend(self, case: Case) -> None:
        records = await self._records(case.sender, case.subject)
        request = await case.sender.read(case.address)
        if request is None:
            return
        known = request.get("supportingInfo", [])
        change: Resource = {"supportingInfo": [*known, *({"reference": one} for one in records)]}
        if self._dice.random() < 0.5:
            change["priority"] = "stat"
        await self._update(case.sender, "amend", request, change)

    async def _talk(self, case: Case) -> None:
        """Words about a referral; between the two of an offer they ask and answer."""
        task, chance = case.task, self._dice.random()
        if task is None or state_of(task) not in OPEN_OFFER or chance < 0.3:
            said = bodies.communication(case.address) | {"subject": case.subject}
            await self._create(case.sender, "communication", said)
        elif chance < 0.7:
            asks = bodies.communication(case.address, task["id"]) | {"subject": case.subject}
            await self._create(self._owner(task), "question", asks)
            case.task = await self._task_as_it_stands(case)
        else:
            await self._answer(case, task)

    async def _answer(self, case: Case, task: Resource) -> None:
        """The sender answers one of the questions, which may be answered already, or whatever was asked."""
        said = bodies.communication(case.address, task["id"])
        thread = await case.sender.find(f"Communication?part-of=Task/{task['id']}&_sort=_lastUpdated")
        asked = [one for one in thread if "inResponseTo" not in one]
        if asked and self._dice.random() < 0.8:
            question = asked[-1] if self._dice.random() < 0.7 else self._dice.choice(asked)
            said["inResponseTo"] = [{"reference": f"Communication/{question['id']}"}]
        await self._create(case.sender, "answer", said)
        case.task = await self._task_as_it_stands(case)

    async def _claim(self, case: Case) -> None:
        """The patient turns up at a hospital, with the letter."""
        hospital = self._dice.choice(self._hospitals)
        write = self._run.new_write("claim")
        claimed = await hospital.claim(write, bodies.claim(case.request))
        case.task = claimed or await self._task_of(case)

    async def _end_referral(self, case: Case) -> None:
        request = await case.sender.read(case.address)
        if request is None or request["status"] != "active":
            return
        await self._end(case, request, self._dice.choices(("revoked", "entered-in-error"), weights=(5, 1))[0])
        case.task = await self._task_as_it_stands(case)

    async def _race(self, case: Case, task: Resource) -> None:
        """Two moves on one version at the same instant: one of them at most is made."""
        pairs = [self._choose(case, task) for _ in range(2)]
        pairs = [(move, system) for move, system in pairs if move is not OfferMove.ANSWER]
        changes = [await self._change(case, task, move, system) for move, system in pairs]
        await asyncio.gather(
            *(
                self._update(system, f"race {move}", task, change, move)
                for (move, system), change in zip(pairs, changes, strict=True)
                if change is not None
            )
        )
        case.task = await self._task_as_it_stands(case)

    async def _try_wrong(self, case: Case, task: Resource) -> None:
        """What must be refused: a stranger, a stale version, an illegal move, a move without its reason."""
        strangers = [
            one for one in self._hospitals if one.facility not in {owner_of(task), case.sender.facility}
        ]
        wrong = self._dice.randrange(4)
        system, version, change = self._owner(task), version_of(task), {"status": "received"}
        if wrong == 0:
            system = self._dice.choice(strangers)
        elif wrong == 1:
            version -= 1
        elif wrong == 2:
            change = {"status": "on-hold"}
        else:
            change = {"status": "rejected"}
            task = {name: value for name, value in task.items() if name != "statusReason"}
        write = self._run.new_write("wrong move", "Task", target=(("Task", task["id"]), version))
        await system.update(write, bodies.marked(task, write.marks()[0]) | change, version)
        case.task = await self._task_as_it_stands(case)
