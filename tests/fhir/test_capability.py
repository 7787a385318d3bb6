import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from fhir.resources.R4B.capabilitystatement import CapabilityStatement

from referral.fhir.capability import capability_statement
from referral.fhir.definitions import find_definitions
from referral.fhir.parameters import PARAMETERS
from referral.fhir.resources import STORED, SUPPORTED
from referral.fhir.search_query import parse_search

STATEMENT = capability_statement(
    fhir_base="https://hub.example/fhir",
    token_endpoint="https://hub.example/oauth/token",
    version="0.1.0",
    date=datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC),
)
REST = STATEMENT["rest"][0]
RESOURCES = {resource["type"]: resource for resource in REST["resource"]}


def test_it_is_a_capability_statement():
    CapabilityStatement.model_validate_json(json.dumps(STATEMENT))


def test_the_invariants_of_r4():
    """https://hl7.org/fhir/R4/capabilitystatement.html#constraints: those that the models do not check."""
    assert STATEMENT["name"].isidentifier()  # cpb-0
    assert STATEMENT["rest"]  # cpb-1
    assert {"description", "software", "implementation"} & set(STATEMENT)  # cpb-2
    assert not {"messaging", "document"} & set(STATEMENT)  # cpb-3, cpb-7
    assert len(RESOURCES) == len(REST["resource"])  # cpb-9
    for resource in REST["resource"]:
        names = [parameter["name"] for parameter in resource["searchParam"]]
        assert len(names) == len(set(names))  # cpb-12
    assert STATEMENT["kind"] == "instance"
    assert "implementation" in STATEMENT  # cpb-14
    assert STATEMENT["date"] == "2025-01-02T03:04:05+00:00"


def test_every_type_stands_in_it():
    assert set(RESOURCES) == SUPPORTED
    for name in SUPPORTED - STORED:
        assert [entry["code"] for entry in RESOURCES[name]["interaction"]] == ["read", "search-type"]
        assert not {"operation", "searchInclude", "searchRevInclude"} & RESOURCES[name].keys()
    reading = {"read", "vread", "history-instance", "history-type", "search-type", "create"}
    for name in STORED:
        resource = RESOURCES[name]
        changing = set() if name == "Provenance" else {"update", "patch", "delete"}
        assert {entry["code"] for entry in resource["interaction"]} == reading | changing
        assert resource["conditionalDelete"] == ("single" if changing else "not-supported")
    assert REST["interaction"] == [{"code": "transaction"}, {"code": "batch"}]


def test_every_parameter_is_defined_where_it_is_published():
    query = parse_search("SearchParameter", [("_count", "1000")], lenient=False, base="https://hub.example")
    published, page = {}, None
    while page is None or page.next is not None:
        page = find_definitions(replace(query, cursor=page.next if page else None), "https://hub.example")
        published |= {found["url"]: found for found in (json.loads(each.content) for each in page.found)}
    own = {"_id", "_lastUpdated"}
    for name, resource in RESOURCES.items():
        for parameter in resource["searchParam"]:
            if parameter["name"] in own:
                hl7 = f"http://hl7.org/fhir/SearchParameter/Resource-{parameter['name'][1:]}"
                assert parameter["definition"] == hl7
                continue
            found = published[parameter["definition"]]
            assert (found["code"], found["type"]) == (parameter["name"], parameter["type"])
            assert set(found["base"]) & {name, "Resource"}
    used = {each["definition"] for one in RESOURCES.values() for each in one["searchParam"]}
    assert used >= published.keys()


def test_operations_of_our_own_stand_at_referrals_and_offers_only():
    operations = {name: [operation["name"] for operation in RESOURCES[name]["operation"]] for name in STORED}
    assert operations.pop("ServiceRequest") == ["validate", "claim", "everything", "moves", "suggest-targets"]
    assert operations.pop("Task") == ["validate", "moves"]
    assert all(named == ["validate"] for named in operations.values())


def test_where_to_get_a_token():
    (extension,) = REST["security"]["extension"]
    assert extension["extension"] == [{"url": "token", "valueUri": "https://hub.example/oauth/token"}]
    assert REST["security"]["service"][0]["coding"][0]["code"] == "SMART-on-FHIR"


def empty(value: object) -> bool:
    if isinstance(value, dict):
        return not value or any(map(empty, value.values()))
    if isinstance(value, list):
        return not value or any(map(empty, value))
    return value == ""


def test_nothing_in_it_is_empty():
    assert not empty(STATEMENT)


@pytest.mark.parametrize("resource_type", sorted(PARAMETERS))
def test_what_it_names_is_what_a_search_understands(resource_type):
    resource = RESOURCES[resource_type]
    values = {
        "token": "true",
        "reference": "x",
        "string": "x",
        "date": "2024",
        "quantity": "5.40",
        "uri": "urn:x",
        "special": "20.8|106.7",
        "composite": "replaces$DocumentReference/x",
    }
    # Those of the hub's own codes take no others.
    coded = {"loop": "open", "owes": "sender"}
    pairs = [
        (name, coded.get(name, values[parameter["type"]]))
        for parameter in resource["searchParam"]
        for name in [parameter["name"]]
    ]
    pairs += [("_include", value) for value in resource.get("searchInclude", [])]
    pairs += [("_revinclude", value) for value in resource.get("searchRevInclude", [])]
    # More than one search may ask.
    for begin in range(0, len(pairs), 50):
        asked = pairs[begin : begin + 50]
        query = parse_search(resource_type, asked, lenient=False, base="https://hub.example/fhir")
        assert query.self_pairs == tuple(asked)
