"""What the service says at /fhir/metadata is what the package says, but for what is one instance's own."""

import json

from referral.fhir.profiles import artefacts
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


def test_every_profile_of_what_is_stored_is_named_at_its_type() -> None:
    told = json.loads((PACKAGE / "CapabilityStatement-referral.json").read_bytes())
    named = {
        (resource["type"], address)
        for resource in told["rest"][0]["resource"]
        for address in resource.get("supportedProfile", ())
    }
    assert named == {
        (content["type"], address)
        for address, content in artefacts().items()
        if content["resourceType"] == "StructureDefinition"
        and content["type"] not in {"Extension", "Parameters"}
    }
