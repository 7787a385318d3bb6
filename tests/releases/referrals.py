"""Referrals in every state that facilities bring about, and on from there, through any service."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import httpx

from tests.factories import (
    AN_LAO,
    KIEN_AN,
    LE_CHAN,
    Case,
    Resource,
    completion,
    created,
    observation,
    offer,
    patient,
    request,
    summary,
)
from tests.releases.release import Door

_WHY = {"text": "No bed tonight"}


def _business(code: str) -> Resource:
    return {"businessStatus": {"coding": [{"code": code}]}}


# How an offer comes to a state: who moves it, to which status, with what.
_WAYS: dict[str, tuple[tuple[str, str, Resource], ...]] = {
    "requested": (),
    "received": (("receiver", "received", {}),),
    "awaiting-information": (
        ("receiver", "received", _business("awaiting-information") | {"statusReason": _WHY}),
    ),
    "accepted": (("receiver", "accepted", {}),),
    "in-transit": (("receiver", "accepted", {}), ("sender", "accepted", _business("in-transit"))),
    "arrived": (("receiver", "accepted", {}), ("receiver", "in-progress", {})),
    "rejected": (("receiver", "rejected", {"statusReason": _WHY}),),
    "withdrawn": (("sender", "cancelled", {"statusReason": _WHY}),),
}


@dataclass(slots=True)
class Referrals:
    """Cases by the state of their offer; a draft and one without an offer as their ServiceRequests."""

    offered: dict[str, Case]
    draft: Resource
    unplaced: Resource

    def ids(self) -> list[str]:
        """Of the patients, requests and offers."""
        found = [self.draft["id"], self.unplaced["id"]]
        for case in self.offered.values():
            found += [case.patient["id"], case.request["id"], case.offer_id]
        return found


async def place(door: Door, *performers: str, **more: Any) -> tuple[Resource, Resource]:
    """A patient with a finding, and the referral that names both."""
    station = await door.system(LE_CHAN)
    who = await created(station, patient())
    found = await created(station, observation(who["id"]))
    named = {"supportingInfo": [{"reference": f"Observation/{found['id']}"}]}
    return who, await created(station, request(who["id"], *performers, **named, **more))


async def make_case(door: Door) -> Case:
    """A referral to Kien An, which the hub has offered by itself."""
    station, hospital = await door.system(LE_CHAN), await door.system(KIEN_AN)
    who, asked = await place(door, KIEN_AN)
    found = (await hospital.get("Task", params={"focus": f"ServiceRequest/{asked['id']}"})).json()
    return Case(station, hospital, KIEN_AN, who, asked, found["entry"][0]["resource"]["id"])


async def make_referrals(door: Door) -> Referrals:
    """One in each state."""
    offered = {}
    for state, way in _WAYS.items():
        case = offered[state] = await make_case(door)
        for party, status, more in way:
            await case.moved(getattr(case, party), status, **more)
    _, draft = await place(door, KIEN_AN, status="draft")
    _, unplaced = await place(door)
    return Referrals(offered, draft, unplaced)


async def through(case: Case, door: Door) -> Case:
    """The same case as its two systems see it at another door."""
    return replace(case, sender=await door.system(LE_CHAN), receiver=await door.system(KIEN_AN))


async def carry_on(referrals: Referrals, doors: Iterator[Door]) -> None:
    """Bring everything to its end, each step through the next door."""
    station = await next(doors).system(LE_CHAN)
    submitted = await station.put(
        f"ServiceRequest/{referrals.draft['id']}",
        json=referrals.draft | {"status": "active"},
        headers={"If-Match": 'W/"1"'},
    )
    assert submitted.status_code == 200, submitted.text
    station = await next(doors).system(LE_CHAN)
    await created(station, offer(referrals.unplaced["id"], AN_LAO))
    for state, case in referrals.offered.items():
        if state in {"rejected", "withdrawn"}:
            station = await next(doors).system(LE_CHAN)
            await created(station, offer(case.request["id"], AN_LAO))
        else:
            await _end(case, state, doors)


async def _end(case: Case, state: str, doors: Iterator[Door]) -> None:
    """From a state before arrival, or on arrival, to its close."""
    if state == "requested":
        case = await through(case, next(doors))
        await case.moved(case.receiver, "received")
    if state in {"requested", "received", "awaiting-information"}:
        case = await through(case, next(doors))
        await case.moved(case.receiver, "accepted")
    if state != "arrived":
        case = await through(case, next(doors))
        await case.moved(case.receiver, "in-progress")
    case = await through(case, next(doors))
    written = await created(case.receiver, summary(case.patient["id"]))
    case = await through(case, next(doors))
    await case.moved(case.receiver, "completed", output=completion(written["id"]))
    case = await through(case, next(doors))
    task = await case.moved(case.sender, "completed", **_business("closed"))
    assert task["businessStatus"]["coding"][0]["code"] == "closed"
    read = await case.sender.get(f"DocumentReference/{written['id']}")
    assert read.status_code == 200


def accepted_by_hand(case: Case, client: httpx.AsyncClient, task: Resource) -> Any:
    """A request that accepts a version of an offer; not sent yet."""
    return client.put(
        f"Task/{case.offer_id}",
        json=task | {"status": "accepted"},
        headers={"If-Match": f'W/"{task["meta"]["versionId"]}"'},
    )
