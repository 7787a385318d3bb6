"""What every client task of a run does: send, remember, look how things stand."""

import itertools
from dataclasses import dataclass

from referral.domain.lifecycle import OPEN_OFFER, OfferMove
from scripts.fault_runs import bodies
from scripts.fault_runs.bodies import Resource
from scripts.fault_runs.moves import state_of
from scripts.fault_runs.system import Run, System
from scripts.store_check.writes import Outcome

numbers = itertools.count(1)
"""Makes names and texts that nothing else has."""


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


class Desk:
    """One client task: it speaks for a station, and for the hospitals and the office that it meets."""

    def __init__(self, run: Run, station: System, hospitals: list[System], office: System) -> None:
        self._run, self._dice = run, run.dice
        self._station, self._hospitals, self._office = station, hospitals, office
        self._systems = {system.facility: system for system in (station, *hospitals, office)}

    async def _records(self, station: System, subject: Resource) -> list[str]:
        """Findings for the package: one made of another."""
        part = await self._create(station, "observation", bodies.observation(subject))
        if part is None:
            return []
        whole = await self._create(
            station, "observation", bodies.observation(subject, f"Observation/{part['id']}")
        )
        return [f"Observation/{one['id']}" for one in (whole or part,)]

    async def _create(self, system: System, work: str, resource: Resource) -> Resource | None:
        write = self._run.new_write(work, resource["resourceType"])
        return await system.create(write, bodies.marked(resource, write.marks()[0]))

    async def _update(
        self, system: System, work: str, before: Resource, change: Resource, move: OfferMove | None = None
    ) -> Resource | None:
        """Change it; `move` is what that stands for."""
        write = self._run.new_write(work, before["resourceType"], target=target_of(before))
        write.event = move
        sent = bodies.marked(before | change, write.marks()[0])
        after = await system.update(write, sent, version_of(before))
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
        return self._systems[owner_of(task)]

    def _target(self) -> Resource:
        chosen = self._dice.choice(self._hospitals).facility
        return bodies.facility(chosen, by_code=self._dice.random() < 0.3)


def owner_of(task: Resource) -> str:
    """The facility that an offer is put to."""
    owner = task["owner"]
    if "reference" in owner:
        return str(owner["reference"].rpartition("/")[2])
    return str(owner["identifier"]["value"])


def version_of(resource: Resource) -> int:
    """Which version of it this is."""
    return int(resource["meta"]["versionId"])


def target_of(resource: Resource) -> tuple[tuple[str, str], int]:
    """What an update of it changes, as a Write remembers it."""
    return (resource["resourceType"], resource["id"]), version_of(resource)
