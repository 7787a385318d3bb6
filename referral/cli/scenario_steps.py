"""The steps that the play is made of: one system does something, and what came of it is looked at.

Steps raise WrongAnswer where the service answers otherwise than it should.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from referral.cli import demo_patients as made
from referral.cli.demo_system import Resource, System, WrongAnswer
from referral.domain.number import is_referral_number
from referral.fhir import systems


class Teller(Protocol):
    """Who tells the play to a person."""

    def chapter(self, title: str) -> None:
        """A new part begins."""

    def step(self, text: str, facts: Sequence[str]) -> None:
        """A step was done and looked at; facts are ids and statuses."""


@dataclass(frozen=True, slots=True)
class Journey:
    """A referral of the play as it ended: ids, for those who want to look for themselves."""

    patient: str
    referral: str
    offer: str
    sender: str
    receiver: str


@dataclass(slots=True)
class Stage:
    """Who plays, and which step is being played."""

    actors: Mapping[str, System]
    tell: Teller
    current: str = "signing in"

    def actor(self, reference: Mapping[str, str]) -> System:
        """The system of the facility that a Reference names."""
        return self.actors[reference["reference"].removeprefix("Organization/")]

    @contextmanager
    def step(self, text: str) -> Iterator[list[str]]:
        """One step; the body adds what is worth telling."""
        self.current = text
        facts: list[str] = []
        yield facts
        self.tell.step(text, facts)


@dataclass(slots=True)
class Case:
    """One referral under way."""

    sender: System
    patient: Resource
    referral: Resource
    others: list[Resource] = field(default_factory=list)
    task: Resource = field(default_factory=dict)

    def journey(self, receiver: System) -> Journey:
        """The ids of it."""
        return Journey(
            self.patient["id"], self.referral["id"], self.task["id"], self.sender.facility, receiver.facility
        )


async def refer(stage: Stage, sender: str, illness: made.Illness) -> Case:
    """A station writes a patient and an urgent referral without a target."""
    system = stage.actors[sender]
    with stage.step(
        f"{system.name} writes in one transaction a patient, a condition, a finding and a referral:"
        f" {illness.plain}, {illness.priority}"
    ) as facts:
        patient, *others, referral = await system.transaction(*made.referral_with_patient(system, illness))
        check(referral["status"] == "active", f"the referral is {referral['status']}")
        check(is_referral_number(number_of(referral)), "the referral has no number")
        check(referral["subject"] == {"reference": name_of(patient)}, "the referral is about somebody else")
        offers = await system.search("Task", focus=name_of(referral))
        check(not offers, "the referral is offered already")
        facts += [*(name_of(resource) for resource in (patient, *others)), referral_words(referral)]
    return Case(system, patient, referral, others)


async def ask_for_targets(
    stage: Stage, case: Case, *, again: bool = False, way: str | None = None
) -> tuple[dict[str, str], dict[str, str]]:
    """The first suggestion, and what was ruled out with its rule. way: what the route must speak of."""
    with stage.step(
        f"{case.sender.name} asks {'again ' if again else ''}where the patient could go"
    ) as facts:
        answer = await case.sender.suggestions(case.referral)
        entries = answer.get("parameter", [])
        ranked = [_parts(entry) for entry in entries if entry["name"] == "suggestion"]
        ruled_out = [_parts(entry) for entry in entries if entry["name"] == "excluded"]
        check(bool(ranked), "nobody is suggested")
        for parts in ranked[:3]:
            facts.append(_suggestion_words(stage, parts))
        facts.append(f"{len(ranked)} suggested, {len(ruled_out)} ruled out")
        for parts in ranked:
            terms = [_parts(term) for term in parts["term"]]
            total = sum(term["minutes"][0]["valueDecimal"] for term in terms)
            cost = parts["cost"][0]["valueQuantity"]["value"]
            check(total == cost, f"terms of {total} min do not add up to {cost} min")
            said = " ".join(term["text"][0]["valueString"] for term in terms)
            check(way is None or way in said, f"the way is “{said}”, not by {way}")
        costs = [parts["cost"][0]["valueQuantity"]["value"] for parts in ranked]
        check(costs == sorted(costs), "the suggestions are not in the order of their cost")
        rules = {
            parts["target"][0]["valueReference"]["reference"]: parts["rule"][0]["valueCode"]
            for parts in ruled_out
        }
        return {"reference": ranked[0]["target"][0]["valueReference"]["reference"]}, rules


async def offer(stage: Stage, case: Case, target: dict[str, str]) -> None:
    """The sender puts the referral to one target."""
    owner = stage.actor(target)
    with stage.step(f"{case.sender.name} offers the referral to {owner.name}") as facts:
        case.task = await case.sender.create(made.offer(case.referral, target))
        _check_offer(case.task, ("requested", "requested"))
        number = case.task["groupIdentifier"]["value"]
        check(number == number_of(case.referral), f"the offer has the number {number}")
        facts.append(offer_words(case.task))


async def find_in_worklist(stage: Stage, receiver: System, case: Case) -> None:
    """The receiver sees offer and referral without being told of them."""
    with stage.step(f"{receiver.name} finds it in its worklist") as facts:
        found = await worklist(receiver)
        mine = {name_of(resource): resource for resource in found}
        check(name_of(case.task) in mine, "the offer is not in the worklist")
        check(name_of(case.referral) in mine, "the referral does not come with its offer")
        facts += [offer_words(case.task), referral_words(case.referral)]


async def worklist(system: System) -> list[Resource]:
    """Open offers to this facility with their referrals, the newest first."""
    parameters = {"owner": system.itself["reference"], "status": "requested", "_include": "Task:focus"}
    return await system.search("Task", **parameters, _sort="-_lastUpdated")


async def move(
    stage: Stage, system: System, case: Case, verb: str, words: tuple[str, str], **said: Any
) -> None:
    """Change an offer to these words, status and business status, and see that both sides see the same."""
    with stage.step(f"{system.name} {verb}") as facts:
        status, business = words
        task = await system.read("Task", case.task["id"])
        status_word = {"coding": [{"system": systems.OFFER_STATUS, "code": business}]}
        changed = task | said | {"status": status, "businessStatus": status_word}
        case.task = await system.update(changed)
        _check_offer(case.task, words)
        for party in (stage.actor(case.task["owner"]), stage.actor(case.task["requester"])):
            seen = await party.read("Task", case.task["id"])
            check(seen == case.task, f"{party.name} sees another offer")
        case.referral = await case.sender.read("ServiceRequest", case.referral["id"])
        wanted = "completed" if status == "completed" else "active"
        check(case.referral["status"] == wanted, f"the referral is {case.referral['status']}, not {wanted}")
        facts += [offer_words(case.task), referral_words(case.referral)]


def _check_offer(task: Resource, words: tuple[str, str]) -> None:
    seen = (task["status"], task["businessStatus"]["coding"][0]["code"])
    check(seen == words, f"the offer is {', '.join(seen)} and not {', '.join(words)}")


def check(holds: bool, otherwise: str) -> None:
    """Raises WrongAnswer, which says `otherwise`."""
    if not holds:
        raise WrongAnswer(otherwise)


def _parts(parameter: Mapping[str, Any]) -> dict[str, list[Mapping[str, Any]]]:
    """The parts of a parameter by name."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for part in parameter["part"]:
        found.setdefault(part["name"], []).append(part)
    return found


def extension_of(resource: Resource, url: str) -> Mapping[str, Any]:
    """The extension with this address."""
    return first_of((entry for entry in resource["extension"] if entry["url"] == url), f"no extension {url}")


def number_of(referral: Resource) -> str:
    """The number that the hub gave a referral."""
    system = systems.REFERRAL_NUMBER_IDENTIFIER
    given = (identifier for identifier in referral["identifier"] if identifier.get("system") == system)
    return str(first_of(given, "no number on the referral")["value"])


def first_of(found: Iterable[Resource], otherwise: str) -> Resource:
    """The first; raises WrongAnswer, which says `otherwise`."""
    for resource in found:
        return resource
    raise WrongAnswer(otherwise)


def name_of(resource: Resource) -> str:
    """Type/id."""
    return f"{resource['resourceType']}/{resource['id']}"


def referral_words(referral: Resource) -> str:
    """Its id, status, urgency and number."""
    return f"{name_of(referral)}: {referral['status']}, {referral['priority']}, number {number_of(referral)}"


def offer_words(task: Resource) -> str:
    """Its id, status and business status."""
    return f"{name_of(task)}: {task['status']}, {task['businessStatus']['coding'][0]['code']}"


def _suggestion_words(stage: Stage, parts: Mapping[str, list[Mapping[str, Any]]]) -> str:
    target = stage.actor(parts["target"][0]["valueReference"])
    terms = "; ".join(
        f"{term['text'][0]['valueString']}: {term['minutes'][0]['valueDecimal']}"
        for term in map(_parts, parts["term"])
    )
    return f"{parts['cost'][0]['valueQuantity']['value']} min {target.name} ({terms})"
