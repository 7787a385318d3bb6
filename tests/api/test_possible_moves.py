"""What `$moves` lists is what would be done: tried by `$validate`, which stores nothing, and by random walks.

The states here are some of those that the matrix of viewers (test_matrix.py) has no scene of; the walks
(test_any_walk.py) come by all.
"""

import httpx
import pytest

from tests.api.changes import MOVES
from tests.api.test_ask_and_answer import words
from tests.api.test_every_move import abort, moves_of
from tests.domain.test_lifecycle import OFFER_TABLE, transcribed
from tests.factories import (
    OFFICE,
    Case,
    Resource,
    business,
    created,
    observation,
    offered,
    output,
)
from tests.running_service import RunningService

TABLE = transcribed(OFFER_TABLE)
"""The second transcription of the lifecycle: from, move and party to the state and what it needs."""
WAY: dict[str, tuple[str, ...]] = {
    "accepted, asked": ("accept", "ask"),
    "in-transit": ("accept", "depart"),
    "no-show": ("accept", "miss"),
    "arrived, to be stopped": ("arrive", "abort"),
}
PARTIES = ("sender", "receiver", "office")
BY_THE_TASK = {**MOVES, "stop": ("failed", "stopped", {"statusReason": {"text": "So wished"}})}
EVENTS = {"ask": "awaiting-information", "depart": "in-transit"}


def update(task: Resource, move: str, extra: str = "") -> Resource:
    """The Task as a move sends it; extra: words that no version had before."""
    if move == "report":
        return task | {"output": [*task.get("output", ()), report(extra)]}
    status, word, more = BY_THE_TASK[move]
    if extra and "statusReason" in more:
        more = more | {"statusReason": {"text": extra}}
    if extra and "executionPeriod" in more:
        more = more | {"executionPeriod": {"start": f"2099-01-{1 + len(extra) % 28:02}"}}
    if extra and "note" in more:
        more = more | {"note": [*task.get("note", ()), {"text": extra}]}
    changed = task | {"status": status, "businessStatus": {"coding": [{"code": word}]}} | more
    if not word:
        del changed["businessStatus"]
    if "output" in more:
        changed["output"] = [*task.get("output", ()), *more["output"]]
    return changed


def report(reference: str) -> Resource:
    """Of `Observation/id#words`; the words make it another one than before."""
    target, _, said = reference.partition("#")
    return output("preliminary", valueReference={"reference": target} | ({"display": said} if said else {}))


async def make(case: Case, move: str) -> None:
    party = case.sender if move in {"depart", "abort"} else case.receiver
    if move == "abort":
        await created(case.sender, abort(case))
        return
    task = await case.task(party)
    answer = await send(party, update(task, move, f"To {move}"))
    assert answer.status_code == 200, answer.text


async def send(client: httpx.AsyncClient, content: Resource) -> httpx.Response:
    headers = {"If-Match": f'W/"{content["meta"]["versionId"]}"'}
    return await client.put(f"Task/{content['id']}", json=content, headers=headers)


@pytest.mark.parametrize("state", WAY)
async def test_what_is_listed_would_be_done_and_nothing_else(service: RunningService, state: str):
    case = await offered(service)
    for move in WAY[state]:
        await make(case, move)
    seen = await created(case.receiver, observation(case.patient["id"]))
    systems = {
        "sender": case.sender,
        "receiver": case.receiver,
        "office": await service.system(OFFICE),
    }
    version = (await case.task())["meta"]["versionId"]
    for party in PARTIES:
        client = systems[party]
        listed = await moves_of(client, case)
        owes = listed.pop("owes", None)
        assert owes in {None, "sender", "receiver"}
        task = await case.task(client)
        tried = {
            move: update(task, move, f"Observation/{seen['id']}" if move == "report" else f"Tried by {party}")
            for move in ("report", *BY_THE_TASK)
        }
        done = {move for move, content in tried.items() if await would_be_done(client, "Task", content)}
        # What says again how it stands changes something else, or nothing.
        stands = business(task)
        again = {move for move, (_, word, _) in BY_THE_TASK.items() if word == stands}
        # One update may stand for two moves.
        included = {"complete"} if "arrive" in listed else set()
        question = await question_of(case)
        # To what nobody asked, or by somebody else, it is only said.
        if question and party == "sender":
            said = await would_be_done(client, "Communication", words(case, "Told", question))
            done |= {"answer"} if said else set()
        assert done - again - included == set(listed) - again, party
        assert all(one["party"] == party for one in listed.values())
    assert (await case.task())["meta"]["versionId"] == version


async def question_of(case: Case) -> str:
    """The question that was asked last, if any."""
    found = await case.receiver.get("Communication", params={"part-of": f"Task/{case.offer_id}"})
    entries = found.json().get("entry", [])
    return str(entries[-1]["resource"]["id"]) if entries else ""


async def would_be_done(client: httpx.AsyncClient, kind: str, content: Resource) -> bool:
    """Whether a write is taken, without doing it."""
    if kind == "Task":
        headers = {"If-Match": f'W/"{content["meta"]["versionId"]}"'}
        answer = await client.post(
            f"Task/{content['id']}/$validate?mode=update", json=content, headers=headers
        )
    else:
        answer = await client.post(f"{kind}/$validate?mode=create", json=content)
    assert answer.status_code == 200, answer.text
    issues = answer.json()["issue"]
    # What is put aside moves nothing.
    return not any(one["severity"] == "error" or "stays as it is" in one["diagnostics"] for one in issues)
