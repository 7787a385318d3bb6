"""What the events of a referral tell, held against the lifecycle, the rows and the documents."""

import json
from collections import defaultdict
from typing import Any

from referral.domain.lifecycle import (
    BEFORE_ARRIVAL,
    OFFER_RULES,
    OPEN_OFFER,
    REFERRAL_FOLLOWS,
    REFERRAL_RULES,
    OfferMove,
    OfferState,
    ReferralMove,
    ReferralState,
)
from referral.fhir.states import OFFER_STATUS, REFERRAL_STATUS
from tests.owner import behind_the_wall
from tests.running_service import RunningService

Event = dict[str, Any]


async def check_path(service: RunningService, referral: str) -> None:
    """Fails unless the events of a referral and its offers are a path of the tables, to where they stand."""
    async with behind_the_wall(service.store) as connection:
        events = await connection.fetch("SELECT * FROM event WHERE referral = $1 ORDER BY seq", referral)
        row = await connection.fetchrow("SELECT * FROM referral WHERE id = $1", referral)
        offers = await connection.fetch("SELECT * FROM offer WHERE referral = $1", referral)
        documents = await connection.fetch(
            "SELECT type, id, version, content::text FROM document"
            " WHERE (type = 'ServiceRequest' AND id = $1) OR (type = 'Task' AND id = ANY ($2::text[]))",
            *(referral, [offer["id"] for offer in offers]),
        )
    told: dict[tuple[str, str], list[Event]] = defaultdict(list)
    for event in events:
        told[event["type"], event["id"]].append(dict(event))
    states = {("ServiceRequest", referral): row["state"]}
    states |= {("Task", offer["id"]): offer["state"] for offer in offers}
    contents = {(one["type"], one["id"]): json.loads(one["content"]) for one in documents}
    versions = {(one["type"], one["id"]): one["version"] for one in documents}
    assert told.keys() == states.keys() == contents.keys()
    assert sum(state in OPEN_OFFER for (kind, _), state in states.items() if kind == "Task") <= 1
    for key, path in told.items():
        state: str | None = None
        for event in path:
            if event["to_state"] is None:
                assert event["move"] == "identify"
                continue
            if state is None:
                assert event["move"] in {"draft", "submit", "offer", "claim"}
            else:
                assert event["from_state"] == state
                _check_step(key[0], event)
            state = event["to_state"]
        assert state == states[key]
        seen = [event["version"] for event in path]
        assert seen == sorted(seen)
        assert seen[-1] <= versions[key]
    assert contents["ServiceRequest", referral]["status"] == REFERRAL_STATUS[ReferralState(row["state"])]
    for offer in offers:
        task, words = contents["Task", offer["id"]], OFFER_STATUS[OfferState(offer["state"])]
        assert task["status"] == words.status
        if words.business is not None:
            assert task["businessStatus"]["coding"][0]["code"] == words.business


def _check_step(kind: str, event: Event) -> None:
    """One event after the first of its resource is a row of the tables, or changes no state."""
    before, move, after, party = (event[name] for name in ("from_state", "move", "to_state", "party"))
    if move == "amend":
        assert before == after
    elif kind == "Task" and move == "answer" and before == after:
        # The offer waits until the last of its questions is answered.
        assert (before, party) == ("awaiting-information", "sender"), event
    elif kind == "Task" and move == "claim":
        # The patient is somewhere else.
        assert (before in BEFORE_ARRIVAL, after, party) == (True, "redirected", "member"), event
    elif kind == "Task":
        assert any(
            before in rule.source
            and rule.move == move
            and party in rule.by
            and (rule.target or before) == after
            for rule in OFFER_RULES
        ), event
    elif move in set(ReferralMove) and any(
        rule.move == move and before in rule.source for rule in REFERRAL_RULES
    ):
        assert any(
            before in rule.source
            and rule.move == move
            # Who passes a patient on offers it in place of the sender.
            and (party in rule.by or (move, party) == ("offer", "receiver"))
            and (after in {rule.target, rule.with_offer} or (rule.target is None and after == before))
            for rule in REFERRAL_RULES
        ), event
    else:
        targets = {rule.target for rule in OFFER_RULES if rule.move == OfferMove(move)}
        assert any(
            before in row.source and after == row.target and row.offer & targets for row in REFERRAL_FOLLOWS
        ), event
