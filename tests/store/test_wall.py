"""The wall: row-level security under the service's role, whatever a statement forgets to ask for."""

import re
from collections.abc import AsyncIterator

import asyncpg
import pytest

from referral.domain.visibility import CLINICAL as CLINICAL_TYPES
from referral.domain.visibility import DIRECTORY as DIRECTORY_TYPES
from referral.fhir.search_query import parse_search
from referral.store import search
from referral.store.change_set import WriteRequest, load_for_write
from referral.store.pool import Store
from referral.store.statements import statement
from tests.factories import observation, patient
from tests.owner import behind_the_wall
from tests.store.commands import HOSPITAL, OFFICE, STATION, Hub
from tests.store.documents import BASE
from tests.store.test_messages import placed

# Everything that tells of patients. The rest is the network, the systems that may ask, and the schema itself.
CLINICAL = {
    "access",
    "change",
    "deadline",
    "demand",
    "document",
    "document_version",
    "document_version_0",
    "document_version_1",
    "document_version_2",
    "document_version_3",
    "event",
    "journey",
    "offer",
    "referral",
    "referral_identifier",
    "search_date",
    "search_position",
    "search_quantity",
    "search_reference",
    "search_string",
    "search_token",
}
# What stands in attachments is read through a function alone.
BYTES = {"attachment", "blob"}
# What the service may read whoever asks; what it may not read at all (the audit) stands in neither.
OPEN = {
    "access_token",
    "affiliation",
    "approval",
    "assertion_id",
    "capacity",
    "client",
    "directory",
    "facility",
    "id_key",
    "link",
    "membership",
    "network",
    "network_version",
    "policy_version",
    "schema_revision",
    "service",
    "technique",
}
# What the service runs with the eyes of the owner. Each is a door, and to be judged: what it tells, and whom.
OVER_THE_WALL = {
    "answer_times",
    "apply_changes",
    "clock_counts",
    "due_deadlines",
    "find_audit",
    "find_blobs",
    "find_replay",
    "fire_deadlines",
    "first_change",
    "keep_blob",
    "kept_by",
    "load_for_write",
    "network_of_number",
    "offers_ahead",
    "open_work",
    "postpone_deadline",
    "read_blob",
    "record_audit",
    "request_to_place",
    "seal_audit",
    "standing_of",
    "take_referral",
    "type_history",
    "waiting_offers",
    "without_deadline",
}
# Of the clinical ones, those of which the scene has no row. Positions are of the directory.
EMPTY = {"demand", "journey", "referral_identifier", "search_position"}
STRANGER = "stranger"
# What stands in a statement in place of the condition: its first value is still bound.
_FORGOTTEN = "$1::text IS NOT NULL"
# What the queries of everybody cannot show, because the wall leaves the directory to their own conditions.
DIRECTORY = tuple(sorted(DIRECTORY_TYPES))


@pytest.fixture
async def hub(store: Store) -> Hub:
    """One referral of the station, which the hospital has acknowledged."""
    found = Hub(store)
    await found.prepare()
    _, task = await placed(found)
    await found.write(HOSPITAL, found.change(task, status="received"))
    who = (await found.content("Patient"))["id"]
    await found.write(STATION, found.new(observation(who, valueQuantity={"value": 38, "unit": "Cel"})))
    return found


def _clinical(table: str) -> str:
    """The number of clinical rows, as whoever counts sees them."""
    where = (
        ""
        if table in {"deadline", "demand", "journey", "referral", "referral_identifier", "offer"}
        else f"WHERE type <> ALL ({_TYPES})"
    )
    return f"SELECT count(*) FROM {table} {where}"


_TYPES = f"ARRAY[{', '.join(repr(each) for each in DIRECTORY)}]"


async def test_every_table_is_before_the_wall_or_behind_it(store: Store) -> None:
    async with behind_the_wall(store) as owner:
        tables = await owner.fetch(
            "SELECT relname, relrowsecurity FROM pg_class WHERE relkind IN ('r', 'p')"
            " AND relnamespace = 'public'::regnamespace"
        )
        readable = {
            row["relname"]
            for row in tables
            if await owner.fetchval(
                "SELECT has_table_privilege('referral_service', $1, 'SELECT')", row["relname"]
            )
        }
    assert {row["relname"] for row in tables if row["relrowsecurity"]} >= CLINICAL
    assert readable == CLINICAL | OPEN


@pytest.mark.parametrize("actor", [None, "", STRANGER, "' OR true --"])
async def test_without_an_actor_and_to_a_stranger_there_is_no_clinical_row(hub: Hub, actor: str | None):
    async with hub.store.reading(actor) as connection, behind_the_wall(hub.store) as owner:
        seen = {table: await connection.fetchval(_clinical(table)) for table in CLINICAL}
        there = {table: await owner.fetchval(_clinical(table)) for table in CLINICAL}
    assert seen == dict.fromkeys(CLINICAL, 0)
    # Else there was nothing to be seen.
    assert {name for name, rows in there.items() if not rows and not name[-1].isdigit()} == EMPTY


async def test_a_connection_sees_what_its_facility_may_see(hub: Hub):
    (mine,) = await hub.write(STATION, hub.new(patient()))
    for facility, sees in {STATION: 2, HOSPITAL: 1, OFFICE: 0}.items():
        async with hub.store.reading(facility) as connection:
            ids = await connection.fetch("SELECT id FROM document WHERE type = 'Patient'")
            names = await connection.fetch("SELECT DISTINCT id FROM search_string WHERE type = 'Patient'")
        assert len(ids) == len(names) == sees, facility
        assert (mine.id in {row["id"] for row in ids}) is (facility == STATION)


@pytest.fixture
async def forgetful(hub: Hub) -> AsyncIterator[None]:
    """The function that finds what a page brings along, without its condition."""
    async with behind_the_wall(hub.store) as owner:
        text = await owner.fetchval("SELECT pg_get_functiondef('included_documents'::regproc)")
        start, end = text.index("    AND (EXISTS (SELECT FROM access"), text.index("  ORDER BY d.type, d.id")
        await owner.execute((text[:start] + text[end:]).replace("included_documents", "forgetful"))
        yield
        await owner.execute("DROP FUNCTION forgetful")


async def test_a_forgotten_condition_leaks_nothing(
    hub: Hub, forgetful: None, monkeypatch: pytest.MonkeyPatch
):
    """The condition is taken out of the statements, as if somebody had not written it."""
    monkeypatch.setattr(search, "visible", lambda _type: _FORGOTTEN)
    included = statement("search", "included")
    monkeypatch.setattr(
        search, "statement", lambda _noun, _name: included.replace("included_documents", "forgetful")
    )
    addresses = [
        "Patient",
        "Patient?name=tran",
        "Patient?_total=accurate&_count=0",
        "Task?status=received&_include=Task:focus&_include=Task:subject",
        f"Task?owner=Organization/{HOSPITAL}&status=received&_revinclude=Task:focus",
        f"ServiceRequest?requester=Organization/{STATION}&_revinclude=Task:focus",
        "Patient?_revinclude=Observation:patient",
    ]
    request = await hub.content("ServiceRequest")
    (untold,) = await hub.write(
        STATION, hub.new(observation(request["subject"]["reference"].removeprefix("Patient/")))
    )
    for facility, sees in {STATION: True, HOSPITAL: True, STRANGER: False}.items():
        async with hub.store.reading(facility) as connection:
            for address in addresses:
                resource_type, _, text = address.partition("?")
                pairs = [
                    (name, value) for name, _, value in (each.partition("=") for each in text.split("&"))
                ]
                query = parse_search(resource_type, pairs if text else [], lenient=False, base=BASE)
                page = await search.search_documents(
                    connection, facility, query, include_types=sorted(CLINICAL_TYPES)
                )
                assert bool(page.matches or page.total) is sees, (facility, address)
                assert sees or not page.included
            # The patient's other records, which the offer does not give.
            assert (untold.id in {found.id for found in page.included}) is (facility == STATION)


async def test_a_forgotten_condition_of_a_read_leaks_nothing(hub: Hub):
    patient_of = (await hub.content("ServiceRequest"))["subject"]["reference"].removeprefix("Patient/")
    async with behind_the_wall(hub.store) as owner:
        text = await owner.fetchval("SELECT pg_get_functiondef('read_document'::regproc)")
        start, end = text.index("      -- OFFSET 0"), text.index(";\nEND $")
        await owner.execute((text[:start] + text[end:]).replace("read_document", "read_forgetfully"))
        try:
            sql = "SELECT content FROM read_forgetfully($1, 'Patient', $2)"
            seen = {
                each: await hub.store.fetch_as(each, sql, patient_of) for each in (STATION, HOSPITAL, OFFICE)
            }
        finally:
            await owner.execute("DROP FUNCTION read_forgetfully")
    assert [facility for facility, row in seen.items() if row] == [STATION, HOSPITAL]


async def test_a_forgotten_condition_of_a_worklist_s_documents_leaks_nothing(hub: Hub):
    patient_of = (await hub.content("ServiceRequest"))["subject"]["reference"].removeprefix("Patient/")
    async with behind_the_wall(hub.store) as owner:
        text = await owner.fetchval("SELECT pg_get_functiondef('read_versions'::regproc)")
        start, end = text.index("    WHERE (EXISTS"), text.index(";\nEND $")
        await owner.execute((text[:start] + text[end:]).replace("read_versions", "read_forgetfully"))
        try:
            sql = "SELECT key FROM read_forgetfully($1, ARRAY['Patient'], ARRAY[$2], ARRAY[1])"
            seen = {
                each: await hub.store.fetch_as(each, sql, patient_of) for each in (STATION, HOSPITAL, OFFICE)
            }
        finally:
            await owner.execute("DROP FUNCTION read_forgetfully(text, text[], text[], int[])")
    assert [facility for facility, row in seen.items() if row] == [STATION, HOSPITAL]


async def test_a_forgotten_condition_of_a_suggestion_leaks_nothing(hub: Hub):
    patient_of = (await hub.content("ServiceRequest"))["subject"]["reference"].removeprefix("Patient/")
    number = (await hub.content("Patient"))["identifier"][0]
    for facility, sees in {STATION: True, HOSPITAL: True, OFFICE: False, STRANGER: False}.items():
        async with hub.store.reading(facility) as connection:
            for name, values in {
                "find_patient": (patient_of,),
                "find_patient_by_identifier": (number["system"], number["value"]),
            }.items():
                sql = re.sub(
                    r"is_visible\(\$1, 'Patient', [a-z.]+\)", _FORGOTTEN, statement("suggestion", name)
                )
                assert _FORGOTTEN in sql
                found = await connection.fetchval(sql, facility, *values)
                assert (found is not None) is sees, (facility, name)


async def test_a_write_is_loaded_as_the_connection_s_actor_sees(hub: Hub):
    task = await hub.content("Task")
    request = WriteRequest(actor=HOSPITAL, update=[("Task", task["id"])])
    async with hub.store.writing(STRANGER) as connection:
        found = (await load_for_write(connection, request)).documents
    assert {(each.visible, each.content) for each in found.values()} == {(False, b"{}")}


async def test_nothing_is_loaded_for_nobody(hub: Hub):
    request = WriteRequest(actor=HOSPITAL, update=[("Task", (await hub.content("Task"))["id"])])
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with hub.store.writing(None) as connection:
            await load_for_write(connection, request)


async def test_few_functions_look_over_the_wall(store: Store):
    async with store.reading(None) as connection:
        found = await connection.fetch(
            "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef"
            " AND has_function_privilege(oid, 'EXECUTE')"
        )
    assert {row["proname"] for row in found} == OVER_THE_WALL


async def test_load_each_is_the_service_s_alone(store: Store):
    async with behind_the_wall(store) as owner:
        granted = await owner.fetch(
            "SELECT a.grantee::regrole::text AS to FROM pg_proc, aclexplode(proacl) a"
            " WHERE proname = 'load_each' AND a.grantee <> proowner"
        )
    assert [row["to"] for row in granted] == ["referral_service"]


async def test_the_service_writes_clinical_rows_through_its_two_functions_alone(store: Store):
    rights = ("INSERT", "UPDATE", "DELETE", "TRUNCATE", "TRIGGER")
    async with store.reading(None) as connection:
        held = await connection.fetch(
            "SELECT t.name, r.name FROM unnest($1::text[]) t (name), unnest($2::text[]) r (name)"
            " WHERE has_table_privilege(t.name, r.name)",
            sorted(CLINICAL | BYTES),
            rights,
        )
        assert [tuple(row) for row in held] == []
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("UPDATE access SET until = NULL")


@pytest.mark.parametrize("actor", [None, "", STRANGER, STATION])
async def test_bytes_are_given_to_a_binary_by_who_writes_it_alone(hub: Hub, actor: str | None):
    binary = {"resourceType": "Binary", "contentType": "text/plain", "data": "dGV4dA=="}
    (mine,) = await hub.write(STATION, hub.new(binary))
    sha1 = bytes(20)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with hub.store.writing(actor) as connection:
            await connection.execute(statement("blob", "keep"), mine.id, 1, "text/plain", sha1, b"other")
    async with hub.store.reading(actor) as connection:
        assert len(await connection.fetch(statement("blob", "find"), [mine.id])) == (actor == STATION)
        for table in BYTES:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetch(f"SELECT FROM {table}")


async def test_the_policies_keep_no_search_from_its_index(store: Store):
    """Before an operator that may tell of a value, a policy is asked of every row."""
    async with behind_the_wall(store) as owner:
        telling = await owner.fetch(
            "SELECT DISTINCT c.relname, o.oid::regoperator::text"
            " FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid"
            " CROSS JOIN unnest(i.indclass) AS k (class) JOIN pg_opclass p ON p.oid = k.class"
            " JOIN pg_amop a ON a.amopfamily = p.opcfamily"
            " AND a.amoplefttype = p.opcintype AND a.amoprighttype = p.opcintype"
            " JOIN pg_operator o ON o.oid = a.amopopr JOIN pg_proc f ON f.oid = o.oprcode"
            " WHERE c.relname LIKE 'search_%' AND c.relrowsecurity AND NOT f.proleakproof"
        )
    assert telling == []
