"""Read and search of what the service tells of itself: its definitions, and the audit.

https://hl7.org/fhir/R4/conformance-module.html, https://hl7.org/fhir/R4/auditevent.html
"""

import asyncio

from referral.api.services import Services
from referral.domain.actor import Actor
from referral.domain.audit import AuditQuestion, AuditRow
from referral.domain.errors import InvalidElement
from referral.domain.search import Cursor, SearchQuery, Total
from referral.fhir.audit_event import audit_event
from referral.fhir.audit_query import audit_question
from referral.fhir.content import write_content
from referral.fhir.definitions import find_definition, find_definitions
from referral.fhir.intervals import BEGINNING, END
from referral.fhir.opaque_id import AUDIT_ROW, number_behind, opaque_id
from referral.fhir.resources import AUDIT_EVENT
from referral.store.audit_search import AuditPlace, find_audit
from referral.store.search import FoundResource, SearchPage


async def read_only(services: Services, actor: Actor, resource_type: str, resource_id: str) -> str | None:
    """One resource, as JSON text. None: there is none, or the actor does not see it."""
    if resource_type != AUDIT_EVENT:
        # The first of each type reads files, and makes what is then kept.
        found = await asyncio.to_thread(find_definition, resource_type, resource_id, services.fhir_base)
        return None if found is None else found.content
    number = _row(services, resource_id)
    if number is None:
        return None
    asked = AuditQuestion(((BEGINNING, END),), rows=frozenset({number}))
    page = await find_audit(services.store, actor.facility, asked, count=1)
    return _event(page.rows[0], services).content if page.rows else None


async def search_read_only(services: Services, actor: Actor, query: SearchQuery) -> SearchPage:
    """A page of definitions, which all see; or of AuditEvents: see `find_audit`."""
    if query.resource_type != AUDIT_EVENT:
        found = await asyncio.to_thread(find_definitions, query, services.fhir_base)
        matches = tuple(FoundResource(query.resource_type, each.id, each.content) for each in found.found)
        counted = query.total not in {None, Total.NONE} or query.count == 0
        return SearchPage(matches, (), found.next, found.total if counted else None)
    question, after = audit_question(query, services.store.id_key), _place(services, query.cursor)
    page = await find_audit(services.store, actor.facility, question, count=query.count, after=after)
    events = tuple(_event(row, services) for row in page.rows)
    if page.next is None:
        return SearchPage(events, (), None, None)
    last = opaque_id(services.store.id_key, AUDIT_ROW, page.next.seq)
    return SearchPage(events, (), Cursor(page.next.at, last), None)


def _row(services: Services, name: str) -> int | None:
    """The row that an AuditEvent is of, by its id."""
    return number_behind(services.store.id_key, AUDIT_ROW, name)


def _place(services: Services, cursor: Cursor | None) -> AuditPlace | None:
    """Raises InvalidElement for a cursor that is none of ours."""
    if cursor is None:
        return None
    number = _row(services, cursor.id)
    if number is None or cursor.value is None or isinstance(cursor.value, str):
        raise InvalidElement("Parameter _cursor: it is not from a next link of this search.")
    return AuditPlace(cursor.value, number)


def _event(row: AuditRow, services: Services) -> FoundResource:
    event = audit_event(row, services.base_url, services.store.id_key)
    event["meta"] = {"lastUpdated": event["recorded"], **event.get("meta", {})}
    return FoundResource(AUDIT_EVENT, event["id"], write_content(event).decode())
