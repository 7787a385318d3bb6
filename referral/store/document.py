"""One resource as it stands, read by who may see it."""

from dataclasses import dataclass
from datetime import datetime

from referral.domain.visibility import DIRECTORY
from referral.store.pool import Connection
from referral.store.statements import statement


@dataclass(frozen=True, slots=True)
class StoredResource:
    """The newest version; `content` is JSON text, of the last version before where it is deleted."""

    version: int
    updated_at: datetime
    deleted: bool
    content: str


async def read_document(
    connection: Connection, visible_to: str, resource_type: str, resource_id: str
) -> StoredResource | None:
    """The resource, also a deleted one. None: unknown, or not seen by the facility."""
    name = "read_directory" if resource_type in DIRECTORY else "read_clinical"
    row = await connection.fetchrow(statement("document", name), visible_to, resource_type, resource_id)
    return None if row is None else StoredResource(*row)
