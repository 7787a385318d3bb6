"""Every route, asked by who has no part in a referral, no token, a bad one, or one of too small a scope."""

import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from referral.actions.issue_token import hash_of
from referral.app import create_app, make_services
from referral.domain.search import STRING_SEPARATOR
from referral.fhir.parameters import PARAMETERS, reverse_references
from referral.fhir.resources import CLINICAL, DIRECTORY
from referral.fhir.sounds import sound
from tests.api.secrets import Names, bundle, hidden, invented
from tests.api.tries import (
    ANSWERED,
    CASES,
    OPEN,
    STRANGER,
    Build,
    Route,
    ask,
    claims,
    creates,
    deletes,
    deletes_by_search,
    histories,
    moves,
    packages,
    patches,
    patches_by_search,
    plain,
    posted_searches,
    reads,
    searches,
    suggestions,
    suggestions_by_query,
    suggestions_for_drafts,
    transactions,
    type_histories,
    updates,
    updates_by_search,
    validations,
    validations_of_stored,
    version_reads,
)
from tests.factories import KIEN_AN, LE_CHAN, created, observation, patient, request, summary
from tests.owner import behind_the_wall
from tests.running_service import RunningService

WRITING_STRANGER = "tu-ky-medical-centre"


@pytest.fixture(scope="module")
async def nobody(service: RunningService) -> AsyncIterator[httpx.AsyncClient]:
    """Who sends no token by itself."""
    async with httpx.AsyncClient(base_url=service.fhir, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
async def secret(service: RunningService) -> Names:
    return await hidden(service)


def sent_by(
    client: httpx.AsyncClient, asked: httpx.Request, more: dict[str, str] | None = None
) -> httpx.Request:
    """The same request, to the service that the client is of."""
    url = str(asked.url).replace("http://hub/fhir", str(client.base_url).rstrip("/"))
    headers = {
        name: value
        for name, value in asked.headers.items()
        if name.startswith("if-") or name == "content-type"
    }
    return client.build_request(asked.method, url, content=asked.content, headers=headers | (more or {}))


def test_every_route_is_open_to_all_or_tried_by_strangers(service: RunningService):
    app = create_app(make_services(service.store, service.base_url))
    # HEAD is GET without its body.
    routes = {(method, route.path) for route in app.routes for method in route.methods - {"HEAD"}}
    assert len(routes) > 15
    assert routes == OPEN | CASES.keys()


@pytest.mark.parametrize("route", CASES, ids=" ".join)
async def test_what_is_hidden_is_answered_as_what_is_not_there(
    service: RunningService, secret: Names, route: Route
):
    stranger = await service.system(STRANGER)
    nothing = invented()
    tried = 0
    for about_hidden, about_nothing in zip(CASES[route](secret), CASES[route](nothing), strict=True):
        first = await stranger.send(sent_by(stranger, about_hidden))
        second = await stranger.send(sent_by(stranger, about_nothing))
        assert secret.without(first) == nothing.without(second), about_hidden.url
        if CASES[route] in {deletes, deletes_by_search}:
            # What is not there needs no delete.
            assert (first.status_code, first.content) == (204, b"")
        elif CASES[route] in ANSWERED:
            assert first.status_code == 200, first.text
            assert first.json().get("entry") is None
            assert first.json().get("total") in {None, 0}
        else:
            assert 400 <= first.status_code < 500, first.text
            assert first.json()["resourceType"] == "OperationOutcome"
        tried += 1
    assert tried


async def test_a_taken_id_is_refused_without_a_word_about_what_has_it(service: RunningService, secret: Names):
    """The one thing that cannot be kept from who guesses an id that another system has chosen."""
    stranger, owner = await service.system(STRANGER), await service.system(LE_CHAN)
    for resource_type, resource_id in secret.resources.items():
        reader = await service.system(KIEN_AN) if resource_type == "DocumentReference" else owner
        before = (await reader.get(f"{resource_type}/{resource_id}")).text
        content = plain(resource_type, resource_id)
        for asked in (
            ask("PUT", f"/{resource_type}/{resource_id}", content),
            ask("POST", "", bundle(("PUT", f"{resource_type}/{resource_id}", content))),
        ):
            answer = await stranger.send(sent_by(stranger, asked))
            assert answer.status_code == 404, answer.text
            assert secret.without(answer)[2] == answer.text
        assert (await reader.get(f"{resource_type}/{resource_id}")).text == before


async def test_no_search_parameter_finds_it(service: RunningService, secret: Names):
    owner, stranger = await service.system(LE_CHAN), await service.system(STRANGER)
    found_by: dict[str, set[str]] = {resource_type: set() for resource_type in CLINICAL}
    async for resource_type, resource_id, pair in _findings(service, secret):
        found_by[resource_type].add(pair[0])
        narrowed = await owner.get(resource_type, params=[pair, ("_id", resource_id)])
        assert len(narrowed.json()["entry"]) == 1, (resource_type, pair)
        answer = await stranger.get(resource_type, params=[pair, ("_total", "accurate")])
        assert answer.status_code == 200, answer.text
        assert (answer.json()["total"], "entry" in answer.json()) == (0, False), (resource_type, pair)
    assert {"status", "requester", "subject", "priority", "identifier"} <= found_by["ServiceRequest"]
    assert {"name", "birthdate", "gender", "organization", "phone"} <= found_by["Patient"]
    assert {"owner", "focus", "business-status", "modified", "group-identifier"} <= found_by["Task"]


async def _findings(service: RunningService, secret: Names):
    """Every (type, id, search) under which the store has the hidden resources."""
    for resource_type, resource_id in secret.resources.items():
        public = {found.rows: found.name for found in PARAMETERS[resource_type] if found.indexed}
        heard = {found.rows for found in PARAMETERS[resource_type] if found.phonetic}
        async with behind_the_wall(service.store) as connection:
            key = (resource_type, resource_id)
            where = "WHERE type = $1 AND id = $2"
            tokens = await connection.fetch(f"SELECT param, system, code FROM search_token {where}", *key)
            references = await connection.fetch(f"SELECT * FROM search_reference {where}", *key)
            strings = await connection.fetch(f"SELECT param, folded FROM search_string {where}", *key)
            dates = await connection.fetch(f"SELECT param, low FROM search_date {where}", *key)
        for row in tokens:
            if row["code"]:
                name, _, about = row["param"].partition(":")
                yield *key, (f"{public[name]}:{about}" if about else public[name], row["code"])
                if row["system"]:
                    yield (
                        *key,
                        (
                            f"{public[name]}:{about}" if about else public[name],
                            f"{row['system']}|{row['code']}",
                        ),
                    )
        for row in references:
            if row["param"] in public and row["target_type"]:
                yield *key, (f"{public[row['param']]}:{row['target_type']}", row["target_id"])
                yield *key, (public[row["param"]], f"{row['target_type']}/{row['target_id']}")
        for row in strings:
            start = row["folded"].partition(STRING_SEPARATOR)[0]
            for name, part in (
                (public[row["param"]], start[:12]),
                (f"{public[row['param']]}:contains", start[1:9]),
            ):
                # A piece of a sound may sound otherwise by itself.
                if row["param"] not in heard or sound(part) == part:
                    yield *key, (name, part)
        for row in dates:
            yield *key, (public[row["param"]], f"ge{row['low'].date()}")
        yield *key, ("_id", resource_id)
        yield *key, ("_lastUpdated", "ge2000-01-01")


async def test_nothing_comes_along_with_what_a_stranger_may_see(service: RunningService, secret: Names):
    stranger, owner = await service.system(STRANGER), await service.system(LE_CHAN)
    ways = [
        (target, f"{source}:{parameter.name}")
        for target in sorted(DIRECTORY)
        for source, parameter in reverse_references(target)
        if source in CLINICAL
    ]
    assert ("Organization", "Task:owner") in ways
    for target, way in ways:
        params = {"_revinclude": way, "_count": "200"}
        answer = await stranger.get(target, params=params)
        assert answer.status_code == 200, answer.text
        entries = answer.json().get("entry", [])
        assert {entry["resource"]["resourceType"] for entry in entries} <= {target}
    seen = await owner.get("Organization", params={"_id": KIEN_AN, "_revinclude": "Task:owner"})
    assert secret.task in seen.text


async def test_naming_what_is_hidden_shows_nothing_of_it(service: RunningService, secret: Names):
    """References that are kept as sent lead nowhere, for who sends them as for who is offered them."""
    stranger, hospital = await service.system(WRITING_STRANGER), await service.system(KIEN_AN)
    own = await created(stranger, patient())
    named = [{"reference": f"{kind}/{name}"} for kind, name in secret.resources.items()]
    record = await created(stranger, summary(own["id"], context={"related": named}))
    sent = observation(own["id"], derivedFrom=[{"reference": f"Observation/{secret.observation}"}])
    taken = await created(stranger, sent)
    info = [
        *named,
        {"reference": f"Observation/{taken['id']}"},
        {"reference": f"DocumentReference/{record['id']}"},
    ]
    asked = await created(stranger, request(own["id"], "gia-loc-medical-centre", supportingInfo=info))
    task = {
        "resourceType": "Task",
        "status": "draft",
        "intent": "plan",
        "for": {"reference": f"Patient/{own['id']}"},
    }
    await created(stranger, task | {"focus": named[0], "basedOn": named})
    other = await service.system("gia-loc-medical-centre")
    for client in (stranger, other):
        for kind, name in secret.resources.items():
            assert (await client.get(f"{kind}/{name}")).status_code == 404
            assert (await client.get(kind, params={"_id": name})).json().get("entry") is None
    for client, address in (
        (stranger, f"DocumentReference?_id={record['id']}&_include=DocumentReference:related"),
        (stranger, f"Task?patient={own['id']}&_include=Task:focus&_include=Task:based-on"),
        (other, f"Task?focus=ServiceRequest/{asked['id']}&_include=Task:focus"),
        (other, f"DocumentReference?_id={record['id']}&_include=DocumentReference:related"),
    ):
        entries = (await client.get(address)).json()["entry"]
        assert not {entry["resource"]["id"] for entry in entries} & set(secret.resources.values())
    # Nor does pointing at a hidden resource show the pointing one to its owner.
    for kind, way in (("ServiceRequest", "Task:focus"), ("Observation", "DocumentReference:related")):
        answer = await hospital.get(kind, params={"_id": secret.resources[kind], "_revinclude": way})
        found = {entry["resource"]["id"] for entry in answer.json()["entry"]}
        assert found <= {secret.resources[kind], secret.task}


TOKENLESS: dict[str, dict[str, str]] = {
    "none": {},
    "empty": {"Authorization": ""},
    "garbage": {"Authorization": "Bearer " + "x" * 43},
    "two words": {"Authorization": "Bearer one two"},
    "another scheme": {"Authorization": "Basic dXNlcjpwYXNz"},
    "too long": {"Authorization": "Bearer " + "x" * 5000},
}


def refused_at_the_door(answer: httpx.Response) -> None:
    """401 as RFC 6750 and FHIR want it."""
    assert answer.status_code == 401, answer.text
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["content-type"] == "application/fhir+json; charset=utf-8"
    (issue,) = answer.json()["issue"]
    assert (answer.json()["resourceType"], issue["severity"], issue["code"]) == (
        "OperationOutcome",
        "error",
        "login",
    )


@pytest.mark.parametrize("kind", [*TOKENLESS, "expired", "switched off"])
@pytest.mark.parametrize("route", CASES, ids=" ".join)
async def test_without_a_good_token_there_is_nothing(
    service: RunningService, nobody: httpx.AsyncClient, secret: Names, route: Route, kind: str
):
    headers = TOKENLESS.get(kind) or {}
    if kind in {"expired", "switched off"}:
        headers = {"Authorization": f"Bearer {await stale_token(service, expired=kind == 'expired')}"}
    # The door is the same for all tries; each of them is made with no token and with a bad one.
    tries = list(CASES[route](secret)) if kind in {"none", "garbage"} else [next(CASES[route](secret))]
    for asked in tries:
        refused_at_the_door(await nobody.send(sent_by(nobody, asked, headers)))


async def stale_token(service: RunningService, *, expired: bool) -> str:
    """A token of the sender's own system that was good once."""
    token, client, now = secrets.token_urlsafe(32), f"stale-{secrets.token_hex(8)}", datetime.now(UTC)
    async with service.store.writing(None) as connection:
        await connection.execute(
            "INSERT INTO client (id, facility, name, scope, jwks, active, created_at)"
            " VALUES ($1, $2, 'old', 'system/*.cruds', '{\"keys\": []}', $3, $4)",
            *(client, LE_CHAN, expired, now),
        )
        await connection.execute(
            "INSERT INTO access_token VALUES ($1, $2, 'system/*.cruds', $3, $4)",
            *(
                hash_of(token),
                client,
                now - timedelta(hours=1),
                now + timedelta(seconds=-1 if expired else 600),
            ),
        )
    return token


TOO_SMALL: dict[Build, str] = {
    reads: "system/*.cuds",
    deletes: "system/*.crus",
    deletes_by_search: "system/*.crud",
    patches: "system/*.crds",
    patches_by_search: "system/*.crud",
    updates_by_search: "system/*.crds",
    version_reads: "system/*.cuds",
    histories: "system/*.cuds",
    type_histories: "system/*.crud",
    updates: "system/*.crds",
    searches: "system/*.crud",
    posted_searches: "system/*.crud",
    creates: "system/*.ruds",
    transactions: "system/*.rds",
    moves: "system/*.cuds",
    claims: "system/*.ruds",
    packages: "system/*.cuds",
    suggestions: "system/*.cuds",
    suggestions_by_query: "system/*.cuds",
    suggestions_for_drafts: "system/*.cuds",
    validations: "system/*.ruds",
    validations_of_stored: "system/*.crs",
}
"""For each try, all rights but the one that it needs."""


@pytest.mark.parametrize("scope", ["too small", "of other types"])
@pytest.mark.parametrize("route", CASES, ids=" ".join)
async def test_a_token_of_too_small_a_scope_is_refused_its_own_too(
    service: RunningService, secret: Names, route: Route, scope: str
):
    build = CASES[route]
    owner = await service.system(
        LE_CHAN, TOO_SMALL[build] if scope == "too small" else "system/Location.cruds"
    )
    for asked in build(secret):
        answer = await owner.send(sent_by(owner, asked))
        assert answer.status_code == 403, answer.text
        (issue,) = answer.json()["issue"]
        assert (issue["severity"], issue["code"]) == ("error", "forbidden")
        assert secret.without(answer)[2] == answer.text


async def test_an_include_brings_no_type_that_the_scope_leaves_out(service: RunningService, secret: Names):
    owner = await service.system(LE_CHAN, "system/Task.rs system/Patient.s")
    params = {
        "_id": secret.task,
        "_include": ["Task:patient", "Task:focus"],
        "_revinclude": "Communication:part-of",
    }
    answer = await owner.get("Task", params=params)
    assert [entry["resource"]["id"] for entry in answer.json()["entry"]] == [secret.task]
    everything = await (await service.system(LE_CHAN)).get("Task", params=params)
    brought = {entry["resource"]["id"] for entry in everything.json()["entry"]}
    assert brought == {secret.task, secret.patient, secret.request, secret.communication}


@pytest.mark.parametrize("route", sorted(OPEN), ids=" ".join)
async def test_what_is_open_tells_of_nobody(
    service: RunningService, nobody: httpx.AsyncClient, secret: Names, route: Route
):
    method, path = route
    answer = await nobody.request(method, f"{service.base_url}{path}")
    assert answer.status_code == (400 if path == "/oauth/token" else 200)
    assert secret.without(answer)[2] == answer.text
