"""Every route, for each viewer of a referral in each of its states."""

import pytest

from referral.app import create_app, make_services
from referral.domain.visibility import CLINICAL
from tests.api.attempt import (
    BUNDLES,
    CLAIM,
    CREATE,
    DELETE,
    DELETE_FOUND,
    EVERYTHING,
    HISTORY,
    MOVES,
    PATCH,
    PATCH_FOUND,
    POSTED_SEARCH,
    READ,
    SEARCH,
    SUGGEST,
    TYPE_HISTORY,
    UPDATE,
    UPDATE_FOUND,
    VALIDATE,
    VALIDATE_STORED,
    VREAD,
    Attempt,
    Form,
)
from tests.api.changes import changes
from tests.api.matrix import AUTHOR, OFFER, PARTIES, POINTS_AT, REFERRAL, row
from tests.api.questions import (
    batches,
    chains,
    claims,
    histories,
    includes,
    next_moves,
    packages,
    posted_searches,
    reads,
    searches,
    suggestions,
    versions,
    what_is_not_supported,
)
from tests.api.scenes import EXPECTED, FACILITIES, TYPES, Scene, words
from tests.api.tries import OPEN
from tests.api.viewers import Viewers
from tests.factories import KIEN_AN, created, observation, patient
from tests.running_service import RunningService

FORMS: tuple[Form, ...] = (
    reads,
    versions,
    histories,
    batches,
    searches,
    posted_searches,
    chains,
    packages,
    next_moves,
    claims,
    suggestions,
    what_is_not_supported,
    changes,
)

INTERACTIONS = {
    "read": {READ},
    "vread": {VREAD},
    "history-instance": {HISTORY},
    "history-type": {TYPE_HISTORY},
    "create": {CREATE},
    "update": {UPDATE, UPDATE_FOUND},
    "patch": {PATCH, PATCH_FOUND},
    "delete": {DELETE, DELETE_FOUND},
    "search-type": {SEARCH, POSTED_SEARCH},
}
OF_THE_SYSTEM = {"transaction": set(BUNDLES), "batch": set(BUNDLES)}
OPERATIONS = {
    "claim": {CLAIM},
    "everything": {EVERYTHING},
    "moves": set(MOVES),
    "suggest-targets": {SUGGEST},
    "validate": {VALIDATE, VALIDATE_STORED},
}
"""What the CapabilityStatement tells, and the routes by which the matrix tries it."""

WITHOUT_A_SCENE = {
    # Seen by their author and with the package of an offer, as Observation and Condition are:
    # tests/api/test_resource_types.py tries each of them.
    "AllergyIntolerance",
    "CarePlan",
    "Composition",
    "Consent",
    "Coverage",
    "DiagnosticReport",
    "Encounter",
    "ImagingStudy",
    "Immunization",
    "MeasureReport",
    "MedicationRequest",
    "MedicationStatement",
    "Procedure",
    "QuestionnaireResponse",
    "RelatedPerson",
    "Specimen",
    # Of the patient among those they name: tests/api/test_resource_types.py.
    "Appointment",
    "Provenance",
    # Seen with the document that it is attached to: tests/api/test_binary.py.
    "Binary",
}
"""Clinical types that the referral of the matrix has none of, and where they are tried."""


@pytest.mark.parametrize("viewer", FACILITIES)
async def test_each_route_answers_as_the_tables_say(scene: Scene, viewers: Viewers, viewer: str):
    await viewers.sign_in(viewer)
    before = await viewers.stands(scene)
    wrong = [
        fault
        for form in FORMS
        for attempt in form(scene, viewer)
        if (fault := await viewers.wrong(scene, viewer, attempt))
    ]
    assert not wrong, "\n".join(wrong)
    assert await viewers.stands(scene) == before


def imagined(state: str, service: RunningService) -> Scene:
    """A scene of which nothing is stored."""
    # In one order: whatever stands in a scene decides by which door it is tried.
    names = sorted({name for line in EXPECTED[state].values() for name in words(line)})
    content = {
        "meta": {"versionId": "1", "lastUpdated": "2026-01-01T00:00:00Z"},
        "extension": [],
        "basedOn": [{"reference": "ServiceRequest/first"}],
        "identifier": [{"system": "urn:test:patient", "value": "1"}],
    }
    contents = {name: content | {"resourceType": TYPES[name], "id": name} for name in names}
    return Scene(state, service, {name: name for name in names}, contents)


def attempts(service: RunningService) -> list[tuple[str, str, Attempt]]:
    """All of the matrix, with state and viewer."""
    return [
        (state, viewer, attempt)
        for state in EXPECTED
        for viewer in FACILITIES
        for form in FORMS
        for attempt in form(imagined(state, service), viewer)
    ]


def test_every_route_is_tried_by_every_viewer(service: RunningService):
    app = create_app(make_services(service.store, service.base_url))
    # HEAD is GET without its body.
    routes = {(method, route.path) for route in app.routes for method in route.methods - {"HEAD"}}
    tried = {(viewer, attempt.route) for _, viewer, attempt in attempts(service) if attempt.route[1]}
    assert tried == {(viewer, route) for viewer in FACILITIES for route in routes - OPEN}


async def test_all_that_the_service_tells_of_itself_is_tried(service: RunningService):
    async with service.anonymous() as nobody:
        (rest,) = (await nobody.get("/fhir/metadata")).json()["rest"]
    assert {one["code"] for one in rest["interaction"]} == OF_THE_SYSTEM.keys()
    clinical = {one["type"]: one for one in rest["resource"] if one["type"] in TYPES.values()}
    # All others are of the directory, and tell of no patient.
    assert clinical.keys() | WITHOUT_A_SCENE == CLINICAL
    assert not clinical.keys() & WITHOUT_A_SCENE
    for kind, one in clinical.items():
        assert {each["code"] for each in one["interaction"]} == INTERACTIONS.keys()
        assert {each["name"] for each in one.get("operation", ())} <= OPERATIONS.keys()
        for name in ("conditionalCreate", "conditionalUpdate", "readHistory"):
            assert one[name] is True
        assert one["conditionalDelete"] == "single"
        told = {("_include", name) for name in one.get("searchInclude", ())}
        told |= {("_revinclude", name) for name in one.get("searchRevInclude", ())}
        assert {way for way in told if way[1].partition(":")[0] in TYPES.values()} == set(includes(kind))


def test_the_tables_agree_with_who_sees_what():
    assert REFERRAL.keys() == EXPECTED.keys()
    assert AUTHOR.keys() | PARTIES.keys() | {"request"} == TYPES.keys()
    assert POINTS_AT.keys() == TYPES.keys() - {"patient"}
    for state, seen_by in EXPECTED.items():
        seen = {viewer: words(line) for viewer, line in seen_by.items()}
        for text in REFERRAL[state].values():
            assert {viewer for viewer, word in row(text).items() if word != "-"} == {
                viewer for viewer, names in seen.items() if "request" in names
            }
        offers = OFFER.get(state, {})
        assert offers.keys() == set().union(*seen.values()) & PARTIES.keys()
        for name, (_, legal) in offers.items():
            assert all(name in seen[viewer] for viewer in PARTIES[name] if viewer in legal)


def test_each_word_of_the_tables_stands_by_each_door(service: RunningService):
    doors = {
        route: f"{route[0]} {route[1]}"
        for route in (UPDATE, UPDATE_FOUND, PATCH, PATCH_FOUND, CREATE, VALIDATE)
    }
    doors |= dict.fromkeys(BUNDLES, "Bundle") | {VALIDATE_STORED: "validate"}
    deletes = {DELETE: "DELETE", DELETE_FOUND: "DELETE by a search"}
    tried = {
        ((doors | deletes)[attempt.route], attempt.answer)
        for state in EXPECTED
        for viewer in FACILITIES
        for attempt in changes(imagined(state, service), viewer)
    }
    assert tried >= {(door, word) for door in doors.values() for word in ("ok", "403", "409", "422", "-")}
    assert tried >= {(door, word) for door in deletes.values() for word in ("ok", "403", "405", "409", "-")}


async def test_what_is_undone_for_the_matrix_is_done_without_that(service: RunningService, viewers: Viewers):
    """The device of the matrix: a write goes its whole way, and only its commit fails."""
    station = await service.system(KIEN_AN)
    seen = await created(station, observation((await created(station, patient()))["id"]))
    address = f"Observation/{seen['id']}"
    undone = {"X-Request-ID": "undone-at-the-commit"}
    answer = await station.put(address, json=seen | {"status": "amended"}, headers=undone)
    assert (answer.status_code, answer.json()["issue"][0]["code"]) == (409, "duplicate")
    assert (await station.get(address)).json() == seen
    answer = await station.put(address, json=seen | {"status": "amended"})
    assert answer.status_code == 200
    assert (await station.get(address)).json()["status"] == "amended"
