"""What the network asks for with a referral and is not there: the sender is told, and nobody is stopped."""

from typing import Any

import httpx

from tests.factories import KIEN_AN, LE_CHAN, created, observation, patient, request
from tests.running_service import RunningService

Resource = dict[str, Any]
OUTCOME = {"Prefer": "return=OperationOutcome"}
LACKS = "The package lacks what the network asks for: "


def told(answer: httpx.Response) -> list[str]:
    """What the package lacks, by the answer to a write."""
    assert answer.status_code in {200, 201}, answer.text
    issues = answer.json()["issue"]
    assert {issue["severity"] for issue in issues} == {"information"}
    (text,) = [one["diagnostics"] for one in issues if one["diagnostics"].startswith(LACKS)] or [LACKS]
    return text.removeprefix(LACKS).partition(".")[0].split(", ") if text != LACKS else []


async def test_what_is_missing_is_flagged_and_goes_all_the_same(service: RunningService):
    station = await service.system(LE_CHAN)
    who = await created(station, patient())
    about = {"subject": {"reference": f"Patient/{who['id']}"}}
    pulse = await created(
        station, observation(who["id"], code={"coding": [{"system": "http://loinc.org", "code": "8867-4"}]})
    )
    given = await created(
        station,
        {
            "resourceType": "Procedure",
            "status": "completed",
            "code": {"text": "Wound dressed"},
        }
        | about,
    )
    bare = await station.post("ServiceRequest", json=request(who["id"], KIEN_AN), headers=OUTCOME)
    assert told(bare) == ["vital-signs", "diagnosis", "treatment-given"]
    assert bare.status_code == 201
    # Nor does it hold up who cannot wait.
    stat = await station.post(
        "ServiceRequest", json=request(who["id"], KIEN_AN, priority="stat"), headers=OUTCOME
    )
    assert (stat.status_code, len(told(stat))) == (201, 3)
    reason = {"reasonCode": [{"text": "Appendicitis"}]}
    some = request(who["id"], KIEN_AN, supportingInfo=[{"reference": f"Observation/{pulse['id']}"}], **reason)
    assert told(await station.post("ServiceRequest", json=some, headers=OUTCOME)) == ["treatment-given"]
    whole = some | {
        "supportingInfo": [*some["supportingInfo"], {"reference": f"Procedure/{given['id']}"}],
    }
    assert told(await station.post("ServiceRequest", json=whole, headers=OUTCOME)) == []
    # What is added later counts, too.
    first = await created(station, request(who["id"], KIEN_AN))
    stored = (await station.get(f"ServiceRequest/{first['id']}")).json()
    added = await station.put(
        f"ServiceRequest/{first['id']}",
        json=stored | reason,
        headers=OUTCOME | {"If-Match": f'W/"{stored["meta"]["versionId"]}"'},
    )
    assert told(added) == ["vital-signs", "treatment-given"]


async def test_what_is_missing_is_shown_before_it_is_sent(service: RunningService):
    station, hospital = await service.system(LE_CHAN), await service.system(KIEN_AN)
    who = await created(station, patient())
    pulse = {"code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]}}
    seen = await created(station, observation(who["id"], **pulse))
    info = {"supportingInfo": [{"reference": f"Observation/{seen['id']}"}]}
    for more, move in (({"status": "draft"}, "submit"), ({}, "offer")):
        asked = await created(station, request(who["id"], **more, **info))
        address = f"ServiceRequest/{asked['id']}/$moves"
        told = (await station.get(address)).json()["parameter"]
        parts = {
            one["part"][0]["valueCode"]: [
                part["valueCode"] for part in one["part"] if part["name"] == "missing"
            ]
            for one in told
            if one["name"] == "move"
        }
        assert parts.pop(move) == ["diagnosis", "treatment-given"]
        assert not any(parts.values())
        assert (await hospital.get(address)).status_code == 404


async def test_what_the_same_transaction_brings_is_there(service: RunningService):
    station = await service.system(LE_CHAN)
    who = await created(station, patient())
    urn = "urn:uuid:9c1f0f64-0d6b-4a3e-8a2f-6f1f2b6f0001"
    seen = observation(who["id"], category=[{"coding": [{"code": "vital-signs", "system": CATEGORY}]}])
    asked = request(who["id"], KIEN_AN, supportingInfo=[{"reference": urn}])
    entries = [
        {"fullUrl": urn, "resource": seen, "request": {"method": "POST", "url": "Observation"}},
        {"resource": asked, "request": {"method": "POST", "url": "ServiceRequest"}},
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    answer = await station.post("", json=bundle, headers=OUTCOME)
    assert answer.status_code == 200, answer.text
    outcome = answer.json()["entry"][1]["response"]["outcome"]
    assert outcome["issue"][-1]["diagnostics"].startswith(f"{LACKS}diagnosis, treatment-given.")


CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
