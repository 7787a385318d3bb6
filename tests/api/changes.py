"""What changes something: updates, moves, new resources that name it, each by one of the doors."""

from collections.abc import Iterator
from dataclasses import replace

from tests.api.attempt import BUNDLES, CREATE, UPDATE, Attempt, Form
from tests.api.line import Answer
from tests.api.matrix import AUTHOR, OFFER, PARTIES, REFERRAL, row
from tests.api.scenes import FACILITIES, TYPES, Resource, Scene
from tests.factories import (
    AN_LAO,
    CAT_HAI,
    VIET_TIEP,
    completion,
    observation,
    offer,
    output,
    request,
    summary,
)

NUMBERS = "http://referral.example/fhir/sid/referral-number"
STATUS_REASON = "http://hl7.org/fhir/StructureDefinition/request-statusReason"
REASON = {"text": "Entered for another"}
NOTE = [{"text": "Comes by boat"}]
WORDS: Resource = {"resourceType": "Communication", "status": "completed"}
NOBODY = {"reference": "Patient/no-such-patient"}


def updates(scene: Scene, viewer: str) -> Iterator[Attempt]:
    """As it stands, under its version; who does not see it guesses what it says, and its version."""
    for name, one in scene.ids.items():
        if name not in scene.seen_by(viewer):
            absent = 404 if TYPES[name] in {"ServiceRequest", "Task"} else 412
            guessed = _guessed(scene, TYPES[name]) | {"id": one}
            made = _update(scene, f"update {name}", guessed, "-")
            yield replace(made, headers={"If-Match": 'W/"1"'}, nothing=absent)
        elif name in AUTHOR:
            answer = "ok" if AUTHOR[name] == viewer else "403"
            yield _update(scene, f"update {name}", scene.contents[name], answer)


def _update(scene: Scene, label: str, content: Resource, answer: str) -> Attempt:
    kind, one = content["resourceType"], content["id"]
    headers = {"If-Match": scene.versions()[one]}
    return Attempt(label, UPDATE, f"/{kind}/{one}", answer, 404, content, headers)


def _guessed(scene: Scene, kind: str) -> Resource:
    who, asked = scene.ids["patient"], scene.ids["request"]
    guesses: dict[str, Resource] = {
        "Patient": {"resourceType": "Patient", "gender": "female"},
        "ServiceRequest": request(who, VIET_TIEP, status="revoked"),
        "Task": offer(asked, VIET_TIEP, status="accepted"),
        "Observation": observation(who),
        "Condition": {"resourceType": "Condition", "subject": scene.named("patient")},
        "Communication": WORDS | {"basedOn": [scene.named("request")]},
        "DocumentReference": summary(who),
    }
    return guesses[kind]


def moves_of_the_request(scene: Scene, viewer: str) -> Iterator[Attempt]:
    stored = scene.contents["request"]
    kept = [one for one in stored["extension"] if one["url"] != STATUS_REASON]
    why = [*kept, {"url": STATUS_REASON, "valueCodeableConcept": REASON}]
    changes: dict[str, Resource] = {
        "submit": {"status": "active"},
        "amend": {"note": NOTE},
        "reword": {"code": {"text": "Something else"}},
        "cancel": {"status": "revoked", "extension": why},
        "mark-error": {"status": "entered-in-error", "extension": why},
    }
    for move, change in changes.items():
        if move in REFERRAL[scene.state]:
            answer = row(REFERRAL[scene.state][move])[viewer]
            if answer != "-":
                yield _update(scene, f"{move} the request", stored | change, answer)


MOVES: dict[str, tuple[str, str, Resource]] = {
    "acknowledge": ("received", "received", {}),
    "ask": ("received", "awaiting-information", {"statusReason": REASON}),
    "accept": ("accepted", "accepted", {}),
    "schedule": (
        "accepted",
        "visit-scheduled",
        {"executionPeriod": {"start": "2027-01-02"}, "output": [output("place", valueString="Ward 3")]},
    ),
    "depart": ("accepted", "in-transit", {}),
    "miss": ("accepted", "no-show", {"statusReason": REASON}),
    "reject": ("rejected", "rejected", {"statusReason": REASON}),
    "refer-onward": (
        "rejected",
        "referred-onward",
        {
            "statusReason": REASON,
            "output": [output("target", valueReference={"reference": f"Organization/{CAT_HAI}"})],
        },
    ),
    "withdraw": ("cancelled", "withdrawn", {"statusReason": REASON}),
    "lapse": ("cancelled", "lapsed", {"statusReason": REASON}),
    "arrive": ("in-progress", "arrived", {}),
    "complete": ("completed", "completed", {"output": completion(None, "died", "died"), "note": NOTE}),
    "close": ("completed", "closed", {}),
    "mark-error": ("entered-in-error", "", {"statusReason": REASON}),
}
SELDOM = {"ask", "schedule", "depart", "miss"}
"""Tried by the parties, where one of them may make it."""


def moves_of_the_offers(scene: Scene, viewer: str) -> Iterator[Attempt]:
    for name, (stands, legal) in OFFER.get(scene.state, {}).items():
        if name not in scene.seen_by(viewer):
            continue
        stored, own = scene.contents[name], legal.get(viewer, "").split()
        by_anybody = " ".join(legal.values()).split()
        is_party = viewer in PARTIES[name]
        noted = "403" if not is_party else "ok" if "note" in own else "same"
        yield _update(scene, f"add a note to the {name}", stored | {"note": NOTE}, noted)
        for move, (status, business, more) in MOVES.items():
            if move in SELDOM and not (is_party and move in by_anybody):
                continue
            answer = "same" if move == stands else "ok" if move in own else "409"
            content = stored | more | {"status": status, "businessStatus": {"coding": [{"code": business}]}}
            if not business:
                del content["businessStatus"]
            yield _update(scene, f"{move} the {name}", content, answer if is_party else "403")


def new_ones(scene: Scene, viewer: str) -> Iterator[Attempt]:
    """New resources that name one of the scene where it must be known, by its id or by an identifier."""
    seen, who = scene.seen_by(viewer), scene.ids["patient"]
    number = scene.contents["patient"]["identifier"][0]
    for content in (
        observation(who),
        summary(who, subject={"identifier": {"system": number["system"], "value": number["value"]}}),
        request(who, AN_LAO, status="draft"),
    ):
        answer = "ok" if "patient" in seen else "-"
        yield _create(f"{content['resourceType']} about the patient", content, answer)
    answers = {what: row(REFERRAL[scene.state][what])[viewer] for what in ("tell", "offer", "continue")}
    asked = scene.named("request")
    yield _create("tell of the request", WORDS | {"basedOn": [asked]}, answers["tell"])
    yield _create("offer the request", offer(scene.ids["request"], AN_LAO), answers["offer"])
    own = request(f"of-{FACILITIES[viewer]}", status="draft", basedOn=[asked])
    yield _create("continue the request", own, answers["continue"])
    for identifier in scene.contents["request"].get("identifier", ()):
        if identifier["system"] == NUMBERS:
            of_number = {"system": NUMBERS, "value": identifier["value"]}
            logical = {"type": "ServiceRequest", "identifier": of_number}
            told = _create("tell of its number", WORDS | {"basedOn": [logical]}, answers["tell"])
            # A number that nobody knows stays as it is sent, and leads nowhere.
            yield replace(told, nothing=409)
    for name in OFFER.get(scene.state, {}):
        answer = "ok" if name in seen else "-"
        yield _create(f"tell of the {name}", WORDS | {"partOf": [scene.named(name)]}, answer)


def _create(label: str, content: Resource, answer: str) -> Attempt:
    return Attempt(label, CREATE, f"/{content['resourceType']}", answer, 422, content)


def conditions(scene: Scene, viewer: str) -> Iterator[Attempt]:
    """What is created only where nothing is under the ids of the scene, or its number; all is refused."""
    drafts: dict[str, Resource] = {
        "Patient": {"resourceType": "Patient"},
        "ServiceRequest": request("no-such-patient"),
        "Task": offer("no-such-request", AN_LAO),
        "Observation": observation("no-such-patient"),
        "Condition": {"resourceType": "Condition", "subject": NOBODY},
        "Communication": WORDS | {"subject": NOBODY},
        "DocumentReference": summary("no-such-patient"),
    }
    for kind in scene.types():
        names = scene.of_type(kind)
        seen = [scene.ids[name] for name in names if name in scene.seen_by(viewer)]

        def is_it(answer: Answer, seen: list[str] = seen) -> bool:
            return [answer.json()["id"]] == seen

        answer = "412" if len(seen) > 1 else "found" if seen else "-"
        numbered = scene.contents[names[0]].get("identifier") if len(names) == 1 else None
        asked = f"_id={','.join(scene.ids[name] for name in names)}"
        if numbered:
            asked = f"identifier={numbered[0]['system']}|{numbered[0]['value']}"
        made = _create(f"{kind} where none is", drafts[kind], answer)
        # A Patient needs nothing else: it is made, and undone.
        nothing = 409 if kind == "Patient" else 422
        yield replace(made, headers={"If-None-Exist": asked}, found=is_it, nothing=nothing)


WRITES: tuple[Form, ...] = (updates, moves_of_the_request, moves_of_the_offers, new_ones, conditions)
STATES, VIEWERS = tuple(REFERRAL), tuple(FACILITIES)


def changes(scene: Scene, viewer: str) -> Iterator[Attempt]:
    """Every write by one of its doors: by itself, or as the last entry of a transaction, in turn.

    What is there, or stays as it is, is asked for by itself: the answer shows it.
    """
    turn = STATES.index(scene.state) + VIEWERS.index(viewer)
    for form in WRITES:
        for attempt in form(scene, viewer):
            turn += 1
            alone = turn % 2 == 0 or attempt.answer in {"same", "found"}
            yield attempt if alone else _in_bundle(attempt, BUNDLES[turn % 4 // 2])


def _in_bundle(attempt: Attempt, door: tuple[str, str]) -> Attempt:
    asked = {"method": attempt.route[0], "url": attempt.address.removeprefix("/")}
    for header, element in (("If-Match", "ifMatch"), ("If-None-Exist", "ifNoneExist")):
        if header in attempt.headers:
            asked[element] = attempt.headers[header]
    first = {"request": {"method": "POST", "url": "Patient"}, "resource": {"resourceType": "Patient"}}
    entries = [first, {"request": asked, "resource": attempt.content}]
    bundle: Resource = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    return replace(
        attempt,
        label=f"{attempt.label}, in a transaction",
        route=door,
        address=door[1].removeprefix("/fhir"),
        content=bundle,
        headers={},
    )
