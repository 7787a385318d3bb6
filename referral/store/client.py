"""Clients, their tokens and the assertions they have used up."""

import json
from datetime import datetime

import asyncpg

from referral.domain.actor import Actor, Client
from referral.domain.facility import FacilityId
from referral.domain.scope import understood_scopes
from referral.store.pool import Connection
from referral.store.statements import statement


async def find_client(connection: Connection, client_id: str) -> Client | None:
    """The client, also one that is not active."""
    row = await connection.fetchrow(statement("client", "find_client"), client_id)
    return None if row is None else _client(row)


async def list_clients(connection: Connection) -> tuple[Client, ...]:
    """All clients by facility and id."""
    return tuple(_client(row) for row in await connection.fetch(statement("client", "list_clients")))


async def known_facility(connection: Connection, facility: FacilityId) -> bool:
    """True for a facility and for the office of a network, whose id is the network's."""
    return bool(await connection.fetchval(statement("client", "known_facility"), facility))


async def add_client(connection: Connection, client: Client) -> bool:
    """Insert a client and its audit row; False, and nothing written, where the id is taken."""
    return bool(
        await connection.fetchval(
            statement("client", "add_client"),
            client.id,
            client.facility,
            client.name,
            str(client.scope),
            json.dumps({"keys": client.keys}),
            client.active,
            client.created_at,
        )
    )


async def issue_token(
    connection: Connection,
    actor: Actor,
    *,
    token_hash: bytes,
    issued_at: datetime,
    expires_at: datetime,
    assertion_id: str,
    assertion_ends_at: datetime,
    request_id: str | None,
    address: str | None = None,
) -> bool:
    """Use up the assertion, insert token and audit row; False, and nothing written, if it was used before.

    `assertion_ends_at`: when no such assertion can be valid any more, so that its id may be forgotten.
    """
    return bool(
        await connection.fetchval(
            statement("client", "issue_token"),
            actor.client,
            assertion_id,
            assertion_ends_at,
            token_hash,
            str(actor.scope),
            actor.facility,
            issued_at,
            expires_at,
            request_id,
            address,
        )
    )


async def find_token(
    connection: Connection, token_hash: bytes, now: datetime
) -> tuple[Actor, datetime] | None:
    """Who holds a token that is valid now, and when it expires."""
    row = await connection.fetchrow(statement("client", "find_token"), token_hash, now)
    if row is None:
        return None
    actor = Actor(FacilityId(row["facility"]), row["id"], understood_scopes(row["scope"]))
    return actor, row["expires_at"]


def _client(row: asyncpg.Record) -> Client:
    return Client(
        id=row["id"],
        facility=FacilityId(row["facility"]),
        name=row["name"],
        scope=understood_scopes(row["scope"]),
        keys=tuple(json.loads(row["jwks"])["keys"]),
        active=row["active"],
        created_at=row["created_at"],
    )
