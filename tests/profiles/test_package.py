"""The package is whole, compiled from the sources as they stand, and says what the code says."""

import importlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest

from referral.domain import codes
from referral.domain.deadlines import ClockMove, Slot
from referral.domain.facility import AffiliationKind, CapacityStatus, Level, Tier
from referral.domain.journey import Loop, LoopReason
from referral.domain.lifecycle import OfferMove, Party, ReferralMove
from referral.domain.policy_rules import ClockKind
from referral.domain.suggestion import CostCode, Exclusion
from referral.fhir import systems
from referral.fhir.offer import _INPUTS, _OUTPUTS
from referral.fhir.profile_rules import SUMMARY_SECTIONS
from referral.fhir.profiles import artefact, artefacts
from referral.fhir.states import OFFER_STATUS, REFERRAL_STATUS
from tests.profiles.examples import FOLDER, PACKAGE, counter_examples, examples, profile_of

ROOT = FOLDER.parent
BASE = systems.BASE
PROFILES = (
    *("referral", "offer", "summary", "referral-summary", "facility", "location", "membership"),
    *("affiliation", "service", "suggestion"),
)


@pytest.fixture(scope="module")
def make_profiles() -> Iterator[Callable[[list[str]], int]]:
    """The program, as a function that gives its exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "scripts")
        yield importlib.import_module("make_profiles").main


@pytest.fixture
def copy(make_profiles: Callable[[list[str]], int], tmp_path: Path) -> Path:
    """A package that is up to date; what only needs the registries is made anew there."""
    folder = tmp_path / "fhir_profiles"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns(".sushi"))
    assert make_profiles(["--folder", str(folder)]) == 0
    assert make_profiles(["--check", "--folder", str(folder)]) == 0
    return folder


# Stale or not ---------------------------------------------------------------------------------------


def test_the_package_is_up_to_date() -> None:
    command = [sys.executable, ROOT / "scripts" / "make_profiles.py", "--check"]
    check = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (check.returncode, check.stderr) == (0, "")


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("input/fsh/profiles/referral.fsh", "category 1..*", "category 1..1"),
        ("package/StructureDefinition-referral.json", '"active"', '"draft"'),
        ("package/CapabilityStatement-referral.json", '"transaction"', '"delete"'),
        ("sushi-config.yaml", "status: active", "status: draft"),
    ],
)
def test_a_changed_file_is_seen_without_a_compiler(
    file: str, old: str, new: str, copy: Path, make_profiles: Callable[[list[str]], int]
) -> None:
    path = copy / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    assert make_profiles(["--check", "--folder", str(copy)]) == 1


@pytest.mark.parametrize("name", ["profiles/new.fsh", "extensions/hours.fsh"])
def test_a_source_that_is_new_or_gone_is_seen(
    name: str, copy: Path, make_profiles: Callable[[list[str]], int]
) -> None:
    path = copy / "input" / "fsh" / name
    if path.exists():
        path.unlink()
    else:
        path.touch()
    assert make_profiles(["--check", "--folder", str(copy)]) == 1


# What is in it --------------------------------------------------------------------------------------


def test_each_file_has_one_artefact_of_its_own_name() -> None:
    made = {path.stem.partition("-")[2] for path in PACKAGE.glob("*-*.json")} - {"referral"}
    sources = [path for path in (FOLDER / "input" / "fsh").glob("*/*.fsh") if path.parent.name != "examples"]
    for path in sources:
        heads = re.findall(
            r"^(?:Profile|Extension|CodeSystem|ValueSet|Instance): ", path.read_text(), re.MULTILINE
        )
        assert len(heads) == 1, path
    assert made == {path.stem for path in sources} - {"referral"}


def test_every_address_is_below_ours_and_named_as_its_file() -> None:
    for path in PACKAGE.glob("*-*.json"):
        content = json.loads(path.read_bytes())
        assert content["url"] == f"{BASE}/{content['resourceType']}/{content['id']}"
        assert path.stem == f"{content['resourceType']}-{content['id']}"
        assert content["status"] == "active"


def test_the_profiles_are_those_that_are_told() -> None:
    found = {
        content["id"]
        for content in artefacts().values()
        if content["resourceType"] == "StructureDefinition" and content["type"] != "Extension"
    }
    assert found == set(PROFILES)
    assert artefact("StructureDefinition", "offer")["type"] == "Task"


def test_each_profile_has_an_example_and_a_counter_example() -> None:
    assert {profile_of(resource) for resource in examples().values()} == {*PROFILES, None}
    assert {profile_of(found.resource) for found in counter_examples()} == set(PROFILES)


def test_no_rule_is_told_twice() -> None:
    rules = [found.rule for found in counter_examples()]
    assert len(rules) == len(set(rules))


# The same words as in the code ----------------------------------------------------------------------


def listed(name: str) -> list[str]:
    return [concept["code"] for concept in artefact("CodeSystem", name).get("concept", ())]


def values(codes_of: type[StrEnum]) -> list[str]:
    return [code.value for code in codes_of]


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("direction", values(codes.Direction)),
        ("outcome", values(codes.Outcome)),
        ("disposition", values(codes.Disposition)),
        ("reject-reason", values(codes.RejectReason)),
        ("withdraw-reason", values(codes.WithdrawReason)),
        ("loop", values(Loop)),
        ("loop-reason", values(LoopReason)),
        ("summary-section", list(SUMMARY_SECTIONS)),
        ("move", list(dict.fromkeys([*values(ReferralMove), *values(OfferMove), *values(ClockMove)]))),
        ("clock", [*values(ClockKind), Slot.SLIP]),
        ("party", values(Party)),
        ("tier", values(Tier)),
        ("level", values(Level)),
        ("affiliation-kind", values(AffiliationKind)),
        ("capacity-status", values(CapacityStatus)),
        ("task-input", list(_INPUTS)),
        ("task-output", list(_OUTPUTS)),
        ("organization-kind", [systems.NETWORK_KIND]),
        ("offer-status", [words.business for words in OFFER_STATUS.values() if words.business]),
    ],
)
def test_a_code_system_lists_what_the_code_knows(name: str, known: list[str]) -> None:
    assert listed(name) == known


def test_a_suggestion_says_all_terms_and_no_rule_that_is_not_listed() -> None:
    assert set(values(CostCode)) == set(listed("cost-term"))
    assert set(values(Exclusion)) <= set(listed("exclusion"))


def test_each_code_system_and_extension_of_the_code_is_there() -> None:
    named = {value for value in vars(systems).values() if isinstance(value, str) and value.startswith(BASE)}
    kinds = (f"{BASE}/CodeSystem/", f"{BASE}/StructureDefinition/")
    named = {value for value in named if value.startswith(kinds) and not value.endswith(("/", "-"))}
    assert named <= set(artefacts())
    extensions = {url for url, found in artefacts().items() if found.get("type") == "Extension"}
    code_systems = {url for url, found in artefacts().items() if found["resourceType"] == "CodeSystem"}
    # A referral-ground is kept as sent; the others stand on the wire as plain codes, without a system.
    plain = ("referral-ground", "capacity-status", "cost-term", "exclusion")
    assert extensions | code_systems == named | {f"{BASE}/CodeSystem/{name}" for name in plain}


def included(name: str) -> set[tuple[str, str]]:
    """System and code of a value set that lists its codes."""
    return {
        (part["system"], concept["code"])
        for part in artefact("ValueSet", name)["compose"]["include"]
        for concept in part["concept"]
    }


def test_the_statuses_are_those_of_the_code() -> None:
    assert {code for _, code in included("referral-status")} == set(REFERRAL_STATUS.values())
    assert {code for _, code in included("offer-task-status")} == {
        words.status for words in OFFER_STATUS.values()
    }


def invariant(profile: str, key: str) -> str:
    root = artefact("StructureDefinition", profile)["snapshot"]["element"][0]
    (found,) = (one["expression"] for one in root["constraint"] if one["key"] == key)
    return str(found)


def test_the_words_that_go_together_are_those_of_the_code() -> None:
    told = re.findall(r"'([\w-]+/[\w-]+)'", invariant("offer", "off-1"))
    assert told == [f"{words.status}/{words.business}" for words in OFFER_STATUS.values() if words.business]


@pytest.mark.parametrize(
    ("profile", "key", "name"),
    [
        ("membership", "mem-2", "tier"),
        ("suggestion", "sug-1", "cost-term"),
        ("suggestion", "sug-2", "exclusion"),
    ],
)
def test_codes_in_a_rule_are_those_of_the_code_system(profile: str, key: str, name: str) -> None:
    (told,) = re.findall(r" in \(([^)]*)\)", invariant(profile, key))
    assert re.findall(r"'([\w-]+)'", told) == listed(name)


def test_a_tie_is_of_any_kind_but_member() -> None:
    ties = [kind for kind in values(AffiliationKind) if kind != "member"]
    assert [code for _, code in sorted(included("tie-kind"))] == sorted(ties)
    (told,) = re.findall(r" in \(([^)]*)\)", invariant("affiliation", "aff-1"))
    assert re.findall(r"'([\w-]+)'", told) == ties


def test_the_manifest_is_that_of_a_fhir_package() -> None:
    manifest: dict[str, Any] = json.loads((PACKAGE / "package.json").read_bytes())
    assert manifest["canonical"] == BASE
    assert manifest["fhirVersions"] == ["4.0.1"]
    assert manifest["dependencies"] == {"hl7.fhir.r4.core": "4.0.1"}
    assert {found.get("version") for found in artefacts().values() if found["id"] != "referral"} == {
        manifest["version"]
    }
