"""How PostgreSQL runs the searches of every day: from an index, never over whole tables."""

import json
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest

from referral.fhir.search_query import parse_search
from referral.store.pool import Store
from referral.store.search import count_statement, page_statement
from referral.store.worklist import page_values
from tests.store.documents import BASE, START

# 34,000 referrals of 90 stations to 10 hospitals: a patient, a request and an offer each, one of 20 open.
_FILL = """
SET LOCAL synchronous_commit = off;
CREATE TEMP TABLE one ON COMMIT DROP AS
  SELECT n, 's' || n % 90 AS station, 'h' || n % 10 AS hospital,
         CASE WHEN n % 20 = 0 THEN 'requested' ELSE 'completed' END AS status,
         '$1'::timestamptz + n * interval '1 minute' AS at
  FROM generate_series(1, 34000) n;
CREATE TEMP TABLE resource ON COMMIT DROP AS
  SELECT t.type, t.letter || n AS id, one.* FROM one,
    (VALUES ('Patient', 'p'), ('ServiceRequest', 'r'), ('Task', 't')) AS t (type, letter);
INSERT INTO document (type, id, version, updated_at, content, owner)
  SELECT type, id, 1, at, jsonb_build_object('resourceType', type, 'id', id, 'text', repeat('x', 500)),
    station FROM resource;
INSERT INTO access (facility, type, id, scope, since)
  SELECT station, type, id, 'owner', at FROM resource
  UNION ALL SELECT hospital, type, id, 'referral', at FROM resource;
INSERT INTO search_token
  SELECT 'Patient', id, 'identifier', 'urn:card', n::text FROM resource WHERE type = 'Patient'
  UNION ALL SELECT type, id, 'status', '', status FROM resource WHERE type <> 'Patient'
  UNION ALL SELECT type, id, 'intent', '', 'order' FROM resource WHERE type <> 'Patient'
  UNION ALL SELECT type, id, 'group-identifier', 'urn:number', n::text FROM resource WHERE type = 'Task';
INSERT INTO search_reference
  SELECT r.type, r.id, named.param, named.target_type, named.target_id, open.status, open.at
  FROM resource r
  CROSS JOIN LATERAL (VALUES
    ('ServiceRequest', 'subject', 'Patient', 'p' || n), ('Task', 'subject', 'Patient', 'p' || n),
    ('ServiceRequest', 'requester', 'Organization', station), ('Task', 'requester', 'Organization', station),
    ('ServiceRequest', 'performer', 'Organization', hospital), ('Task', 'owner', 'Organization', hospital),
    ('Task', 'focus', 'ServiceRequest', 'r' || n)) AS named (type, param, target_type, target_id)
  LEFT JOIN LATERAL (SELECT status, at WHERE status = 'requested' AND named.target_type = 'Organization')
    AS open ON true
  WHERE named.type = r.type;
INSERT INTO search_date
  SELECT type, id, param, at, at + interval '1 second'
  FROM resource, (VALUES ('authored-on'), ('modified'), ('authored')) AS d (param)
  WHERE type = 'Task' AND param <> 'authored' OR type = 'ServiceRequest' AND param = 'authored';
INSERT INTO search_string
  SELECT type, id, 'name', 'nguyen van ' || n || E'\\x1f' FROM resource WHERE type = 'Patient';
INSERT INTO network VALUES ('net', 'Net', 'NN', '{}', now());
INSERT INTO referral (id, network, number, journey, state, direction, directed, priority, sender, patient,
    authored_on, updated_at)
  SELECT 'r' || n, 'net', 'n' || n, 'n' || n, 'offered', 'up', true, 'urgent', station, 'p' || n, at, at
  FROM one WHERE n % 4 = 0;
INSERT INTO offer
  SELECT 't' || n, 'r' || n, 'net', status, 'urgent', station, hospital, 'p' || n, at, at
  FROM one WHERE n % 4 = 0;
INSERT INTO deadline
  SELECT 'r' || n, 'step', 'net', 't' || n, 'acknowledge', 'receiver', hospital, station, 'urgent', at,
    at, at, NULL, 2, 0, NULL, 0, 0, NULL, CASE WHEN status = 'completed' THEN at END
  FROM one WHERE n % 4 = 0;
"""


@pytest.fixture
async def filled(store: Store, database: Any) -> None:
    owner = await asyncpg.connect(database.owner_dsn)
    async with owner.transaction():
        await owner.execute(_FILL.replace("$1", START.isoformat()))
    await owner.execute("ANALYZE")
    await owner.close()


def scans(plan: Any) -> Iterator[str]:
    """The tables that a plan reads from end to end."""
    if plan["Node Type"] == "Seq Scan":
        yield plan["Relation Name"]
    for inner in plan.get("Plans", []):
        yield from scans(inner)


SEARCHES = [
    ("h1", "Task?owner=Organization/h1&status=requested&_sort=_lastUpdated"),
    ("h1", "Task?owner=Organization/h1&status=requested&_total=accurate&_count=0"),
    ("h1", "Task?owner=Organization/h1&status=requested"),
    ("h1", "Task?owner=Organization/h1&status=requested,completed&_sort=-_lastUpdated"),
    ("s1", "Task?requester=Organization/s1&status=requested,received,accepted,in-progress&_count=20"),
    ("s1", "ServiceRequest?requester=Organization/s1&status=active&_sort=_lastUpdated"),
    ("h1", "ServiceRequest?performer=Organization/h1&status=active&_sort=_lastUpdated"),
    ("h1", "Task?owner=Organization/h1&status=requested&_sort=_lastUpdated&_lastUpdated=ge2026-03-05"),
    ("h1", "Task?patient=p11&_sort=-authored-on"),
    ("h1", "Task?focus=ServiceRequest/r11"),
    ("h1", "Task?group-identifier=urn:number|11"),
    ("h1", "Task?_lastUpdated=ge2026-03-23"),
    ("h1", "Task?_sort=-_lastUpdated&_count=20"),
    ("h1", "ServiceRequest?patient=Patient/p11"),
    ("h1", "ServiceRequest?authored=ge2026-03-23T12:00:00Z"),
    ("s1", "Patient?identifier=urn:card|91"),
    ("s1", "Patient?identifier=91"),
    ("h1", "Patient?name=nguyen van 11"),
    ("h1", "Patient?name:exact=nguyen van 11"),
    ("h1", "Patient"),
    ("h1", "Patient?_id=p11,p21"),
    ("h1", "Task?patient.identifier=urn:card|11"),
    ("h1", "Task?patient.name=nguyen van 11"),
    ("h1", "ServiceRequest?subject:Patient.identifier=urn:card|11"),
    ("h1", "Task?focus:ServiceRequest._id=r11"),
    ("s1", "Patient?_has:ServiceRequest:patient:_id=r91"),
    ("s1", "Patient?_has:Task:patient:group-identifier=urn:number|91"),
    ("h1", "Task?waiting-for=Organization/h1&_sort=due"),
    ("h1", "Task?waiting-for=Organization/h1&_sort=due&_total=accurate&_count=0"),
    ("h1", "ServiceRequest?waiting-for=Organization/h1&_sort=due&overdue=true"),
    ("h1", "Task?waiting-for=Organization/h1&_sort=-_lastUpdated&escalated=true&due=lt2027"),
    ("s1", "Task?awaited-by=Organization/s1&_sort=due&owes=receiver"),
    ("h1", "Task?owner=Organization/h1&status=requested&_sort=due&overdue=true"),
    ("h1", "Task?_id=t11&due:missing=true"),
    ("stranger", "ServiceRequest?waiting-for=Organization/h1&_sort=due"),
    ("stranger", "Task?status=requested"),
    ("stranger", "Task?patient.identifier=urn:card|11"),
    ("stranger", "Task?_sort=-_lastUpdated"),
]


async def test_no_search_of_every_day_reads_a_whole_table(store: Store, filled: None) -> None:
    """100,000 documents behind the wall; plans for the values that are sent, and those for any."""
    found = {}
    for mode in ("force_custom_plan", "force_generic_plan"):
        async with store.writing("h1") as connection:
            await connection.execute(f"SET LOCAL plan_cache_mode = {mode}")
            for facility, address in SEARCHES:
                resource_type, _, text = address.partition("?")
                pairs = [
                    (name, value)
                    for name, _, value in (pair.partition("=") for pair in text.split("&"))
                    if name
                ]
                query = parse_search(resource_type, pairs, lenient=False, base=BASE)
                # Those never come here: see the rows that `open_work` reads, in test_worklist.
                assert page_values(query, [], 1) is None
                statement = count_statement if query.count == 0 else page_statement
                sql, values = statement(facility, query)
                plan = json.loads(await connection.fetchval(f"EXPLAIN (FORMAT JSON) {sql}", *values))
                found[mode, address] = list(scans(plan[0]["Plan"]))
    assert {key: tables for key, tables in found.items() if tables} == {}
