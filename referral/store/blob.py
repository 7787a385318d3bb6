"""The bytes of attachments: equal ones stand once. See `migrations/versions/r0004_blob.sql`."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

from referral.store.pool import Connection, Store
from referral.store.statements import statement


@dataclass(frozen=True, slots=True)
class NewBlob:
    """Bytes that are to be stored: a file that is open, how many they are, and their SHA-1."""

    file: BinaryIO
    size: int
    sha1: bytes


class StoredBlob(NamedTuple):
    """What is known of stored bytes."""

    size: int
    sha1: bytes


class Part(NamedTuple):
    """Some of the bytes, and how many all of them are."""

    size: int
    content: bytes


async def keep_blob(connection: Connection, key: tuple[str, int], media_type: str, blob: NewBlob) -> None:
    """Give bytes to a version of a Binary that this transaction has written. key: its id and version."""
    blob.file.seek(0)
    await connection.execute(statement("blob", "keep"), *key, media_type, blob.sha1, blob.file.read())


async def find_blobs(connection: Connection, ids: Collection[str]) -> dict[str, StoredBlob]:
    """What the newest versions of these Binaries hold, by id: of those that the connection's actor sees."""
    rows = await connection.fetch(statement("blob", "find"), list(ids)) if ids else []
    return {row["id"]: StoredBlob(row["size"], row["sha1"]) for row in rows}


async def read_part(
    store: Store, visible_to: str, key: tuple[str, int], *, start: int, length: int
) -> Part | None:
    """At most `length` bytes from `start` (0: the first) on. None: there is none that the facility sees."""
    rows = await store.fetch_all_as(visible_to, statement("blob", "read"), *key, start, length)
    return Part(*rows[0]) if rows else None
