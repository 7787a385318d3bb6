"""A referral stays in its network: whoever else is a member of another one."""

from datetime import timedelta
from typing import Any

import pytest

from referral.actions.claim_referral import Claimed, claim_referral
from referral.actions.import_network import import_network
from referral.actions.new_id import new_id
from referral.actions.referral_rules import program_rules
from referral.domain.actor import Actor
from referral.domain.errors import BrokenRule, DomainError, MissingElement, NotFound
from referral.domain.facility import Facility, FacilityId, Membership, NetworkId, Tier
from referral.domain.scope import read_scopes
from referral.store.pool import Store
from referral.store.replay import Answer
from tests.factories import offer, output, patient, request
from tests.small_network import small_network
from tests.store.commands import HOSPITAL, START, STATION, Content, Hub, content_of

RIVER, CLINIC, CITY = NetworkId("river"), FacilityId("clinic"), FacilityId("city")
NETWORK = "http://referral.example/fhir/StructureDefinition/network"


@pytest.fixture
async def hub(store: Store) -> Hub:
    """The hill and the river: the hospital and the city are members of both, the others of one."""
    found = Hub(store)
    both = (
        Facility(HOSPITAL, "Bệnh viện Đồi", 10.5, 106.0, insurer_code="I-1"),
        Facility(CITY, "Bệnh viện Thành phố", 10.7, 106.3, insurer_code="I-2"),
    )
    nothing: dict[str, Any] = {
        "affiliations": (),
        "services": (),
        "capacities": {},
        "techniques": (),
        "approvals": (),
        "links": (),
    }
    hill = small_network(
        facilities=(*both, Facility(STATION, "Trạm Đồi", 10.6, 106.1)),
        memberships=(
            Membership(NetworkId("hill"), HOSPITAL, Tier.SATELLITE, HOSPITAL),
            Membership(NetworkId("hill"), CITY, Tier.CENTRAL, CITY),
            Membership(NetworkId("hill"), STATION, Tier.STATION, STATION),
        ),
        **nothing,
    )
    river = small_network(
        RIVER,
        "RI",
        facilities=(*both, Facility(CLINIC, "Phòng khám Sông", 10.8, 106.2)),
        memberships=(
            Membership(RIVER, HOSPITAL, Tier.SATELLITE, HOSPITAL),
            Membership(RIVER, CITY, Tier.CENTRAL, CITY),
            Membership(RIVER, CLINIC, Tier.STATION, CLINIC),
        ),
        **nothing,
    )
    await import_network(store, hill, START)
    await import_network(store, river, START)
    return found


async def asked(hub: Hub, sender: FacilityId, *targets: str, **more: Any) -> Content:
    (who,) = await hub.write(sender, hub.new(patient()))
    (made,) = await hub.write(sender, hub.new(request(who.id, *targets, **more)))
    return content_of(made)


async def test_nobody_is_asked_in_a_network_that_the_sender_is_not_of(hub: Hub):
    with pytest.raises(BrokenRule, match="names nothing that is known"):
        await asked(hub, STATION, CLINIC)
    waiting = await asked(hub, STATION)
    with pytest.raises(DomainError):
        await hub.write(STATION, hub.new(offer(waiting["id"], CLINIC)))


async def test_who_is_of_both_says_in_which(hub: Hub):
    with pytest.raises(MissingElement, match="several networks"):
        await asked(hub, HOSPITAL, CITY)
    named = [{"url": NETWORK, "valueReference": {"reference": "Organization/river"}}]
    made = await asked(hub, HOSPITAL, CITY, extension=named)
    assert made["identifier"][0]["value"].startswith("RI")
    with pytest.raises(BrokenRule, match="one of your own"):
        await asked(hub, STATION, HOSPITAL, extension=named)


async def test_a_receiver_passes_nobody_into_its_other_network(hub: Hub):
    waiting = await asked(hub, STATION, HOSPITAL)
    task = await hub.content("Task")
    onward = {
        "status": "rejected",
        "businessStatus": {"coding": [{"code": "referred-onward"}]},
        "statusReason": {"text": "Nearer to her home"},
        "output": [output("target", valueReference={"reference": f"Organization/{CLINIC}"})],
    }
    with pytest.raises(BrokenRule, match="no member of the referral's network"):
        await hub.write(HOSPITAL, hub.change(task, **onward))
    onward["output"] = [output("target", valueReference={"reference": f"Organization/{CITY}"})]
    await hub.write(HOSPITAL, hub.change(task, **onward))
    rows = await hub.rows("SELECT owner, network FROM offer WHERE state = 'requested'")
    assert rows == [{"owner": CITY, "network": "hill"}]
    assert waiting["identifier"][0]["value"].startswith("HI")


async def test_who_is_of_another_network_claims_nobody(hub: Hub, store: Store):
    waiting = await asked(hub, STATION)
    number = waiting["identifier"][0]["value"]

    async def claim(facility: FacilityId) -> Answer:
        actor = Actor(facility, f"ehr-{facility}", read_scopes("system/*.cruds"))
        now = START + timedelta(hours=1)
        return await claim_referral(
            store,
            Claimed(number, "1961-05-04", actor, now),
            base="http://hub.example/fhir",
            new_id=lambda: new_id(now),
            request_id=None,
            address=None,
            render=lambda written: Answer(200, {}, written.content),
            rules=program_rules,
        )

    with pytest.raises(NotFound):
        await claim(CLINIC)
    assert (await claim(CITY)).status == 200
    rows = await hub.rows("SELECT owner, network, state FROM offer")
    assert rows == [{"owner": CITY, "network": "hill", "state": "arrived"}]
