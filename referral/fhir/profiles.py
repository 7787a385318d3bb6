"""Our own artefacts, as compiled from fhir_profiles/: profiles, extensions, codes, value sets, operations.

https://confluence.hl7.org/display/FHIR/NPM+Package+Specification has the form of the folder. The wheel has
it inside the package, a source tree beside it.
"""

import json
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from referral.fhir.systems import BASE


@cache
def artefacts() -> dict[str, dict[str, Any]]:
    """Every artefact by its canonical address, without its version. Nobody changes what is returned."""
    found = (json.loads(file.read_bytes()) for file in _folder().iterdir() if file.name.endswith(".json"))
    return {content["url"]: content for content in found if "url" in content}


def artefact(kind: str, name: str) -> dict[str, Any]:
    """One artefact, such as ("StructureDefinition", "referral"). Raises KeyError where there is none."""
    return artefacts()[f"{BASE}/{kind}/{name}"]


@cache
def examples() -> dict[str, dict[str, Any]]:
    """Every worked example by its type and id, such as `Patient/example-patient`. Nobody changes them."""
    found = [json.loads(file.read_bytes()) for file in (_folder() / "example").iterdir()]
    told = {f"{content['resourceType']}/{content['id']}": content for content in found}
    return dict(sorted(told.items()))


def _folder() -> Traversable:
    inside = resources.files("referral") / "fhir_profiles"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "fhir_profiles" / "package"
