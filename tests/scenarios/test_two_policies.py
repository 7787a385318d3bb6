"""One referral, played in the same words in two networks: what differs are their rules, and they are data."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib import resources
from typing import Any

from referral.actions.import_network import import_network
from referral.actions.refresh_network import refresh_network
from referral.domain.calendar import rules_day
from referral.domain.codes import Direction, Priority
from referral.domain.facility import NetworkId
from referral.domain.policy_rules import ICD_10, LOINC, ClockKind, CodeSet, Item
from referral.exchange.network_files import read_network
from referral.network.snapshot import Snapshot, SnapshotHolder
from referral.store.pool import Store
from tests.conftest import Database, serve
from tests.factories import (
    KIEN_AN,
    B,
    Case,
    completion,
    created,
    extension,
    observation,
    offered,
    patient,
    request,
    summary,
)
from tests.running_service import RunningService

SIGNED = datetime(2026, 9, 25, 3, tzinfo=UTC)
"""A Friday, ten o'clock in Hai Phong and eleven in Qinghe; a week before the holidays of China's October."""

SURGERY = "394609007"


@dataclass(frozen=True, slots=True)
class Rules:
    """A network, a station of it, a technique, and what its policy makes of the referral."""

    network: NetworkId
    station: str
    technique: tuple[str, str]
    receiver: str
    terms: tuple[str, ...]
    cured: str
    stat_minutes: int
    routine_due: datetime
    slip_end: date
    items: tuple[Item, ...]
    long_slip: date
    wish_is_a_ground: bool


HAI_PHONG = Rules(
    network=NetworkId("hai-phong-network"),
    station="le-chan-health-station",
    technique=("qd4440-2020", "27.0187.2039"),
    receiver=KIEN_AN,
    terms=("travel", "level"),
    cured="1",
    stat_minutes=10,
    # 540 minutes of working time: Friday from ten to half past eleven and one to five, the rest on Monday.
    routine_due=datetime(2026, 9, 28, 4, tzinfo=UTC),
    slip_end=date(2026, 10, 9),
    items=(Item.VITAL_SIGNS, Item.DIAGNOSIS, Item.TREATMENT_GIVEN),
    long_slip=date(2026, 10, 9),
    wish_is_a_ground=True,
)
QINGHE = Rules(
    network=NetworkId("qinghe-union"),
    station="lotus-pond-centre",
    technique=("qinghe-2026", "Q04"),
    receiver="qinghe-union-hospital",
    terms=("travel", "wait", "level", "insurance", "green-channel"),
    cured="A",
    stat_minutes=3,
    # Friday is the festival of the middle of autumn; on Saturday it runs from eight to ten.
    routine_due=datetime(2026, 9, 26, 2, tzinfo=UTC),
    slip_end=date(2026, 10, 10),
    items=(Item.VITAL_SIGNS, Item.DIAGNOSIS, Item.CONSENT),
    long_slip=date(2027, 9, 25),
    wish_is_a_ground=False,
)


@asynccontextmanager
async def qinghe(store: Store, database: Database) -> AsyncIterator[RunningService]:
    with resources.as_file(resources.files("referral.exchange").joinpath("networks", "qinghe")) as folder:
        await import_network(store, read_network(folder), datetime.now(UTC))
    async with serve(database.dsn) as service:
        yield service


async def suggestions(station: Any, needed: dict[str, Any]) -> list[dict[str, Any]]:
    asked = {"resourceType": "Parameters", "parameter": [{"name": "serviceRequest", "resource": needed}]}
    answer = await station.post("ServiceRequest/$suggest-targets", json=asked)
    assert answer.status_code == 200, answer.text
    return [
        {part["name"]: part for part in found["part"] if part["name"] != "term"}
        | {"terms": [part["part"][0]["valueCode"] for part in found["part"] if part["name"] == "term"]}
        for found in answer.json()["parameter"]
    ]


def condition(patient_id: str, code: str) -> dict[str, Any]:
    return {
        "resourceType": "Condition",
        "subject": {"reference": f"Patient/{patient_id}"},
        "code": {"coding": [{"system": ICD_10, "code": code}]},
    }


def targets(found: list[dict[str, Any]]) -> list[str]:
    return [one["target"]["valueReference"]["reference"] for one in found]


def need(rules: Rules) -> dict[str, Any]:
    name, code = rules.technique
    return {"code": {"coding": [{"system": f"{B}/CodeSystem/technique-{name}", "code": code}]}}


def ground(code: str) -> dict[str, Any]:
    return {"url": f"{B}/StructureDefinition/referral-ground", "valueCode": code}


async def played(service: RunningService, rules: Rules) -> None:
    """Where to, sent, accepted, cared for, and back."""
    station = await service.system(rules.station)
    draft = {"resourceType": "ServiceRequest", **need(rules)}
    found = {one["target"]["valueReference"]["reference"]: one for one in await suggestions(station, draft)}
    assert tuple(found[f"Organization/{rules.receiver}"]["terms"]) == rules.terms
    wish = request((await created(station, patient()))["id"], extension=[ground("patient-request")])
    answer = await station.post("ServiceRequest", json=wish)
    assert answer.status_code == (201 if rules.wish_is_a_ground else 422), answer.text
    if not rules.wish_is_a_ground:
        (issue,) = answer.json()["issue"]
        assert issue["expression"] == ["ServiceRequest.extension[0].value"]
        assert "meets-conditions, beyond-capability" in issue["diagnostics"]
    case: Case = await offered(
        service, rules.station, rules.receiver, **need(rules), extension=[ground("beyond-capability")]
    )
    assert extension(case.request, "direction") == {
        "url": f"{B}/StructureDefinition/direction",
        "valueCode": "up",
    }
    await case.moved(case.receiver, "accepted")
    await case.moved(case.receiver, "in-progress")
    written = await created(case.receiver, summary(case.patient["id"]))
    await case.moved(case.receiver, "completed", output=completion(written["id"], outcome="cured"))


def judged(snapshot: Snapshot, rules: Rules) -> None:
    """What the policy says of it, by the same questions."""
    day = SIGNED.date()
    policy, calendar = snapshot.policy(rules.network, day), snapshot.calendar(rules.network, day)
    told = [one for one in policy.insurer_codes if one.of is CodeSet.OUTCOME and one.basis.in_force(day)]
    assert [one.codes["cured"] for one in told] == [rules.cured]
    due = {
        priority: policy.due_at(ClockKind.ACKNOWLEDGE, priority, SIGNED, calendar, on=day)
        for priority in (Priority.STAT, Priority.ROUTINE)
    }
    assert (due[Priority.STAT] - SIGNED).total_seconds() == rules.stat_minutes * 60
    assert due[Priority.ROUTINE] == rules.routine_due
    assert policy.slip_end(SIGNED, [], calendar, on=rules_day(SIGNED)) == rules.slip_end
    assert policy.slip_end(SIGNED, [(ICD_10, "I10")], calendar, on=rules_day(SIGNED)) == rules.long_slip
    assert policy.required_items(Direction.UP, Priority.URGENT, SURGERY, day, age=64) == rules.items


async def test_in_hai_phong(service: RunningService):
    await played(service, HAI_PHONG)
    holder = SnapshotHolder()
    await refresh_network(service.store, holder)
    judged(holder.current, HAI_PHONG)


UNION, CITY = "Organization/qinghe-union-hospital", "Organization/qinghe-city-hospital"


async def test_in_an_invented_union(store: Store, database: Database):
    async with qinghe(store, database) as service:
        await played(service, QINGHE)
        holder = SnapshotHolder()
        await refresh_network(store, holder)
        judged(holder.current, QINGHE)
        # A stroke leaves the levels between out, by the green channel, whose results the hospital takes.
        station = await service.system("crane-lake-centre")
        who = await created(station, patient())
        today = datetime.now(UTC).isoformat(timespec="seconds")
        blood = {"code": {"coding": [{"system": LOINC, "code": "718-7"}]}, "effectiveDateTime": today}
        counted = await created(station, observation(who["id"], **blood))
        stroke = request(
            who["id"],
            code={"coding": [{"system": f"{B}/CodeSystem/technique-qinghe-2026", "code": "Q03"}]},
            reasonCode=[{"coding": [{"system": ICD_10, "code": "I63.9"}]}],
            supportingInfo=[{"reference": f"Observation/{counted['id']}"}],
            status="draft",
        )
        found = await suggestions(station, stroke)
        assert targets(found) == [UNION, CITY]
        assert [one["cost"]["valueQuantity"]["value"] > 65 for one in found] == [False, True]
        # The same of a diagnosis that stands in a Condition, if it is one that the station may see.
        for writer, open_to in ((station, [UNION, CITY]), (await service.system(QINGHE.station), [UNION])):
            whose = who if writer is station else await created(writer, patient())
            diagnosis = await created(writer, condition(whose["id"], "I63.9"))
            named = {"reasonReference": [{"reference": f"Condition/{diagnosis['id']}"}]}
            asked = {name: value for name, value in stroke.items() if name != "reasonCode"} | named
            assert targets(await suggestions(station, asked)) == open_to


def test_their_files_differ_in_every_table():
    """Where the two agreed, they would prove nothing."""
    networks = resources.files("referral.exchange").joinpath("networks")
    with resources.as_file(networks) as folder:
        one, other = (read_network(folder / name).policy for name in ("haiphong", "qinghe"))
    for table in (
        "pairs",
        "weights",
        "limits",
        "calendar",
        "clocks",
        "slip",
        "required",
        "insurer_codes",
        "forms",
    ):
        assert getattr(one, table) != getattr(other, table), table
