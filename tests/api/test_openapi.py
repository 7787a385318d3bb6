"""The OpenAPI document: every route is in it, and what it says comes from the registries."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis

from referral.api.errors import ANSWERS
from referral.api.openapi import schemas
from referral.app import create_app, make_services
from referral.fhir import history_query, search_query
from referral.fhir.content import read_content
from referral.fhir.parameters import PARAMETERS
from referral.fhir.resources import STORED, SUPPORTED, TOLD_ONCE
from referral.fhir.search_criteria import COLUMNS
from referral.fhir.validation import find_problems
from referral.store.pool import Store
from tests.running_service import RunningService

Document = dict[str, Any]


@pytest.fixture(scope="module")
async def document(service: RunningService) -> Document:
    async with service.anonymous() as somebody:
        answer = await somebody.get("/openapi.json")
        again = await somebody.get("/openapi.json")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert again.content == answer.content
    return dict(answer.json())


def operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def resolved(document: Document, node: Document) -> Document:
    while "$ref" in node:
        found: Document = document
        for name in node["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        node = found
    return node


def nodes(node: Any) -> Iterator[Document]:
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from nodes(value)
    elif isinstance(node, list):
        for value in node:
            yield from nodes(value)


def fits(path: str, route: str) -> bool:
    """Whether an address of the document is one of a route's; a type of resource may stand in its name."""
    pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(route))
    return re.fullmatch(pattern, path) is not None


async def test_every_route_is_told_of(document: Document, store: Store) -> None:
    app = create_app(make_services(store, "http://hub.example"))
    told = [(path, method.upper()) for path, method, _ in operations(document)]
    routes = [(route.path, route.methods - {"HEAD"}) for route in app.routes]
    missing = [
        (route, method)
        for route, methods in routes
        for method in methods
        if not any(each == method and fits(path, route) for path, each in told)
    ]
    assert missing == []
    invented = [
        (path, method)
        for path, method in told
        if not any(method in methods and fits(path, route) for route, methods in routes)
    ]
    assert invented == []


async def test_each_type_has_its_own_address(document: Document) -> None:
    for resource_type in SUPPORTED:
        methods = {"get"} | ({"post"} if resource_type in STORED else set())
        methods |= {"put", "patch", "delete"} if resource_type in STORED - TOLD_ONCE else set()
        assert set(document["paths"][f"/fhir/{resource_type}"]) == methods
        assert set(document["paths"][f"/fhir/{resource_type}/_search"]) == {"post"}


async def test_it_is_openapi(document: Document) -> None:
    schemathesis.openapi.from_dict(document).validate()
    names = [operation["operationId"] for *_, operation in operations(document)]
    assert len(names) == len(set(names))
    for node in nodes(document):
        if isinstance(node.get("$ref"), str):
            assert resolved(document, node)


async def test_every_operation_is_told_whole(document: Document) -> None:
    for path, method, operation in operations(document):
        where = (path, method)
        assert operation["summary"], where
        assert operation["description"], where
        assert operation["responses"], where
        assert any(status[0] == "2" for status in operation["responses"]), where
        assert (method == "get") <= ("requestBody" not in operation), where
        for status, answer in operation["responses"].items():
            if path.startswith("/fhir/") and int(status) >= 400:
                (content,) = resolved(document, answer)["content"].items()
                assert content[0] == "application/fhir+json", where
                assert content[1]["schema"] == {"$ref": "#/components/schemas/OperationOutcome"}
        signed_in = "401" in operation["responses"] and path != "/oauth/token"
        assert bool(operation["security"]) == signed_in, where


async def test_the_headers_that_a_write_goes_by_are_told(document: Document) -> None:
    told = {
        (path, method, one["name"]): one["schema"]
        for path, method, operation in operations(document)
        for one in (resolved(document, parameter) for parameter in operation["parameters"])
        if one["in"] == "header"
    }
    for path in ("/fhir/Binary/{resource_id}", "/fhir/Patient"):
        assert told[path, "put", "If-None-Match"]["enum"] == ["*"]
    for path, method in (("/fhir/Binary", "post"), ("/fhir/Binary/{resource_id}", "put")):
        assert (path, method, "X-Security-Context") in told
    assert "410" in document["paths"]["/fhir"]["post"]["responses"]


async def test_every_error_is_told(document: Document) -> None:
    told = {int(status) for *_, operation in operations(document) for status in operation["responses"]}
    assert {answer.status for answer in ANSWERS.values()} <= told


@pytest.mark.parametrize("resource_type", sorted(SUPPORTED))
async def test_the_parameters_of_a_search_are_those_of_the_registry(
    document: Document, resource_type: str
) -> None:
    known = {*COLUMNS, *(each.name for each in PARAMETERS[resource_type])}
    path = document["paths"][f"/fhir/{resource_type}"]
    told = {
        method: {
            each["name"]
            for each in (resolved(document, each) for each in operation["parameters"])
            if each["in"] == "query"
        }
        for method, operation in path.items()
    }
    if resource_type in STORED:
        assert told.pop("post") == {"_format", "_pretty"}
    assert told.pop("get") == known | set(search_query._RESULT_PARAMETERS)
    assert all(names == known | {"_format", "_pretty"} for names in told.values())
    form = document["paths"][f"/fhir/{resource_type}/_search"]["post"]["requestBody"]["content"]
    (schema,) = form.values()
    assert set(resolved(document, schema["schema"])["properties"]) == known | set(
        search_query._RESULT_PARAMETERS
    )


def test_what_says_how_matches_are_shown_is_what_is_read() -> None:
    assert set(schemas.RESULT_PARAMETERS) == set(search_query._RESULT_PARAMETERS)
    assert set(history_query._PARAMETERS) <= set(schemas.PARAMETERS)


async def test_the_examples_are_right(document: Document) -> None:
    examples = document["components"]["examples"]
    named = {node["$ref"] for node in nodes(document["paths"]) if "/examples/" in str(node.get("$ref"))}
    assert len(named) > len(SUPPORTED)
    for name in named:
        example = examples[name.rpartition("/")[2]]["value"]
        # What an answer to $suggest-targets is made of and what is sent to it are no stored resources.
        if isinstance(example, dict) and example.get("resourceType", "Parameters") != "Parameters":
            content = read_content(json.dumps(example).encode())
            assert find_problems(example["resourceType"], content) == [], name


async def test_it_says_how_to_sign_in(document: Document, service: RunningService) -> None:
    schemes = document["components"]["securitySchemes"]
    flow = schemes["smart"]["flows"]["clientCredentials"]
    assert flow["tokenUrl"] == f"{service.base_url}/oauth/token"
    assert document["servers"] == [{"url": service.base_url}]


async def test_metrics_with_an_address_of_their_own_are_not_in_it(document: Document, store: Store) -> None:
    assert "/metrics" in document["paths"]
    app = create_app(make_services(store, "http://hub.example"), with_metrics=False)
    assert "/metrics" not in {route.path for route in app.routes}


async def test_the_page_shows_it(service: RunningService) -> None:
    async with service.anonymous() as somebody:
        page, below = await somebody.get("/docs"), await somebody.get("/docs/")
    assert page.status_code == 200
    # What it names stands at the same addresses.
    assert below.text == page.text.replace("<head>", '<head><base href="../">')
    assert "base-uri 'self'" in below.headers["content-security-policy"]
    assert "base-uri 'none'" in page.headers["content-security-policy"]
    assert page.headers["content-type"].startswith("text/html")
    assert "openapi.json" in page.text


async def test_the_page_and_all_it_is_made_of_come_from_here(service: RunningService) -> None:
    """A hospital may have no Internet; and nothing that stands in the page itself is run."""
    async with service.anonymous() as somebody:
        page = await somebody.get("/docs")
        assert "script-src 'self';" in page.headers["content-security-policy"]
        assert service.base_url in page.headers["content-security-policy"]
        parts = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        assert "<script>" not in page.text
        assert not [each for each in parts if "//" in each]
        kinds = {".js": "text/javascript", "css": "text/css"}
        for part in (each for each in parts if each.startswith("docs/")):
            answer = await somebody.get(f"/{part}")
            assert answer.status_code == 200, part
            assert answer.headers["content-type"].startswith(kinds[part[-3:]])
        assert "SwaggerUIBundle({" in answer.text
        assert (await somebody.get("/docs/other.js")).status_code == 404
    assert sorted(part for part in parts if part.startswith("docs/")) == [
        "docs/start.js",
        "docs/swagger-ui-bundle.js",
        "docs/swagger-ui.css",
    ]


async def test_the_transaction_of_the_example_is_taken(document: Document, service: RunningService) -> None:
    """With facilities that are there."""
    system = await service.system("le-chan-health-station")
    text = json.dumps(document["components"]["examples"]["BundleSent"]["value"])
    for theirs, ours in (("valley-hospital", "kien-an-hospital"), ("station", "le-chan-health-station")):
        text = text.replace(f"Organization/{theirs}", f"Organization/{ours}")
    answer = await system.post("", content=text)
    assert answer.status_code == 200, answer.text
    again = await system.post(
        "Patient", json=document["components"]["examples"]["Patient.example-patient"]["value"]
    )
    assert again.status_code == 201, again.text
