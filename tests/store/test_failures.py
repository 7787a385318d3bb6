"""What the database refuses of the directory is an answer to the client, or cannot be asked for."""

import asyncpg
import pytest

from referral.domain.errors import StaleVersion
from referral.store.change_set import ChangeSet, apply_changes
from referral.store.failures import domain_error
from referral.store.pool import Store
from tests.directory_writer import import_two_networks, rows

TABLES = (
    "network",
    "facility",
    "membership",
    "affiliation",
    "service",
    "capacity",
    "technique",
    "approval",
    "link",
    "directory",
)

IMPORT = "only an import writes it, and it checks first, behind a lock"
UPSERT = "the row that is there is changed instead"
ENUM = "the code is one of an enumeration before it comes here (UnknownCode)"
REFERENCE = (
    "the reference was resolved to a stored or pending resource (BrokenRule), and none is ever deleted"
)
ROW = "the same transaction writes that row first, and none is ever deleted"

UNREACHABLE = {
    "network_pkey": IMPORT,
    "network_prefix_key": IMPORT,
    "network_prefix_check": IMPORT,
    "facility_pkey": UPSERT,
    "facility_level_check": ENUM,
    "facility_latitude_check": "location_row refuses what is off the globe (BrokenRule)",
    "facility_longitude_check": "location_row refuses what is off the globe (BrokenRule)",
    "membership_pkey": UPSERT,
    "membership_network_fkey": "it is the network whose office writes",
    "membership_facility_fkey": REFERENCE,
    "membership_tier_check": ENUM,
    "affiliation_document_key": UPSERT,
    "affiliation_network_fkey": "it is the network whose office writes",
    "affiliation_kind_check": ENUM,
    "affiliation_organization_fkey": REFERENCE,
    "affiliation_participating_fkey": REFERENCE,
    "affiliation_check": "a tie to itself is refused (BrokenRule)",
    "service_pkey": UPSERT,
    "service_facility_fkey": REFERENCE,
    "service_network_fkey": IMPORT,
    "service_code": "a code comes from an import; a service that moves over FHIR loses its code",
    "capacity_pkey": UPSERT,
    "capacity_service_fkey": ROW,
    "capacity_status_check": ENUM,
    "capacity_free_check": "capacity_of refuses fewer than none (BrokenRule)",
    "technique_pkey": UPSERT,
    "approval_network_fkey": IMPORT,
    "approval_facility_fkey": REFERENCE,
    "approval_service_fkey": ROW,
    "approval_list_technique_fkey": "codes that no list has are left out",
    "link_network_fkey": IMPORT,
    "link_origin_fkey": IMPORT,
    "link_destination_fkey": IMPORT,
    "link_minutes_check": IMPORT,
    "link_kind_check": IMPORT,
    "directory_pkey": "what is listed already stays",
    "directory_network_fkey": "it is a network of the actor or of the owner, as loaded",
}
"""Constraints that no write of the directory over FHIR can violate, and why."""

NEVER_NULL = {
    "network": ("id name prefix policy updated_at", IMPORT + "; its name over FHIR is required"),
    "facility": ("id name landmass active", "a name is required (MissingElement), the others have a default"),
    "membership": ("network facility tier code document", "a tier is required, the code is else the id"),
    "affiliation": (
        "network kind organization participating needs document",
        "both ends are required (MissingElement), needs are a list",
    ),
    "service": ("id facility name active", "the name is else its specialty or id"),
    "capacity": ("service status", "a capacity without a status is refused (BrokenRule)"),
    "technique": ("list code name", IMPORT),
    "approval": ("facility list technique state", "all of them are always given"),
    "link": ("network origin destination minutes kind both_ways", IMPORT),
    "directory": ("network type id", "all of them are always given"),
}
"""Columns that must have a value, and why a write over FHIR always gives one."""


def is_mapped(constraint: str) -> bool:
    failure = asyncpg.IntegrityConstraintViolationError()
    failure.constraint_name = constraint
    return domain_error(failure) is not None


async def test_every_constraint_of_the_directory_is_an_answer_or_out_of_reach(store: Store) -> None:
    found = await rows(
        store,
        """
        SELECT conname::text AS name FROM pg_constraint
        WHERE conrelid = ANY ($1::text[]::regclass[]) AND contype <> 'n'
        UNION SELECT indexrelid::regclass::text FROM pg_index
        WHERE indrelid = ANY ($1::text[]::regclass[]) AND indisunique
        """,
        TABLES,
    )
    names = {row["name"] for row in found}
    mapped = {name for name in names if is_mapped(name)}
    assert names - mapped == UNREACHABLE.keys()


async def test_every_column_that_needs_a_value_gets_one(store: Store) -> None:
    found = await rows(
        store,
        """
        SELECT attrelid::regclass::text AS table, array_agg(attname::text) AS columns FROM pg_attribute
        WHERE attrelid = ANY ($1::text[]::regclass[]) AND attnum > 0 AND NOT attisdropped AND attnotnull
        GROUP BY attrelid
        """,
        TABLES,
    )
    listed = {table: set(columns.split()) for table, (columns, _why) in NEVER_NULL.items()}
    assert {row["table"]: set(row["columns"]) for row in found} == listed


async def test_one_affiliation_for_two_members_at_one_moment_has_one_winner(store: Store) -> None:
    await import_two_networks(store)
    row = {"network": "hill", "facility": "harbour", "tier": "core", "code": "h", "document": "hill.hospital"}
    with pytest.raises(StaleVersion):
        async with store.writing("hill") as connection:
            await apply_changes(connection, ChangeSet(typed={"memberships": [row]}))
