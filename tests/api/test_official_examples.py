"""The official examples of R4 are stored, and come back element for element, decimals digit for digit.

Those that are no R4 stand in tests/fhir/test_official_examples.py, with what they break.
"""

import re
from typing import Any

from referral.domain.errors import DomainError
from referral.fhir.content import read_content, write_content
from referral.fhir.resources import DIRECTORY, STORED
from referral.fhir.validation import check_resource
from tests.api.test_content import plain, without_hub
from tests.factories import LE_CHAN, OFFICE, Resource
from tests.fhir.test_official_examples import archive
from tests.running_service import RunningService

# Other tests have resources of their own under such ids.
OURS = "r4-"
_LOCAL = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9.-]+(?:/_history/[A-Za-z0-9.-]+)?)")

# What examples are about, and what is not among them.
PEOPLE = "1 4 5 72 899962 brcapat infant PatientId-patientId b248b1b2-1686-4b94-9936-37d7a5f94b51".split()
MISSING: list[Resource] = [
    *({"resourceType": "Patient", "id": name} for name in PEOPLE),
    {"resourceType": "Organization", "id": "299", "name": "A house"},
]

# R4, but not taken: what a record is about must be known here, and an office writes the ties of its network.
KNOWN = {
    "contained": """
        Observation/1minute-apgar-score Observation/2minute-apgar-score Observation/5minute-apgar-score
        Observation/10minute-apgar-score Observation/20minute-apgar-score QuestionnaireResponse/3141""",
    "a name alone": """
        Observation/vp-oyster ServiceRequest/appendectomy-narrative ServiceRequest/education ServiceRequest/ob
        Observation/example-diplotype1 Observation/example-haplotype1 Observation/example-haplotype2
        Observation/example-phenotype""",
    "in another place": """
        OrganizationAffiliation/orgrole1 OrganizationAffiliation/orgrole2 QuestionnaireResponse/bb
        QuestionnaireResponse/ussg-fht-answers ServiceRequest/myringotomy""",
    "of a type that is not stored": """
        Observation/herd1 Provenance/example-biocompute-object Provenance/example-cwl""",
    "not there": "Provenance/example Schedule/exampleloc1 Schedule/exampleloc2",
    "of another network": "OrganizationAffiliation/example",
}
REFUSED = {name for names in KNOWN.values() for name in names.split()}


def renamed(value: Any) -> Any:
    """Content whose references to resources beside it have our ids."""
    if isinstance(value, dict):
        return {
            name: _LOCAL.sub(rf"\1/{OURS}\2", below)
            if name == "reference" and isinstance(below, str) and _LOCAL.fullmatch(below)
            else renamed(below)
            for name, below in value.items()
        }
    return [renamed(below) for below in value] if isinstance(value, list) else value


def valid() -> dict[str, Resource]:
    """The examples of stored types that are R4, by the type and id that they had."""
    found = {}
    for _, body in archive("fhir_r4_official_examples.tar.gz"):
        content = read_content(body)
        kind = content["resourceType"]
        try:
            check_resource(kind, content)
        except DomainError:
            continue
        if kind in STORED:
            found[f"{kind}/{content['id']}"] = renamed(content) | {"id": OURS + content["id"]}
    return found


def written(resources: list[Resource]) -> bytes:
    """One transaction, each under its own id."""
    entries = [
        {"request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"}, "resource": one}
        for one in resources
    ]
    return write_content({"resourceType": "Bundle", "type": "transaction", "entry": entries})


async def test_they_come_back_as_they_were(service: RunningService) -> None:
    office, station = await service.system(OFFICE), await service.system(LE_CHAN)
    examples = valid()
    missing = [one | {"id": OURS + one["id"]} for one in MISSING]
    taken = [*missing, *(one for name, one in examples.items() if name not in REFUSED)]
    for client, in_directory in ((office, True), (station, False)):
        own = [one for one in taken if (one["resourceType"] in DIRECTORY) is in_directory]
        answer = await client.post("", content=written(own), headers={"Prefer": "return=minimal"})
        assert answer.status_code == 200, answer.text
    for name, sent in examples.items():
        kind = sent["resourceType"]
        client = office if kind in DIRECTORY else station
        address = f"{kind}/{sent['id']}"
        if name in REFUSED:
            answer = await client.put(address, content=write_content(sent))
            assert answer.status_code in {403, 422}, (name, answer.text)
        else:
            read = read_content((await client.get(address)).content)
            assert without_hub(plain(read)) == without_hub(plain(sent)), name
    assert len(taken) > 150
