"""Fifty moves of one offer at one instant, by every door."""

import asyncio
from collections.abc import Awaitable

import httpx

from tests.api.legal_path import check_path
from tests.api.test_ask_and_answer import words
from tests.api.test_claim import claim
from tests.api.test_every_move import abort
from tests.api.test_possible_moves import send, update
from tests.factories import AN_LAO, OFFICE, VIET_TIEP, Case, created, offer, offered
from tests.owner import behind_the_wall
from tests.running_service import RunningService

AT_ONCE = 50


async def test_fifty_moves_at_one_instant_leave_one_path(service: RunningService):
    case = await offered(service)
    third, office = await service.system(VIET_TIEP), await service.system(OFFICE)
    task = await case.task()
    question = await created(case.receiver, words(case, "Since when?"))
    newest = await case.task()
    other = offer(case.request["id"], AN_LAO)
    doors: list[Awaitable[httpx.Response]] = []
    for turn in range(AT_ONCE // 10):
        doors += [
            case.receiver.post("Communication", json=words(case, f"And {turn}?")),
            case.sender.post("Communication", json=words(case, f"Said {turn}", question["id"])),
            case.sender.post("Communication", json=words(case, f"Said again {turn}")),
            send(case.receiver, update(newest, "accept")),
            send(case.receiver, update(newest, "refer-onward")),
            send(case.sender, update(newest, "withdraw")),
            send(office, update(task, "withdraw")),
            case.sender.post("Task", json=other),
            case.sender.post("Task", json=abort(case)),
            claim(third, case),
        ]
    answers = await asyncio.gather(*doors)
    assert {answer.status_code for answer in answers} <= {200, 201, 409, 412, 422}
    claimed = {answer.json()["id"] for answer in answers[9::10] if answer.status_code == 200}
    assert len(claimed) <= 1
    # What was answered is answered once.
    said = [answer for answer in answers[1::10] if answer.status_code == 201]
    assert len(said) <= 1
    async with behind_the_wall(service.store) as owner:
        rows = await owner.fetch("SELECT * FROM demand WHERE referral = $1", case.request["id"])
        states = await owner.fetch("SELECT id, state FROM offer WHERE referral = $1", case.request["id"])
    still_open = {row["id"] for row in states if row["state"] not in _ENDED}
    assert len(still_open) <= 1
    assert all(row["settled_at"] is not None or row["offer"] in still_open for row in rows)
    await check_path(service, case.request["id"])


_ENDED = {
    "rejected",
    "redirected",
    "withdrawn",
    "lapsed",
    "stopped",
    "completed",
    "closed",
    "entered-in-error",
}


async def test_one_of_many_answers_is_taken(service: RunningService):
    case: Case = await offered(service)
    question = await created(case.receiver, words(case, "Which medicine?"))
    answers = await asyncio.gather(
        *(
            case.sender.post("Communication", json=words(case, f"None {n}", question["id"]))
            for n in range(AT_ONCE)
        )
    )
    taken = sorted(answer.status_code for answer in answers)
    assert taken == [201] + [409] * (AT_ONCE - 1)
    await check_path(service, case.request["id"])
