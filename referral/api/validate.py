"""`$validate`: would this be taken? https://hl7.org/fhir/R4/resource-operation-validate.html"""

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from referral.actions.draft import Draft
from referral.actions.try_write import try_write
from referral.api.actor import current_actor
from referral.api.body import check_id, read_asked, read_body, read_version
from referral.api.errors import issues_of, outcome_response
from referral.api.route import Route
from referral.api.services import services_of
from referral.domain.actor import Actor
from referral.domain.errors import BrokenRule, DomainError, InvalidElement, StoreUnavailable
from referral.domain.scope import Interaction, check_scope
from referral.fhir.content import read_content
from referral.fhir.outcome import Issue
from referral.fhir.profile_rules import KNOWN, declaring
from referral.fhir.resources import check_versioned
from referral.fhir.validation import find_problems
from referral.fhir.validation_request import ValidationRequest, read_validation

TYPE_PATH: Final = "/fhir/{resource_type}/$validate"
INSTANCE_PATH: Final = "/fhir/{resource_type}/{resource_id}/$validate"
SENT: Final = frozenset({"Bundle", "Parameters"})
"""What is sent and not stored can be looked at all the same."""

_INTERACTIONS: Final = {
    "create": Interaction.CREATE,
    "update": Interaction.UPDATE,
    "delete": Interaction.DELETE,
}
# What is updated with If-Match alone.
_VERSIONED: Final = frozenset({"ServiceRequest", "Task"})
_BASE_PROFILES: Final = "http://hl7.org/fhir/StructureDefinition/"
_FINE: Final[Issue] = ("information", "informational", "No problems were found.", None)


async def validate(request: Request) -> Response:
    """Tell all that is wrong with a resource: 200, whatever there is to tell. Nothing is stored.

    Its content, and with a mode also what creating, updating or deleting it would meet: the parties, the
    referral, the versions. That is a write in every respect but its end, and needs its scope.
    """
    actor = await current_actor(request)
    resource_type = request.path_params["resource_type"]
    resource_id = request.path_params.get("resource_id")
    if resource_type not in SENT:
        check_versioned(resource_type)
    if resource_id is not None:
        check_id(resource_id)
    body = await read_body(request) if _has_body(request) else b""
    try:
        asked = read_validation(read_content(body) if body else None, read_asked(request))
        _check_scope(actor, resource_type, asked.mode)
    except BrokenRule as error:
        # Of the content: a number that would not come back as it is.
        return outcome_response(200, issues_of(error))
    issues = _content_issues(asked, resource_type, resource_id)
    if (
        not any(severity == "error" for severity, *_ in issues)
        and asked.mode in _INTERACTIONS
        and resource_type not in SENT
    ):
        issues += await _write_issues(request, actor, asked, resource_type, resource_id)
    return outcome_response(200, issues or [_FINE])


def _has_body(request: Request) -> bool:
    headers = request.headers
    return headers.get("content-length", "0") != "0" or "transfer-encoding" in headers


def _check_scope(actor: Actor, resource_type: str, mode: str | None) -> None:
    if mode in _INTERACTIONS:
        check_scope(actor.scope, resource_type, _INTERACTIONS[mode])
    elif not actor.scope.allows(resource_type, Interaction.CREATE):
        check_scope(actor.scope, resource_type, Interaction.READ)


def _content_issues(asked: ValidationRequest, resource_type: str, resource_id: str | None) -> list[Issue]:
    content = asked.resource
    if content is None:
        return []
    issues: list[Issue] = []
    profile = (asked.profile or "").partition("|")[0]
    if profile in KNOWN:
        content = declaring(content, profile)
    elif profile and profile != f"{_BASE_PROFILES}{resource_type}":
        issues.append(
            ("warning", "not-supported", "This profile is not known here, and was not asked.", None)
        )
    problems = find_problems(resource_type, content)
    issues += issues_of(InvalidElement(problems)) if problems else []
    if asked.mode == "update" and content.get("id") != (resource_id or content.get("id", "")):
        wrong = InvalidElement("The id of the body must be that of the address.", f"{resource_type}.id")
        issues += issues_of(wrong)
    return issues


async def _write_issues(
    request: Request, actor: Actor, asked: ValidationRequest, resource_type: str, resource_id: str | None
) -> list[Issue]:
    services = services_of(request)
    try:
        notes = await try_write(
            services.store,
            _draft(request, asked, resource_type, resource_id),
            actor=actor,
            base=services.fhir_base,
            now=services.now(),
            new_id=services.new_id,
            request_id=request.state.request_id,
            attachments=services.attachments,
            rules=services.rules,
            snapshot=services.snapshots.current,
        )
    except StoreUnavailable:
        raise
    except DomainError as error:
        return issues_of(error)
    return [("information", "informational", note, None) for note in notes]


def _draft(request: Request, asked: ValidationRequest, resource_type: str, resource_id: str | None) -> Draft:
    content: dict[str, Any] = asked.resource or {}
    if asked.mode == "create":
        return Draft(resource_type, services_of(request).new_id(), content, is_create=True)
    named = resource_id or content.get("id")
    if named is None:
        raise InvalidElement("An update or a delete is of a resource with an id.", f"{resource_type}.id")
    expected = read_version(request.headers.get("if-match"))
    if expected is None and resource_type in _VERSIONED:
        expected = _version_of(content)
    is_delete = asked.mode == "delete"
    return Draft(
        resource_type,
        named,
        {} if is_delete else content,
        is_create=False,
        expected=expected,
        is_delete=is_delete,
    )


def _version_of(content: dict[str, Any]) -> int | None:
    """The version that a resource was read as: what its update will name in `If-Match`."""
    version = content.get("meta", {}).get("versionId", "")
    return int(version) if version.isascii() and version.isdigit() else None


routes = [
    Route(TYPE_PATH, validate, methods=["POST"]),
    Route(INSTANCE_PATH, validate, methods=["POST"]),
]
