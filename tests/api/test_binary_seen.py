"""Who sees an attachment: https://hl7.org/fhir/R4/security.html#binary"""

import httpx

from referral.store.blob import read_part
from tests.api.audited import audited
from tests.api.audited import named as audit_named
from tests.api.test_binary import (
    AS_JSON,
    PDF,
    STRANGER,
    bytes_of,
    document,
    refused,
    sent,
)
from tests.factories import (
    KIEN_AN,
    LE_CHAN,
    arrived,
    completion,
    created,
    offered,
    patient,
    request,
    summary,
)
from tests.running_service import RunningService


async def sees(client: httpx.AsyncClient, name: str) -> bool:
    """Whether a facility sees a Binary, in every way of looking."""
    raw = await client.get(f"Binary/{name}")
    for url in (f"Binary/{name}", f"Binary/{name}/_history/1", f"Binary/{name}/_history"):
        answer = await client.get(url, headers=AS_JSON)
        assert answer.status_code == raw.status_code, url
    found = (await client.get("Binary", params={"_id": name})).json()
    assert ("entry" in found) is (raw.status_code == 200)
    assert raw.status_code in {200, 404}
    return raw.status_code == 200


async def test_who_sees_the_document_sees_what_is_attached(
    service: RunningService, station: httpx.AsyncClient
):
    hospital, stranger = await service.system(KIEN_AN), await service.system(STRANGER)
    who = (await created(station, patient()))["id"]
    attached, untold, later = [await sent(station, bytes_of()) for _ in range(3)]
    told = await created(station, document(who, attached))
    named = {"supportingInfo": [{"reference": f"DocumentReference/{told['id']}"}]}
    await created(station, document(who, untold))
    asked = await created(station, request(who, KIEN_AN, **named))
    assert [await sees(each, attached) for each in (station, hospital, stranger)] == [True, True, False]
    assert [await sees(each, untold) for each in (station, hospital)] == [True, False]
    # What is attached later is seen from then on.
    content = [*told["content"], {"attachment": {"url": f"Binary/{later}"}}]
    changed = await station.put(f"DocumentReference/{told['id']}", json=told | {"content": content})
    assert changed.status_code == 200, changed.text
    assert [await sees(each, later) for each in (station, hospital, stranger)] == [True, True, False]
    # To name it oneself gives nothing.
    theirs = (await created(stranger, patient()))["id"]
    refused(await stranger.post("DocumentReference", json=document(theirs, attached)), 422, "business-rule")
    # Nor does a document of one's own outlast the offer.
    mine = (await created(hospital, patient()))["id"]
    await created(hospital, document(mine, attached))
    tasks = await hospital.get("Task", params={"focus": f"ServiceRequest/{asked['id']}"})
    task = tasks.json()["entry"][0]["resource"]
    declined = task | {"status": "rejected", "statusReason": {"text": "No bed"}}
    answer = await hospital.put(f"Task/{task['id']}", json=declined, headers={"If-Match": 'W/"1"'})
    assert answer.status_code == 200, answer.text
    assert [await sees(hospital, name) for name in (attached, later)] == [False, False]
    refused(await hospital.put(f"Binary/{attached}", content=b"x", headers=PDF), 404, "not-found")


async def test_the_summary_comes_back_with_its_attachment(service: RunningService) -> None:
    case = await offered(service)
    await case.moved(case.receiver, "accepted")
    await case.moved(case.receiver, "in-progress")
    name = await sent(case.receiver, bytes_of())
    written = await created(case.receiver, document(case.patient["id"], name))
    assert not await sees(case.sender, name)
    await case.moved(case.receiver, "completed", output=completion(written["id"]))
    assert await sees(case.sender, name)
    refused(await case.sender.put(f"Binary/{name}", content=b"x", headers=PDF), 403, "forbidden")


async def test_what_is_attached_stays(service: RunningService) -> None:
    case = await arrived(service)
    sender, receiver, who = case.sender, case.receiver, case.patient["id"]
    binary = await sent(receiver, bytes_of())
    report = await created(receiver, document(who, binary))
    await case.moved(receiver, "completed", output=completion(report["id"]))
    refused(await receiver.delete(f"Binary/{binary}"), 409, "conflict")
    assert (await sender.get(f"Binary/{binary}")).status_code == 200
    # With the document it goes, or once the document is without it.
    for with_it in (False, True):
        mine = await sent(sender, bytes_of())
        plain = await created(sender, document(who, mine))
        named, address = f"Binary/{mine}", f"DocumentReference/{plain['id']}"
        gone = [{"request": {"method": "DELETE", "url": url}} for url in (named, address)]
        bundle_of = {"resourceType": "Bundle", "type": "transaction"}
        other = document(who, mine) | {"description": "again"}
        again = {"resource": other, "request": {"method": "POST", "url": "DocumentReference"}}
        refused(await sender.post("", json=bundle_of | {"entry": [*gone, again]}), 422, "business-rule")
        if with_it:
            assert (await sender.post("", json=bundle_of | {"entry": gone})).status_code == 200
        else:
            refused(await sender.delete(named), 409, "conflict")
            without = plain | {"content": summary(who)["content"]}
            assert (await sender.put(address, json=without)).status_code == 200
            assert (await sender.delete(named)).status_code == 204
        assert (await sender.get(named)).status_code == 410


async def test_a_photo_goes_with_its_patient(service: RunningService, station: httpx.AsyncClient) -> None:
    hospital = await service.system(KIEN_AN)
    first, second = await sent(station, bytes_of()), await sent(station, bytes_of())
    photo = [{"contentType": "application/pdf", "url": f"Binary/{first}"}]
    who = await created(station, patient(photo=photo))
    asked = await created(station, request(who["id"], KIEN_AN))
    assert (await hospital.get(f"Binary/{first}")).status_code == 200
    more = who | {"photo": [*photo, {"contentType": "application/pdf", "url": f"Binary/{second}"}]}
    assert (await station.put(f"Patient/{who['id']}", json=more)).status_code == 200
    assert (await hospital.get(f"Binary/{second}")).status_code == 200
    task = (await hospital.get(f"Task?focus=ServiceRequest/{asked['id']}")).json()["entry"][0]["resource"]
    rejected = task | {"status": "rejected", "statusReason": {"text": "No bed"}}
    answer = await hospital.put(f"Task/{task['id']}", json=rejected, headers={"If-Match": 'W/"1"'})
    assert answer.status_code == 200
    for name in (first, second):
        assert (await hospital.get(f"Binary/{name}")).status_code == 404


async def test_bytes_about_another_patient_are_not_given(service: RunningService, station: httpx.AsyncClient):
    hospital = await service.system(KIEN_AN)
    who, other = [(await created(station, patient()))["id"] for _ in range(2)]
    name = await sent(station, bytes_of(), **{"X-Security-Context": f"Patient/{other}"})
    told = await created(station, document(who, name))
    named = {"supportingInfo": [{"reference": f"DocumentReference/{told['id']}"}]}
    await created(station, request(who, KIEN_AN, **named))
    assert (await hospital.get(f"DocumentReference/{told['id']}")).status_code == 200
    assert not await sees(hospital, name)
    changed = await station.put(f"DocumentReference/{told['id']}", json=told | {"description": "A scan"})
    assert changed.status_code == 200, changed.text
    assert not await sees(hospital, name)


async def test_its_readers_are_in_the_audit(service: RunningService, station: httpx.AsyncClient, who: str):
    name = await sent(station, bytes_of(), **{"X-Security-Context": f"Patient/{who}"})
    for facility, status in ((LE_CHAN, 200), (STRANGER, 404)):
        headers = audit_named()
        answer = await (await service.system(facility)).get(f"Binary/{name}", headers=headers)
        assert answer.status_code == status
        (row,) = await audited(service.store, headers)
        assert (row["action"], row["actor"], row["type"], row["id"]) == ("read", facility, "Binary", name)
        assert (row["outcome"], row["patient"]) == (status, who)


async def test_no_part_of_it_is_read_by_who_does_not_see_it(
    service: RunningService, station: httpx.AsyncClient
) -> None:
    name = await sent(station, b"0123456789")
    part = await read_part(service.store, LE_CHAN, (name, 1), start=2, length=3)
    assert part == (10, b"234")
    for facility in (STRANGER, "", "' OR true --"):
        assert await read_part(service.store, facility, (name, 1), start=0, length=3) is None
    assert await read_part(service.store, LE_CHAN, (name, 2), start=0, length=3) is None
