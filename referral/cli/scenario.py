"""The play: patients go up and come back down, between systems that know nothing but FHIR.

Three chapters: up, treated and down again; rejected and offered to the next; from an island by ferry.
Every step looks at what it did, as the other side sees it.
"""

from dataclasses import dataclass

import httpx

from referral.cli import demo_patients as made
from referral.cli.demo_system import Credentials, System, WrongAnswer
from referral.cli.scenario_steps import (
    Case,
    Journey,
    Stage,
    Teller,
    ask_for_targets,
    check,
    extension_of,
    find_in_worklist,
    first_of,
    move,
    name_of,
    number_of,
    offer,
    offer_words,
    refer,
    referral_words,
    worklist,
)
from referral.fhir import systems

STATION = "le-chan-health-station"
ISLAND_STATION = "cat-hai-health-station"
STRANGER = "bach-long-vi-health-station"

_TIMEOUT_SECONDS = 30


class StepFailed(Exception):
    """The step that went wrong, and what was seen there."""

    def __init__(self, step: str, what: str) -> None:
        super().__init__(f"{step}: {what}")
        self.step = step
        self.what = what


@dataclass(frozen=True, slots=True)
class Played:
    """What a play left behind. `rejected` is the first offer of `second`."""

    up: Journey
    down: Journey
    rejected: Journey
    second: Journey
    island: Journey


async def play(base_url: str, credentials: Credentials, tell: Teller) -> Played:
    """Play all chapters against the service at `base_url`; others may know it by that in `credentials`.

    Raises StepFailed at the first step that does not go as it should.
    """
    async with httpx.AsyncClient(base_url=base_url, timeout=_TIMEOUT_SECONDS) as http:
        found = {entry["facility"]: entry for entry in credentials["systems"]}
        endpoint = credentials["token_endpoint"]
        actors = {facility: System(http, entry, endpoint) for facility, entry in found.items()}
        stage = Stage(actors, tell)
        try:
            up, down = await _there_and_back(stage)
            rejected, second = await _rejected(stage)
            island = await _from_the_island(stage)
        except (WrongAnswer, httpx.HTTPError) as error:
            raise StepFailed(stage.current, str(error) or type(error).__name__) from error
        except (KeyError, IndexError) as error:
            raise StepFailed(stage.current, f"the answer has no {error}") from error
    return Played(up, down, rejected, second, island)


async def _there_and_back(stage: Stage) -> tuple[Journey, Journey]:
    stage.tell.chapter("A patient goes up, is treated, and comes back down")
    case = await refer(stage, STATION, made.APPENDICITIS)
    station = case.sender
    target, _ = await ask_for_targets(stage, case)
    hospital = stage.actor(target)
    with stage.step(f"{hospital.name} cannot see the patient yet") as facts:
        await hospital.may_not_read(case.patient)
        facts.append(f"Patient/{case.patient['id']}: 404")
    await offer(stage, case, target)
    await find_in_worklist(stage, hospital, case)
    with stage.step(f"{hospital.name} reads the package") as facts:
        for resource in (case.patient, *case.others):
            seen = await hospital.read(resource["resourceType"], resource["id"])
            facts.append(f"{name_of(seen)}: 200")
    with stage.step("A facility that has nothing to do with it sees nothing of it") as facts:
        for resource in (case.patient, case.referral, case.task):
            await stage.actors[STRANGER].may_not_read(resource)
            facts.append(f"{name_of(resource)}: 404")
    await move(stage, hospital, case, "acknowledges", ("received", "received"))
    await move(stage, hospital, case, "accepts", ("accepted", "accepted"))
    await move(stage, hospital, case, "marks the arrival", ("in-progress", "arrived"))
    with stage.step(f"{hospital.name} writes the summary") as facts:
        text = "Laparoscopic appendicectomy without complication. Remove the stitches on day 7."
        written = await hospital.create(made.summary(hospital, case.referral["subject"], text))
        facts.append(name_of(written))
    returned = [
        made.outcome("improved"),
        made.disposition("returned-to-referrer"),
        made.output("summary", valueReference={"reference": name_of(written)}),
    ]
    await move(
        stage,
        hospital,
        case,
        "completes and returns the patient",
        ("completed", "completed"),
        output=returned,
    )
    with stage.step(f"{station.name} reads the summary") as facts:
        case.task = await station.read("Task", case.task["id"])
        given = first_of(
            (part for part in case.task["output"] if "valueReference" in part), "no summary in the output"
        )
        # By a search: to read it by its address would close the referral too, at a time of the hub's.
        kind, name = given["valueReference"]["reference"].split("/")[-2:]
        read = first_of(await station.search(kind, _id=name), "the summary is not there")
        check(read["content"] == written["content"], "the summary is another one")
        facts.append(name_of(read))
    await move(stage, station, case, "closes the referral", ("completed", "closed"))
    return case.journey(hospital), await _back_down(stage, case, hospital)


async def _back_down(stage: Stage, up: Case, hospital: System) -> Journey:
    station = up.sender
    with stage.step(f"{station.name} finds the referral back in its worklist") as facts:
        found = await worklist(station)
        based_on = {"reference": name_of(up.referral)}
        way_back = first_of(
            (entry for entry in found if based_on in entry.get("basedOn", ())), "no way back in the worklist"
        )
        focus = {"reference": name_of(way_back)}
        case = Case(hospital, up.patient, way_back)
        case.task = first_of(
            (entry for entry in found if entry.get("focus") == focus), "no offer of the way back"
        )
        direction = extension_of(way_back, systems.DIRECTION_EXTENSION)["valueCode"]
        check(direction == "down", f"its direction is {direction}")
        journey = extension_of(way_back, systems.JOURNEY_EXTENSION)["valueIdentifier"]["value"]
        check(journey == number_of(up.referral), f"its journey is {journey}")
        facts += [referral_words(way_back), offer_words(case.task)]
    await move(stage, station, case, "accepts", ("accepted", "accepted"))
    await move(stage, station, case, "marks the arrival", ("in-progress", "arrived"))
    with stage.step(f"{station.name} records a follow-up finding") as facts:
        finding = made.observation(case.referral["subject"], "8310-5", "Body temperature", 36.8, "Cel")
        facts.append(name_of(await station.create(finding)))
    note = [{"text": "Wound healed, stitches removed, no fever.", "time": made.now()}]
    await move(stage, station, case, "completes with a note", ("completed", "completed"), note=note)
    case.task = await hospital.read("Task", case.task["id"])
    check(case.task["note"][0]["text"] == note[0]["text"], "the hospital cannot read the note")
    await move(stage, hospital, case, "reads the note and closes", ("completed", "closed"))
    return case.journey(station)


async def _rejected(stage: Stage) -> tuple[Journey, Journey]:
    stage.tell.chapter("A patient is rejected, and offered to the next")
    case = await refer(stage, STATION, made.APPENDICITIS)
    first, _ = await ask_for_targets(stage, case)
    full = stage.actor(first)
    await offer(stage, case, first)
    await find_in_worklist(stage, full, case)
    reason = made.rejection("no-capacity", "Both theatres are taken until the evening.")
    await move(stage, full, case, "rejects with a reason", ("rejected", "rejected"), statusReason=reason)
    rejected = case.journey(full)
    with stage.step(f"{full.name} can no longer see the patient, but its own answer") as facts:
        await full.may_not_read(case.patient)
        facts += [
            f"{name_of(case.patient)}: 404",
            f"{offer_words(await full.read('Task', case.task['id']))}: 200",
        ]
    second, ruled_out = await ask_for_targets(stage, case, again=True)
    check(second != first, "the same target is suggested again")
    rule = ruled_out.get(first["reference"])
    check(rule == "rejected", f"the target that rejected is ruled out by {rule}")
    target = stage.actor(second)
    await offer(stage, case, second)
    await find_in_worklist(stage, target, case)
    await move(stage, target, case, "accepts", ("accepted", "accepted"))
    return rejected, case.journey(target)


async def _from_the_island(stage: Stage) -> Journey:
    stage.tell.chapter("A patient leaves the island of Cat Hai by ferry")
    case = await refer(stage, ISLAND_STATION, made.HEAD_INJURY)
    target, _ = await ask_for_targets(stage, case, way="ferry")
    hospital = stage.actor(target)
    await offer(stage, case, target)
    await find_in_worklist(stage, hospital, case)
    await move(stage, hospital, case, "accepts", ("accepted", "accepted"))
    return case.journey(hospital)
