"""Every R4 resource of the specification and of the synthetic patients passes."""

import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from referral.domain.errors import DomainError
from referral.fhir.content import read_content
from referral.fhir.resources import SUPPORTED
from referral.fhir.validation import check_resource

# Examples of the specification that break a rule of it, with where.
BROKEN = {
    # "performer" is an Encounter; https://hl7.org/fhir/R4/observation-definitions.html#Observation.performer
    # knows CareTeam, Organization, Patient, Practitioner, PractitionerRole and RelatedPerson.
    "Observation-clinical-gender": ["Observation.performer[0].reference"],
}

DATA = Path(__file__).parents[2].parent / "shared" / "data"


def archive(name: str) -> Iterator[tuple[str, bytes]]:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{name} is not beside the repository (../shared/data)")
    with tarfile.open(path) as opened:
        for member in opened:
            file = opened.extractfile(member)
            if file:
                yield member.name, file.read()


def test_every_official_example_passes_but_those_that_break_r4() -> None:
    refused = {}
    seen = set()
    for name, body in archive("fhir_r4_official_examples.tar.gz"):
        content = read_content(body)
        seen.add(content["resourceType"])
        try:
            check_resource(content["resourceType"], content)
        except DomainError as error:
            refused[Path(name).stem] = [problem.expression for problem in error.problems]
    assert len(seen & SUPPORTED) > 20
    assert refused == BROKEN


def test_every_synthetic_patient_passes() -> None:
    entries = 0
    for _, body in archive("synthea_r4_60_bundles.tar.gz"):
        bundle = read_content(body)
        check_resource("Bundle", bundle)
        entries += len(bundle["entry"])
    assert entries > 5000
