"""The reads of a transaction: they see what it has written, before that counts.

https://hl7.org/fhir/R4/http.html#trules: "the GETs see the outcome of the transaction".
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, Final

from starlette.requests import Request
from starlette.routing import Match
from starlette.types import Scope

from referral.api.bundle_entry import EntryAnswer, entry_scope, received
from referral.api.errors import answer_to
from referral.api.services import LARGEST_BODY, services_of
from referral.domain.actor import Actor
from referral.domain.errors import DomainError, NotFound, TooLarge
from referral.fhir.bundle import resolve_address
from referral.store.pool import Store

_LARGEST_ANSWERS: Final = LARGEST_BODY
"""All of it is kept, to be answered again."""


async def read_entries(
    request: Request,
    actor: Actor,
    store: Store,
    reads: Sequence[tuple[str, Mapping[str, Any]]],
    ids: Mapping[str, str],
) -> AsyncIterator[bytes]:
    """The entries of the answer to these reads (path, Bundle.entry.request), by the doors of single ones.

    store: as the transaction sees it. ids: what stands in the place of a fullUrl. Leaves in `request.state`
    what is to be recorded, once it is known how the whole has ended. Raises what a door raises, at the entry;
    TooLarge where the answers are.
    """
    recorded: list[tuple[Scope, int]] = []
    inside = SimpleNamespace(services=replace(services_of(request), store=store))
    size = 0
    for path, asked in reads:
        scope = entry_scope(request, {**asked, "url": resolve_address(asked["url"], ids)})
        scope["app"] = SimpleNamespace(state=inside)
        scope["state"] = {"actor": actor, "request_id": request.state.request_id}
        answer = EntryAnswer()
        try:
            await _ask(request, scope, answer)
            size += len(answer.body)
            if size > _LARGEST_ANSWERS:
                raise TooLarge("The answers of a transaction are too large: ask in a batch.")
        except DomainError as error:
            place = f"{path}.request.url"
            error.problems = tuple(replace(problem, expression=place) for problem in error.problems)
            request.state.asked = [(scope, answer_to(error).status)]
            raise
        recorded.append((scope, answer.status))
        yield answer.entry(asked["method"])
    request.state.asked = recorded


async def _ask(request: Request, scope: Scope, answer: EntryAnswer) -> None:
    for route in request.app.routes:
        match, named = route.matches(scope)
        if match is Match.FULL:
            scope.update(named)
            await route.handle(scope, received(b""), answer.take)
            return
    raise NotFound("There is no such address to be read from here.")
