"""A store in which everything has happened, and what clients remember of it."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg
import httpx

from referral.actions.refresh_network import refresh_network
from referral.actions.reindex import reindex
from referral.delivery.clocks import Clocks
from referral.network.snapshot import SnapshotHolder
from scripts.store_check.check import check_store
from scripts.store_check.facts import digest_of
from scripts.store_check.violation import Violation
from scripts.store_check.writes import Outcome, Told, Write
from tests.api.test_claim import claim
from tests.factories import (
    AN_LAO,
    KIEN_AN,
    LE_CHAN,
    OFFICE,
    VIET_TIEP,
    Case,
    Resource,
    arrived,
    business,
    completed,
    completion,
    created,
    observation,
    offer,
    offered,
    output,
    patient,
    request,
    summary,
    version,
)
from tests.running_service import RunningService
from tests.store_check.passed_on import name_ahead, pass_on, replace_by_number, tell

FACILITIES = {LE_CHAN, KIEN_AN, AN_LAO, VIET_TIEP}
REASON = {"text": "No bed"}
_WAITS = {"businessStatus": {"coding": [{"code": "awaiting-information"}]}}


@dataclass(frozen=True, slots=True)
class Healthy:
    """A store in which everything has happened once, and the writes that a client remembers."""

    connection: asyncpg.Connection
    owner_dsn: str
    base: str
    writes: tuple[Write, ...]

    async def reindexed(self, *planted: str) -> list[Violation]:
        """What is found after these statements and a reindex, which leave no trace."""
        transaction = self.connection.transaction()
        await transaction.start()
        try:
            for statement in planted:
                await self.connection.execute(statement)
            done = await reindex(
                self.connection, base=self.base, now=datetime.now(UTC), tell=lambda _done, _of: None, batch=17
            )
            assert done == await self.connection.fetchval("SELECT count(*) FROM document")
            return await check_store(self.connection, self.base, self.writes)
        finally:
            await transaction.rollback()

    async def check(self, *planted: str, writes: tuple[Write, ...] | None = None) -> list[Violation]:
        """What is found after these statements, which leave no trace."""
        transaction = self.connection.transaction()
        await transaction.start()
        try:
            await self.connection.execute("SET LOCAL session_replication_role = replica")
            for statement in planted:
                done = await self.connection.execute(statement)
                assert not done.endswith(" 0"), f"{statement} changes nothing"
            return await check_store(self.connection, self.base, self.writes if writes is None else writes)
        finally:
            await transaction.rollback()


async def live(service: RunningService) -> tuple[Write, ...]:
    """Referrals on most of the ways there are; returns what a client remembers of some of its writes."""
    await _overdue(service)
    await _asked_and_claimed(service)
    await completed(service)
    returned = await completed(service, "returned-to-referrer")
    await _take_down(service, returned)
    rejected = await offered(service)
    await rejected.moved(rejected.receiver, "rejected", statusReason=REASON)
    await created(rejected.sender, offer(rejected.request["id"], AN_LAO))
    passed_on = await offered(service)
    target = output("target", valueReference={"reference": f"Organization/{VIET_TIEP}"})
    onward = {"businessStatus": {"coding": [{"code": "referred-onward"}]}, "output": [target]}
    await passed_on.moved(passed_on.receiver, "rejected", statusReason=REASON, **onward)
    await _with_package(service)
    await _with_attachments(service)
    cancelled = await offered(service)
    await _end(cancelled, "revoked")
    await replace_by_number(cancelled)
    await pass_on(service)
    await name_ahead(service)
    await tell(service)
    mistaken = await offered(service)
    await mistaken.moved(mistaken.sender, "entered-in-error", statusReason=REASON)
    await _patched_and_deleted(service)
    office = await service.system(OFFICE)
    late = await arrived(service)
    await late.moved(office, "entered-in-error", statusReason=REASON)
    return await _remembered(service)


async def _overdue(service: RunningService) -> None:
    """One that lapses, one that comes to the office, and one whose warning an answer outlives."""
    snapshots = SnapshotHolder()
    await refresh_network(service.store, snapshots)
    clocks = Clocks(service.store, snapshots, service.fhir)
    late = await offered(service)
    for days in (30, 60):
        await clocks.fire_due(datetime.now(UTC) + timedelta(days=days))
    assert business(await late.task()) == "lapsed"
    silent = await offered(service, priority="stat")
    slow = await offered(service, priority="stat")
    await slow.moved(slow.receiver, "received")
    await clocks.fire_due(datetime.now(UTC) + timedelta(hours=6))
    await slow.moved(slow.receiver, "received", **_WAITS, statusReason={"text": "Since when?"})
    said = {"resourceType": "Communication", "status": "completed", "payload": [{"contentString": "Monday"}]}
    await created(slow.sender, said | {"partOf": [{"reference": f"Task/{slow.offer_id}"}]})
    found = await silent.sender.get(f"Task?_id={silent.offer_id},{slow.offer_id}&escalated=true")
    assert len(found.json()["entry"]) == 2


async def _asked_and_claimed(service: RunningService) -> None:
    """Two questions of which one is answered; a patient who turns up elsewhere."""
    case = await offered(service)
    about = {"partOf": [{"reference": f"Task/{case.offer_id}"}], "status": "completed"}
    asks = {"resourceType": "Communication", "payload": [{"contentString": "Since when?"}], **about}
    await case.moved(case.receiver, "received", **_WAITS, statusReason={"text": "Which side?"})
    await created(case.receiver, asks)
    found = await case.sender.get(f"Communication?part-of=Task/{case.offer_id}")
    first = found.json()["entry"][0]["resource"]
    answers = {"inResponseTo": [{"reference": f"Communication/{first['id']}"}]}
    await created(case.sender, asks | answers)
    assert business(await case.task()) == "awaiting-information"
    await _asked_of_who_passes_on(service)
    gone = await offered(service)
    assert (await claim(await service.system(AN_LAO), gone)).status_code == 200


async def _asked_of_who_passes_on(service: RunningService) -> None:
    """A hospital sends a patient on; what it is told of her in a question ends with the offer."""
    case = await arrived(service)
    based = [{"reference": f"ServiceRequest/{case.request['id']}"}]
    further = await created(case.receiver, request(case.patient["id"], VIET_TIEP, basedOn=based))
    last = await service.system(VIET_TIEP)
    found = await last.get("Task", params={"focus": f"ServiceRequest/{further['id']}"})
    task = found.json()["entry"][0]["resource"]
    asks = {"resourceType": "Communication", "status": "completed", "payload": [{"contentString": "Why?"}]}
    about = {"partOf": [{"reference": f"Task/{task['id']}"}], "subject": further["subject"]}
    await created(last, asks | about)
    on = Case(case.receiver, last, VIET_TIEP, case.patient, further, task["id"])
    await on.moved(last, "rejected", statusReason=REASON)


async def _take_down(service: RunningService, case: Case) -> None:
    found = await case.sender.get(
        "ServiceRequest", params={"based-on": f"ServiceRequest/{case.request['id']}"}
    )
    down = found.json()["entry"][0]["resource"]
    found = await case.sender.get("Task", params={"focus": f"ServiceRequest/{down['id']}"})
    task = found.json()["entry"][0]["resource"]
    back = Case(case.receiver, case.sender, LE_CHAN, case.patient, down, task["id"])
    await back.moved(back.receiver, "in-progress")
    await back.moved(back.receiver, "completed", output=completion(None), note=[{"text": "At home."}])
    await back.moved(back.sender, "completed", businessStatus={"coding": [{"code": "closed"}]})
    await case.moved(case.sender, "completed", businessStatus={"coding": [{"code": "closed"}]})


async def _with_package(service: RunningService) -> None:
    """A draft with a package of parts, that grows; something is said; in the end it is taken back.

    The parts are named by absolute references, which are ours for those alone who know our address.
    """
    station = await service.system(LE_CHAN)
    who = await created(station, patient())
    part = await created(station, observation(who["id"]))
    whole = await created(
        station, observation(who["id"], hasMember=[{"reference": f"{service.fhir}/Observation/{part['id']}"}])
    )
    draft = await created(
        station,
        request(
            who["id"],
            KIEN_AN,
            status="draft",
            identifier=[{"system": "urn:orders", "value": "1"}],
            supportingInfo=[{"reference": f"Observation/{whole['id']}"}],
        ),
    )
    path = f"ServiceRequest/{draft['id']}"
    answer = await station.put(path, json=draft | {"status": "active"}, headers={"If-Match": 'W/"1"'})
    later = await created(station, observation(who["id"], meta={"profile": ["urn:profile"]}))
    await created(station, observation(who["id"], valueQuantity={"value": 80, "unit": "mmHg"}))
    info = [*draft["supportingInfo"], {"reference": f"Observation/{later['id']}"}]
    more = answer.json() | {"supportingInfo": info, "priority": "stat"}
    answer = await station.put(path, json=more, headers={"If-Match": version(answer)})
    assert answer.status_code == 200, answer.text
    about = {"basedOn": [{"reference": path}], "subject": draft["subject"], "status": "completed"}
    await created(station, {"resourceType": "Communication", **about})


async def _with_attachments(service: RunningService) -> None:
    """A scan in the package, and one more that is added to it; a letter that comes back with its own."""
    station, hospital = await service.system(LE_CHAN), await service.system(KIEN_AN)
    who = await created(station, patient())

    async def attach(client: httpx.AsyncClient, text: bytes, **headers: str) -> Resource:
        answer = await client.post("Binary", content=text, headers={"Content-Type": "text/plain"} | headers)
        assert answer.status_code == 201, answer.text
        return {"attachment": {"contentType": "text/plain", "url": f"Binary/{answer.json()['id']}"}}

    scan = await attach(station, b"One scan", **{"X-Security-Context": f"Patient/{who['id']}"})
    told = await created(station, summary(who["id"], content=[scan]))
    report = await created(
        station,
        {
            "resourceType": "DiagnosticReport",
            "status": "partial",
            "code": {"text": "Blood count"},
            "subject": {"reference": f"Patient/{who['id']}"},
        },
    )
    brings = (f"DocumentReference/{told['id']}", f"DiagnosticReport/{report['id']}")
    named = {"supportingInfo": [{"reference": one} for one in brings]}
    asked = await created(station, request(who["id"], KIEN_AN, **named))
    more = {"content": [scan, await attach(station, b"Another scan")]}
    changed = await station.put(f"DocumentReference/{told['id']}", json=told | more)
    assert changed.status_code == 200, changed.text
    # What a report is linked to later is handed on as well, with what that rests on.
    part = await created(station, observation(who["id"]))
    rests = {"derivedFrom": [{"reference": f"Observation/{part['id']}"}]}
    result = {
        "result": [
            {"reference": f"Observation/{(await created(station, observation(who['id'], **rests)))['id']}"}
        ]
    }
    changed = await station.put(f"DiagnosticReport/{report['id']}", json=report | result)
    assert changed.status_code == 200, changed.text
    found = await hospital.get("Task", params={"focus": f"ServiceRequest/{asked['id']}"})
    case = Case(station, hospital, KIEN_AN, who, asked, found.json()["entry"][0]["resource"]["id"])
    await case.moved(hospital, "accepted")
    await case.moved(hospital, "in-progress")
    letter = await created(hospital, summary(who["id"], content=[await attach(hospital, b"A letter")]))
    await case.moved(hospital, "completed", output=completion(letter["id"]))


async def _patched_and_deleted(service: RunningService) -> None:
    """A patient who is patched, and records that are deleted: alone, twice, in a transaction, in a batch."""
    station = await service.system(LE_CHAN)
    who = await created(station, patient())
    change = [{"op": "replace", "path": "/birthDate", "value": "1961-05-05"}]
    media_type = {"Content-Type": "application/json-patch+json"}
    patched = await station.patch(f"Patient/{who['id']}", json=change, headers=media_type)
    assert patched.status_code == 200, patched.text
    records = [f"Observation/{(await created(station, observation(who['id'])))['id']}" for _ in range(3)]
    for _ in range(2):
        assert (await station.delete(records[0])).status_code == 204
    for kind, address in (("transaction", records[1]), ("batch", records[2])):
        entry = {"request": {"method": "DELETE", "url": address}}
        answer = await station.post("", json={"resourceType": "Bundle", "type": kind, "entry": [entry]})
        assert answer.json()["entry"][0]["response"]["status"] == "204 No Content", answer.text


async def _end(case: Case, status: str) -> None:
    before = await case.referral()
    url = "http://hl7.org/fhir/StructureDefinition/request-statusReason"
    extension = [*before["extension"], {"url": url, "valueCodeableConcept": REASON}]
    answer = await case.sender.put(
        f"ServiceRequest/{before['id']}",
        json=before | {"status": status, "extension": extension},
        headers={"If-Match": f'W/"{before["meta"]["versionId"]}"'},
    )
    assert answer.status_code == 200, answer.text


async def _remembered(service: RunningService) -> tuple[Write, ...]:
    """A create, and a transaction of two parts."""
    station = await service.system(LE_CHAN)
    single, double = (Write(f"fault-run-{uuid.uuid4().hex}", work, types) for work, types in WORKS)
    numbers = [{"identifier": [{"value": mark}]} for mark in single.marks() + double.marks()]
    stored = [await created(station, patient(**numbers[0]))]
    entries = [
        {"resource": patient(**numbers[1]), "request": {"method": "POST", "url": "Patient"}},
        {
            "resource": summary(stored[0]["id"], **numbers[2]),
            "request": {"method": "POST", "url": "DocumentReference"},
        },
    ]
    answer = await station.post("", json={"resourceType": "Bundle", "type": "transaction", "entry": entries})
    stored += [entry["resource"] for entry in answer.json()["entry"]]
    keys = [Told((one["resourceType"], one["id"]), 1, digest_of(one)) for one in stored]
    single.told, double.told = tuple(keys[:1]), tuple(keys[1:])
    single.outcome = double.outcome = Outcome.ACKNOWLEDGED
    return single, double


WORKS = (("patient", ("Patient",)), ("transaction", ("Patient", "DocumentReference")))
