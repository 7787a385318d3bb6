"""What the service says at /fhir/metadata is what the package says, but for what is one instance's own."""

import json

from tests.profiles.examples import PACKAGE
from tests.running_service import RunningService


async def test_the_statement_of_the_package_is_that_of_the_service(service: RunningService) -> None:
    async with service.anonymous() as somebody:
        said = (await somebody.get("/fhir/metadata")).json()
    told = json.loads((PACKAGE / "CapabilityStatement-referral.json").read_bytes())
    assert said.pop("kind") == "instance"
    assert told.pop("kind") == "capability"
    assert said.pop("implementation")["url"] == service.fhir
    assert said["rest"][0]["security"].pop("extension")
    for one in (said, told):
        one.pop("id", None)
        assert one.pop("date")
    assert said == told
