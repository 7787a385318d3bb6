"""What changes something: updates, moves, new resources that name it, each by one of the doors."""

import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.api.attempt import (
    BUNDLES,
    CREATE,
    DELETE,
    DELETE_FOUND,
    PATCH,
    PATCH_FOUND,
    UPDATE,
    UPDATE_FOUND,
    VALIDATE,
    VALIDATE_STORED,
    Attempt,
    Form,
    Route,
)
from tests.api.line import Answer
from tests.api.matrix import AUTHOR, DELETED, OFFER, PARTIES, REFERRAL, row
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
    """As it stands but for its language, under its version; who does not see it guesses all of that."""
    for name, one in scene.ids.items():
        if name not in scene.seen_by(viewer):
            absent = 404 if TYPES[name] in {"ServiceRequest", "Task"} else 412
            guessed = _guessed(scene, TYPES[name]) | {"id": one}
            made = _update(scene, f"update {name}", guessed, "-")
            yield replace(made, headers={"If-Match": 'W/"1"'}, nothing=absent)
        elif name in AUTHOR:
            answer = "ok" if AUTHOR[name] == viewer else "403"
            yield _update(scene, f"update {name}", scene.contents[name] | {"language": "vi"}, answer)


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
        {"executionPeriod": {"start": "2099-01-02"}, "output": [output("place", valueString="Ward 3")]},
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
            # What is given back once more, and otherwise, is not dropped without a word.
            otherwise = move == "complete" and viewer == "receiver"
            answer = "same" if move == stands and not otherwise else "ok" if move in own else "409"
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
    who = scene.ids["patient"] if "patient" in seen else f"of-{FACILITIES[viewer]}"
    own = request(who, status="draft", basedOn=[asked])
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


def deletes(scene: Scene, viewer: str) -> Iterator[Attempt]:
    """Each of them; what is hidden is gone already, as what never was."""
    for name, one in scene.ids.items():
        answer = "-"
        if name in scene.seen_by(viewer):
            answer = DELETED[name] if AUTHOR.get(name, viewer) == viewer else "403"
            if (name, scene.state) == ("words", "unplaced"):
                # Nobody else has heard them yet.
                answer = "ok"
        yield Attempt(f"delete {name}", DELETE, f"/{TYPES[name]}/{one}", answer, 204)


WRITES: tuple[Form, ...] = (updates, moves_of_the_request, moves_of_the_offers, new_ones, conditions, deletes)
Door = Callable[[Scene, Attempt], Attempt]
STATES, VIEWERS = tuple(REFERRAL), tuple(FACILITIES)


def changes(scene: Scene, viewer: str) -> Iterator[Attempt]:
    """Every write by itself or as the last entry of a transaction, and each fourth by another door, in turn.

    What is there, or stays as it is, is asked for outside of transactions: the answer shows it.
    """
    state = STATES.index(scene.state)
    turn = state + VIEWERS.index(viewer)
    for form in WRITES:
        for attempt in form(scene, viewer):
            turn += 1
            shown = attempt.answer in {"same", "found"}
            plain = _alone if turn % 2 == 0 or shown else _in_transaction
            others = OTHER_DOORS[attempt.route]
            other = others[(turn // 4 + state) % len(others)]
            # Only a create asks whether it is there, and never one that is only tried.
            if form is conditions or (shown and other is _patched_in_transaction):
                other = _in_batch
            if form is deletes:
                # One of its doors is enough.
                yield (plain, other)[turn // 2 % 2](scene, attempt)
                continue
            yield plain(scene, attempt)
            # Few are 422.
            if turn % 4 == 0 or attempt.answer == "422":
                yield other(scene, attempt)


def _alone(_scene: Scene, attempt: Attempt) -> Attempt:
    return attempt


def _patched(scene: Scene, attempt: Attempt) -> Attempt:
    """The same change as a patch of what is stored; who does not see that guesses."""
    wanted = attempt.content
    assert isinstance(wanted, dict)
    stored = next(one for one in scene.contents.values() if one["id"] == wanted["id"])
    if attempt.answer == "-":
        stored = {name: wanted[name] for name in ("id", "resourceType")}
    steps = [
        {"op": "add", "path": f"/{name}", "value": value}
        for name, value in wanted.items()
        if stored.get(name) != value
    ]
    steps += [{"op": "remove", "path": f"/{name}"} for name in stored if name not in wanted]
    headers = {**attempt.headers, "Content-Type": "application/json-patch+json"}
    label = f"{attempt.label}, as a patch"
    return replace(attempt, label=label, route=PATCH, content=steps, headers=headers, nothing=404)


def _searched(_scene: Scene, attempt: Attempt) -> Attempt:
    """The same of what a search for its id finds."""
    route = {UPDATE: UPDATE_FOUND, PATCH: PATCH_FOUND, DELETE: DELETE_FOUND}[attempt.route]
    _, kind, one = attempt.address.split("/")
    nothing = 412 if route == UPDATE_FOUND else attempt.nothing
    label = f"{attempt.label}, by a search"
    return replace(attempt, label=label, route=route, address=f"/{kind}?_id={one}", nothing=nothing)


def _validated(_scene: Scene, attempt: Attempt) -> Attempt:
    """Whether it would be done."""
    mode = {UPDATE: "update", CREATE: "create", DELETE: "delete"}[attempt.route]
    route = VALIDATE if mode == "create" else VALIDATE_STORED
    address = f"{attempt.address}/$validate?mode={mode}"
    label = f"{attempt.label}, only asked"
    return replace(attempt, label=label, route=route, address=address, nothing=200)


def _in_transaction(_scene: Scene, attempt: Attempt) -> Attempt:
    """As the last entry of a transaction."""
    first = {"request": {"method": "POST", "url": "Patient"}, "resource": {"resourceType": "Patient"}}
    # Of a delete of nothing only the first entry is done, and that is undone.
    nothing = 409 if attempt.route[0] == "DELETE" else attempt.nothing
    label = f"{attempt.label}, in a transaction"
    return replace(_in_bundle(attempt, "transaction", [first, _entry(attempt)]), label=label, nothing=nothing)


def _in_batch(_scene: Scene, attempt: Attempt) -> Attempt:
    label = f"{attempt.label}, in a batch"
    return replace(_in_bundle(attempt, "batch", [_entry(attempt)]), label=label, in_batch=True)


def _entry(attempt: Attempt) -> Resource:
    asked = {"method": attempt.route[0], "url": attempt.address.removeprefix("/")}
    for header, element in (("If-Match", "ifMatch"), ("If-None-Exist", "ifNoneExist")):
        if header in attempt.headers:
            asked[element] = attempt.headers[header]
    content = attempt.content
    if isinstance(content, list):
        data = b64encode(json.dumps(content).encode()).decode()
        content = {"resourceType": "Binary", "contentType": attempt.headers["Content-Type"], "data": data}
    return {"request": asked} | ({} if content is None else {"resource": content})


def _in_bundle(attempt: Attempt, kind: str, entries: list[Resource]) -> Attempt:
    route = BUNDLES[len(attempt.label) % 2]
    bundle: Resource = {"resourceType": "Bundle", "type": kind, "entry": entries}
    return replace(attempt, route=route, address=route[1].removeprefix("/fhir"), content=bundle, headers={})


def _patched_in_transaction(scene: Scene, attempt: Attempt) -> Attempt:
    return _in_transaction(scene, _patched(scene, attempt))


def _patched_by_search(scene: Scene, attempt: Attempt) -> Attempt:
    return _searched(scene, _patched(scene, attempt))


OTHER_DOORS: dict[Route, tuple[Door, ...]] = {
    UPDATE: (_patched, _searched, _validated, _in_batch, _patched_in_transaction, _patched_by_search),
    CREATE: (_validated, _in_batch),
    DELETE: (_searched, _in_batch, _validated),
}
