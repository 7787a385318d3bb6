"""What asks and changes nothing: reads, searches, suggestions, and what the service does not do."""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

from referral.fhir.parameters import PARAMETERS, reverse_references
from tests.api.attempt import (
    BUNDLES,
    CLAIM,
    DRAFT_SUGGEST,
    EVERYTHING,
    HISTORY,
    MOVES,
    POSTED_SEARCH,
    POSTED_SUGGEST,
    READ,
    SEARCH,
    SUGGEST,
    TYPE_HISTORY,
    VREAD,
    Attempt,
)
from tests.api.line import Answer
from tests.api.matrix import CLAIM as CLAIMS
from tests.api.matrix import CLAIMED, DECLINED, MEMBERS, OFFER, REFERRAL, SEES_FIRST, points_at, row
from tests.api.scenes import EXPECTED, TYPES, Resource, Scene
from tests.factories import VIET_TIEP, request

STATES = tuple(EXPECTED)
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def reads(scene: Scene, viewer: str) -> Iterator[Attempt]:
    for name, one in scene.ids.items():

        def is_it(answer: Answer, name: str = name) -> bool:
            return bool(answer.json() == scene.contents[name])

        answer = "found" if name in scene.seen_by(viewer) else "-"
        yield Attempt(f"read {name}", READ, f"/{TYPES[name]}/{one}", answer, 404, found=is_it)


def versions(scene: Scene, viewer: str) -> Iterator[Attempt]:
    """The version that stands, and all there were."""
    for name, one in scene.ids.items():
        newest = int(scene.contents[name]["meta"]["versionId"])

        def is_it(answer: Answer, name: str = name) -> bool:
            return bool(answer.json() == scene.contents[name])

        def are_they(answer: Answer, name: str = name, newest: int = newest) -> bool:
            entries = answer.json()["entry"]
            tags = [entry["response"]["etag"] for entry in entries]
            return (
                tags == [f'W/"{number}"' for number in range(newest, 0, -1)]
                and entries[0]["resource"] == scene.contents[name]
                and {entry["resource"]["id"] for entry in entries} == {scene.ids[name]}
            )

        answer, address = "found" if name in scene.seen_by(viewer) else "-", f"/{TYPES[name]}/{one}/_history"
        yield Attempt(f"version of {name}", VREAD, f"{address}/{newest}", answer, 404, found=is_it)
        yield Attempt(f"versions of {name}", HISTORY, address, answer, 404, found=are_they)


def histories(scene: Scene, viewer: str) -> Iterator[Attempt]:
    """What was written since the patient was: tried in one state."""
    if scene.state != "arrived":
        return
    since = {"_since": scene.contents["patient"]["meta"]["lastUpdated"], "_count": 200}
    for kind in scene.types():
        expected = {scene.ids[name] for name in scene.of_type(kind) if name in scene.seen_by(viewer)}

        def has(answer: Answer, expected: set[str] = expected) -> bool:
            told = {entry["resource"]["id"] for entry in answer.json().get("entry", ())}
            return told & set(scene.ids.values()) == expected

        address = f"/{kind}/_history?{urlencode(since)}"
        yield Attempt(f"history of {kind}", TYPE_HISTORY, address, "found", 200, found=has, waits=True)


def batches(scene: Scene, viewer: str) -> Iterator[Attempt]:
    """All in one batch, each beside one of its type that never was."""
    urls = [
        f"{TYPES[name]}/{one}"
        for name, stored in scene.ids.items()
        for one in (stored, f"no-such-{TYPES[name].lower()}")
    ]
    entries = [{"request": {"method": "GET", "url": url}} for url in urls]
    content: Resource = {"resourceType": "Bundle", "type": "batch", "entry": entries}

    def are_they(answer: Answer) -> bool:
        told = answer.json()["entry"]
        for name, entry, nothing in zip(scene.ids, told[::2], told[1::2], strict=True):
            if nothing["response"]["status"] != "404 Not Found":
                return False
            if name not in scene.seen_by(viewer):
                if entry != nothing:
                    return False
            elif (entry["response"]["status"], entry["resource"]) != ("200 OK", scene.contents[name]):
                return False
        return True

    yield Attempt("read all in a batch", BUNDLES[0], "", "found", 200, content, found=are_they)


CHAINS = {
    "Task": "patient",
    "ServiceRequest": "subject",
    "Observation": "subject",
    "Condition": "subject",
    "DocumentReference": "patient",
}
"""The parameters by which the patient is named."""
REVERSED = {
    **{("patient", kind): name for kind, name in CHAINS.items()},
    ("request", "Task"): "focus",
    ("request", "Communication"): "based-on",
    ("part", "Condition"): "evidence-detail",
}
"""By which parameter another one names it."""


def chains(scene: Scene, viewer: str) -> Iterator[Attempt]:
    """What leads over something that is not seen leads to nothing."""
    seen, number = scene.seen_by(viewer), scene.contents["patient"]["identifier"][0]["value"]
    for kind in CHAINS.keys() & scene.types():
        matches = set(scene.of_type(kind)) & seen if "patient" in seen else set()
        chain = f"{CHAINS[kind]}:Patient.identifier"
        yield _finding(scene, f"{kind} by its patient", kind, {chain: number}, matches)
    for (target, kind), parameter in REVERSED.items():
        sources = {name for name in scene.of_type(kind) if points_at(name, target)}
        if sources:
            matches = {target} & seen if sources & seen else set()
            pairs = {f"_has:{kind}:{parameter}:_id": ",".join(scene.ids[name] for name in sorted(sources))}
            # What else they name of this type stays out.
            pairs |= {"_id": scene.ids[target]}
            yield _finding(scene, f"{target} that has a {kind}", TYPES[target], pairs, matches)


def _finding(scene: Scene, label: str, kind: str, pairs: dict[str, str], matches: set[str]) -> Attempt:
    address = f"/{kind}?{urlencode(pairs | {'_total': 'accurate'})}"
    answer, is_it = "found" if matches else "-", _finds(scene, matches, set())
    return Attempt(label, SEARCH, address, answer, 200, found=is_it)


def searches(scene: Scene, viewer: str) -> Iterator[Attempt]:
    """By id, with all that comes along."""
    for kind in scene.types():
        pairs = [*_by_id(scene, kind), *includes(kind)]
        matches = set(scene.of_type(kind)) & scene.seen_by(viewer)
        seen = scene.seen_by(viewer) | ({"first"} if viewer in SEES_FIRST else set())
        others = {
            name
            for name in seen
            if any(points_at(match, name) or points_at(name, match) for match in matches)
        }
        answer, is_it = "found" if matches else "-", _finds(scene, matches, others - matches)
        yield Attempt(f"search {kind}", SEARCH, f"/{kind}?{urlencode(pairs)}", answer, 200, found=is_it)


def posted_searches(scene: Scene, viewer: str) -> Iterator[Attempt]:
    for kind in scene.types():
        matches = set(scene.of_type(kind)) & scene.seen_by(viewer)
        body = urlencode(_by_id(scene, kind))
        answer, is_it = "found" if matches else "-", _finds(scene, matches, set())
        address, label = f"/{kind}/_search", f"search {kind} by form"
        yield Attempt(label, POSTED_SEARCH, address, answer, 200, body, FORM, is_it)


def _by_id(scene: Scene, kind: str) -> list[tuple[str, str]]:
    return [("_id", ",".join(scene.ids[name] for name in scene.of_type(kind))), ("_total", "accurate")]


def includes(kind: str) -> list[tuple[str, str]]:
    """Every way by which something comes along: what it refers to, and the clinical ones that refer to it."""
    return [
        ("_include", f"{kind}:{parameter.name}") for parameter in PARAMETERS[kind] if parameter.refers
    ] + [
        ("_revinclude", f"{source}:{parameter.name}")
        for source, parameter in reverse_references(kind)
        if source in TYPES.values()
    ]


def _finds(scene: Scene, matches: set[str], others: set[str]) -> Callable[[Answer], bool]:
    """Whether a page has exactly these matches, and exactly these others along with them."""
    first = scene.contents["request"]["basedOn"][0]["reference"].split("/")[1]
    ids = scene.ids | {"first": first}
    expected = sorted(
        [(ids[name], "match") for name in matches] + [(ids[name], "include") for name in others]
    )

    def finds(answer: Answer) -> bool:
        page = answer.json()
        found = [
            (entry["resource"]["id"], entry["search"]["mode"])
            for entry in page.get("entry", ())
            # Facilities come along too; everybody sees them.
            if entry["resource"]["resourceType"] in TYPES.values()
        ]
        return page["total"] == len(matches) and sorted(found) == expected

    return finds


PACKAGE = ("request", "patient", "package", "part")


def packages(scene: Scene, viewer: str) -> Iterator[Attempt]:
    """The request with all that it brings along, as far as the viewer sees it."""
    seen = [name for name in PACKAGE if name in scene.seen_by(viewer)]

    def has(answer: Answer) -> bool:
        told = [entry["resource"] for entry in answer.json()["entry"]]
        return [one["id"] for one in told[:2]] == [scene.ids[name] for name in seen[:2]] and sorted(
            one["id"] for one in told
        ) == sorted(scene.ids[name] for name in seen)

    address, answer = f"/ServiceRequest/{scene.ids['request']}/$everything", "found" if seen else "-"
    yield Attempt("everything", EVERYTHING, address, answer, 404, found=has)


def next_moves(scene: Scene, viewer: str) -> Iterator[Attempt]:
    """What the viewer may do now: as the tables of the matrix say that it would be done."""
    for place, name in enumerate(("request", *OFFER.get(scene.state, {}))):
        if name == "request":
            listed = _moves_of_the_request(scene.state, viewer)
        else:
            listed = set(OFFER[scene.state][name][1].get(viewer, "").split()) - {"note"}
            # Completing what was accepted is two moves.
            listed = listed - {"complete"} if "arrive" in listed else listed
            listed |= {"report"} if "complete" in listed else set()

        def are_they(answer: Answer, listed: set[str] = listed) -> bool:
            return _listed(answer) == listed

        routes = [route for route in MOVES if f"/{TYPES[name]}/" in route[1]]
        route = routes[(place + STATES.index(scene.state)) % 2]
        answer = "found" if name in scene.seen_by(viewer) else "-"
        address = f"/{TYPES[name]}/{scene.ids[name]}/$moves"
        yield Attempt(f"moves of {name}", route, address, answer, 404, found=are_they)


def _moves_of_the_request(state: str, viewer: str) -> set[str]:
    tried = {"submit", "cancel", "mark-error", "offer"} & REFERRAL[state].keys()
    listed = {move for move in tried if row(REFERRAL[state][move])[viewer] == "ok"}
    if viewer == "sender":
        listed |= {"draft": {"discard"}, "completed": {"close"}, "cancelled": {"replace"}}.get(state, set())
    return listed | ({"claim"} if viewer in MEMBERS and state in CLAIMED else set())


def _listed(answer: Answer) -> set[str]:
    moves = [one["part"] for one in answer.json().get("parameter", ()) if one["name"] == "move"]
    return {part["valueCode"] for parts in moves for part in parts if part["name"] == "code"}


def claims(scene: Scene, viewer: str) -> Iterator[Attempt]:
    """By the number and the birth date, which nobody but the sender could know of a hidden one."""
    numbers = [one["value"] for one in scene.contents["request"].get("identifier", ()) if "type" in one]
    given = [
        {"name": "number", "valueString": numbers[0] if numbers else "XX000000000"},
        {"name": "birthDate", "valueDate": "1961-05-04"},
    ]
    content: Resource = {"resourceType": "Parameters", "parameter": given}
    answer = row(CLAIMS[scene.state])[viewer]
    yield Attempt("claim", CLAIM, "/ServiceRequest/$claim", answer, 404, content)


def suggestions(scene: Scene, viewer: str) -> Iterator[Attempt]:
    """For the request as it is stored, and for a draft that has its id."""
    answer = "found" if "request" in scene.seen_by(viewer) else "-"
    address = f"/ServiceRequest/{scene.ids['request']}/$suggest-targets"
    excluded = [{"name": "excluded", "valueBoolean": True}]

    def knows_who_declined(answer: Answer) -> bool:
        return (VIET_TIEP not in _targets(answer, "suggestion")) is (scene.state in DECLINED)

    found = knows_who_declined
    yield Attempt("suggest", SUGGEST, f"{address}?excluded=true", answer, 404, found=found)
    parameters = {"resourceType": "Parameters", "parameter": excluded}
    yield Attempt("suggest by POST", POSTED_SUGGEST, address, answer, 404, parameters, found=found)
    draft = {"name": "serviceRequest", "resource": request(scene.ids["patient"], id=scene.ids["request"])}
    parameters = {"resourceType": "Parameters", "parameter": [draft, *excluded]}
    address, nothing = "/ServiceRequest/$suggest-targets", 200
    if viewer == "office":
        # It is no member, and sends nobody.
        answer, nothing = "403" if answer == "found" else "-", 403
    if viewer != "sender":
        found = _answers
    yield Attempt("suggest for a draft", DRAFT_SUGGEST, address, answer, nothing, parameters, found=found)


def _answers(answer: Answer) -> bool:
    return bool(answer.json()["parameter"])


def _targets(answer: Answer, named: str) -> set[str]:
    found = set()
    for one in answer.json().get("parameter", ()):
        parts: dict[str, Any] = {part["name"]: part for part in one["part"]}
        if one["name"] == named:
            found.add(parts["target"]["valueReference"]["reference"].removeprefix("Organization/"))
    return found


def what_is_not_supported(scene: Scene, _viewer: str) -> Iterator[Attempt]:
    """Answered alike whatever is there, also to who sees it: tried in one state."""
    if scene.state != "accepted":
        return
    for name in ("request", "patient"):
        kind, one = TYPES[name], scene.ids[name]
        for method, address, status in (
            ("GET", f"/{kind}/{one}/$graph", 404),
            ("GET", f"/Task?{kind}._id={one}", 400),
            ("GET", f"/Task?_has:{kind}:_id={one}", 400),
        ):
            yield Attempt(f"{method} what is not supported", (method, ""), address, "-", status)
