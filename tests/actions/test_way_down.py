"""The way down: what is known of the place, and of one nearer to the patient's home, is told."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from referral.actions.draft import Written
from referral.actions.import_network import import_network
from referral.actions.referral_rules import rules_in
from referral.actions.refresh_network import refresh_network
from referral.domain.actor import Actor
from referral.domain.errors import BrokenRule
from referral.domain.facility import Facility, FacilityId, Membership, NetworkId, Tier
from referral.domain.policy import Policy
from referral.domain.scope import read_scopes
from referral.network.snapshot import SnapshotHolder
from referral.store.pool import Store
from tests.factories import completion, patient, request, summary
from tests.small_network import HOSPITAL, STATION, small_network
from tests.store.commands import Hub, content_of
from tests.written import write_drafts

BROOK = FacilityId("brook")
EYES = {"performerType": {"coding": [{"system": "http://snomed.info/sct", "code": "394609007"}]}}
GEOLOCATION = "http://hl7.org/fhir/StructureDefinition/geolocation"


class Seeing(Hub):
    """A hub that knows the network as a running process does."""

    def __init__(self, store: Store, *, refuses: bool = False) -> None:
        super().__init__(store)
        self.holder, self._refuses = SnapshotHolder(), refuses

    async def prepare(self) -> None:
        """Import the small network with a second station."""
        draft, network = small_network(), NetworkId("hill")
        mapping = dict(draft.policy_mapping) | {"offers": {"refuse_down_without_service": self._refuses}}
        brook = Facility(BROOK, "Trạm Suối", 10.9, 106.9, commune="Suối")
        draft = replace(
            draft,
            facilities=(*draft.facilities, brook),
            memberships=(*draft.memberships, Membership(network, BROOK, Tier.STATION, BROOK)),
            policy=Policy.from_mapping(mapping),
            policy_mapping=mapping,
        )
        await import_network(self.store, draft, datetime(2026, 3, 1, tzinfo=UTC))
        await refresh_network(self.store, self.holder)

    async def write(self, facility: FacilityId, *drafts: Any) -> list[Written]:
        """One command of a facility."""
        return await write_drafts(
            self.store,
            drafts,
            actor=Actor(facility, f"ehr-{facility}", read_scopes("system/*.cruds")),
            base="http://hub.example/fhir",
            now=datetime.now(UTC),
            new_id=lambda: self.new({"resourceType": "Task"}).id,
            request_id=None,
            rules=rules_in(self.holder),
            snapshot=self.holder.current,
        )


async def returned(hub: Hub, **who: Any) -> tuple[str, ...]:
    """What the hospital is told when it sends such a patient of the station back."""
    (sick,) = await hub.write(STATION, hub.new(patient(**who)))
    (asked,) = await hub.write(STATION, hub.new(request(sick.id, HOSPITAL, code={"text": "Eyes"})))
    task = await hub.content("Task", focus={"reference": f"ServiceRequest/{asked.id}"})
    for status in ("accepted", "in-progress"):
        (moved,) = await hub.write(HOSPITAL, hub.change(task, status=status))
        task = content_of(moved)
    (letter,) = await hub.write(HOSPITAL, hub.new(summary(sick.id)))
    done = completion(letter.id, "returned-to-referrer")
    (moved,) = await hub.write(HOSPITAL, hub.change(task, status="completed", output=done))
    down = await hub.rows(
        "SELECT o.owner FROM offer o JOIN referral r ON r.id = o.referral WHERE r.based_on = $1", asked.id
    )
    assert [row["owner"] for row in down] == [STATION]
    return moved.notes


def at(latitude: float, longitude: float) -> dict[str, Any]:
    """An address with a position."""
    parts = [("latitude", latitude), ("longitude", longitude)]
    position = [{"url": url, "valueDecimal": value} for url, value in parts]
    return {"use": "home", "extension": [{"url": GEOLOCATION, "extension": position}]}


async def test_a_station_nearer_to_the_home_is_told_and_not_chosen(store: Store):
    hub = Seeing(store)
    await hub.prepare()
    for address in (at(10.89, 106.9), {"city": "Suối"}, {"text": "12, Suối, Đồi"}):
        (told,) = [note for note in await returned(hub, address=[address]) if "nearer" in note]
        assert told.startswith("Trạm Suối (Organization/brook) is nearer to the patient's home")
    for address in (
        at(10.6, 106.1),
        at(99, 0),
        {"city": "Elsewhere"},
        {"use": "old", "city": "Suối"},
        {"use": "billing", "city": "Suối"},
    ):
        assert not [note for note in await returned(hub, address=[address]) if "nearer" in note], address
    assert not [note for note in await returned(hub) if "nearer" in note]


@pytest.mark.parametrize("refuses", [False, True])
async def test_a_place_without_the_service_is_told_of_or_refused_as_the_policy_says(
    store: Store, *, refuses: bool
):
    hub = Seeing(store, refuses=refuses)
    await hub.prepare()
    (sick,) = await hub.write(HOSPITAL, hub.new(patient()))
    (plain,) = await hub.write(HOSPITAL, hub.new(request(sick.id, STATION, code={"text": "Follow-up"})))
    assert plain.notes == ()
    eyes = hub.new(request(sick.id, STATION, code={"text": "Eyes"}, **EYES))
    if refuses:
        with pytest.raises(BrokenRule, match="is not known to offer what is asked for") as refused:
            await hub.write(HOSPITAL, eyes)
        assert refused.value.problems[0].expression == "Task.owner"
        return
    (sent,) = await hub.write(HOSPITAL, eyes)
    assert sent.notes == ("Trạm Đồi is not known to offer what is asked for. It was asked all the same.",)
