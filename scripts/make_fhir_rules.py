#!/usr/bin/env python3
"""Write referral/fhir/r4_rules.json from the official definitions; --check says whether it is stale.

It holds, of all R4 types: the required bindings with the codes of their value sets; the elements whose
Quantity is a SimpleQuantity (https://hl7.org/fhir/R4/datatypes.html#SimpleQuantity); the invariants of
severity error, in the words of the definitions. Elements are named as the R4B models name them:
`Timing.repeat.when` is `TimingRepeat.when`, a choice stands without its type. Invariants stand under the path
of their element.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from r4_definitions import LICENCE, NAME, WHEEL, definitions, fingerprint

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "referral" / "fhir" / "r4_rules.json"
# The code system of what has no code system of its own in the definitions: others own those.
ELSEWHERE = {
    "http://hl7.org/fhir/ValueSet/currencies",
    "http://hl7.org/fhir/ValueSet/mimetypes",
    "http://hl7.org/fhir/ValueSet/ucum-units",
    "http://loinc.org/vs/LL379-9",
}

# Of every element, extension or resource: the walk over the content knows them.
EVERYWHERE = {"ele-1", "ext-1", "dom-2", "dom-3", "dom-4", "dom-5"}

Definitions = Mapping[str, dict[str, Any]]


def main() -> int:
    parser = argparse.ArgumentParser(description=f"Write {FILE.name} from the definitions of R4.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when the file is stale")
    options = parser.parse_args()
    if not options.check:
        FILE.write_text(_text(*_read()), encoding="utf-8")
        return 0
    written = json.loads(FILE.read_text(encoding="utf-8"))
    if written.pop("made", None) == fingerprint(written, __file__):
        return 0
    print(f"{FILE} is stale: run scripts/{Path(__file__).name}", file=sys.stderr)
    return 1


def _read() -> tuple[list[dict[str, Any]], Definitions, Definitions]:
    types: list[dict[str, Any]] = []
    value_sets: dict[str, dict[str, Any]] = {}
    code_systems: dict[str, dict[str, Any]] = {}
    for found in definitions("StructureDefinition", "ValueSet", "CodeSystem"):
        if found["resourceType"] == "ValueSet":
            value_sets[found["url"]] = found
        elif found["resourceType"] == "CodeSystem":
            code_systems[found["url"]] = found
        elif found["kind"] in {"resource", "complex-type"} and (
            found.get("derivation") != "constraint" or found["name"] == "SimpleQuantity"
        ):
            types.append(found)
    return types, value_sets, code_systems


def _text(types: list[dict[str, Any]], value_sets: Definitions, code_systems: Definitions) -> str:
    bindings: dict[str, str] = {}
    simple: set[str] = set()
    for holder, element in _elements(types):
        name = f"{holder}.{element['path'].rpartition('.')[2].removesuffix('[x]')}"
        binding = element.get("binding", {})
        if binding.get("strength") == "required":
            bindings[name] = binding["valueSet"].partition("|")[0]
        profiles = [profile for kind in element.get("type", ()) for profile in kind.get("profile", ())]
        if any(profile.endswith("/SimpleQuantity") for profile in profiles):
            simple.add(name)
    used = sorted(set(bindings.values()) - ELSEWHERE)
    written = {
        "source": f"{NAME}, as in the wheel {WHEEL}",
        "licence": LICENCE,
        "bindings": dict(sorted(bindings.items())),
        "invariants": _invariants(types),
        "simpleQuantities": sorted(simple),
        "valueSets": {url: _codes(value_sets[url], value_sets, code_systems) for url in used},
    }
    made = {"made": fingerprint(written, __file__)}
    return json.dumps(made | written, indent=1, ensure_ascii=False) + "\n"


def _invariants(types: list[dict[str, Any]]) -> dict[str, dict[str, str]]:
    """The words of each invariant by the path of its element and its key."""
    found: dict[str, dict[str, str]] = {}
    for of_type in types:
        for element in of_type["snapshot"]["element"]:
            for one in element.get("constraint", ()):
                # What an element has from its type stands there.
                elsewhere = one.get("source", "").rpartition("/")[2] not in {"", of_type["id"]}
                if one["severity"] == "error" and one["key"] not in EVERYWHERE and not elsewhere:
                    found.setdefault(element["path"], {})[one["key"]] = " ".join(one["human"].split())
    return {path: dict(sorted(keys.items())) for path, keys in sorted(found.items())}


def _elements(types: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every element with the name of the model that holds it."""
    for found in types:
        for element in found["snapshot"]["element"]:
            holder = element["path"].rpartition(".")[0]
            if holder:
                yield "".join(step[:1].upper() + step[1:] for step in holder.split(".")), element


def _codes(value_set: dict[str, Any], value_sets: Definitions, code_systems: Definitions) -> dict[str, str]:
    """The codes of a value set by their systems, as words."""
    found: dict[str, set[str]] = {}
    compose = value_set["compose"]
    for part in compose["include"]:
        if "filter" in part or "exclude" in compose:
            raise ValueError(f"{value_set['url']}: filters and exclusions are not known here")
        for url in part.get("valueSet", ()):
            for system, codes in _codes(value_sets[url.partition("|")[0]], value_sets, code_systems).items():
                found.setdefault(system, set()).update(codes.split())
        if "system" in part:
            concepts = part.get("concept") or code_systems[part["system"]]["concept"]
            found.setdefault(part["system"], set()).update(_below(concepts))
    return {system: " ".join(sorted(codes)) for system, codes in sorted(found.items())}


def _below(concepts: list[dict[str, Any]]) -> Iterator[str]:
    for concept in concepts:
        if " " in concept["code"]:
            raise ValueError(f"a code with a space in it: {concept['code']}")
        yield concept["code"]
        yield from _below(concept.get("concept", []))


if __name__ == "__main__":
    sys.exit(main())
