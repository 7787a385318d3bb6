"""Work through many things beside the requests: what one of them refuses keeps nobody else waiting."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from referral.domain.errors import StoreUnavailable

_log = structlog.get_logger(__name__)


@contextmanager
def going_on(event: str, **about: str | None) -> Iterator[None]:
    """What fails in here is told of in the log, as this event, and no more comes of it.

    Raises StoreUnavailable: the others would fail as well.
    """
    try:
        yield
    except StoreUnavailable:
        raise
    except Exception as failure:  # noqa: BLE001 - whatever it is, the others go on
        tell_failure(event, failure, **about)


def tell_failure(event: str, failure: Exception, **about: str | None) -> None:
    """Log where it failed, not what it says: the text of an exception may quote a row."""
    frames = [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(failure.__traceback__)]
    _log.error(event, error=type(failure).__name__, frames=frames[-12:], **about)
