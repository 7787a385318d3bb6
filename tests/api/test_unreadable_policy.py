"""A stored policy that this version cannot read: its network alone waits for another one."""

from datetime import UTC, datetime

import asyncpg

from referral.actions.import_network import import_network
from referral.store.pool import Store
from tests.conftest import Database, serve
from tests.factories import created, patient, request
from tests.small_network import HOSPITAL, STATION, small_network


async def test_a_start_refuses_what_needs_it_and_nothing_else(store: Store, database: Database):
    await import_network(store, small_network(), datetime.now(UTC))
    owner = await asyncpg.connect(database.owner_dsn)
    await owner.execute("""UPDATE policy_version SET mapping = mapping || '{"weights": {"level": -1}}'""")
    await import_network(store, small_network("vale", "VA"), datetime.now(UTC))
    members = await owner.fetch("SELECT network, code, facility FROM membership")
    await owner.close()
    ids = {(row["network"], row["code"]): row["facility"] for row in members}
    async with serve(database.dsn) as service, service.anonymous() as nobody:
        ready = await nobody.get("/readyz")
        assert (ready.status_code, ready.json()["unreadable_policies"]) == (200, ["hill"])
        for name, status in (("hill", 503), ("vale", 201)):
            station = await service.system(ids[name, STATION])
            who = await created(station, patient())
            asked = request(who["id"], ids[name, HOSPITAL])
            answer = await station.post("ServiceRequest", json=asked)
            assert answer.status_code == status, answer.text
            parameters = {
                "resourceType": "Parameters",
                "parameter": [{"name": "serviceRequest", "resource": asked}],
            }
            answer = await station.post("ServiceRequest/$suggest-targets", json=parameters)
            assert answer.status_code == (200 if name == "vale" else 503), answer.text
            if name == "hill":
                assert "this version of the service cannot read" in answer.json()["issue"][0]["diagnostics"]
                assert answer.headers["Retry-After"]
