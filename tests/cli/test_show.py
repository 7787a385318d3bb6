"""`referral show`: the story of a referral, without its patient."""

import re

import httpx
import pytest

from referral.fhir import systems
from tests.api.test_ask_and_answer import words
from tests.cli.program import Program
from tests.conftest import Database
from tests.factories import Resource, completed, created, offered
from tests.running_service import RunningService

SENDER, RECEIVER = "le-chan-health-station", "kien-an-hospital"
SECRETS = ("Nobody", "1944-05-06", "secret reason")


@pytest.fixture
def program(demo_database: Database) -> Program:
    return Program(demo_database.dsn)


def has(answer: httpx.Response, status: int) -> httpx.Response:
    assert answer.status_code == status, answer.text
    return answer


async def rejected_referral(service: RunningService) -> tuple[str, str, str]:
    """Number of a referral that was rejected, ids of request and offer."""
    sender, receiver = await service.system(SENDER), await service.system(RECEIVER)
    patient = {"resourceType": "Patient", "name": [{"family": SECRETS[0]}], "birthDate": SECRETS[1]}
    subject = has(await sender.post("Patient", json=patient), 201).json()["id"]
    request = {
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": "order",
        "category": [{"coding": [{"system": systems.REFERRAL_KIND, "code": "referral"}]}],
        "subject": {"reference": f"Patient/{subject}"},
        "performer": [{"reference": f"Organization/{RECEIVER}"}],
    }
    placed = has(await sender.post("ServiceRequest", json=request), 201).json()
    (entry,) = has(await receiver.get(f"Task?focus=ServiceRequest/{placed['id']}"), 200).json()["entry"]
    offer = entry["resource"]
    reason = {"coding": [{"system": systems.REJECT_REASON, "code": "no-capacity"}], "text": SECRETS[2]}
    rejection = offer | {"status": "rejected", "statusReason": reason}
    version = {"If-Match": f'W/"{offer["meta"]["versionId"]}"'}
    has(await receiver.put(f"Task/{offer['id']}", json=rejection, headers=version), 200)
    return number_of(placed), placed["id"], offer["id"]


def number_of(request: Resource) -> str:
    """The number of a stored referral."""
    return next(
        str(identifier["value"])
        for identifier in request["identifier"]
        if identifier["system"] == systems.REFERRAL_NUMBER_IDENTIFIER
    )


async def test_the_story_in_its_order(service: RunningService, program: Program) -> None:
    number, request, offer = await rejected_referral(service)
    done = await program.run("show", number)
    assert (done.returncode, done.stderr) == (0, "")
    printed = done.stdout
    for fact in (number, f"ServiceRequest/{request}", f"Task/{offer}", "unplaced", "no-capacity"):
        assert fact in printed
    _, _, story = printed.partition("\n\n")
    lines = [re.sub(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "at", line.strip()) for line in story.splitlines()]
    station, hospital = "Trạm y tế phường Lê Chân", "Bệnh viện Kiến An"
    assert lines == [
        f"at  {station} (sender) sent the referral.",
        f"at  {station} (sender) put it to {hospital}.",
        f"Next: {hospital} (receiver).",
        f"at  {hospital} (receiver) rejected it: no-capacity.",
        f"Next: {station} (sender).",
    ]
    assert f"Owes:      {station} (sender)" in printed
    assert f"Journey:   {number}, open" in printed


async def test_who_owes_an_answer_owes_it_until_the_last_one(
    service: RunningService, program: Program
) -> None:
    case = await offered(service)
    await case.moved(case.receiver, "accepted")
    first = await created(case.receiver, words(case, "Since when?"))
    second = await created(case.receiver, words(case, "Which medicine?"))
    number = number_of(await case.referral())
    for question, owes in ((first, "sender"), (second, "receiver")):
        await created(case.sender, words(case, "None", question["id"]))
        printed = (await program.run("show", number)).stdout
        assert re.findall(r"^Owes: .*\((.*)\)", printed, re.MULTILINE) == [owes]
    assert re.findall(r"Next: .*\((.*)\)", printed)[-4:] == ["sender"] * 3 + ["receiver"]


async def test_the_chain_of_a_journey(service: RunningService, program: Program) -> None:
    case = await completed(service, "returned-to-referrer")
    await case.moved(case.sender, "completed", businessStatus={"coding": [{"code": "closed"}]})
    up = number_of(await case.referral())
    asked = {"based-on": f"ServiceRequest/{case.request['id']}"}
    (entry,) = has(await case.sender.get("ServiceRequest", params=asked), 200).json()["entry"]
    down = number_of(entry["resource"])
    station, hospital = "Trạm y tế phường Lê Chân", "Bệnh viện Kiến An"
    for shown in (up, down):
        printed = (await program.run("show", shown)).stdout
        marks = {number: "*" if number == shown else " " for number in (up, down)}
        assert f"  {marks[up]} {up} up: {station} to {hospital}, closed\n" in printed
        assert f"  {marks[down]} {down} down: {hospital} to {station}, offered\n" in printed
    assert f"Continues: {up}" in printed
    printed = (await program.run("show", up)).stdout
    assert "ended care: returned-to-referrer." in printed
    assert printed.endswith("Next: nobody owes anything.\n")


async def test_how_a_loop_ended_is_told(service: RunningService, program: Program) -> None:
    case = await completed(service)
    await case.moved(case.sender, "completed", businessStatus={"coding": [{"code": "closed"}]})
    number = number_of(await case.referral())
    assert re.search(
        rf"Journey:   {number}, closed since [\d :-]+: discharged\n",
        (await program.run("show", number)).stdout,
    )


async def test_nothing_of_the_patient_is_shown(service: RunningService, program: Program) -> None:
    number, _, _ = await rejected_referral(service)
    printed = (await program.run("show", number)).stdout
    assert number in printed
    assert [secret for secret in SECRETS if secret in printed] == []


async def test_a_number_may_be_typed_as_it_is_read_out(service: RunningService, program: Program) -> None:
    number, _, _ = await rejected_referral(service)
    spoken = f"{number[:2].lower()} {number[2:6]} {number[6:]}"
    assert (await program.run("show", spoken)).stdout == (await program.run("show", number)).stdout


async def test_a_wrong_digit_is_found_before_the_database_is_asked(program: Program) -> None:
    done = await Program("postgresql://nobody@/nowhere?host=/nowhere").run("show", "HP000000012")
    text = "HP000000012 is no referral number: two letters, eight digits and the right check digit"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"referral: {text}\n")


async def test_an_unknown_number_is_one_line(program: Program) -> None:
    done = await program.run("show", "ZZ000000011")
    assert (done.returncode, done.stdout, done.stderr) == (
        2,
        "",
        "referral: there is no referral ZZ000000011\n",
    )
