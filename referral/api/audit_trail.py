"""What a request leaves in the audit besides the rows of a write: reads, searches, operations, refusals.

It is taken as the answer begins, before a byte of it is sent. https://hl7.org/fhir/R4/security.html#audit
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from starlette.types import Scope

from referral.api import create, read, search, suggest_targets, token, transaction, update
from referral.api.services import Services
from referral.domain.actor import Actor
from referral.fhir.primitives import ID
from referral.fhir.resources import SUPPORTED
from referral.store.audit import AuditRecord

READ: Final = "read"
SEARCH: Final = "search"
EXECUTE: Final = "execute"
TOKEN: Final = "token"  # noqa: S105 - the name of what is done
REPLAY: Final = "replay"

ACTIONS: Final[Mapping[Callable[..., Any], str]] = {
    read.read: READ,
    search.search: SEARCH,
    suggest_targets.suggest_for_draft: EXECUTE,
    suggest_targets.suggest_for_stored: EXECUTE,
    suggest_targets.suggest_by_query: EXECUTE,
    create.create: "create",
    update.update: "update",
    transaction.transaction: "transaction",
    token.token: TOKEN,
}
"""What is done by each of the functions that answer."""

# What these do leaves its rows in its own transaction.
_WRITES: Final = {"create", "update", "transaction", TOKEN}


def recorder(services: Services) -> Callable[[Scope, int], None]:
    """A function that records the request of a scope, about to be answered with a status."""
    trail, now = services.audit, services.now

    def record(scope: Scope, status: int) -> None:
        endpoint = scope.get("endpoint")
        action = ACTIONS.get(endpoint) if endpoint is not None else None
        # A fault or a database that is away tells nobody anything.
        if action is None or status >= 500:
            return
        state = scope["state"]
        if status < 400 and action in _WRITES:
            if "replayed" not in state:
                return
            action = REPLAY
        actor: Actor | None = state.get("actor")
        if actor is None and status == 405:
            return
        resource_type, resource_id = _resource(scope["path_params"], action)
        client = scope.get("client")
        made = AuditRecord(
            now(),
            actor.facility if actor else None,
            actor.client if actor else state.get("claimed_client"),
            action,
            resource_type,
            resource_id,
            state.get("version"),
            status,
            _query(scope, action),
            client[0] if client else None,
            state["request_id"],
        )
        if actor is None:
            trail.add_stranger(made)
        else:
            trail.add(made)

    return record


def _resource(parameters: Mapping[str, Any], action: str) -> tuple[str | None, str | None]:
    """Type and id; what is no type of ours, or no id, is left out: it may be anything."""
    # The operations of today are those of one type.
    resource_type = "ServiceRequest" if action == EXECUTE else parameters.get("resource_type")
    resource_id = parameters.get("resource_id")
    return (
        resource_type if resource_type in SUPPORTED else None,
        resource_id if resource_id is not None and ID.fullmatch(resource_id) else None,
    )


def _query(scope: Scope, action: str) -> str | None:
    """The parameters of a search, byte for byte where they are text; of an operation its name before them."""
    if action == SEARCH:
        parts = (scope["query_string"], scope["state"].get("form", b""))
        return _text(b"&".join(part for part in parts if part))
    if action == EXECUTE:
        operation = scope["path"].rpartition("/")[2]
        return f"{operation}?{_text(scope['query_string'])}".rstrip("?")
    return None


def _text(raw: bytes) -> str:
    # The store keeps no NUL.
    return raw.decode("utf-8", "backslashreplace").replace("\0", "\\x00")
