"""Many resources at once, as a facility would have sent each by itself."""

import json
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

from referral.actions.load_resources import Line, LoadReport, Refused, load_resources
from referral.actions.new_id import new_id
from referral.domain.attachment import AttachmentRules
from referral.domain.errors import (
    BrokenRule,
    DomainError,
    Forbidden,
    InvalidElement,
    MalformedContent,
    MissingElement,
    NotFound,
    NotSupported,
    UnknownCode,
    WrongMediaType,
)
from referral.domain.facility import FacilityId
from referral.store.pool import Store
from tests.factories import observation, offer, patient, request, summary
from tests.store.commands import HOSPITAL, OFFICE, STATION, Hub

Resource = dict[str, Any]


async def load(
    store: Store, *resources: Resource | bytes, facility: FacilityId = STATION
) -> tuple[LoadReport, list[Refused]]:
    """What became of these lines, and those that were refused."""
    refused: list[Refused] = []
    told: list[int] = []
    lines = [
        Line(f"file:{number}", each if isinstance(each, bytes) else json.dumps(each).encode())
        for number, each in enumerate(resources, 1)
    ]
    report = await load_resources(
        store,
        lines,
        facility=facility,
        base="http://hub.example/fhir",
        now=lambda: datetime.now(UTC),
        new_id=lambda: new_id(datetime.now(UTC)),
        attachments=AttachmentRules(),
        refuse=refused.append,
        tell=lambda report: told.append(report.done),
    )
    assert told[-1] == report.done == len(lines)
    assert report.refused == len(refused)
    return report, refused


def counts(report: LoadReport) -> tuple[int, int, int, int]:
    return report.created, report.updated, report.same, report.refused


def people(count: int) -> list[Resource]:
    return [patient(id=f"p-{number}") for number in range(count)]


async def hub_in(store: Store) -> Hub:
    hub = Hub(store)
    await hub.prepare()
    return hub


async def test_a_load_leaves_what_single_writes_leave(store: Store) -> None:
    hub = await hub_in(store)
    report, _ = await load(store, *people(3), observation("p-1", id="o-1"))
    assert counts(report) == (4, 0, 0, 0)
    rows = await hub.rows("SELECT type, id, owner, version FROM document WHERE type <> ALL ($1)", DIRECTORY)
    assert {(row["type"], row["id"]) for row in rows} == {
        ("Observation", "o-1"),
        *((("Patient", f"p-{n}")) for n in range(3)),
    }
    assert {(row["owner"], row["version"]) for row in rows} == {(STATION, 1)}
    for table, expected in {
        "SELECT count(*) FROM access WHERE facility = 'station' AND scope = 'owner'": 4,
        "SELECT count(*) FROM change WHERE kind = 'put' AND type IN ('Patient', 'Observation')": 4,
        "SELECT count(*) FROM audit WHERE client = 'load' AND actor = 'station' AND action = 'create'": 4,
        "SELECT count(*) FROM event WHERE client = 'load' AND move = 'create'": 4,
        "SELECT count(*) FROM search_reference WHERE type = 'Observation' AND param = '_patient'": 1,
    }.items():
        assert await hub.rows(table) == [{"count": expected}], table


async def test_what_is_there_already_is_left_alone(store: Store) -> None:
    hub = await hub_in(store)
    some = people(4)
    untold = {name: value for name, value in patient().items() if name != "id"}
    await load(store, *some[:2], untold)
    some[1] = some[1] | {"gender": "male"}
    report, _ = await load(store, *some, untold)
    assert counts(report) == (2, 1, 2, 0)
    (changed,) = await hub.rows("SELECT version, content->>'gender' AS gender FROM document WHERE id = 'p-1'")
    assert changed == {"version": 2, "gender": "male"}
    assert counts((await load(store, *some, untold))[0]) == (0, 0, 5, 0)
    assert await hub.rows("SELECT count(*) FROM document_version") == [{"count": 1}]


async def test_each_line_is_refused_by_itself(store: Store) -> None:
    await hub_in(store)
    await load(store, patient(id="theirs"), facility=HOSPITAL)
    wrong: list[tuple[Resource | bytes, type[DomainError], str | None]] = [
        (b"{", MalformedContent, None),
        (b"[]", MalformedContent, None),
        (b"{}", MissingElement, None),
        ({"resourceType": "Medication", "id": "m"}, NotSupported, None),
        (patient(id="x", gender="banana"), UnknownCode, "x"),
        (patient(id="a/b"), InvalidElement, None),
        (observation("nobody", id="lost"), BrokenRule, "lost"),
        (observation("theirs", id="hidden"), BrokenRule, "hidden"),
        (patient(id="theirs", gender="male"), NotFound, "theirs"),
        (offer("r", HOSPITAL, id="t"), NotSupported, "t"),
        (request("p-1", HOSPITAL, id="r"), MissingElement, "r"),
        (
            {"resourceType": "Binary", "id": "b", "contentType": "text/html", "data": "eA=="},
            WrongMediaType,
            "b",
        ),
        ({"resourceType": "OrganizationAffiliation", "id": "n"}, DomainError, "n"),
    ]
    good = people(20)
    lines = [*good[:10], *(each for each, _, _ in wrong), *good[10:]]
    report, refused = await load(store, *lines)
    assert counts(report) == (20, 0, 0, len(wrong))
    found = {each.line.place: each for each in refused}
    assert len(found) == len(wrong)
    for number, (_, kind, name) in enumerate(wrong, 11):
        each = found[f"file:{number}"]
        assert isinstance(each.error, kind), (number, each.error)
        assert (each.key or (None, None))[1] == name
    assert counts((await load(store, *lines))[0]) == (0, 0, 20, len(wrong))


async def test_lines_may_name_what_comes_later(store: Store) -> None:
    await hub_in(store)
    parts = [observation("p-1", id=f"o-{n}") for n in range(600)]
    report, _ = await load(store, *parts, observation("nobody"), *people(2))
    assert counts(report) == (602, 0, 0, 1)


async def test_the_same_resource_twice_is_two_versions(store: Store) -> None:
    hub = await hub_in(store)
    first = patient(id="p")
    report, _ = await load(store, first, first | {"gender": "male"}, first | {"gender": "male"})
    assert counts(report) == (1, 1, 1, 0)
    assert await hub.rows("SELECT version FROM document WHERE id = 'p'") == [{"version": 2}]


async def test_what_is_deleted_comes_back_as_by_any_update(store: Store) -> None:
    hub = await hub_in(store)
    await load(store, patient(id="p"))
    await hub.rows("UPDATE document SET deleted = true WHERE id = 'p'")
    report, _ = await load(store, patient(id="p"))
    assert counts(report) == (1, 0, 0, 0)
    assert await hub.rows("SELECT deleted FROM document WHERE id = 'p'") == [{"deleted": False}]


async def test_a_referral_is_known_again_by_its_identifier(store: Store) -> None:
    hub = await hub_in(store)
    own = {"identifier": [{"system": "urn:orders", "value": "7"}]}
    lines = [patient(id="p"), request("p", HOSPITAL, **own)]
    assert counts((await load(store, *lines))[0]) == (2, 0, 0, 0)
    assert counts((await load(store, *lines))[0]) == (0, 0, 2, 0)
    assert await hub.rows("SELECT count(*) FROM offer WHERE owner = $1", HOSPITAL) == [{"count": 1}]


async def test_attachments_are_loaded_and_known_again(store: Store) -> None:
    hub = await hub_in(store)

    def binary(text: bytes) -> Resource:
        data = b64encode(text).decode()
        return {"resourceType": "Binary", "id": "b", "contentType": "text/plain", "data": data}

    told = summary("p", id="d", content=[{"attachment": {"url": "Binary/b", "size": 4}}])
    lines = [patient(id="p"), binary(b"text"), told]
    assert counts((await load(store, *lines))[0]) == (3, 0, 0, 0)
    assert counts((await load(store, *lines))[0]) == (0, 0, 3, 0)
    assert counts((await load(store, binary(b"more")))[0]) == (0, 1, 0, 0)
    assert await hub.rows("SELECT content FROM blob ORDER BY content") == [
        {"content": b"more"},
        {"content": b"text"},
    ]


async def test_the_directory_is_written_by_whom_it_may_be(store: Store) -> None:
    await hub_in(store)
    place = {
        "resourceType": "Location",
        "id": "annex",
        "name": "Annex",
        "managingOrganization": {"reference": f"Organization/{HOSPITAL}"},
    }
    _, (refused,) = await load(store, place)
    assert isinstance(refused.error, Forbidden)
    assert counts((await load(store, place, facility=HOSPITAL))[0]) == (1, 0, 0, 0)
    assert counts((await load(store, place | {"name": "New annex"}, facility=OFFICE))[0]) == (0, 1, 0, 0)


DIRECTORY = ["Organization", "Location", "HealthcareService", "OrganizationAffiliation"]
