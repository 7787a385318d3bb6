"""`$claim`: a patient turns up with a letter at a facility that nobody had asked."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from referral.domain.number import referral_number
from tests.api.legal_path import check_path
from tests.api.refusals import outcome, refused
from tests.factories import (
    AN_LAO,
    KIEN_AN,
    LE_CHAN,
    OFFICE,
    VIET_TIEP,
    B,
    Case,
    Resource,
    business,
    created,
    observation,
    offered,
    patient,
    request,
)
from tests.owner import behind_the_wall
from tests.running_service import RunningService

BORN = "1961-05-04"
Newcomer = Callable[[str], Awaitable[httpx.AsyncClient]]


def parameters(number: str, birth_date: str = BORN) -> Resource:
    return {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "number", "valueString": number},
            {"name": "birthDate", "valueDate": birth_date},
        ],
    }


def number_of(asked: Resource) -> str:
    """The number on the letter."""
    system = f"{B}/sid/referral-number"
    return str(next(one["value"] for one in asked["identifier"] if one["system"] == system))


@pytest.fixture
async def newcomer(service: RunningService) -> AsyncIterator[Newcomer]:
    """Gives systems of facilities that nobody else uses: the tries of a client are counted."""
    async with AsyncExitStack() as all_of_them:

        async def system(facility: str) -> httpx.AsyncClient:
            return await all_of_them.enter_async_context(await service.new_system(facility))

        yield system


async def claim(client: httpx.AsyncClient, case: Case, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    content = parameters(number_of(case.request))
    return await client.post("ServiceRequest/$claim", json=content, headers=named)


async def test_a_patient_turns_up_elsewhere_with_the_letter(service: RunningService):
    station = await service.system(LE_CHAN)
    who = await created(station, patient())
    seen = await created(station, observation(who["id"]))
    named = {"supportingInfo": [{"reference": f"Observation/{seen['id']}"}]}
    asked = await created(station, request(who["id"], KIEN_AN, **named))
    asked_first, there = await service.system(KIEN_AN), await service.system(VIET_TIEP)
    found = await asked_first.get("Task", params={"focus": f"ServiceRequest/{asked['id']}"})
    case = Case(station, asked_first, KIEN_AN, who, asked, found.json()["entry"][0]["resource"]["id"])
    # As it is read from a letter.
    number = number_of(asked)
    spoken = f"{number[:2].lower()} {number[2:6]} {number[6:10]}-{number[10:]}"
    answer = await there.post("ServiceRequest/$claim", json=parameters(spoken))
    assert answer.status_code == 200, answer.text
    task = answer.json()
    assert (task["status"], business(task)) == ("in-progress", "arrived")
    assert task["owner"]["reference"] == f"Organization/{VIET_TIEP}"
    assert answer.headers["ETag"] == f'W/"{task["meta"]["versionId"]}"'
    for address in (f"Patient/{who['id']}", f"Observation/{seen['id']}", f"ServiceRequest/{asked['id']}"):
        assert (await there.get(address)).status_code == 200
    # Both others are told where the patient is.
    ended = await case.task(asked_first)
    assert (ended["status"], business(ended)) == ("rejected", "referred-onward")
    assert ended["statusReason"]["text"]
    assert ended["output"][-1]["valueReference"] == {"reference": f"Organization/{VIET_TIEP}"}
    assert (await asked_first.get(f"Patient/{who['id']}")).status_code == 404
    assert (await station.get(f"Task/{task['id']}")).json()["owner"] == task["owner"]
    async with behind_the_wall(service.store) as owner:
        told = await owner.fetch(
            "SELECT type, move, party, to_state FROM event WHERE referral = $1 AND move = 'claim'"
            " ORDER BY seq",
            asked["id"],
        )
    assert [tuple(one.values()) for one in told] == [
        ("Task", "claim", "member", "redirected"),
        ("Task", "claim", "member", "arrived"),
        ("ServiceRequest", "claim", "member", "in-care"),
    ]
    await check_path(service, asked["id"])


async def test_who_was_asked_and_who_has_the_patient(service: RunningService):
    case = await offered(service)
    answer = await claim(case.receiver, case)
    assert (answer.json()["id"], business(answer.json())) == (case.offer_id, "arrived")
    again = await claim(case.receiver, case)
    assert (again.status_code, again.json()) == (200, answer.json())
    refused(await claim(await service.system(VIET_TIEP), case), 409, "conflict")
    refused(await claim(case.sender, case), 422, "business-rule")
    await check_path(service, case.request["id"])


async def test_a_cancelled_referral_lives_again(service: RunningService):
    case = await offered(service)
    before = await case.referral()
    reason = {
        "url": "http://hl7.org/fhir/StructureDefinition/request-statusReason",
        "valueCodeableConcept": {"text": "Stays at home"},
    }
    ended = await case.sender.put(
        f"ServiceRequest/{before['id']}",
        json=before | {"status": "revoked", "extension": [*before["extension"], reason]},
        headers={"If-Match": f'W/"{before["meta"]["versionId"]}"'},
    )
    assert ended.status_code == 200
    answer = await claim(await service.system(AN_LAO), case, X_Request_ID="claimed-once")
    assert answer.status_code == 200, answer.text
    after = await case.referral()
    assert after["status"] == "active"
    assert not any(one["url"] == reason["url"] for one in after["extension"])
    # Sent once more, it is answered as before.
    twin = await claim(await service.system(AN_LAO), case, X_Request_ID="claimed-once")
    assert (twin.headers["X-Replayed"], twin.json()) == ("true", answer.json())
    await check_path(service, case.request["id"])


async def test_many_at_one_instant_take_a_patient_in_once(service: RunningService):
    case = await offered(service)
    houses = [await service.system(name) for name in (KIEN_AN, VIET_TIEP, AN_LAO)]
    answers = await asyncio.gather(*(claim(house, case) for house in houses for _ in range(4)))
    taken = {answer.json()["id"] for answer in answers if answer.status_code == 200}
    assert len(taken) == 1
    assert {answer.status_code for answer in answers} == {200, 409}
    await check_path(service, case.request["id"])


async def test_whatever_is_wrong_the_refusal_is_the_same_and_ends_in_silence(
    service: RunningService, newcomer: Newcomer
):
    case, there = await offered(service), await newcomer(AN_LAO)
    number = number_of(case.request)
    wrong = [
        parameters(number, "1961-05-05"),
        parameters(referral_number("ZZ", 99_999_998)),
        parameters(f"{number[:10]}{(int(number[10]) + 1) % 10}"),
        parameters("nonsense"),
    ]
    answers = [await there.post("ServiceRequest/$claim", json=content) for content in wrong]
    office = await (await newcomer(OFFICE)).post("ServiceRequest/$claim", json=parameters(number))
    assert {(one.status_code, one.content) for one in (*answers, office)} == {(404, answers[0].content)}
    (issue,) = outcome(answers[0])
    assert issue["code"] == "not-found"
    assert number not in answers[0].text
    # A thousand days at once: five are looked at, and then not even the right one.
    days = [f"19{year:02}-01-01" for year in range(10, 40)]
    tried = await asyncio.gather(
        *(there.post("ServiceRequest/$claim", json=parameters(number, day)) for day in days)
    )
    assert sorted(one.status_code for one in tried)[:4] == [404] * 4
    assert [one.status_code for one in tried].count(404) == 4
    held = await there.post("ServiceRequest/$claim", json=parameters(number))
    refused(held, 429, "throttled")
    assert int(held.headers["Retry-After"]) > 0
    assert (await case.task())["status"] == "requested"
    async with behind_the_wall(service.store) as owner:
        # It is in the store: a restart forgets nothing. It is in the audit, without what was tried.
        tries = await owner.fetch(
            "SELECT client, member FROM claim_try WHERE number_hash = claim_hash($1)", number
        )
        assert sorted(row["member"] for row in tries) == [False, *[True] * 5]
        audited: list[Any] = []
        for _ in range(100):
            audited = await owner.fetch(
                "SELECT outcome, query FROM audit WHERE action = 'execute' AND client = ANY ($1::text[])",
                {row["client"] for row in tries},
            )
            if len(audited) >= len(answers) + len(tried) + 2:
                break
            await asyncio.sleep(0.1)
        assert sorted(row["outcome"] for row in audited) == [404] * 9 + [429] * 27
        assert {row["query"] for row in audited} == {"$claim"}


async def test_a_number_is_held_by_tries_of_its_own_network_within_the_hour(
    service: RunningService, newcomer: Newcomer
):
    case, there = await offered(service), await newcomer(AN_LAO)
    number = number_of(case.request)
    add = (
        "INSERT INTO claim_try (client, number_hash, at, member)"
        " SELECT 'guesser-' || n, claim_hash($1), now() - make_interval(hours => $2), $3"
        " FROM generate_series(1, 20) n"
    )
    async with behind_the_wall(service.store) as owner:
        await owner.execute(add, number, 2, True)
        await owner.execute(add, number, 0, False)
        wrong = await there.post("ServiceRequest/$claim", json=parameters(number, "1961-05-05"))
        refused(wrong, 404, "not-found")
        # Whoever comes takes away what is past, of all.
        past = "SELECT count(*) FROM claim_try WHERE at < now() - interval '1 hour'"
        assert await owner.fetchval(past) == 0
        await owner.execute(add, number, 0, True)
        refused(await claim(there, case), 429, "throttled")
        # That others tried is nothing that a stranger learns.
        refused(await claim(await newcomer(OFFICE), case), 404, "not-found")
        await owner.execute("DELETE FROM claim_try WHERE number_hash = claim_hash($1) AND member", number)
    assert (await claim(there, case)).status_code == 200


async def test_what_is_no_claim_is_refused_by_its_form(service: RunningService):
    there = await service.system(AN_LAO)
    right = parameters("HP000000011")
    for content, status, code in (
        ({"resourceType": "Parameters"}, 422, "required"),
        (right | {"parameter": right["parameter"][:1]}, 422, "required"),
        (right | {"parameter": [*right["parameter"], right["parameter"][0]]}, 400, "invalid"),
        (right | {"parameter": "number"}, 400, "invalid"),
        (right | {"parameter": ["number"]}, 400, "invalid"),
        (right | {"parameter": [{"name": "name", "valueString": "Mẫu"}]}, 400, "invalid"),
        (right | {"parameter": [{"name": "number", "valueInteger": 7}]}, 400, "invalid"),
        (parameters("HP000000011", "4 May 1961"), 400, "invalid"),
        (parameters("HP000000011", "1961-02-30"), 400, "invalid"),
        (parameters("HP000000011", "1961-13"), 400, "invalid"),
        (parameters("HP000000011", "0000"), 400, "invalid"),
        (parameters("HP000000011", "19610504"), 400, "invalid"),
        (parameters("9" * 65), 400, "invalid"),
        ({"resourceType": "Patient"}, 400, "invalid"),
    ):
        answer = await there.post("ServiceRequest/$claim", json=content)
        (issue,) = outcome(answer)
        assert (answer.status_code, issue["code"]) == (status, code), answer.text


async def test_a_claim_has_nothing_in_its_address(service: RunningService):
    case = await offered(service)
    number = number_of(case.request)
    there = await service.system(AN_LAO)
    answer = await there.post(f"ServiceRequest/$claim?number={number}", json=parameters(number))
    refused(answer, 400, "invalid")


async def test_of_whom_only_the_year_is_known_is_claimed_by_the_year(
    service: RunningService, newcomer: Newcomer
):
    station, there = await service.system(LE_CHAN), await newcomer(VIET_TIEP)
    for known, others in (("1948", ["1948-07-01", "1948-07"]), ("1948-07", ["1948-07-01", "1948"])):
        asked = await created(station, request((await created(station, patient(birthDate=known)))["id"]))
        for other in others:
            answer = await there.post("ServiceRequest/$claim", json=parameters(number_of(asked), other))
            refused(answer, 404, "not-found")
        answer = await there.post("ServiceRequest/$claim", json=parameters(number_of(asked), known))
        assert answer.status_code == 200, answer.text
