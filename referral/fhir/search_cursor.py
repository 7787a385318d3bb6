"""The `_cursor` of a next link: where the page before ended. Opaque to clients, checked when it returns."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Final

from referral.domain.errors import InvalidElement
from referral.domain.search import Cursor, SortKey
from referral.fhir.primitives import ID

_MAX_LENGTH: Final = 400


def encode_cursor(sort: SortKey, value: datetime | None, resource_id: str) -> str:
    """Cursor after the match with that sort value (aware; None when it has none, or for `_id`)."""
    moment = None if value is None else value.astimezone(UTC).isoformat()
    content = json.dumps([str(sort), moment, resource_id], separators=(",", ":"))
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def decode_cursor(text: str, sort: SortKey) -> Cursor:
    """Cursor that we made for the same order. Raises InvalidElement for anything else."""
    try:
        cursor = _decode(text, sort)
    except (ValueError, RecursionError):
        cursor = None
    if cursor is None:
        raise InvalidElement("Parameter _cursor: it is not from a next link of this search.")
    return cursor


def _decode(text: str, sort: SortKey) -> Cursor | None:
    if len(text) > _MAX_LENGTH:
        return None
    padded = (text + "=" * (-len(text) % 4)).encode("ascii")
    match json.loads(base64.b64decode(padded, altchars=b"-_", validate=True)):
        case [str() as order, (str() | None) as moment, str() as resource_id]:
            value = None if moment is None else datetime.fromisoformat(moment)
        case _:
            return None
    in_utc = value is None or value.utcoffset() == timedelta(0)
    # No resource is sorted by a moment with `_id`, none lacks one with `_lastUpdated`.
    impossible = (sort.param == "_id" and value is not None) or (
        sort.param == "_lastUpdated" and value is None
    )
    if order != str(sort) or not in_utc or impossible or not ID.fullmatch(resource_id):
        return None
    return Cursor(value, resource_id)
