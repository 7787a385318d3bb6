"""Questions and answers about an offer, as a thread of Communications.

https://hl7.org/fhir/R4/communication.html
"""

from typing import Any

import httpx
import pytest

from tests.api.refusals import refused
from tests.api.scenes import FACILITIES, scene_in
from tests.factories import AN_LAO, B, Case, Resource, business, created, offer, offered, patient
from tests.owner import behind_the_wall
from tests.running_service import RunningService

WAITS = {"coding": [{"system": f"{B}/CodeSystem/offer-status", "code": "awaiting-information"}]}
ASKED = {"businessStatus": {"coding": [{"code": "awaiting-information"}]}}


def words(case: Case, text: str, answers: str | None = None, **more: Any) -> Resource:
    """What is said about an offer; answers: the Communication that asked."""
    said: Resource = {
        "resourceType": "Communication",
        "status": "completed",
        "basedOn": [{"reference": f"ServiceRequest/{case.request['id']}"}],
        "partOf": [{"reference": f"Task/{case.offer_id}"}],
        "payload": [{"contentString": text}],
    }
    if answers is not None:
        said["inResponseTo"] = [{"reference": f"Communication/{answers}"}]
    return said | more


async def thread(client: httpx.AsyncClient, case: Case) -> list[Resource]:
    """All that was said about the offer, as this party sees it."""
    found = await client.get("Communication", params={"part-of": f"Task/{case.offer_id}", "_sort": "_id"})
    return [entry["resource"] for entry in found.json().get("entry", [])]


async def moves(service: RunningService, case: Case) -> list[str]:
    async with behind_the_wall(service.store) as owner:
        rows = await owner.fetch("SELECT move, party FROM event WHERE id = $1 ORDER BY seq", case.offer_id)
    return [f"{row['move']} by {row['party']}" for row in rows]


async def test_a_question_by_the_task_is_answered_by_words(service: RunningService):
    case = await offered(service)
    task = await case.moved(case.receiver, "received", **ASKED, statusReason={"text": "Which medicine?"})
    assert business(task) == "awaiting-information"
    assert task["statusReason"] == WAITS
    (question,) = await thread(case.sender, case)
    assert question["payload"] == [{"contentString": "Which medicine?"}]
    assert question["subject"]["reference"] == f"Patient/{case.patient['id']}"
    answer = await created(case.sender, words(case, "None since yesterday", question["id"]))
    after = await case.task()
    assert (after["status"], business(after)) == ("received", "received")
    assert "statusReason" not in after
    assert [one["id"] for one in await thread(case.receiver, case)] == [question["id"], answer["id"]]
    assert await moves(service, case) == ["offer by sender", "ask by receiver", "answer by sender"]
    again = await case.sender.post("Communication", json=words(case, "Once more", question["id"]))
    refused(again, 409, "conflict", "Communication.inResponseTo")


async def test_words_of_the_receiver_ask_and_those_of_the_sender_answer(service: RunningService):
    case = await offered(service)
    question = await created(case.receiver, words(case, "How long has she been ill?"))
    task = await case.task()
    assert (business(task), task["statusReason"]) == ("awaiting-information", WAITS)
    # Words without the question that they answer: there is but one.
    await created(case.sender, words(case, "Three days"))
    assert business(await case.task()) == "received"
    late = words(case, "Four, in fact", question["id"])
    refused(await case.sender.post("Communication", json=late), 409, "conflict", "Communication.inResponseTo")


async def test_a_question_is_not_taken_back_while_it_is_open(service: RunningService):
    case = await offered(service)
    question = await created(case.receiver, words(case, "How long has she been ill?"))
    address, taken_back = f"Communication/{question['id']}", question | {"status": "entered-in-error"}
    answer = await case.receiver.put(address, json=taken_back)
    refused(answer, 409, "conflict", "Communication.status")
    mended = question | {"payload": [{"contentString": "Since when is she ill?"}]}
    assert (await case.receiver.put(address, json=mended)).status_code == 200
    # It goes on without an answer: that ends the question.
    await case.moved(case.receiver, "rejected", statusReason={"text": "No bed"})
    assert (await case.receiver.put(address, json=taken_back)).status_code == 200


async def test_what_is_asked_is_between_the_two(service: RunningService):
    scene = await scene_in(service, "accepted")
    systems = {name: await service.system(house) for name, house in FACILITIES.items()}
    receiver, task_id = systems["receiver"], scene.ids["offer"]
    for place, secret in enumerate(("SECRET-ONE", "SECRET-TWO")):
        task = (await receiver.get(f"Task/{task_id}")).json()
        why = {"statusReason": {"text": secret, "coding": [{"system": "urn:test:why", "code": f"{place}"}]}}
        headers = {"If-Match": f'W/"{task["meta"]["versionId"]}"', "Prefer": "return=OperationOutcome"}
        asked = await receiver.put(f"Task/{task_id}", json=task | ASKED | why, headers=headers)
        assert asked.status_code == 200, asked.text
        assert "Communication/" in asked.text
    for name, client in systems.items():
        found = [
            await client.get(address)
            for address in (
                f"Task/{task_id}",
                f"Task/{task_id}/_history",
                f"Task?_id={task_id}&_revinclude=Provenance:target&_revinclude=Communication:part-of",
                f"Provenance?target=Task/{task_id}",
                f"Communication?part-of=Task/{task_id}",
            )
        ]
        told = {
            secret for secret in ("SECRET-ONE", "SECRET-TWO") for answer in found if secret in answer.text
        }
        assert len(told) == (2 if name in {"sender", "receiver"} else 0), name
    said = (await systems["sender"].get(f"Communication?part-of=Task/{task_id}")).json()["entry"]
    topics = [one["resource"]["topic"]["coding"][0]["code"] for one in said if "topic" in one["resource"]]
    assert sorted(topics) == ["0", "1"]


async def test_what_is_asked_besides_is_answered_too(service: RunningService):
    case = await offered(service)
    first = await created(case.receiver, words(case, "How old?"))
    # By the words of the Task, with and without its business status, and by one's own.
    await case.moved(case.receiver, "received", statusReason={"text": "Any allergies?"})
    await case.moved(case.receiver, "received", **ASKED, statusReason={"text": "Who comes along?"})
    await created(case.receiver, words(case, "Is there an X-ray?"))
    questions = [one["id"] for one in await thread(case.sender, case)]
    assert len(questions) == 4
    both = words(case, "Forty, and none", first["id"])
    both["inResponseTo"].append({"reference": f"Communication/{questions[1]}"})
    await created(case.sender, both)
    await created(case.sender, words(case, "Her son", questions[2]))
    assert business(await case.task()) == "awaiting-information"
    # Whatever else is said answers the rest.
    await created(case.receiver, words(case, "And a scan?"))
    await created(case.sender, words(case, "She has both with her"))
    assert business(await case.task()) == "received"
    told = [one.split()[0] for one in await moves(service, case)]
    assert told == ["offer", *["ask"] * 4, "answer", "answer", "ask", "answer"]
    # A note is no question.
    await case.moved(case.receiver, "received", **ASKED, statusReason={"text": "Which dose?"})
    await case.moved(case.receiver, "received", note=[{"text": "We look for a bed"}])
    assert (await moves(service, case))[-2:] == ["ask by receiver", "amend by receiver"]


async def test_after_acceptance_and_arrival_a_question_changes_no_status(service: RunningService):
    case = await offered(service)
    await case.moved(case.receiver, "accepted")
    by_task = await case.moved(case.receiver, "accepted", **ASKED, statusReason={"text": "Who comes along?"})
    assert business(by_task) == "accepted"
    first = (await thread(case.receiver, case))[0]
    second = await created(case.receiver, words(case, "Is there an X-ray?"))
    # Said to nobody's question: the two are still open.
    await created(case.sender, words(case, "We are leaving"))
    await created(case.sender, words(case, "Her son", first["id"]))
    await case.moved(case.receiver, "in-progress")
    # By the question alone it is found which offer is meant.
    answer = words(case, "Yes, in her bag", second["id"])
    del answer["partOf"], answer["basedOn"]
    heard = await created(case.sender, answer)
    assert (await case.receiver.get(f"Communication/{heard['id']}")).status_code == 200
    assert business(await case.task()) == "arrived"
    told = await moves(service, case)
    assert told[3:] == [
        "ask by receiver",
        "ask by receiver",
        "answer by sender",
        "arrive by receiver",
        "answer by sender",
    ]


async def test_what_was_asked_before_she_left_is_answered_from_the_ambulance(service: RunningService):
    case = await offered(service)
    await case.moved(case.receiver, "accepted")
    question = await created(case.receiver, words(case, "Is she intubated?"))
    on_the_way = {"businessStatus": {"coding": [{"code": "in-transit"}]}}
    await case.moved(case.sender, "accepted", **on_the_way)
    heard = await created(case.sender, words(case, "Since half an hour", question["id"]))
    assert (await case.receiver.get(f"Communication/{heard['id']}")).status_code == 200
    assert business(await case.task()) == "in-transit"
    assert (await moves(service, case))[-2:] == ["depart by sender", "answer by sender"]


async def test_a_question_and_its_words_may_come_in_one_transaction(service: RunningService):
    case = await offered(service)
    task = await case.task(case.receiver)
    entries = [
        {
            "request": {"method": "PUT", "url": f"Task/{case.offer_id}", "ifMatch": 'W/"1"'},
            "resource": task | {"status": "received", "statusReason": {"text": "Since when?"}} | ASKED,
        },
        {"request": {"method": "POST", "url": "Communication"}, "resource": words(case, "Since when?")},
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    answer = await case.receiver.post("", json=bundle)
    assert answer.status_code == 200, answer.text
    assert len(await thread(case.sender, case)) == 1
    assert await moves(service, case) == ["offer by sender", "ask by receiver"]


@pytest.mark.parametrize("first", ["Task", "Communication"])
@pytest.mark.parametrize("state", ["requested", "awaiting-information", "accepted"])
async def test_what_is_asked_twice_in_one_transaction_are_two_questions(
    service: RunningService, first: str, state: str
):
    case = await offered(service)
    if state == "accepted":
        await case.moved(case.receiver, "accepted")
    if state == "awaiting-information":
        await case.moved(case.receiver, "received", **ASKED, statusReason={"text": "Q0"})
    task = await case.task(case.receiver)
    status = "accepted" if state == "accepted" else "received"
    asked = task | {"status": status} | ASKED | {"statusReason": {"text": "Q1"}}
    also = words(case, "Q2")
    # The Task alone says what it is about.
    del also["basedOn"]
    entries = [
        {
            "resource": asked,
            "request": {
                "method": "PUT",
                "url": f"Task/{case.offer_id}",
                "ifMatch": f'W/"{task["meta"]["versionId"]}"',
            },
        },
        {"resource": also, "request": {"method": "POST", "url": "Communication"}},
    ]
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": entries if first == "Task" else entries[::-1],
    }
    answer = await case.receiver.post("", json=bundle)
    assert answer.status_code == 200, answer.text
    found = await case.sender.get("Communication", params={"part-of": f"Task/{case.offer_id}"})
    texts = {entry["resource"]["payload"][0]["contentString"] for entry in found.json()["entry"]}
    assert texts - {"Q0"} == {"Q1", "Q2"}


async def test_an_answer_to_what_has_ended_or_was_never_asked_is_refused(service: RunningService):
    case = await offered(service)
    question = await created(case.receiver, words(case, "Is she pregnant?"))
    bare = await case.move(case.sender, "received", businessStatus={"coding": [{"code": "received"}]})
    refused(bare, 422, "required")
    await case.moved(case.receiver, "rejected", statusReason={"text": "No bed"})
    ended = await case.sender.post("Communication", json=words(case, "No", question["id"]))
    refused(ended, 409, "conflict", "Communication.inResponseTo")
    # Words about another offer of the same referral answer nothing of this one.
    following = await created(case.sender, offer(case.request["id"], AN_LAO))
    told = words(case, "As I said", question["id"], partOf=[{"reference": f"Task/{following['id']}"}])
    refused(await case.sender.post("Communication", json=told), 409, "conflict", "Communication.inResponseTo")
    # What only says something is said.
    said = await created(case.receiver, words(case, "Good luck"))
    await created(case.sender, words(case, "Thanks", said["id"]))


async def test_a_question_and_its_answer_are_about_the_patient_of_the_referral(service: RunningService):
    case = await offered(service)
    elsewhere = [await created(client, patient()) for client in (case.receiver, case.sender)]
    theirs, ours = ({"subject": {"reference": f"Patient/{who['id']}"}} for who in elsewhere)
    asked = await case.receiver.post("Communication", json=words(case, "How old is he?", **theirs))
    refused(asked, 422, "business-rule", "Communication.subject")
    assert business(await case.task()) == "requested"
    # By a number that both know it is the record of the hospital's own.
    await created(case.receiver, patient(identifier=case.patient["identifier"]))
    number = {name: case.patient["identifier"][0][name] for name in ("system", "value")}
    question = await created(case.receiver, words(case, "How old?", subject={"identifier": number}))
    for named in ({}, {"partOf": []}):
        answer = words(case, "Sixty", question["id"], **ours) | named
        answer = {name: value for name, value in answer.items() if value}
        refused(
            await case.sender.post("Communication", json=answer),
            422,
            "business-rule",
            "Communication.subject",
        )
    refused(
        await case.sender.post("Communication", json=words(case, "Sixty", **ours)),
        422,
        "business-rule",
        "Communication.subject",
    )
    assert business(await case.task()) == "awaiting-information"
    assert [one["id"] for one in await thread(case.receiver, case)] == [question["id"]]
    about = {"subject": {"reference": f"Patient/{case.patient['id']}"}}
    await created(case.sender, words(case, "Fifty-eight", question["id"], **about))
    assert business(await case.task()) == "received"


async def said(client: httpx.AsyncClient, words: Resource) -> Resource:
    """The Communication with this content, in place of what it was."""
    answer = await client.put(f"Communication/{words['id']}", json=words)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_a_draft_is_its_authors_until_it_is_said(service: RunningService):
    case = await offered(service)
    draft = await created(case.receiver, words(case, "Is he", status="preparation"))
    for status in ("preparation", "on-hold"):
        draft = await said(case.receiver, draft | {"status": status})
        assert (await case.sender.get(f"Communication/{draft['id']}")).status_code == 404
        assert (await thread(case.sender, case), business(await case.task())) == ([], "requested")
    question = await said(
        case.receiver, draft | {"status": "in-progress", "payload": [{"contentString": "Is he intubated?"}]}
    )
    task = await case.task()
    assert (business(task), task["statusReason"]) == ("awaiting-information", WAITS)

    answer = await created(case.sender, words(case, "Yes", question["id"], status="preparation"))
    assert [one["id"] for one in await thread(case.receiver, case)] == [question["id"]]
    assert business(await case.task()) == "awaiting-information"
    answer = await said(case.sender, answer | {"status": "completed"})
    assert [one["id"] for one in await thread(case.receiver, case)] == [question["id"], answer["id"]]
    assert business(await case.task()) == "received"

    # What was said is put right, and taken back to be said again, and neither asks nor answers anew.
    for status in ("completed", "on-hold", "completed"):
        question = await said(case.receiver, question | {"status": status})
    await said(case.sender, answer | {"status": "entered-in-error"})
    assert (await case.receiver.get(f"Communication/{answer['id']}")).json()["status"] == "entered-in-error"
    assert business(await case.task()) == "received"
    assert await moves(service, case) == ["offer by sender", "ask by receiver", "answer by sender"]
    late = await created(case.sender, words(case, "Yes", question["id"], status="preparation"))
    refused(
        await case.sender.put(f"Communication/{late['id']}", json=late | {"status": "completed"}),
        409,
        "conflict",
        "Communication.inResponseTo",
    )


async def test_nobody_else_asks_or_answers(service: RunningService):
    case = await offered(service)
    question = await created(case.receiver, words(case, "Any allergies?"))
    # The receiver goes on with its own thread; that is no answer.
    await created(case.receiver, words(case, "Of drugs, I mean", question["id"]))
    assert business(await case.task()) == "awaiting-information"
    stranger = await service.system(AN_LAO)
    answer = await stranger.post("Communication", json=words(case, "None", question["id"]))
    assert answer.status_code == 422
    by_task = await case.move(case.sender, "received", **ASKED, statusReason={"text": "And you?"})
    assert by_task.status_code == 200
    assert await moves(service, case) == ["offer by sender", "ask by receiver"]
