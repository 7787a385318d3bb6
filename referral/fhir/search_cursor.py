"""The `_cursor` of a next link: where the page before ended. Opaque to clients, checked when it returns."""

import base64
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Final

from referral.domain.errors import InvalidElement
from referral.domain.search import Cursor, Kind, SortKey
from referral.fhir.primitives import ID

# A text that is sorted by has up to some 700 characters of up to 4 bytes; JSON may escape each.
_MAX_LENGTH: Final = 8000

_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")


def encode_cursor(sort: SortKey, value: datetime | str | None, resource_id: str) -> str:
    """Cursor after the match with that sort value (a moment is aware; None: it has none, or for `_id`)."""
    shown = value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value
    content = json.dumps([str(sort), shown, resource_id], separators=(",", ":"))
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
        case [str() as order, (str() | None) as shown, str() as resource_id]:
            value = None if shown is None else _value(shown, sort.kind)
        case _:
            return None
    in_utc = not isinstance(value, datetime) or value.utcoffset() == timedelta(0)
    # No resource is sorted by a value with `_id`, none lacks one with `_lastUpdated`.
    impossible = (sort.param == "_id" and value is not None) or (
        sort.param == "_lastUpdated" and value is None
    )
    if order != str(sort) or not in_utc or impossible or not ID.fullmatch(resource_id):
        return None
    return Cursor(value, resource_id)


def _value(shown: str, kind: Kind) -> datetime | str:
    """Raises ValueError for what this kind is not sorted by."""
    if kind is Kind.DATE:
        return datetime.fromisoformat(shown)
    if kind is Kind.QUANTITY:
        # As it is written by us, which is in the range of the store.
        if repr(float(shown)) != shown or shown == "nan":
            raise ValueError(shown)
    elif _UNSTORABLE.search(shown):
        raise ValueError(shown)
    return shown
