"""What a request leaves in the audit besides the rows of a write: reads, searches, operations, refusals.

It is taken as the answer begins, before a byte of it is sent. https://hl7.org/fhir/R4/security.html#audit
"""

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.types import Scope

from referral.actions.close_by_reading import SummaryRead
from referral.actions.take_summary import SUMMARY_TYPES
from referral.api import (
    batch,
    claim,
    create,
    delete,
    everything,
    history,
    moves,
    patch,
    read,
    search,
    suggest_targets,
    token,
    transaction,
    update,
    validate,
    vread,
)
from referral.api.services import Services
from referral.api.unsupported import unsupported
from referral.domain.actor import Actor
from referral.domain.audit import AuditAction, AuditRecord
from referral.fhir.audit_event import sought_patient
from referral.fhir.primitives import ID
from referral.fhir.resources import SUPPORTED

ACTIONS: Final[Mapping[Callable[..., Any], AuditAction]] = {
    read.read: AuditAction.READ,
    vread.vread: AuditAction.VREAD,
    history.history_of_instance: AuditAction.HISTORY_INSTANCE,
    history.history_of_type: AuditAction.HISTORY_TYPE,
    search.search: AuditAction.SEARCH,
    everything.everything: AuditAction.EXECUTE,
    suggest_targets.suggest_for_draft: AuditAction.EXECUTE,
    suggest_targets.suggest_for_stored: AuditAction.EXECUTE,
    suggest_targets.suggest_by_query: AuditAction.EXECUTE,
    moves.moves_of_offer: AuditAction.EXECUTE,
    moves.moves_of_referral: AuditAction.EXECUTE,
    claim.claim: AuditAction.EXECUTE,
    create.create: AuditAction.CREATE,
    delete.delete: AuditAction.DELETE,
    delete.delete_by_search: AuditAction.DELETE,
    update.update: AuditAction.UPDATE,
    update.update_by_search: AuditAction.UPDATE,
    patch.patch: AuditAction.PATCH,
    patch.patch_by_search: AuditAction.PATCH,
    transaction.transaction: AuditAction.TRANSACTION,
    batch.batch: AuditAction.BATCH,
    validate.validate: AuditAction.EXECUTE,
    token.token: AuditAction.TOKEN,
    unsupported: AuditAction.UNSUPPORTED,
}
"""What is done by each of the functions that answer."""

# What these do leaves its rows in its own transaction.
_WRITES: Final = {
    AuditAction.CREATE,
    AuditAction.UPDATE,
    AuditAction.PATCH,
    AuditAction.DELETE,
    AuditAction.TRANSACTION,
    AuditAction.BATCH,
    AuditAction.TOKEN,
}

_PARTS: Final = {"_elements", "_summary"}

_QUESTIONS: Final = {AuditAction.SEARCH, AuditAction.HISTORY_INSTANCE, AuditAction.HISTORY_TYPE}

_MOST_SHOWN: Final = 300


def recorder(services: Services) -> Callable[[Scope, int], None]:
    """A function that records the request of a scope, about to be answered with a status."""
    trail, now, reads = services.audit, services.now, services.reads

    def record(scope: Scope, status: int) -> None:
        endpoint = scope.get("endpoint")
        action = ACTIONS.get(endpoint) if endpoint is not None else None
        # A fault or a database that is away tells nobody anything.
        if action is None or status >= 500:
            return
        state = scope["state"]
        actor: Actor | None = state.get("actor")
        client = scope.get("client")
        made = AuditRecord(
            now(),
            actor.facility if actor else None,
            actor.client if actor else state.get("claimed_client"),
            action,
            *_resource(scope, action),
            state.get("version"),
            status,
            _query(scope, action),
            client[0] if client else None,
            state["request_id"],
        )
        if action is AuditAction.SEARCH:
            made = made._replace(patient=sought_patient(made))
        # An older version, or none as the client has it (304), is not what it says now.
        is_read = (
            action is AuditAction.READ and scope["method"] == "GET" and status == 200 and _asks_for_all(scope)
        )
        if actor is not None and is_read and made.type in SUMMARY_TYPES and made.version is not None:
            reads.add(SummaryRead(actor, (made.type, str(made.id)), made.version, made.request_id))
        # What a transaction asked for in the end; of one that was refused, what was refused.
        for asked, answered in state.get("asked", ()):
            record(asked, answered)
        if actor is None and status >= 400:
            trail.add_stranger(made)
        elif action not in _WRITES or status >= 400:
            trail.add(made)
        elif "replayed" in state:
            trail.add(made._replace(action=AuditAction.REPLAY))
        else:
            for one in state.get("unchanged", ()):
                shown = {"type": one.type, "id": one.id, "version": one.version}
                trail.add(made._replace(action=AuditAction.READ, **shown))

    return record


def _asks_for_all(scope: Scope) -> bool:
    """Whether the whole of a resource is asked for, and no part of it."""
    names = {name for name, _ in parse_qsl(_text(scope["query_string"]), keep_blank_values=True)}
    return names.isdisjoint(_PARTS)


def _resource(scope: Scope, action: AuditAction) -> tuple[str | None, str | None]:
    """Type and id; what is no type of ours, or no id, is left out: it may be anything."""
    parameters = scope["path_params"]
    # The address of an operation may be that of one type.
    of_one_type = scope["path"].split("/")[2] if action is AuditAction.EXECUTE else None
    resource_type = parameters.get("resource_type", of_one_type)
    resource_id = parameters.get("resource_id")
    return (
        resource_type if resource_type in SUPPORTED else None,
        resource_id if resource_id is not None and ID.fullmatch(resource_id) else None,
    )


def _query(scope: Scope, action: AuditAction) -> str | None:
    """The parameters of a search, byte for byte where they are text; of an operation its name before them.

    Of what is not supported the method and the address, with its parameters.
    """
    if action in _QUESTIONS:
        parts = (scope["query_string"], scope["state"].get("form", b""))
        return _text(b"&".join(part for part in parts if part))
    if action is AuditAction.EXECUTE:
        operation = scope["path"].rpartition("/")[2]
        return f"{operation}?{_text(scope['query_string'])}".rstrip("?")
    if action is AuditAction.UNSUPPORTED:
        asked = f"{scope['method']} {_text(scope['raw_path'])}?{_text(scope['query_string'])}".rstrip("?")
        # It may be anything, from anybody: enough to see what was tried.
        return asked if len(asked) <= _MOST_SHOWN else f"{asked[:_MOST_SHOWN]}... ({len(asked)} characters)"
    return None


def _text(raw: bytes) -> str:
    # The store keeps no NUL.
    return raw.decode("utf-8", "backslashreplace").replace("\0", "\\x00")
