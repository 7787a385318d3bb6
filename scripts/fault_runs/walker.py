"""A random walk: place a referral in one of several ways, then move it as the lifecycle allows, or not."""

import asyncio
import itertools
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

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
from scripts.fault_runs.moves import move_change, state_of
from scripts.fault_runs.system import Run, Stopped, System
from scripts.store_check.writes import Outcome, Write

_numbers = itertools.count(1)
_MOST_MOVES = 14
# Moves that FHIR cannot ask for yet, and the clock's.
_NOT_SENT = {OfferMove.ANSWER, OfferMove.STOP, OfferMove.LAPSE}
_WEIGHTS = {
    OfferMove.ACKNOWLEDGE: 3,
    OfferMove.ACCEPT: 6,
    OfferMove.ARRIVE: 4,
    OfferMove.COMPLETE: 6,
    OfferMove.CLOSE: 6,
    OfferMove.REJECT: 2,
    OfferMove.REFER_ONWARD: 2,
}
_DISPOSITIONS = ("discharged", "returned-to-referrer", "moved-on", "died")


@dataclass(slots=True)
class Case:
    """One referral and its newest offer, as its clients know them."""

    sender: System
    patient: Resource
    request: Resource
    task: Resource | None = None

    @property
    def subject(self) -> Resource:
        return {"reference": f"Patient/{self.patient['id']}"}

    @property
    def address(self) -> str:
        return f"ServiceRequest/{self.request['id']}"


class Walker:
    """One client task: it speaks for a station, and for the hospitals and the office that it meets."""

    def __init__(self, run: Run, station: System, hospitals: list[System], office: System) -> None:
        self._run, self._dice = run, run.dice
        self._station, self._hospitals, self._office = station, hospitals, office
        self._systems = {system.facility: system for system in (station, *hospitals, office)}

    async def walk(self) -> None:
        """One referral after another, until the run is over."""
        try:
            while True:
                case = await self._place()
                if case is not None:
                    await self._move_on(case)
        except Stopped:
            return

    # Placing ------------------------------------------------------------------------------------------

    async def _place(self) -> Case | None:
        ways: list[Callable[[System], Any]] = [self._place_at_once, self._place_by_steps, self._place_draft]
        way = self._dice.choices(ways, weights=[5, 4, 2])[0]
        placed: Case | None = await way(self._station)
        if placed is not None and placed.task is None:
            placed.task = await self._task_of(placed)
        return placed

    async def _place_at_once(self, station: System) -> Case | None:
        """Patient, condition, finding and referral in one transaction, in half of them the Task too."""
        urns = {name: f"urn:uuid:{uuid.UUID(int=self._dice.getrandbits(128), version=4)}" for name in "pcor"}
        person = bodies.patient(next(_numbers))
        subject = {"reference": urns["p"]}
        target = self._target()
        with_task, with_target = self._dice.random() < 0.4, self._dice.random() < 0.8
        request = bodies.referral(subject, *([target] if with_target else [])) | {
            "supportingInfo": [{"reference": urns["o"]}],
            "reasonReference": [{"reference": urns["c"]}],
        }
        parts = [
            (urns["p"], person),
            (urns["c"], bodies.condition(subject)),
            (urns["o"], bodies.observation(subject)),
            (urns["r"], request),
        ]
        if with_task and with_target:
            parts.append((f"{urns['r'][:-4]}beef", bodies.offer(urns["r"], target)))
        types = [made["resourceType"] for _, made in parts]
        write = self._run.new_write("transaction", *types)
        sent = [
            (urn, bodies.marked(made, mark)) for (urn, made), mark in zip(parts, write.marks(), strict=True)
        ]
        stored = await station.transact(write, bodies.transaction(*sent))
        if stored is None:
            return await self._found_again(station, write, 3)
        task = stored[4] if len(stored) > 4 else None
        return Case(station, stored[0], stored[3], task)

    async def _place_by_steps(self, station: System) -> Case | None:
        number = next(_numbers)
        person = await self._create(station, "patient", bodies.patient(number))
        if person is None:
            return None
        subject = {"reference": f"Patient/{person['id']}"}
        info = await self._records(station, subject) if self._dice.random() < 0.4 else []
        named = {"identifier": bodies.patient_number(number)} if self._dice.random() < 0.3 else subject
        performers = [self._target() for _ in range(self._dice.choice((0, 1, 1, 1, 2)))]
        request = bodies.referral(named, *performers)
        if info:
            request["supportingInfo"] = [{"reference": one} for one in info]
        placed = await self._create(station, "referral", request)
        return None if placed is None else Case(station, person, placed)

    async def _place_draft(self, station: System) -> Case | None:
        person = await self._create(station, "patient", bodies.patient(next(_numbers)))
        if person is None:
            return None
        subject = {"reference": f"Patient/{person['id']}"}
        draft = await self._create(station, "draft", bodies.referral(subject, self._target(), status="draft"))
        if draft is None:
            return None
        case = Case(station, person, draft)
        if self._dice.random() < 0.5:
            case.request = await self._update(station, "draft amend", draft, {"priority": "asap"}) or draft
        if self._dice.random() < 0.15:
            await self._end(case, case.request, "entered-in-error")
            return None
        submitted = await self._update(station, "draft submit", case.request, {"status": "active"})
        if submitted is None:
            return None
        case.request = submitted
        return case

    async def _records(self, station: System, subject: Resource) -> list[str]:
        """Findings for the package: one made of another."""
        part = await self._create(station, "observation", bodies.observation(subject))
        if part is None:
            return []
        whole = await self._create(
            station, "observation", bodies.observation(subject, f"Observation/{part['id']}")
        )
        return [f"Observation/{one['id']}" for one in (whole or part,)]

    async def _found_again(self, station: System, write: Write, part: int) -> Case | None:
        """What a client does that was told nothing: it looks for its own number."""
        query = f"ServiceRequest?identifier={bodies.WRITES}|{write.marks()[part]}"
        for found in await station.find(query):
            write.seen = True
            person = await station.read(found["subject"]["reference"])
            return None if person is None else Case(station, person, found)
        return None

    # Moving -------------------------------------------------------------------------------------------

    async def _move_on(self, case: Case) -> None:
        for _ in range(self._dice.randrange(2, _MOST_MOVES)):
            chance = self._dice.random()
            if chance < 0.06:
                await self._amend(case)
            elif chance < 0.10:
                await self._say(case)
            if case.task is None or state_of(case.task) not in OPEN_OFFER | {OfferState.COMPLETED}:
                if not await self._again(case):
                    return
            elif chance > 0.93:
                await self._try_wrong(case, case.task)
            elif chance > 0.87:
                await self._race(case, case.task)
            elif chance > 0.84 and state_of(case.task) in BEFORE_ARRIVAL:
                await self._end_referral(case)
            else:
                await self._step(case, case.task)

    async def _step(self, case: Case, task: Resource) -> None:
        """One legal move by one of the parties."""
        move, system = self._choose(case, task)
        change = await self._change(case, task, move, system)
        after = await self._update(system, f"move {move}", task, change) if change is not None else task
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
                if rule.move not in _NOT_SENT and (rule.target is not None or rule.move is OfferMove.REPORT)
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
        known = {_owner(task), case.sender.facility}
        others = [one.facility for one in self._hospitals if one.facility not in known]
        return move_change(
            task,
            move,
            reason=f"As it is {next(_numbers)}",
            day=f"2030-01-{next(_numbers) % 28 + 1:02d}",
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
        if request is None or request["status"] != "active":
            return False
        case.request = request
        if self._dice.random() < 0.3:
            await self._end_referral(case)
            return False
        asked = bodies.offer(case.address, self._target()) | {"reasonCode": {"text": "Once more"}}
        if self._dice.random() < 0.2:
            asked["for"] = dict(request["subject"])
        case.task = await self._create(case.sender, "offer", asked) or await self._task_of(case)
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

    async def _say(self, case: Case) -> None:
        said = bodies.communication(case.address) | {"subject": case.subject}
        await self._create(case.sender, "communication", said)

    async def _end_referral(self, case: Case) -> None:
        request = await case.sender.read(case.address)
        if request is None or request["status"] != "active":
            return
        await self._end(case, request, self._dice.choices(("revoked", "entered-in-error"), weights=(5, 1))[0])
        case.task = await self._task_as_it_stands(case)

    async def _end(self, case: Case, request: Resource, status: str) -> None:
        """End a referral; of what is sent only the reason is kept, so the mark stands there."""
        write = self._run.new_write(f"referral {status}", "ServiceRequest", target=_target_of(request))
        reason = bodies.status_reason(f"Ended {write.marks()[0]}")
        changed = request | {"status": status, "extension": [*request["extension"], reason]}
        case.request = await case.sender.update(write, changed, _version(request)) or request

    async def _race(self, case: Case, task: Resource) -> None:
        """Two moves on one version at the same instant: one of them at most is made."""
        pairs = [self._choose(case, task) for _ in range(2)]
        changes = [await self._change(case, task, move, system) for move, system in pairs]
        await asyncio.gather(
            *(
                self._update(system, f"race {move}", task, change)
                for (move, system), change in zip(pairs, changes, strict=True)
                if change is not None
            )
        )
        case.task = await self._task_as_it_stands(case)

    async def _try_wrong(self, case: Case, task: Resource) -> None:
        """What must be refused: a stranger, a stale version, an illegal move, a move without its reason."""
        strangers = [
            one for one in self._hospitals if one.facility not in {_owner(task), case.sender.facility}
        ]
        wrong = self._dice.randrange(4)
        system, version, change = self._owner(task), _version(task), {"status": "received"}
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

    # Sending ------------------------------------------------------------------------------------------

    async def _create(self, system: System, work: str, resource: Resource) -> Resource | None:
        write = self._run.new_write(work, resource["resourceType"])
        return await system.create(write, bodies.marked(resource, write.marks()[0]))

    async def _update(self, system: System, work: str, before: Resource, change: Resource) -> Resource | None:
        write = self._run.new_write(work, before["resourceType"], target=_target_of(before))
        sent = bodies.marked(before | change, write.marks()[0])
        after = await system.update(write, sent, _version(before))
        if after is None and write.outcome is Outcome.UNKNOWN:
            found = await system.read(f"{before['resourceType']}/{before['id']}")
            write.seen = write.marks()[0] in {one.get("value") for one in (found or {}).get("identifier", ())}
        return after

    async def _task_of(self, case: Case) -> Resource | None:
        """The open offer of a referral, where there is one."""
        for task in await case.sender.find(f"Task?focus={case.address}"):
            if state_of(task) in OPEN_OFFER:
                return task
        return None

    async def _task_as_it_stands(self, case: Case) -> Resource | None:
        return None if case.task is None else await case.sender.read(f"Task/{case.task['id']}")

    def _owner(self, task: Resource) -> System:
        return self._systems[_owner(task)]

    def _target(self) -> Resource:
        chosen = self._dice.choice(self._hospitals).facility
        return bodies.facility(chosen, by_code=self._dice.random() < 0.3)


def _owner(task: Resource) -> str:
    owner = task["owner"]
    if "reference" in owner:
        return str(owner["reference"].rpartition("/")[2])
    return str(owner["identifier"]["value"])


def _version(resource: Resource) -> int:
    return int(resource["meta"]["versionId"])


def _target_of(resource: Resource) -> tuple[tuple[str, str], int]:
    return (resource["resourceType"], resource["id"]), _version(resource)
