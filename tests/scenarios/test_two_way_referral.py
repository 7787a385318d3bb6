"""The play of the demonstration against the running service, and what each facility then sees of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from referral.actions.add_client import generate_keys
from referral.cli.credentials import FILE, give_credentials
from referral.cli.demo_system import Credentials
from referral.cli.scenario import Journey, Played, StepFailed, play
from referral.domain.facility import NetworkId
from tests.running_service import RunningService

STATION = "le-chan-health-station"
ISLAND_STATION = "cat-hai-health-station"
OFFICE = "hai-phong-network"


class Listener:
    def __init__(self) -> None:
        self.chapters: list[str] = []
        self.steps: list[tuple[str, Sequence[str]]] = []

    def chapter(self, title: str) -> None:
        self.chapters.append(title)

    def step(self, text: str, facts: Sequence[str]) -> None:
        self.steps.append((text, facts))


@pytest.fixture(scope="module")
async def credentials(service: RunningService, tmp_path_factory: pytest.TempPathFactory) -> Credentials:
    path: Path = tmp_path_factory.mktemp("credentials") / FILE
    return await give_credentials(service.store, NetworkId(OFFICE), path, service.base_url)


@pytest.fixture(scope="module")
async def told() -> Listener:
    return Listener()


@pytest.fixture(scope="module")
async def played(service: RunningService, credentials: Credentials, told: Listener) -> Played:
    return await play(service.base_url, credentials, told)


async def _seen(
    service: RunningService, facility: str, resource_type: str, resource_id: str
) -> dict[str, Any]:
    answer = await (await service.system(facility)).get(f"{resource_type}/{resource_id}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def _statuses(service: RunningService, journey: Journey, facility: str) -> tuple[str, str, str]:
    """Of the referral, of the offer, and the offer's business status, as a facility sees them."""
    referral = await _seen(service, facility, "ServiceRequest", journey.referral)
    offer = await _seen(service, facility, "Task", journey.offer)
    return referral["status"], offer["status"], offer["businessStatus"]["coding"][0]["code"]


async def _status_of_read(
    service: RunningService, facility: str, resource_type: str, resource_id: str
) -> int:
    return (await (await service.system(facility)).get(f"{resource_type}/{resource_id}")).status_code


async def test_the_patient_went_up_and_the_referral_is_closed(
    service: RunningService, played: Played
) -> None:
    assert played.up.sender == STATION
    for facility in (STATION, played.up.receiver, OFFICE):
        assert await _statuses(service, played.up, facility) == ("completed", "completed", "closed")
    offer = await _seen(service, STATION, "Task", played.up.offer)
    outputs = {part["type"]["coding"][0]["code"]: part for part in offer["output"]}
    assert outputs["outcome"]["valueCodeableConcept"]["coding"][0]["code"] == "improved"
    assert outputs["disposition"]["valueCodeableConcept"]["coding"][0]["code"] == "returned-to-referrer"
    summary = outputs["summary"]["valueReference"]["reference"].split("/")
    assert (await _seen(service, STATION, *summary))["subject"] == {
        "reference": f"Patient/{played.up.patient}"
    }


async def test_the_patient_came_back_down_on_the_same_journey(
    service: RunningService, played: Played
) -> None:
    assert (played.down.sender, played.down.receiver) == (played.up.receiver, STATION)
    assert played.down.patient == played.up.patient
    for facility in (STATION, played.up.receiver):
        assert await _statuses(service, played.down, facility) == ("completed", "completed", "closed")
    back = await _seen(service, STATION, "ServiceRequest", played.down.referral)
    assert back["basedOn"] == [{"reference": f"ServiceRequest/{played.up.referral}"}]
    note = (await _seen(service, played.up.receiver, "Task", played.down.offer))["note"]
    assert len(note) == 1


async def test_nothing_of_the_first_patient_waits_in_a_worklist(
    service: RunningService, played: Played
) -> None:
    for facility in (STATION, played.up.receiver):
        system = await service.system(facility)
        answer = await system.get("Task", params={"owner": f"Organization/{facility}", "status": "requested"})
        waiting = {entry["resource"]["for"]["reference"] for entry in answer.json().get("entry", ())}
        assert f"Patient/{played.up.patient}" not in waiting


async def test_the_one_who_rejected_keeps_its_answer_and_not_the_patient(
    service: RunningService, played: Played
) -> None:
    rejected, second = played.rejected, played.second
    assert rejected.receiver != second.receiver
    assert rejected.referral == second.referral
    assert await _statuses(service, rejected, rejected.receiver) == ("active", "rejected", "rejected")
    reason = (await _seen(service, STATION, "Task", rejected.offer))["statusReason"]
    assert reason["coding"][0]["code"] == "no-capacity"
    assert reason["text"]
    assert await _status_of_read(service, rejected.receiver, "Patient", rejected.patient) == 404
    assert await _status_of_read(service, rejected.receiver, "Task", second.offer) == 404


async def test_the_next_one_accepted_and_sees_the_patient(service: RunningService, played: Played) -> None:
    for facility in (STATION, played.second.receiver):
        assert await _statuses(service, played.second, facility) == ("active", "accepted", "accepted")
    assert await _status_of_read(service, played.second.receiver, "Patient", played.second.patient) == 200


async def test_the_patient_of_the_island_is_expected_on_the_mainland(
    service: RunningService, played: Played, told: Listener
) -> None:
    assert played.island.sender == ISLAND_STATION
    assert await _statuses(service, played.island, played.island.receiver) == (
        "active",
        "accepted",
        "accepted",
    )
    facts = " ".join(fact for _, facts in told.steps for fact in facts)
    assert "ferry" in facts


async def test_a_stranger_sees_nothing_of_any_of_it(service: RunningService, played: Played) -> None:
    stranger = await service.system("bach-long-vi-health-station")
    for journey in (played.up, played.down, played.rejected, played.second, played.island):
        for address in (
            f"Patient/{journey.patient}",
            f"ServiceRequest/{journey.referral}",
            f"Task/{journey.offer}",
        ):
            assert (await stranger.get(address)).status_code == 404, address


async def test_it_is_told_in_three_chapters_with_ids_in_every_step(played: Played, told: Listener) -> None:
    assert len(told.chapters) == 3
    assert all(facts for _, facts in told.steps)
    facts = " ".join(fact for _, facts in told.steps for fact in facts)
    for journey in (played.up, played.down, played.rejected, played.second, played.island):
        assert f"ServiceRequest/{journey.referral}" in facts
        assert f"Task/{journey.offer}" in facts


async def test_it_can_be_played_again(
    service: RunningService, credentials: Credentials, played: Played
) -> None:
    again = await play(service.base_url, credentials, Listener())
    assert {again.up.patient, again.second.patient, again.island.patient}.isdisjoint(
        {played.up.patient, played.second.patient, played.island.patient}
    )


async def test_a_step_that_goes_wrong_ends_it_and_is_named(
    service: RunningService, credentials: Credentials, played: Played
) -> None:
    """The target of the first referral signs in with a key that nobody registered."""
    systems = [
        entry | {"private_jwk": generate_keys()[0]} if entry["facility"] == played.up.receiver else entry
        for entry in credentials["systems"]
    ]
    told = Listener()
    with pytest.raises(StepFailed) as failed:
        await play(service.base_url, credentials | {"systems": systems}, told)  # type: ignore[arg-type]
    assert failed.value.step.endswith("cannot see the patient yet")
    assert failed.value.step not in [text for text, _ in told.steps]
    assert "HTTP 401, not 200" in failed.value.what
