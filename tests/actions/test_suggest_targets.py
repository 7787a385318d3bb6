"""Suggestions rest on what is stored at that moment, and on what the one who asks may see."""

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from referral.actions.activate_policy import activate_policy
from referral.actions.draft import Draft, Written
from referral.actions.import_network import import_network
from referral.actions.refresh_network import refresh_network
from referral.actions.suggest_targets import suggest_targets
from referral.domain.actor import Actor
from referral.domain.codes import Direction, Priority
from referral.domain.errors import BrokenRule, Forbidden, MissingElement, NotFound
from referral.domain.facility import FacilityId, NetworkId
from referral.domain.policy import Policy
from referral.domain.scope import read_scopes
from referral.domain.suggestion import Exclusion, Need, Suggestions
from referral.exchange.network_files import read_network
from referral.fhir import systems
from referral.fhir.content import read_content
from referral.fhir.elements import reference
from referral.network.snapshot import SnapshotHolder
from referral.store.pool import Store
from referral.store.suggestion import read_full_services
from tests.conftest import Database
from tests.owner import behind_the_wall
from tests.written import write_drafts

NOW = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
BASE = "http://hub.test/fhir"
STATION, STRANGER = FacilityId("station"), FacilityId("far-station")
NEAR, FAR, CHILDREN = FacilityId("near"), FacilityId("far"), FacilityId("children")
HARBOUR, OTHER = NetworkId("harbour"), NetworkId("other")
SURGERY = Need(specialty="surgery")

FILES = {
    "facilities.csv": """id,name,tier,lat,lon
station,Station,station,20.0,106.0
far-station,Far station,station,20.9,106.0
near,Near hospital,satellite,20.1,106.0
far,Far hospital,satellite,20.3,106.0
children,Children's hospital,satellite,20.2,106.0
""",
    "services.csv": """facility,id,name,specialty,age_max,capacity,hours
near,surgery,Surgery,surgery,,capacity,Mon-Fri 07:00-16:30
far,surgery,Surgery,surgery,,capacity,24/7
children,surgery,Surgery,surgery,15,capacity,
""",
    "policy.toml": '[network]\nid = "harbour"\nname = "Harbour"\nprefix = "HN"\n',
}


@pytest.fixture
async def harbour(store: Store, tmp_path: Path) -> Store:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, "utf-8")
    await import_network(store, read_network(tmp_path), NOW)
    return store


def made_up_id() -> str:
    return str(uuid.uuid4())


async def asked(
    store: Store, about: Need | Mapping[str, Any] | str, actor: FacilityId = STATION, **options: Any
) -> Suggestions:
    holder = SnapshotHolder()
    await refresh_network(store, holder)
    given = {"on": NOW, **options}
    return await suggest_targets(store, holder.current, actor=actor, about=about, base=BASE, **given)


async def write(store: Store, actor: FacilityId, content: dict[str, Any], **options: Any) -> Written:
    draft = Draft(
        content["resourceType"],
        content.get("id", made_up_id()),
        content,
        is_create=options.get("expected") is None,
        **options,
    )
    (written,) = await write_drafts(
        store,
        [draft],
        actor=Actor(actor, "test", read_scopes("system/*.cruds")),
        base=BASE,
        now=NOW,
        new_id=made_up_id,
        request_id=None,
    )
    return written


async def patient(store: Store, born: str = "1980-01-01", actor: FacilityId = STATION) -> str:
    identifier = {"system": "urn:test:mrn", "value": "1"}
    content = {"resourceType": "Patient", "birthDate": born, "identifier": [identifier]}
    return (await write(store, actor, content)).id


async def referral(store: Store, *performers: FacilityId, born: str = "1980-01-01") -> str:
    content = request(
        status="active",
        subject=reference("Patient", await patient(store, born)),
        performer=[reference("Organization", performer) for performer in performers],
    )
    if not performers:
        del content["performer"]
    return (await write(store, STATION, content)).id


def request(**elements: Any) -> dict[str, Any]:
    return {
        "resourceType": "ServiceRequest",
        "intent": "order",
        "category": [{"coding": [{"system": systems.REFERRAL_KIND, "code": "referral"}]}],
        "performerType": {"coding": [{"system": systems.SPECIALTY, "code": "surgery"}]},
        **elements,
    }


async def reject(store: Store, owner: FacilityId) -> None:
    async with behind_the_wall(store) as connection:
        row = await connection.fetchrow("SELECT id FROM offer WHERE owner = $1", owner)
        assert row is not None
        text = await connection.fetchval("SELECT content::text FROM document WHERE id = $1", row["id"])
    content = read_content(text.encode()) | {"status": "rejected", "statusReason": {"text": "no bed"}}
    await write(store, owner, content, expected=1)


def targets(found: Suggestions) -> list[FacilityId]:
    return [suggestion.target for suggestion in found.ranked]


def rules(found: Suggestions) -> dict[FacilityId, Exclusion]:
    return {excluded.target: excluded.rule for excluded in found.excluded}


async def test_the_nearest_that_can_come_first(harbour: Store) -> None:
    found = await asked(harbour, SURGERY)
    assert targets(found) == [NEAR, CHILDREN, FAR]
    assert found.excluded == ()


async def test_no_more_than_asked_for(harbour: Store) -> None:
    assert targets(await asked(harbour, SURGERY, count=1)) == [NEAR]


async def test_who_is_ruled_out_is_told_on_request(harbour: Store) -> None:
    found = await asked(harbour, SURGERY, with_excluded=True, count=1)
    assert targets(found) == [NEAR]
    assert rules(found) == {STRANGER: Exclusion.POLICY}


async def test_capacity_is_that_of_the_moment(harbour: Store) -> None:
    async with harbour.writing(None) as connection:
        await connection.execute(
            "UPDATE capacity c SET status = 'no-capacity' FROM service s"
            " WHERE s.id = c.service AND s.facility = $1",
            NEAR,
        )
    for about in (SURGERY, request(), request(id="a-draft-of-the-sender")):
        found = await asked(harbour, about, with_excluded=True)
        assert targets(found) == [CHILDREN, FAR]
        assert rules(found)[NEAR] is Exclusion.CAPACITY


async def test_a_full_service_of_another_network_is_none_of_this(harbour: Store) -> None:
    await join_other_network(harbour)
    async with harbour.writing(None) as connection:
        await connection.execute("UPDATE capacity SET status = 'no-capacity'")
    assert targets(await asked(harbour, SURGERY, network=OTHER)) == []
    assert set((await read_full_services(harbour, STATION, OTHER)).capacity) == {"far.surgery"}


async def test_who_cannot_wait_goes_where_it_is_open(harbour: Store) -> None:
    holder, found = SnapshotHolder(), list[Suggestions]()
    await refresh_network(harbour, holder)
    # A Sunday and the Monday after, at the same time.
    for days, priority in ((0, Priority.STAT), (1, Priority.STAT), (0, Priority.URGENT)):
        about, on = replace(SURGERY, priority=priority, age=40), NOW + timedelta(days=days)
        found.append(
            await suggest_targets(
                harbour, holder.current, actor=STATION, about=about, base=BASE, on=on, with_excluded=True
            )
        )
    assert [targets(each) for each in found] == [[FAR], [NEAR, FAR], [NEAR, FAR]]
    assert rules(found[0])[NEAR] is Exclusion.HOURS


@pytest.mark.parametrize("about", [SURGERY, {"subject": {"display": "somebody"}}])
async def test_what_rests_on_nothing_stored_costs_one_message(
    harbour: Store, database: Database, about: Need | dict[str, Any]
) -> None:
    holder, told = SnapshotHolder(), list[str]()
    await refresh_network(harbour, holder)
    watched = await Store.open(database.dsn, size=1, watch=lambda name, *_: told.append(name))
    await asyncio.sleep(0)  # told by the loop, after the statement
    told.clear()
    await suggest_targets(watched, holder.current, actor=STATION, about=about, base=BASE, on=NOW)
    await asyncio.sleep(0)
    assert told == ["suggestion.full_services"]
    await watched.close()


async def test_a_stored_referral_is_answered_with_its_patient(harbour: Store) -> None:
    adult, child = await referral(harbour), await referral(harbour, born="2020-01-01")
    assert targets(await asked(harbour, child)) == [NEAR, CHILDREN, FAR]
    found = await asked(harbour, adult, with_excluded=True)
    assert targets(found) == [NEAR, FAR]
    assert rules(found)[CHILDREN] is Exclusion.PATIENT


@pytest.mark.parametrize("asker", [STATION, FAR, FacilityId(HARBOUR)])
async def test_whoever_sees_the_referral_is_answered_from_its_sender(
    harbour: Store, asker: FacilityId
) -> None:
    sent = await referral(harbour, FAR)
    assert await asked(harbour, sent, asker) == await asked(harbour, sent, STATION)
    assert targets(await asked(harbour, sent, asker)) == [NEAR, FAR]


async def test_a_stranger_learns_nothing_of_a_referral(harbour: Store) -> None:
    sent = await referral(harbour, FAR)
    with pytest.raises(NotFound) as hidden:
        await asked(harbour, sent, STRANGER)
    with pytest.raises(NotFound) as unknown:
        await asked(harbour, "nothing", STRANGER)
    assert hidden.value.problems == unknown.value.problems


async def test_who_rejected_a_referral_is_not_suggested_again(harbour: Store) -> None:
    sent = await referral(harbour, NEAR)
    await reject(harbour, NEAR)
    found = await asked(harbour, sent, with_excluded=True)
    assert targets(found) == [FAR]
    assert rules(found)[NEAR] is Exclusion.REJECTED
    assert targets(await asked(harbour, await referral(harbour))) == [NEAR, FAR]


async def test_a_request_sent_with_the_id_of_a_stored_one_shares_its_rejections(harbour: Store) -> None:
    sent = await referral(harbour, NEAR)
    await reject(harbour, NEAR)
    assert targets(await asked(harbour, request(id=sent))) == [CHILDREN, FAR]
    assert targets(await asked(harbour, request(id="a-draft-of-the-sender"))) == [NEAR, CHILDREN, FAR]


async def test_rejections_are_not_told_to_a_stranger(harbour: Store) -> None:
    sent = await referral(harbour, NEAR)
    await reject(harbour, NEAR)
    assert NEAR in targets(await asked(harbour, request(id=sent), STRANGER))


async def test_the_patient_of_a_draft_counts_where_it_is_known(harbour: Store) -> None:
    known = await patient(harbour)
    by_identifier = {"identifier": {"system": "urn:test:mrn", "value": "1"}}
    for subject in (reference("Patient", known), {"reference": f"{BASE}/Patient/{known}"}, by_identifier):
        assert targets(await asked(harbour, request(subject=subject))) == [NEAR, FAR]


@pytest.mark.parametrize(
    "subject",
    [
        {"reference": "Patient/nobody"},
        {"reference": "Group/1"},
        {"reference": "http://elsewhere.test/Patient/1"},
        {"identifier": {"system": "urn:test:mrn", "value": "2"}},
        {"identifier": {"system": "urn:test:mrn"}},
        {"display": "somebody"},
    ],
)
async def test_a_patient_who_is_not_known_rules_nobody_out(harbour: Store, subject: dict[str, Any]) -> None:
    assert targets(await asked(harbour, request(subject=subject))) == [NEAR, CHILDREN, FAR]


async def test_a_strangers_patient_and_an_ambiguous_one_are_not_known(harbour: Store) -> None:
    theirs = await patient(harbour, actor=STRANGER)
    by_identifier = {"identifier": {"system": "urn:test:mrn", "value": "1"}}
    for subject in (reference("Patient", theirs), by_identifier):
        assert targets(await asked(harbour, request(subject=subject))) == [NEAR, CHILDREN, FAR]
    await patient(harbour)
    assert targets(await asked(harbour, request(subject=by_identifier))) == [NEAR, FAR]
    await patient(harbour)
    assert targets(await asked(harbour, request(subject=by_identifier))) == [NEAR, CHILDREN, FAR]


async def test_a_plain_request_of_ones_own_is_answered(harbour: Store) -> None:
    content = request(status="active", subject=reference("Patient", await patient(harbour)))
    del content["category"]
    plain = await write(harbour, STATION, content)
    assert targets(await asked(harbour, plain.id)) == [NEAR, FAR]


async def join_other_network(store: Store) -> None:
    async with store.writing(None) as connection:
        await connection.execute(
            "INSERT INTO network SELECT $1, 'Other', 'OT', policy, updated_at FROM network", OTHER
        )
        await connection.execute(
            "INSERT INTO membership SELECT $1, facility, tier, code, NULL, NULL, document || '-2'"
            " FROM membership WHERE facility IN ($2, $3)",
            OTHER,
            STATION,
            FAR,
        )


def in_network(network: str) -> dict[str, Any]:
    named = {"url": systems.NETWORK_EXTENSION, "valueReference": {"reference": network}}
    return request(extension=[named])


async def test_a_sender_of_several_networks_names_one(harbour: Store) -> None:
    await join_other_network(harbour)
    with pytest.raises(MissingElement) as missing:
        await asked(harbour, SURGERY)
    assert missing.value.problems[0].expression == "ServiceRequest.extension"
    assert targets(await asked(harbour, SURGERY, network=OTHER)) == [FAR]
    assert targets(await asked(harbour, in_network("Organization/other"))) == [FAR]
    assert targets(await asked(harbour, in_network(f"{BASE}/Organization/harbour"), network=OTHER)) == [
        NEAR,
        CHILDREN,
        FAR,
    ]


async def test_a_stored_referral_stays_in_its_network(harbour: Store) -> None:
    sent = await referral(harbour)
    await join_other_network(harbour)
    assert targets(await asked(harbour, sent)) == [NEAR, FAR]


async def test_a_stored_referral_goes_by_the_policy_of_its_own_day(harbour: Store) -> None:
    sent, later = await referral(harbour), NOW + timedelta(days=2)
    closed = {
        "network": {"id": HARBOUR, "name": "Harbour", "prefix": "HN"},
        "pairs": [{"from": "satellite", "to": "core"}],
    }
    policy = Policy.from_mapping(closed)
    await activate_policy(harbour, policy, closed, valid_from=later.date(), now=NOW)
    assert targets(await asked(harbour, sent, on=later)) == [NEAR, FAR]
    assert targets(await asked(harbour, SURGERY)) == [NEAR, CHILDREN, FAR]
    assert targets(await asked(harbour, SURGERY, on=later)) == []


@pytest.mark.parametrize("network", ["Organization/other", "http://elsewhere.test/Organization/harbour"])
async def test_the_network_is_one_of_the_senders(harbour: Store, network: str) -> None:
    with pytest.raises(BrokenRule):
        await asked(harbour, in_network(network))


@pytest.mark.parametrize("actor", [FacilityId(HARBOUR), FacilityId("nobody")])
async def test_who_is_no_member_sends_nobody(harbour: Store, actor: FacilityId) -> None:
    with pytest.raises(Forbidden):
        await asked(harbour, SURGERY, actor)


async def test_the_direction_of_a_draft_counts(harbour: Store) -> None:
    assert targets(await asked(harbour, Need(specialty="surgery", direction=Direction.DOWN))) == []
