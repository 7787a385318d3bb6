"""What each function that answers takes and gives: said here once, for the OpenAPI document.

Errors are those of `api/errors.py` by their classes. What else a search or a history takes, and what a type
of resource looks like, comes from the registries of `fhir/`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from referral.api import (
    claim,
    create,
    delete,
    everything,
    health,
    history,
    metadata,
    metrics,
    moves,
    patch,
    read,
    search,
    smart_configuration,
    suggest_targets,
    token,
    transaction,
    update,
    validate,
    vread,
)
from referral.api.openapi import schemas
from referral.api.openapi.schemas import FORM, Content
from referral.domain import errors
from referral.domain.errors import DomainError
from referral.fhir import json_patch

Errors = tuple[type[DomainError], ...]

FORM_OF_ANSWER: Final[Errors] = (errors.NotAcceptable, errors.InvalidElement)
"""What anything below /fhir may be refused for."""

_SIGNED_IN: Final[Errors] = (errors.NotSignedIn, errors.Forbidden, errors.NotSupported)
_WRITING: Final[Errors] = (
    *_SIGNED_IN,
    *(errors.MissingElement, errors.BrokenRule, errors.IllegalMove, errors.Duplicate),
    *(errors.StaleVersion, errors.SeveralMatches, errors.ReadOnly),
)
_BODY: Final[Errors] = (
    *(errors.MalformedContent, errors.UnknownCode),
    *(errors.TooLarge, errors.WrongMediaType),
)
_CHANGING: Final[Errors] = (
    *(*_WRITING, *_BODY),
    *(errors.NotFound, errors.IdNotAllowed, errors.NeverChanged, errors.VersionRequired),
)
_ONCE: Final = ("X-Request-ID", "Idempotency-Key")


@dataclass(frozen=True, slots=True)
class Operation:
    """`answers` are those that are no errors, by status; None: without a body.

    tag: for one that is of no type of resource. body: of the request. parameters: names of those of
    `schemas.COMPONENTS`. criteria: it takes what a search of the type takes. public: without a token.
    raw: what an address of a Binary takes and gives besides resources: bytes. headers: of answers, by status.
    """

    title: str
    answers: Mapping[int, Content | None]
    errors: Errors = ()
    tag: str | None = None
    parameters: tuple[str, ...] = ()
    body: Content | None = None
    body_needed: bool = True
    criteria: bool = False
    public: bool = False
    raw: bool = False
    headers: Mapping[int, tuple[str, ...]] = field(default_factory=dict)


_VERSION: Final = ("ETag", "Last-Modified")
_WRITTEN: Final = {200: (*_VERSION, "Location", "X-Replayed"), 201: (*_VERSION, "Location", "X-Replayed")}
_STORED: Final[Mapping[int, Content | None]] = {200: schemas.WRITTEN, 201: schemas.WRITTEN}
_DELETED: Final[Mapping[int, Content | None]] = {200: schemas.OUTCOME, 204: None}
_JSON_PATCH: Final = {json_patch.MEDIA_TYPE: "JsonPatch", "application/json": "JsonPatch"}
_DELETING: Final[Errors] = (*_WRITING, errors.NotFound, errors.NeverDeleted, errors.StillNeeded)
_WHOLE: Final = "Whole service"
_SIGNING_IN: Final = "Signing in"
_OPERATORS: Final = "Operators"

OPERATIONS: Final[Mapping[Callable[..., Any], Operation]] = {
    read.read: Operation(
        "Read a resource",
        {200: schemas.RESOURCE, 304: None},
        (*_SIGNED_IN, errors.NotFound, errors.Gone),
        parameters=("If-None-Match", "If-Modified-Since"),
        raw=True,
        headers={200: _VERSION, 304: _VERSION},
    ),
    vread.vread: Operation(
        "Read one version of a resource",
        {200: schemas.RESOURCE, 304: None},
        (*_SIGNED_IN, errors.NotFound, errors.Gone),
        parameters=("If-None-Match", "If-Modified-Since"),
        raw=True,
        headers={200: _VERSION, 304: _VERSION},
    ),
    history.history_of_instance: Operation(
        "The versions of a resource",
        {200: schemas.HISTORY},
        (*_SIGNED_IN, errors.NotFound),
        parameters=("_count", "_since", "_cursor", "Prefer"),
    ),
    history.history_of_type: Operation(
        "What changed of a type",
        {200: schemas.HISTORY},
        _SIGNED_IN,
        parameters=("_count", "_since", "_cursor", "Prefer"),
    ),
    search.search: Operation(
        "Search", {200: schemas.SEARCHSET}, _SIGNED_IN, parameters=("Prefer",), criteria=True
    ),
    create.create: Operation(
        "Create a resource",
        _STORED,
        (*_WRITING, *_BODY),
        parameters=(*_ONCE, "If-None-Exist", "Prefer"),
        body=schemas.RESOURCE,
        raw=True,
        headers=_WRITTEN,
    ),
    update.update: Operation(
        "Update a resource, or create it under an id of yours",
        _STORED,
        _CHANGING,
        parameters=(*_ONCE, "If-Match", schemas.NEW_ONLY, "Prefer"),
        body=schemas.RESOURCE,
        raw=True,
        headers=_WRITTEN,
    ),
    update.update_by_search: Operation(
        "Update the one resource that meets a search, or create it",
        _STORED,
        _CHANGING,
        parameters=(*_ONCE, "If-Match", schemas.NEW_ONLY, "Prefer"),
        body=schemas.RESOURCE,
        criteria=True,
        headers=_WRITTEN,
    ),
    patch.patch: Operation(
        "Change a resource by JSON Patch",
        {200: schemas.WRITTEN},
        (*_CHANGING, errors.Gone),
        parameters=(*_ONCE, "If-Match", "Prefer"),
        body=_JSON_PATCH,
        headers=_WRITTEN,
    ),
    patch.patch_by_search: Operation(
        "Change the one resource that meets a search by JSON Patch",
        {200: schemas.WRITTEN},
        _CHANGING,
        parameters=(*_ONCE, "If-Match", "Prefer"),
        body=_JSON_PATCH,
        criteria=True,
        headers=_WRITTEN,
    ),
    delete.delete: Operation(
        "Delete a resource", _DELETED, _DELETING, parameters=(*_ONCE, "If-Match", "Prefer")
    ),
    delete.delete_by_search: Operation(
        "Delete the one resource that meets a search",
        _DELETED,
        _DELETING,
        parameters=(*_ONCE, "If-Match", "Prefer"),
        criteria=True,
    ),
    validate.validate: Operation(
        "Would it be taken?",
        {200: schemas.OUTCOME},
        (*_SIGNED_IN, *_BODY, errors.MissingElement),
        parameters=("mode", "profile", "If-Match"),
        body=schemas.TO_VALIDATE,
        body_needed=False,
    ),
    everything.everything: Operation(
        "A referral with its package",
        {200: schemas.SEARCHSET},
        (*_SIGNED_IN, errors.NotFound, errors.Gone),
        tag="ServiceRequest",
        parameters=("_count", "_cursor", "Prefer"),
    ),
    moves.moves_of_offer: Operation(
        "What may be done with an offer now",
        {200: schemas.MOVES},
        (*_SIGNED_IN, errors.NotFound, errors.Gone),
        tag="Task",
    ),
    moves.moves_of_referral: Operation(
        "What may be done with a referral now",
        {200: schemas.MOVES},
        (*_SIGNED_IN, errors.NotFound, errors.Gone),
        tag="ServiceRequest",
    ),
    claim.claim: Operation(
        "Take in a patient who turned up with a referral",
        {200: schemas.OFFER},
        (
            *(*_SIGNED_IN, *_BODY),
            *(errors.MissingElement, errors.BrokenRule, errors.IllegalMove, errors.StaleVersion),
            *(errors.NotFound, errors.TooManyClaims),
        ),
        tag="ServiceRequest",
        parameters=_ONCE,
        body=schemas.CLAIM,
        headers={200: ("ETag", "Location", "X-Replayed")},
    ),
    suggest_targets.suggest_for_draft: Operation(
        "Where to send a patient, for a draft",
        {200: schemas.SUGGESTIONS},
        (*_SIGNED_IN, *_BODY, errors.MissingElement, errors.BrokenRule),
        tag="ServiceRequest",
        body=schemas.QUESTION,
    ),
    suggest_targets.suggest_for_stored: Operation(
        "Where to send a patient, for a stored referral",
        {200: schemas.SUGGESTIONS},
        (*_SIGNED_IN, *_BODY, errors.MissingElement, errors.BrokenRule, errors.NotFound, errors.Gone),
        tag="ServiceRequest",
        body=schemas.PARAMETERS_SENT,
        body_needed=False,
    ),
    suggest_targets.suggest_by_query: Operation(
        "Where to send a patient, for a stored referral, by query",
        {200: schemas.SUGGESTIONS},
        (*_SIGNED_IN, errors.NotFound, errors.Gone, errors.BrokenRule),
        tag="ServiceRequest",
        parameters=("count", "excluded"),
    ),
    transaction.transaction: Operation(
        "Transaction or batch",
        {200: schemas.BUNDLE_ANSWERED},
        (*_CHANGING, errors.Gone, errors.NeverDeleted, errors.StillNeeded),
        tag=_WHOLE,
        parameters=(*_ONCE, "Prefer"),
        body=schemas.BUNDLE_SENT,
    ),
    metadata.metadata: Operation("CapabilityStatement", {200: schemas.CAPABILITIES}, tag=_WHOLE, public=True),
    smart_configuration.smart_configuration: Operation(
        "Where and how a client gets a token", {200: schemas.SMART}, tag=_SIGNING_IN, public=True
    ),
    token.token: Operation(
        "Get a token",
        {200: schemas.TOKEN, 400: schemas.OAUTH_ERROR, 401: schemas.OAUTH_ERROR, 503: schemas.OAUTH_ERROR},
        tag=_SIGNING_IN,
        body={FORM: "TokenRequest"},
        public=True,
    ),
    health.healthz: Operation("Does it live?", {200: schemas.STATE}, tag=_OPERATORS, public=True),
    health.readyz: Operation(
        "Can it serve?", {200: schemas.STATE, 503: schemas.STATE}, tag=_OPERATORS, public=True
    ),
    metrics.metrics: Operation("Metrics", {200: schemas.METRICS}, tag=_OPERATORS, public=True),
}
