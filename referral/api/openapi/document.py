"""The OpenAPI document, put together from the routes that an application has.

What each does is the docstring of its function, its specification that of its module. What a search takes of
a type is told at the address of the type; what is the same for all types is told once.
"""

import inspect
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from starlette.routing import BaseRoute

from referral.api.errors import ANSWERS
from referral.api.openapi import schemas
from referral.api.openapi.examples import all_examples, example_of
from referral.api.openapi.operations import FORM_OF_ANSWER, Errors, Operation
from referral.api.openapi.schemas import FORM, Content, Schema
from referral.api.route import Route
from referral.api.validate import SENT
from referral.domain.errors import StoreUnavailable
from referral.domain.search import Kind
from referral.fhir.attachment import BINARY
from referral.fhir.capability import MEDIA_TYPE as FHIR
from referral.fhir.outcome import operation_outcome
from referral.fhir.parameters import PARAMETERS
from referral.fhir.resources import STORED, SUPPORTED, TOLD_ONCE
from referral.fhir.search_criteria import modifiers_of

_ANY: Final = "{resource_type}"
_OF_TYPE: Final = "/fhir/{resource_type}"
# What the answers differ by: of these each type has an address of its own in the document.
_EACH: Final = frozenset({_OF_TYPE, f"{_OF_TYPE}/_search"})
_INSTANCE: Final = f"{_OF_TYPE}/{{resource_id}}"
_HOLDING: Final = frozenset({_INSTANCE, f"{_INSTANCE}/_history/{{version}}"})
_BYTES: Final[Schema] = {"schema": {"type": "string", "format": "binary"}}
_CHANGING: Final = frozenset({"PUT", "PATCH", "DELETE"})
_ALL_TYPES: Final = "Any type"
# What is answered before a request reaches its function: too slow, too long a head, a fault of ours.
_BEFORE: Final[Mapping[int, tuple[str, str]]] = {
    408: ("timeout", "The request did not come in time"),
    431: ("too-long", "The head of the request is too long"),
    500: ("exception", "A fault of this service"),
}
_SUCH_AS: Final[Mapping[Kind, str]] = {
    Kind.TOKEN: "`code` or `system|code`",
    Kind.REFERENCE: "`Type/id`",
    Kind.STRING: "the beginning of a text, without case and marks",
    Kind.DATE: "`ge2026-03-01`",
    Kind.QUANTITY: "`gt5.4|http://unitsofmeasure.org|kg`",
    Kind.URI: "a whole address",
    Kind.SPECIAL: "`latitude|longitude|distance|km`",
    Kind.COMPOSITE: "`code$Type/id`",
}
_INFO: Final = """Two-way referral between facilities, as FHIR R4 (4.0.1) in JSON.

What holds for every address below /fhir: `HEAD` wherever there is `GET`; a parameter of a search that is
repeated must be met each time, its values separated by commas are alternatives; chains (`patient.identifier`)
and `_has` are taken beside the parameters that are listed; every error is an OperationOutcome.
"""
_ASSERTION: Final = (
    "SMART Backend Services: POST /oauth/token with an assertion (JWT) that the client signs with its private"
    " key, ES384 or RS384. https://hl7.org/fhir/smart-app-launch/backend-services.html"
)


def openapi_document(
    routes: Iterable[BaseRoute],
    operations: Mapping[Any, Operation],
    *,
    base_url: str,
    version: str,
    media_types: Iterable[str],
) -> dict[str, Any]:
    """The document of these routes, each of which has its function in `operations` (else KeyError).

    base_url: of the service, without a slash at its end. version: of the software. media_types: those that
    attachments may have.
    """
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        if isinstance(route, Route):
            for path, method, described in _described(route, operations[route.endpoint], sorted(media_types)):
                paths.setdefault(path, {})[method.lower()] = described
    scopes = {"system/*.cruds": "Everything", "system/*.rs": "Reading and searching"}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Referral service", "version": version, "description": _INFO},
        "servers": [{"url": base_url}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": {**schemas.SCHEMAS, **{f"{each}.search": _form(each) for each in sorted(SUPPORTED)}},
            "examples": {name: {"value": example} for name, example in sorted(all_examples().items())},
            "parameters": {**schemas.COMPONENTS, **dict(_criteria())},
            "headers": schemas.HEADERS,
            "responses": {f"Error{status}": _error(status) for status in sorted(_meanings())},
            "securitySchemes": {
                "smart": {
                    "type": "oauth2",
                    "description": _ASSERTION,
                    "flows": {"clientCredentials": {"tokenUrl": f"{base_url}/oauth/token", "scopes": scopes}},
                },
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token that is there already.",
                },
            },
        },
    }


def _described(
    route: Route, operation: Operation, media_types: Sequence[str]
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Addresses, methods and what is said of them. HEAD is told of once for all."""
    for method in sorted((route.methods or set()) - {"HEAD"}):
        for path, resource_type in _addresses(route.path, method):
            yield path, method, _operation(route, operation, (path, method, resource_type), media_types)


def _addresses(path: str, method: str) -> Iterator[tuple[str, str | None]]:
    """The addresses of a route in the document, and the type that each is of where it is of one."""
    if path in _EACH:
        for each in sorted(_types(path, method)):
            yield path.replace(_ANY, each), each
        return
    yield path, None
    if path in _HOLDING:
        yield path.replace(_ANY, BINARY), BINARY


def _types(path: str, method: str) -> frozenset[str]:
    """The types that an address of any type is there for."""
    if (method == "GET" and path in {_OF_TYPE, _INSTANCE}) or path == f"{_OF_TYPE}/_search":
        return SUPPORTED
    if path.endswith("/$validate"):
        return STORED | SENT
    return STORED - TOLD_ONCE if method in _CHANGING else STORED


def _operation(
    route: Route, operation: Operation, address: tuple[str, str, str | None], media_types: Sequence[str]
) -> dict[str, Any]:
    path, method, resource_type = address
    function = route.endpoint
    about = sys.modules[function.__module__].__doc__ or ""
    raw = media_types if operation.raw and resource_type == BINARY else ()
    by_form = operation.criteria and path.endswith("/_search")
    names = operation.parameters
    if raw and operation.body is not None:
        names += ("X-Security-Context",)
    if path.startswith("/fhir"):
        names += ("_format", "_pretty")
    parameters = [
        *_path_parameters(path, method),
        *map(_reference_to("parameters"), dict.fromkeys(names)),
    ]
    if operation.criteria and resource_type and not by_form:
        parameters += _search_parameters(resource_type, with_results=method == "GET")
    answers = {
        str(status): _answer(operation, status, content, resource_type, raw)
        for status, content in operation.answers.items()
    }
    tag = operation.tag or resource_type or _ALL_TYPES
    described: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "-", re.sub("[{}]", "", f"{method.lower()}{path}")),
        "tags": [tag],
        "summary": operation.title,
        "description": inspect.getdoc(function),
        "parameters": parameters,
        "responses": answers | _errors_of(operation, path, answers),
        "security": [] if operation.public else [{"smart": []}, {"bearer": []}],
    }
    if found := re.search(r"https?://\S+?(?=[.;,)]?(?:\s|$))", about):
        described["externalDocs"] = {"url": found[0]}
    if by_form and resource_type:
        described["requestBody"] = {
            "content": {FORM: {"schema": _reference_to("schemas")(f"{resource_type}.search")}}
        }
    elif operation.body is not None:
        content = _content(operation.body, resource_type, sent=True)
        if raw:
            content |= dict.fromkeys(raw, _BYTES)
        described["requestBody"] = {"content": content, "required": operation.body_needed}
    return described


def _reference_to(kind: str) -> Any:
    return lambda name: {"$ref": f"#/components/{kind}/{name}"}


def _path_parameters(path: str, method: str) -> Iterator[Schema]:
    for name in re.findall(r"{(\w+)}", path):
        schema: Schema = {"type": "string"}
        if name == "resource_type":
            schema["enum"] = sorted(_types(path, method) - ({BINARY} if path in _HOLDING else frozenset()))
        elif name == "version":
            schema["pattern"] = "^[1-9][0-9]{0,8}$"
        else:
            schema["pattern"] = "^[A-Za-z0-9.-]{1,64}$"
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _told(resource_type: str) -> Iterator[tuple[str, str]]:
    """The criteria of a search of a type, and what is said of each."""
    yield "_id", "The id; several with commas between."
    yield "_lastUpdated", f"The moment of the last change. {_SUCH_AS[Kind.DATE]}."
    for each in PARAMETERS[resource_type]:
        modifiers = ", ".join(f"`:{name}`" for name in modifiers_of(each))
        after = f" Also with {modifiers}." if modifiers else ""
        yield (
            each.name,
            f"{each.kind.value}: {_SUCH_AS[each.kind]}. `{each.expression(resource_type)}`.{after}",
        )


def _search_parameters(resource_type: str, *, with_results: bool) -> list[Schema]:
    names = [f"{resource_type}.{name}" for name, _ in _told(resource_type)]
    results = [name for name in schemas.RESULT_PARAMETERS if name not in {"_format", "_pretty"}]
    return list(map(_reference_to("parameters"), [*names, *(results if with_results else ())]))


def _criteria() -> Iterator[tuple[str, Schema]]:
    """The search parameters of all types, each under the name of its type and its own."""
    for resource_type in sorted(SUPPORTED):
        for name, text in _told(resource_type):
            its = {"name": name, "in": "query", "description": text, "schema": {"type": "string"}}
            yield f"{resource_type}.{name}", its


def _form(resource_type: str) -> Schema:
    criteria = {name: {"type": "string", "description": text} for name, text in _told(resource_type)}
    results = {
        name: each["schema"] | {"description": each["description"]}
        for name, each in schemas.RESULT_PARAMETERS.items()
    }
    return {"type": "object", "properties": criteria | results}


def _content(content: Content, resource_type: str | None, *, sent: bool) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for media_type, names in content.items():
        whole = [name.replace("{type}", resource_type or "Resource") for name in names.split("|")]
        options = list(map(_reference_to("schemas"), whole))
        found[media_type] = {"schema": options[0] if len(options) == 1 else {"anyOf": options}}
        name = example_of(whole[0], resource_type, sent=sent)
        if name is not None:
            found[media_type]["examples"] = {"example": _reference_to("examples")(name)}
    return found


def _answer(
    operation: Operation, status: int, content: Content | None, resource_type: str | None, raw: Sequence[str]
) -> Schema:
    answer: Schema = {"description": _DONE[status] if status in _DONE else _meanings()[status]}
    if headers := operation.headers.get(status):
        answer["headers"] = {name: _reference_to("headers")(name) for name in headers}
    if content is not None:
        answer["content"] = _content(content, resource_type, sent=False)
        if raw and status == 200 and 304 in operation.answers:
            answer["content"] |= dict.fromkeys(raw, _BYTES)
        if status == 503:
            answer["content"] |= _error(503)["content"]
    return answer


_DONE: Final[Mapping[int, str]] = {
    200: "It is done, or found",
    201: "It is new",
    204: "It is not there any more",
    304: "The client has it already",
}


def _errors_of(operation: Operation, path: str, answers: Mapping[str, Any]) -> Schema:
    kinds: Errors = (*operation.errors, StoreUnavailable)
    if path.startswith("/fhir"):
        kinds += FORM_OF_ANSWER
    statuses = {ANSWERS[kind].status for kind in kinds} | set(_BEFORE)
    return {
        str(status): _reference_to("responses")(f"Error{status}")
        for status in sorted(statuses)
        if str(status) not in answers
    }


def _meanings() -> dict[int, str]:
    """What each status of an error means."""
    found = {status: [text] for status, (_, text) in _BEFORE.items()}
    for kind, answer in ANSWERS.items():
        found.setdefault(answer.status, []).append(_meaning(kind))
    return {status: ". ".join(texts) for status, texts in found.items()}


def _meaning(kind: type) -> str:
    # Without what stands in brackets at its end: status and code.
    return (kind.__doc__ or "").strip().splitlines()[0].rpartition(" (")[0]


def _error(status: int) -> Schema:
    told: list[tuple[str, str, Mapping[str, str]]] = (
        [(_BEFORE[status][0], _BEFORE[status][1], {})] if status in _BEFORE else []
    )
    told += [
        (answer.code, _meaning(kind), answer.headers)
        for kind, answer in ANSWERS.items()
        if answer.status == status
    ]
    headers = sorted({name for *_, each in told for name in each})
    examples = {
        f"{code}-{number}": {"value": operation_outcome([("error", code, f"{text}.", None)])}
        for number, (code, text, _) in enumerate(told, 1)
    }
    error: Schema = {
        "description": _meanings()[status],
        "content": {FHIR: {"schema": _reference_to("schemas")("OperationOutcome"), "examples": examples}},
    }
    if headers:
        error["headers"] = {name: _reference_to("headers")(name) for name in headers}
    return error
