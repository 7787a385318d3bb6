"""What is planted in a healthy store is found, by its name; and in a healthy store nothing is."""

import pytest

from tests.factories import AN_LAO, OFFICE
from tests.store_check.healthy import Healthy

A_TASK = "(SELECT id FROM offer WHERE state = 'completed' ORDER BY id LIMIT 1)"
A_LIVING = "(SELECT id FROM offer WHERE state = 'requested' ORDER BY id DESC LIMIT 1)"
A_REFERRAL = "(SELECT id FROM referral WHERE state = 'completed' ORDER BY id LIMIT 1)"
A_STEP = f"slot = 'step' AND referral = (SELECT referral FROM offer WHERE id = {A_LIVING})"
COLUMNS = "at, type, id, version, move, from_state, to_state, party, facility, client, referral, reason_code"
AN_EVENT = f"(SELECT max(seq) FROM event WHERE move = 'complete' AND type = 'Task' AND id = {A_TASK})"
AN_OFFER_ON = (
    "SELECT o.id FROM offer o JOIN referral r ON r.id = o.referral JOIN offer f ON f.referral = r.based_on"
    " AND f.owner = r.sender AND f.state = 'withdrawn' AND o.state ="
)
OF_WORDS = "type = 'DocumentReference' AND id LIKE 'told-%' AND scope = 'package'"

PLANTED = {
    "a version is gone": (
        "version-gap",
        f"DELETE FROM document_version WHERE type = 'Task' AND id = {A_TASK} AND version = 1",
    ),
    "a version is skipped": (
        "version-gap",
        f"UPDATE document SET version = version + 1 WHERE type = 'Task' AND id = {A_TASK}",
    ),
    "the newest version is gone": (
        "version-gap",
        f"DELETE FROM document WHERE type = 'Task' AND id = {A_TASK}",
    ),
    "a version is in both tables": (
        "version-gap",
        (
            "INSERT INTO document_version SELECT type, id, version, updated_at, deleted, content, owner, txid"
            f" FROM document WHERE type = 'Task' AND id = {A_TASK}"
        ),
    ),
    "a document says another version": (
        "version-stamp",
        (
            "UPDATE document SET content = jsonb_set(content, '{meta,versionId}', '\"9\"')"
            f" WHERE type = 'Task' AND id = {A_TASK}"
        ),
    ),
    "a referral has no document": (
        "document-missing",
        *(f"DELETE FROM {table} WHERE id = {A_REFERRAL}" for table in ("document_version", "document")),
    ),
    "a Binary has lost its bytes": (
        "bytes-missing",
        "DELETE FROM attachment WHERE sha256 = (SELECT max(sha256) FROM attachment)",
    ),
    "bytes are of no Binary": (
        "bytes-unfounded",
        "INSERT INTO attachment SELECT 'none', 1, max(sha256) FROM attachment",
    ),
    "a change is not told": (
        "change-missing",
        "DELETE FROM change WHERE seq = (SELECT max(seq) FROM change)",
    ),
    "a change is told twice": (
        "change-doubled",
        (
            "INSERT INTO change (txid, at, type, id, version, kind)"
            " SELECT txid, at, type, id, version, kind FROM change ORDER BY seq DESC LIMIT 1"
        ),
    ),
    "a change is told of nothing": (
        "change-unfounded",
        "INSERT INTO change (at, type, id, version, kind) VALUES (now(), 'Task', 'none', 1, 'create')",
    ),
    "a change is of another kind": (
        "change-kind",
        "UPDATE change SET kind = 'update' WHERE seq = (SELECT max(seq) FROM change WHERE kind = 'create')",
    ),
    "a change is of another transaction": (
        "change-apart",
        "UPDATE change SET txid = '7' WHERE seq = (SELECT max(seq) FROM change)",
    ),
    "an audit row is gone": (
        "audit-missing",
        "DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit WHERE action = 'update')",
    ),
    "an audit row is there twice": (
        "audit-doubled",
        (
            "INSERT INTO audit (at, actor, client, action, type, id, version)"
            " SELECT at, actor, client, action, type, id, version FROM audit"
            " WHERE action = 'create' ORDER BY seq DESC LIMIT 1"
        ),
    ),
    "an audit row is of nothing": (
        "audit-unfounded",
        f"UPDATE audit SET version = 99 WHERE type = 'Task' AND id = {A_TASK}",
    ),
    "an audit row names another actor": (
        "audit-missing",
        f"UPDATE audit SET actor = 'x' WHERE type = 'Task' AND id = {A_TASK}",
    ),
    "an audit row is of a later time": (
        "audit-missing",
        f"UPDATE audit SET at = at + interval '1 hour' WHERE type = 'Task' AND id = {A_TASK}",
    ),
    "an event is gone": ("path-broken", "DELETE FROM event WHERE move = 'accept'"),
    "the last event is gone": ("path-end", f"DELETE FROM event WHERE seq = {AN_EVENT}"),
    "a version has no event": (
        "event-missing",
        "DELETE FROM event WHERE type = 'Patient'",
    ),
    "an event is there twice": (
        "path-broken",
        (
            "INSERT INTO event (at, type, id, version, move, from_state, to_state, party, facility, client)"
            " SELECT at, type, id, version, move, from_state, to_state, party, facility, client"
            f" FROM event WHERE seq = {AN_EVENT}"
        ),
    ),
    "an event is of no version": ("event-unfounded", f"UPDATE event SET version = 99 WHERE seq = {AN_EVENT}"),
    "an event is late": (
        "path-order",
        f"UPDATE event SET version = 1 WHERE seq = {AN_EVENT}",
    ),
    "a path begins in the middle": (
        "path-start",
        f"DELETE FROM event WHERE type = 'Task' AND id = {A_TASK} AND version = 1",
    ),
    "a move is not in the table": (
        "path-illegal",
        f"UPDATE event SET move = 'reject' WHERE seq = {AN_EVENT}",
    ),
    "a move is by the wrong party": (
        "path-illegal",
        "UPDATE event SET party = 'sender' WHERE type = 'Task' AND move = 'accept'",
    ),
    "a referral moves without its offer": (
        "path-illegal",
        "UPDATE event SET move = 'report' WHERE type = 'Task' AND move = 'arrive'",
    ),
    "moves of something without a row": (
        "path-unfounded",
        (
            "INSERT INTO event (at, type, id, version, move, to_state, facility, client)"
            " VALUES (now(), 'Task', 'none', 1, 'offer', 'requested', 'x', 'x')"
        ),
    ),
    "an offer stands elsewhere": ("path-end", f"UPDATE offer SET state = 'arrived' WHERE id = {A_TASK}"),
    "a referral stands elsewhere": (
        "referral-and-offers",
        f"UPDATE referral SET state = 'offered' WHERE id = {A_REFERRAL}",
    ),
    "a row changed without an event": (
        "path-end",
        f"UPDATE offer SET updated_at = now() WHERE id = {A_TASK}",
    ),
    "a document stands elsewhere": (
        "document-state",
        (
            "UPDATE document SET content = jsonb_set(content, '{status}', '\"in-progress\"')"
            f" WHERE type = 'Task' AND id = {A_TASK}"
        ),
    ),
    "an old version stands elsewhere": (
        "document-state",
        (
            "UPDATE document_version SET content = jsonb_set(content, '{status}', '\"completed\"')"
            f" WHERE type = 'Task' AND id = {A_TASK} AND version = 1"
        ),
    ),
    "a number is there twice": (
        "number-twice",
        "ALTER TABLE referral DROP CONSTRAINT referral_number_key",
        "UPDATE referral SET number = (SELECT max(number) FROM referral)",
    ),
    "two offers are open": (
        "open-offers",
        "DROP INDEX offer_one_open",
        "UPDATE offer SET state = 'requested' WHERE state IN ('rejected', 'redirected')",
    ),
    "a row and its document differ": ("row-and-document", "UPDATE referral SET priority = 'asap'"),
    "an offer and its document differ": ("row-and-document", "UPDATE offer SET priority = 'asap'"),
    "an offer is of another patient": ("offer-of-referral", "UPDATE offer SET patient = 'x'"),
    "a loop is closed that is open": (
        "loop",
        (
            "INSERT INTO journey SELECT r.journey, r.network, 'closed', 'returned', now() FROM referral r"
            " WHERE r.state = 'offered' AND r.journey NOT IN (SELECT number FROM journey) LIMIT 1"
        ),
    ),
    "a loop is told for another reason": (
        "loop",
        "UPDATE journey SET reason = 'replaced'",
    ),
    "a loop is of nothing": (
        "journey-of-nothing",
        "INSERT INTO journey SELECT 'HI999999990', id, 'lost', 'not-closed', now() FROM network LIMIT 1",
    ),
    "a journey is another": ("journey", "UPDATE referral SET journey = number WHERE based_on IS NOT NULL"),
    "a number of its own is not kept": ("identifier-rows", "DELETE FROM referral_identifier"),
    "a number of its own is of another": ("identifier-rows", "UPDATE referral_identifier SET value = '2'"),
    "a number of its own is there twice": (
        "identifier-twice",
        "ALTER TABLE referral_identifier DROP CONSTRAINT referral_identifier_once",
        "INSERT INTO referral_identifier SELECT * FROM referral_identifier",
    ),
    "an index row of a token is gone": (
        "index-missing",
        f"DELETE FROM search_token WHERE type = 'Task' AND id = {A_TASK} AND param = 'status'",
    ),
    "an index row of a reference is gone": (
        "index-missing",
        "DELETE FROM search_reference WHERE param = 'focus'",
    ),
    "a worklist lacks what has not ended": (
        "index-missing",
        (
            f"UPDATE search_reference SET open_status = NULL, updated_at = NULL"
            f" WHERE type = 'Task' AND id = {A_LIVING} AND param = 'owner'"
        ),
    ),
    "a worklist has what has ended": (
        "index-extra",
        (
            f"UPDATE search_reference SET open_status = 'accepted', updated_at = now()"
            f" WHERE type = 'Task' AND id = {A_TASK} AND param = 'owner'"
        ),
    ),
    "a worklist is in another order": (
        "index-missing",
        (
            f"UPDATE search_reference SET updated_at = updated_at - interval '1 hour'"
            f" WHERE type = 'Task' AND id = {A_LIVING} AND param = 'owner'"
        ),
    ),
    "a link of the hub is gone": ("index-missing", "DELETE FROM search_reference WHERE param = '_package'"),
    "an index row of a date is gone": ("index-missing", "DELETE FROM search_date WHERE type = 'Patient'"),
    "an index row of a string is gone": ("index-missing", "DELETE FROM search_string WHERE type = 'Patient'"),
    "an index row of a value is gone": ("index-missing", "DELETE FROM search_quantity"),
    "a value is known better than it is": ("index-extra", "UPDATE search_quantity SET high = high + 0.1"),
    "an index row of a position is gone": ("index-missing", "DELETE FROM search_position"),
    "a position is elsewhere": ("index-extra", "UPDATE search_position SET latitude = latitude + 0.001"),
    "an index row of an address is gone": (
        "index-missing",
        "DELETE FROM search_token WHERE param = '_profile'",
    ),
    "an index row is of an old version": (
        "index-extra",
        f"INSERT INTO search_token VALUES ('Task', {A_TASK}, 'status', '', 'requested')",
    ),
    "an index row is there twice": (
        "index-doubled",
        "INSERT INTO search_string SELECT * FROM search_string WHERE type = 'Patient'",
    ),
    "an index row finds nothing": (
        "index-unfounded",
        "INSERT INTO search_token VALUES ('Task', 'none', 'status', '', 'requested')",
    ),
    "somebody may read it": (
        "access-unfounded",
        f"INSERT INTO access VALUES ('{AN_LAO}', 'Task', {A_TASK}, 'referral', {A_TASK}, now())",
    ),
    "the author may not read it": (
        "access-missing",
        "DELETE FROM access WHERE scope = 'owner' AND type = 'Task'",
    ),
    "a receiver lacks the package": (
        "access-missing",
        "DELETE FROM access WHERE scope = 'package' AND type = 'Observation'",
    ),
    "who rejected keeps the package": (
        "access-end",
        "UPDATE access SET until = NULL WHERE via IN (SELECT id FROM offer WHERE state = 'rejected')",
    ),
    "who is asked lost the package": (
        "access-end",
        f"UPDATE access SET until = now() WHERE scope = 'package' AND via = {A_LIVING}",
    ),
    "a right began at another time": (
        "access-begin",
        f"UPDATE access SET since = now() WHERE via = {A_LIVING}",
    ),
    "what was passed on stays when the first offer ends": (
        "access-end",
        f"UPDATE access SET until = NULL WHERE scope = 'package' AND via IN ({AN_OFFER_ON} 'accepted')",
    ),
    "what was passed on from there stays": (
        "access-end",
        (
            "UPDATE access SET until = NULL WHERE scope = 'package' AND via IN (SELECT o.id FROM offer o"
            f" JOIN referral r ON r.id = o.referral JOIN offer f ON f.referral = r.based_on"
            f" WHERE f.id IN ({AN_OFFER_ON} 'accepted'))"
        ),
    ),
    "care that has begun loses what it was given": (
        "access-end",
        (
            "UPDATE access SET until = now() WHERE type = 'DocumentReference' AND scope = 'package'"
            f" AND via IN ({AN_OFFER_ON} 'arrived')"
        ),
    ),
    "who was only asked passes on": (
        "access-unfounded",
        (
            "INSERT INTO access SELECT v.owner, 'Binary', b.target_id, 'package', v.id, now() FROM offer v"
            " JOIN search_reference n ON n.type = 'ServiceRequest' AND n.id = v.referral"
            " JOIN search_reference b ON b.type = n.target_type AND b.id = n.target_id"
            " JOIN document d ON d.type = 'Binary' AND d.id = b.target_id AND d.owner <> v.requester"
            " JOIN referral r ON r.id = v.referral AND r.based_on IS NULL"
            " WHERE n.param = '_package' AND b.param = '_package'"
        ),
    ),
    "what came late is not handed over": (
        "access-missing",
        "DELETE FROM access WHERE type = 'DiagnosticReport' AND id LIKE 'late-%' AND scope = 'package'",
    ),
    "what is in what came late is not handed over": (
        "access-missing",
        "DELETE FROM access WHERE type = 'Observation' AND id LIKE 'late-%' AND scope = 'package'",
    ),
    "a photo does not go with its patient": (
        "access-missing",
        (
            "DELETE FROM access WHERE type = 'Binary' AND scope = 'package' AND id IN"
            " (SELECT target_id FROM search_reference WHERE type = 'Patient' AND param = '_package')"
        ),
    ),
    "what words name is not handed over": ("access-missing", f"DELETE FROM access WHERE {OF_WORDS}"),
    "what words named stays when their offer ends": (
        "access-end",
        f"UPDATE access SET until = NULL WHERE until IS NOT NULL AND {OF_WORDS}",
    ),
    "words are heard that are in preparation": (
        "access-unfounded",
        (
            f"INSERT INTO access SELECT '{AN_LAO}', 'Communication', id, 'referral', 'x', now() FROM document"
            " WHERE type = 'Communication' AND content->>'status' = 'preparation'"
        ),
    ),
    "what a number stood for is forgotten": (
        "index-missing",
        "DELETE FROM search_reference WHERE param = 'replaces' AND target_id <> ''",
    ),
    "nobody owes what is offered": ("deadline-missing", f"DELETE FROM deadline WHERE {A_STEP}"),
    "what is offered is taken for done": (
        "deadline-missing",
        f"UPDATE deadline SET done_at = now(), next_at = NULL WHERE {A_STEP}",
    ),
    "a slip counts no more": ("deadline-missing", "DELETE FROM deadline WHERE slot = 'slip'"),
    "the office has lost what came to it": ("deadline-missing", "DELETE FROM deadline WHERE slot = 'office'"),
    "what has ended is owed": (
        "deadline-left",
        (
            "UPDATE deadline SET done_at = NULL WHERE slot = 'step' AND done_at IS NOT NULL"
            " AND referral IN (SELECT id FROM referral WHERE state IN ('cancelled', 'closed'))"
        ),
    ),
    "a slip counts after the arrival": (
        "deadline-left",
        "UPDATE deadline SET done_at = NULL WHERE slot = 'slip' AND done_at IS NOT NULL",
    ),
    "another clock runs": ("deadline-other", f"UPDATE deadline SET kind = 'close' WHERE {A_STEP}"),
    "somebody else owes": ("deadline-other", f"UPDATE deadline SET debtor = '{AN_LAO}' WHERE {A_STEP}"),
    "the clock of another offer runs": ("deadline-other", f"UPDATE deadline SET offer = 'x' WHERE {A_STEP}"),
    "a clock that stands still is forgotten": (
        "deadline-other",
        "UPDATE deadline SET held_kind = NULL WHERE held_kind IS NOT NULL AND done_at IS NULL",
    ),
    "a warning is taken for given": (
        "deadline-other",
        f"UPDATE deadline SET stage = 1 WHERE {A_STEP} AND stage = 0",
    ),
    "nobody looks when it is due": ("deadline-unseen", f"UPDATE deadline SET next_at = NULL WHERE {A_STEP}"),
    "it is looked at before it is due": (
        "deadline-unseen",
        f"UPDATE deadline SET next_at = due_at - interval '1 hour' WHERE {A_STEP}",
    ),
    "a clock warned twice": (
        "clock-effect",
        (
            f"INSERT INTO event ({COLUMNS})"
            f" SELECT {COLUMNS} FROM event WHERE move = 'warn' ORDER BY seq LIMIT 1"
        ),
    ),
    "a warning is lost": ("clock-effect", "DELETE FROM event WHERE move = 'warn'"),
    "an escalation is of another step": (
        "clock-effect",
        "UPDATE event SET reason_code = 'summary' WHERE move = 'escalate'",
    ),
    "the owner does not find what another did": ("concern-missing", "DELETE FROM audit_concern"),
    "somebody finds what another did": (
        "concern-unfounded",
        f"UPDATE audit_concern SET owner = '{OFFICE}' WHERE owner <> '{OFFICE}'",
    ),
    "a row of the audit is found that is not there": (
        "concern-unfounded",
        f"INSERT INTO audit_concern VALUES ('{AN_LAO}', now(), 0)",
    ),
}


async def test_a_healthy_store_has_nothing(healthy: Healthy) -> None:
    assert await healthy.check() == []


async def test_a_restored_store_has_nothing(healthy: Healthy) -> None:
    """Where it was restored, numbers of transactions begin anew: two may have one."""
    tables = ("document", "document_version", "event", "change", "audit")
    assert await healthy.check(*(f"UPDATE {table} SET txid = '7'" for table in tables)) == []


async def test_a_store_whose_clock_was_set_back_has_nothing(healthy: Healthy) -> None:
    """The audit tells what the clock said, an event never a time before what it changes."""
    back = [f"UPDATE {table} SET at = at - interval '1 hour'" for table in ("audit", "audit_concern")]
    assert await healthy.check(*back) == []


@pytest.mark.parametrize("what", PLANTED)
async def test_what_is_planted_is_found(healthy: Healthy, what: str) -> None:
    kind, *statements = PLANTED[what]
    assert kind in {violation.kind for violation in await healthy.check(*statements)}
