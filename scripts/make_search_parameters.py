#!/usr/bin/env python3
"""Write tests/fhir/r4_search_parameters.json from the official definitions; --check says whether it is stale.

It holds the search parameters that R4 defines for the types that the service has, and for `Resource`:
kind, FHIRPath, the types that references may have (by the parameter and by the element; absent: any) and
the code system that plain codes imply. Those of extensions and examples are left out.
"""

import argparse
import importlib.util
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from r4_definitions import LICENCE, NAME, WHEEL, definitions, fingerprint

ROOT = Path(__file__).resolve().parent.parent
if importlib.util.find_spec("referral") is None:
    sys.path.insert(0, str(ROOT))

from referral.fhir.resources import SUPPORTED  # noqa: E402  (the path must be set first)

FILE = ROOT / "tests" / "fhir" / "r4_search_parameters.json"
TYPES = sorted({"Resource"} | SUPPORTED)
# Of one type, or shared by several of one group. What extensions and examples define is called otherwise.
_OFFICIAL = re.compile(r"(?:[A-Z][A-Za-z]+|individual|clinical|medications|conformance)-[A-Za-z_-]+")
_ANY = 100  # a parameter with more targets than that takes all types
_PATH = re.compile(r"\b[A-Z][A-Za-z]+(?:\.(?!where|as\b|exists)[a-z][A-Za-z]*)+")

Elements = Mapping[str, Mapping[str, dict[str, Any]]]


def main() -> int:
    parser = argparse.ArgumentParser(description=f"Write {FILE.name} from the definitions of R4.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when the file is stale")
    options = parser.parse_args()
    if not options.check:
        FILE.write_text(_text(), encoding="utf-8")
        return 0
    written = json.loads(FILE.read_text(encoding="utf-8"))
    current = written.pop("made", None) == fingerprint(written, __file__)
    if current and written["parameters"].keys() == {*TYPES}:
        return 0
    print(f"{FILE} is stale: run scripts/{Path(__file__).name}", file=sys.stderr)
    return 1


def _text() -> str:
    elements: dict[str, dict[str, dict[str, Any]]] = {}
    value_sets: dict[str, dict[str, Any]] = {}
    parameters: dict[str, dict[str, Any]] = {resource_type: {} for resource_type in TYPES}
    found = list(definitions("StructureDefinition", "ValueSet", "SearchParameter"))
    for each in found:
        if each["resourceType"] == "ValueSet":
            value_sets[each["url"]] = each
        elif each["resourceType"] == "StructureDefinition" and each.get("derivation") != "constraint":
            elements[each["type"]] = {one["path"]: one for one in each["snapshot"]["element"]}
    for each in found:
        if each["resourceType"] == "SearchParameter" and _OFFICIAL.fullmatch(each["id"]):
            for resource_type in sorted({*each["base"]} & {*TYPES}):
                row = _row(each, resource_type, elements, value_sets)
                if parameters[resource_type].setdefault(each["code"], row) is not row:
                    raise ValueError(f"{resource_type} has two parameters {each['code']}")
    written = {"source": f"{NAME}, as in the wheel {WHEEL}", "licence": LICENCE, "parameters": parameters}
    made = {"made": fingerprint(written, __file__)}
    return json.dumps(made | written, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _row(
    definition: dict[str, Any],
    resource_type: str,
    elements: Elements,
    value_sets: Mapping[str, dict[str, Any]],
) -> dict[str, Any]:
    alternatives = [each.strip() for each in definition.get("expression", "").split("|")]
    expression = " | ".join(each for each in alternatives if re.search(rf"\b{resource_type}\.", each))
    row: dict[str, Any] = {"kind": definition["type"], "expression": expression}
    named = [_element(path, elements) for path in _PATH.findall(expression)]
    if definition["type"] == "reference" and len(definition["target"]) < _ANY:
        targets = {
            profile.rpartition("/")[2]
            for element in named
            for kind in element["type"]
            for profile in kind.get("targetProfile", ())
        }
        of_both = targets & {*definition["target"]}
        row["targets"] = sorted(of_both or definition["target"])
    if definition["type"] == "token" and all(_is_code(element) for element in named) and named:
        row["systems"] = _systems(named[0], value_sets)
    return row


def _is_code(element: Mapping[str, Any]) -> bool:
    # Of one code system: that of a concept of any CodeSystem is of none.
    return [kind["code"] for kind in element["type"]] == ["code"] and "binding" in element


def _systems(element: Mapping[str, Any], value_sets: Mapping[str, dict[str, Any]]) -> list[str]:
    value_set = value_sets[element["binding"]["valueSet"].partition("|")[0]]
    return sorted({part["system"] for part in value_set["compose"]["include"] if "system" in part})


def _element(path: str, elements: Elements) -> dict[str, Any]:
    """The definition of an element, also of one inside a data type or of a repeated structure."""
    own = elements[path.partition(".")[0]]
    if path in own or f"{path}[x]" in own:
        return own.get(path) or own[f"{path}[x]"]
    above, _, name = path.rpartition(".")
    element = _element(above, elements)
    if "contentReference" in element:
        return _element(f"{element['contentReference'].removeprefix('#')}.{name}", elements)
    # A part of a data type has its own parts there.
    inside = f"{element['path']}.{name}"
    if inside in elements[inside.partition(".")[0]]:
        return _element(inside, elements)
    return _element(f"{element['type'][0]['code']}.{name}", elements)


if __name__ == "__main__":
    sys.exit(main())
