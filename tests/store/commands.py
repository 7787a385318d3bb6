"""Commands as the doors give them to the hub, in the small network, without HTTP."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from referral.actions.draft import Draft, Written
from referral.actions.import_network import import_network
from referral.actions.new_id import new_id
from referral.domain.actor import Actor
from referral.domain.facility import FacilityId
from referral.domain.scope import read_scopes
from referral.store.pool import Store
from tests.owner import behind_the_wall
from tests.small_network import HOSPITAL, STATION, small_network
from tests.written import write_drafts

OFFICE = FacilityId("hill")
START = datetime(2026, 3, 1, 8, tzinfo=UTC)

Content = dict[str, Any]
__all__ = ["HOSPITAL", "OFFICE", "STATION", "Hub"]


class Hub:
    """The actions over one store; each command is a second after the one before."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._now = START

    async def prepare(self) -> None:
        """Import the small network."""
        await import_network(self.store, small_network(), self._now)

    def new(self, content: Content) -> Draft:
        """A create."""
        return Draft(content["resourceType"], new_id(self._now), dict(content), is_create=True)

    @staticmethod
    def change(before: Written | Content, **more: Any) -> Draft:
        """An update of what stands so."""
        content = content_of(before) if isinstance(before, Written) else before
        expected = int(content["meta"]["versionId"])
        changed = content | more
        return Draft(content["resourceType"], content["id"], changed, is_create=False, expected=expected)

    async def write(self, facility: FacilityId, *drafts: Draft) -> list[Written]:
        """One command of a facility."""
        self._now += timedelta(seconds=1)
        return await write_drafts(
            self.store,
            drafts,
            actor=Actor(facility, f"ehr-{facility}", read_scopes("system/*.cruds")),
            base="http://hub.example/fhir",
            now=self._now,
            new_id=lambda: new_id(self._now),
            request_id="request-1",
        )

    async def rows(self, sql: str, *values: object) -> list[dict[str, Any]]:
        """What the database holds."""
        async with behind_the_wall(self.store) as connection:
            return [dict(row) for row in await connection.fetch(sql, *values)]

    async def content(self, resource_type: str, **more: object) -> Content:
        """The one resource of a type, as it stands; `more` are texts of its top level."""
        sql = "SELECT content::text AS content FROM document WHERE type = $1 AND content @> $2::text::jsonb"
        (row,) = await self.rows(sql, resource_type, json.dumps(more))
        return dict(json.loads(row["content"]))


def content_of(written: Written) -> Content:
    """A resource as it was answered."""
    return dict(json.loads(written.content))
