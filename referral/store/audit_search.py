"""The audit as a facility sees it: what it did itself, and what others did to what is its own."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import orjson

from referral.domain.audit import AuditQuestion, AuditRecord, AuditRow
from referral.store.pool import Store
from referral.store.statements import statement

_MOST_LOOKED_AT: Final = 10_000
"""Rows that one page looks at, whichever fit."""

_LAST: Final = (datetime.max.replace(tzinfo=UTC), 2**63 - 1)


class AuditPlace(NamedTuple):
    """Where the next page begins: after this row."""

    at: datetime
    seq: int


class AuditPage(NamedTuple):
    """A page of rows, the newest first. next: None on the last page."""

    rows: tuple[AuditRow, ...]
    next: AuditPlace | None


async def find_audit(
    store: Store, visible_to: str, asked: AuditQuestion, *, count: int, after: AuditPlace | None = None
) -> AuditPage:
    """At most `count` rows that fit. A page may hold fewer, even none, and yet not be the last.

    Of what others did the system, its address, the request and its parameters are left out.
    """
    if asked.is_vain:
        return AuditPage((), None)
    lows, highs = zip(*asked.spans, strict=True)
    found = await store.fetch_all_as(
        visible_to,
        statement("audit", "find"),
        *(after or _LAST),
        lows,
        highs,
        _listed(asked.rows),
        _listed(asked.actions),
        asked.refused,
        _listed(asked.actors),
        _listed(asked.clients),
        _listed(asked.requests),
        _listed(asked.patients),
        orjson.dumps([sorted(each) for each in asked.entities]).decode() if asked.entities else None,
        asked.about,
        asked.named,
        count + 1,
        _MOST_LOOKED_AT,
    )
    # One without an action says how far was looked.
    fitting = [row for row in found if row["action"] is not None]
    last = None
    if len(fitting) > count:
        last = fitting[count - 1]
    elif len(found) > len(fitting):
        last = found[-1]
    return AuditPage(
        tuple(_row(dict(row)) for row in fitting[:count]),
        None if last is None else AuditPlace(last["at"], last["seq"]),
    )


def _listed(values: Collection[object] | None) -> list[object] | None:
    return None if values is None else list(values)


def _row(fields: dict[str, Any]) -> AuditRow:
    told = {name: fields[name] for name in fields.keys() - {"seq", "patient"}}
    return AuditRow(fields["seq"], AuditRecord(**told), fields["patient"])
