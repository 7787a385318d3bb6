"""Place a referral in one of several ways."""

import uuid
from collections.abc import Callable
from typing import Any

from scripts.fault_runs import bodies
from scripts.fault_runs.bodies import Resource
from scripts.fault_runs.desk import Case, Desk, numbers, target_of, version_of
from scripts.fault_runs.system import System
from scripts.store_check.writes import Write


class Placer(Desk):
    """A desk that places referrals, and ends some of them."""

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
        person = bodies.patient(next(numbers))
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
        number = next(numbers)
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
        person = await self._create(station, "patient", bodies.patient(next(numbers)))
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

    async def _found_again(self, station: System, write: Write, part: int) -> Case | None:
        """What a client does that was told nothing: it looks for its own number."""
        query = f"ServiceRequest?identifier={bodies.WRITES}|{write.marks()[part]}"
        for found in await station.find(query):
            write.seen = True
            person = await station.read(found["subject"]["reference"])
            return None if person is None else Case(station, person, found)
        return None

    async def _end(self, case: Case, request: Resource, status: str) -> None:
        """End a referral; of what is sent only the reason is kept, so the mark stands there."""
        write = self._run.new_write(f"referral {status}", "ServiceRequest", target=target_of(request))
        reason = bodies.status_reason(f"Ended {write.marks()[0]}")
        kept = [one for one in request["extension"] if one["url"] != reason["url"]]
        changed = request | {"status": status, "extension": [*kept, reason]}
        case.request = await case.sender.update(write, changed, version_of(request)) or request
