-- The two calls of a command, in place of those of 0004.

-- request: actor text, update [[type, id]], focus [id of a referral or an offer], references [[type, id]],
--          identifiers [{types, system, value}], numbers int, replay (see find_replay), claim {number, birth_date, client, at}
-- The actor is the one that the connection acts for, whatever `actor` says.
-- homes [id of an offer], reasons (whether the Conditions are wanted that the referrals in hand name), numbered [[system, value]] of
-- referrals that are named as in focus, passing (whether it is wanted through what the actor sees what is not its own, see held_through)
-- Rows: document (content and version, locked), journey, home, reference (nobody deletes it until the end), identifier, referral (locked
-- when its document, offer or focus is named), offer, demand, facility, network, number; claim: the referral that is claimed, which the
-- actor sees from then on.
CREATE OR REPLACE FUNCTION load_for_write(request jsonb)
RETURNS TABLE (kind text, type text, id text, version int, visible boolean, owner text, content text, data jsonb)
-- The plans are the same whatever the request: planning them once saves more than the work itself costs. They are made
-- when the tables may still be small, and must be right when they are not: by index, row by row.
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE
  actor CONSTANT text := current_setting('referral.actor', true);
  networks CONSTANT text[] := ARRAY(SELECT a.network FROM actor_network a WHERE a.facility = current_setting('referral.actor', true));
  locked text[];
  claimed text;
  held boolean;
  reference_types text[];
  reference_ids text[];
BEGIN
  -- Over the wall looks only who acts for somebody.
  IF actor IS NULL OR actor = '' THEN
    RAISE EXCEPTION 'a command is of a facility: the connection acts for none' USING ERRCODE = '42501';
  END IF;

  -- First of all: a twin waits here for the answer to the other.
  IF request ? 'replay' THEN
    RETURN QUERY SELECT 'replay', NULL::text, NULL::text, NULL::int, NULL::boolean, NULL::text, NULL::text, kept.answer
      FROM find_replay(request->'replay') AS kept (answer) WHERE kept.answer IS NOT NULL;
    IF FOUND THEN
      RETURN;
    END IF;
  END IF;

  IF request ? 'claim' THEN
    SELECT f.referral, f.held INTO claimed, held FROM find_claim(
      request->'claim'->>'number', request->'claim'->>'birth_date', request->'claim'->>'client', (request->'claim'->>'at')::timestamptz) f;
    RETURN QUERY SELECT 'claim', 'ServiceRequest', claimed, NULL::int, NULL::boolean, NULL::text, NULL::text, jsonb_build_object('held', held);
    IF claimed IS NULL THEN
      RETURN;
    END IF;
    locked := ARRAY[claimed];
    PERFORM FROM referral r WHERE r.id = ANY (with_roots(locked)) ORDER BY r.id FOR UPDATE;
  END IF;

  -- What a request leaves out costs nothing: a statement that finds nothing costs as much as one that finds a row.
  IF request->'update' <> '[]' OR request->'focus' <> '[]' OR request ? 'numbered' THEN
    -- Lock referrals first and in one order, then read: what a waiting command reads is what the one before it left.
    SELECT array_agg(DISTINCT found.referral) INTO locked FROM (
      SELECT o.referral FROM jsonb_array_elements(request->'update') u JOIN offer o ON u->>0 = 'Task' AND o.id = u->>1
      UNION ALL SELECT u->>1 FROM jsonb_array_elements(request->'update') u WHERE u->>0 = 'ServiceRequest'
      -- Where an office marks a completion as a mistake, the way down that it opened.
      UNION ALL SELECT b.id FROM jsonb_array_elements(request->'update') u
        JOIN LATERAL (SELECT o.referral FROM offer o WHERE u->>0 = 'Task' AND o.id = u->>1
                      UNION ALL SELECT u->>1 WHERE u->>0 = 'ServiceRequest') named ON true
        JOIN referral r ON r.id = named.referral AND r.network = actor AND r.state = 'completed'
        JOIN referral b ON b.based_on = r.id AND b.direction = 'down' AND b.state NOT IN ('draft', 'cancelled', 'entered-in-error')
      UNION ALL SELECT f FROM jsonb_array_elements_text(request->'focus') f
      UNION ALL SELECT o.referral FROM jsonb_array_elements_text(request->'focus') f JOIN offer o ON o.id = f
      -- What is named by its number, too, where the actor sees it.
      UNION ALL SELECT t.id FROM jsonb_array_elements(request->'numbered') i
        JOIN search_token t ON t.type = 'ServiceRequest' AND t.param = 'identifier' AND t.system = i->>0 AND t.code = i->>1
        WHERE EXISTS (SELECT FROM access a WHERE a.facility = actor AND a.type = t.type AND a.id = t.id AND a.until IS NULL OFFSET 0)
      -- What asks or is to stop is about its offer, whatever else it names.
      UNION ALL SELECT q.referral FROM jsonb_array_elements_text(request->'focus') f JOIN demand q ON q.kind = 'question' AND q.id = f
      UNION ALL SELECT q.referral FROM jsonb_array_elements(request->'update') u JOIN demand q ON u->>0 = 'Task' AND q.kind = 'abort' AND q.id = u->>1
    ) found;
    PERFORM FROM referral r WHERE r.id = ANY (with_roots(locked)) ORDER BY r.id FOR UPDATE;
    PERFORM FROM document d JOIN jsonb_array_elements(request->'update') u ON d.type = u->>0 AND d.id = u->>1
      ORDER BY d.type, d.id FOR NO KEY UPDATE OF d;
  END IF;

  IF request->'identifiers' <> '[]' THEN
    -- OFFSET 0 in the access rule: else the planner hashes all that the actor sees, to look up a few.
    -- A business identifier stands for what the actor can see under it.
    RETURN QUERY
      SELECT 'identifier', t.type, t.id, NULL::int, true, NULL::text, NULL::text,
             jsonb_build_object('system', i->>'system', 'value', i->>'value')
      FROM jsonb_array_elements(request->'identifiers') i
      JOIN search_token t ON t.param = 'identifier' AND t.system = i->>'system' AND t.code = i->>'value'
        AND t.type IN (SELECT jsonb_array_elements_text(i->'types'))
      WHERE (EXISTS (SELECT FROM access a WHERE a.facility = actor AND a.type = t.type AND a.id = t.id AND a.until IS NULL OFFSET 0)
        OR EXISTS (SELECT FROM directory x WHERE x.network = ANY (networks) AND x.type = t.type AND x.id = t.id OFFSET 0));
  END IF;

  SELECT array_agg(named.type), array_agg(named.id) INTO reference_types, reference_ids FROM (
    SELECT r->>0 AS type, r->>1 AS id FROM jsonb_array_elements(request->'references') r
    UNION
    SELECT t.type, t.id FROM jsonb_array_elements(request->'identifiers') i
      JOIN search_token t ON t.param = 'identifier' AND t.system = i->>'system' AND t.code = i->>'value'
        AND t.type IN (SELECT jsonb_array_elements_text(i->'types'))
    UNION
    SELECT 'Patient', r.patient FROM referral r WHERE r.id = ANY (locked)
    UNION
    SELECT r.target_type, r.target_id FROM search_reference r
      WHERE request ? 'reasons' AND r.type = 'ServiceRequest' AND r.id = ANY (locked) AND r.param = '_package' AND r.target_type = 'Condition'
  ) named;

  -- What is named stays until this command has ended: who deletes it (see kept_by) waits, or has done so already. Nobody waits who
  -- changes it. The types left out are never deleted, or keep nothing.
  PERFORM FROM unnest(reference_types, reference_ids) AS n (type, id) JOIN document d ON d.type = n.type AND d.id = n.id
    WHERE n.type NOT IN ('Organization', 'ServiceRequest', 'Task') ORDER BY d.type, d.id FOR KEY SHARE OF d;

  RETURN QUERY
    SELECT 'reference', d.type, d.id, d.version,
      (EXISTS (SELECT FROM access a WHERE a.facility = actor AND a.type = d.type AND a.id = d.id AND a.until IS NULL OFFSET 0)
      OR EXISTS (SELECT FROM directory x WHERE x.network = ANY (networks) AND x.type = d.type AND x.id = d.id OFFSET 0)),
      d.owner, NULL::text,
           jsonb_build_object(
             'patient', (SELECT s.target_id FROM search_reference s
                         WHERE s.type = d.type AND s.id = d.id AND s.param = '_patient' LIMIT 1),
             'organization', (SELECT s.target_id FROM search_reference s
                         WHERE s.type = d.type AND s.id = d.id AND s.param = 'organization' LIMIT 1),
             -- What a policy may require of a package: these are it by their codes, and some by the patient's age.
             'codes', CASE WHEN d.type IN ('Condition', 'DocumentReference', 'Observation') THEN (
                         SELECT jsonb_agg(jsonb_build_array(t.system, t.code)) FROM search_token t
                         WHERE t.type = d.type AND t.id = d.id AND t.param IN ('category', 'code', 'type')) END,
             'born', CASE WHEN d.type = 'Patient' THEN (
                         SELECT s.low FROM search_date s
                         WHERE s.type = d.type AND s.id = d.id AND s.param = 'birthdate' LIMIT 1) END,
             -- Two records of one person are tied by these.
             'identifiers', CASE WHEN d.type = 'Patient' AND cardinality(array_positions(reference_types, 'Patient')) > 1 THEN (
                         SELECT jsonb_agg(jsonb_build_array(t.system, t.code)) FROM search_token t
                         WHERE t.type = d.type AND t.id = d.id AND t.param = 'identifier' AND t.system <> '') END,
             'starts', CASE WHEN d.type IN ('Appointment', 'Slot') THEN (
                         SELECT s.low FROM search_date s
                         WHERE s.type = d.type AND s.id = d.id AND s.param IN ('date', 'start') LIMIT 1) END,
             'status', CASE WHEN d.type = 'Appointment' THEN (
                         SELECT t.code FROM search_token t WHERE t.type = d.type AND t.id = d.id AND t.param = 'status' LIMIT 1) END,
             -- What is another's, and who names it in a referral passes on.
             'through', CASE WHEN request ? 'passing' AND d.owner <> actor AND d.type <> 'Organization' THEN
                          held_through(actor, d.type, d.id) END)
    FROM unnest(reference_types, reference_ids) AS n (type, id)
    JOIN document d ON d.type = n.type AND d.id = n.id AND NOT d.deleted;

  IF request->'update' <> '[]' OR locked IS NOT NULL THEN
    -- What the actor does not see is told of, so that it can be refused, and not shown.
    RETURN QUERY
      SELECT 'document', d.type, d.id, d.version, seen.visible, d.owner,
        CASE WHEN seen.visible THEN d.content::text ELSE '{}' END,
        jsonb_build_object('deleted', d.deleted, 'at', d.updated_at,
          -- Whom a tombstone was about: what is brought back is about the same.
          'patient', CASE WHEN d.deleted THEN (SELECT s.target_id FROM search_reference s
                                               WHERE s.type = d.type AND s.id = d.id AND s.param = '_patient' LIMIT 1) END,
          -- What its business identifiers stand for: who changes it may know another under one of them, or nobody.
          'resolved', (SELECT jsonb_agg(jsonb_build_array(named.system, named.code, r.target_type, r.target_id))
                       FROM search_token named
                       JOIN search_reference r ON r.type = named.type AND r.id = named.id AND named.param = r.param || ':identifier'
                       JOIN search_token t ON t.type = r.target_type AND t.id = r.target_id AND t.param = 'identifier'
                         AND t.system = named.system AND t.code = named.code
                       WHERE named.type = d.type AND named.id = d.id AND named.param LIKE '%:identifier'))
      FROM (
        SELECT u->>0 AS type, u->>1 AS id FROM jsonb_array_elements(request->'update') u
        UNION SELECT 'ServiceRequest', l FROM unnest(locked) l
        UNION SELECT 'Task', o.id FROM offer o
          WHERE o.referral = ANY (locked)
            AND o.state NOT IN ('rejected', 'redirected', 'withdrawn', 'lapsed', 'stopped', 'entered-in-error', 'closed')
        UNION SELECT 'Task', q.id FROM demand q WHERE q.referral = ANY (locked) AND q.kind = 'abort' AND q.settled_at IS NULL
      ) n JOIN document d ON d.type = n.type AND d.id = n.id
      CROSS JOIN LATERAL (SELECT
        -- A claim names nothing else; who knows number and birth date sees the request.
        claimed IS NOT NULL
        OR EXISTS (SELECT FROM access a WHERE a.facility = actor AND a.type = d.type AND a.id = d.id AND a.until IS NULL OFFSET 0)
        OR EXISTS (SELECT FROM directory x WHERE x.network = ANY (networks) AND x.type = d.type AND x.id = d.id OFFSET 0) AS visible OFFSET 0) AS seen;

    RETURN QUERY
      SELECT 'offer', 'Task', o.id, NULL::int, true, NULL::text, NULL::text, to_jsonb(o)
      FROM offer o WHERE o.referral = ANY (locked);

    RETURN QUERY
      SELECT 'demand', NULL::text, q.id, NULL::int, true, NULL::text, NULL::text, to_jsonb(q)
      FROM demand q WHERE q.referral = ANY (locked);
  END IF;

  IF locked IS NOT NULL THEN
    RETURN QUERY SELECT * FROM journeys_of(locked);
  END IF;
  IF request ? 'homes' THEN
    RETURN QUERY SELECT * FROM homes_of(ARRAY(SELECT jsonb_array_elements_text(request->'homes')));
  END IF;

  IF locked IS NOT NULL OR 'ServiceRequest' = ANY (reference_types) THEN
    RETURN QUERY
      SELECT 'referral', 'ServiceRequest', r.id, NULL::int, NULL::boolean, NULL::text, NULL::text,
             to_jsonb(r) || jsonb_build_object(
               -- From the first of its journey up to this one: who comes later has no right to what came before.
               'deadlines', (SELECT jsonb_agg(to_jsonb(k)) FROM deadline k WHERE k.referral = r.id),
               'replaced', r.state IN ('cancelled', 'lapsed') AND EXISTS (
                 SELECT FROM event e WHERE e.type = 'ServiceRequest' AND e.id = r.id AND e.move = 'replace'),
               'journey_senders', (
                 WITH RECURSIVE before (id, sender, based_on) AS (
                   SELECT r.id, r.sender, r.based_on
                   UNION SELECT j.id, j.sender, j.based_on FROM before b JOIN referral j ON j.id = b.based_on
                 ) SELECT jsonb_agg(DISTINCT b.sender) FROM before b),
               'goes_on_to', CASE WHEN r.direction = 'down' THEN goes_on_to(r.id, actor) END,
               'returned_by', (SELECT jsonb_agg(DISTINCT b.sender) FROM referral b WHERE b.based_on = r.id
                               AND b.direction = 'down' AND b.state IN ('unplaced', 'offered', 'in-care')))
      -- A union, not OR: else the whole table is read.
      FROM (
        SELECT unnest(locked) AS id
        UNION SELECT n.id FROM unnest(reference_types, reference_ids) AS n (type, id) WHERE n.type = 'ServiceRequest'
      ) n JOIN referral r ON r.id = n.id;
  END IF;

  RETURN QUERY
    SELECT 'facility', 'Organization', n.id, NULL::int, NULL::boolean, NULL::text, NULL::text,
           jsonb_build_object(
             'name', f.name, 'active', f.active,
             'office_of', (SELECT w.id FROM network w WHERE w.id = n.id),
             'memberships', coalesce((SELECT jsonb_object_agg(m.network, m.tier) FROM membership m WHERE m.facility = n.id
                AND (m.valid_from IS NULL OR m.valid_from <= current_date) AND (m.valid_to IS NULL OR m.valid_to >= current_date)), '{}'))
    FROM (
      SELECT actor AS id
      UNION SELECT n.id FROM unnest(reference_types, reference_ids) AS n (type, id) WHERE n.type = 'Organization'
      UNION SELECT d.owner FROM unnest(reference_types, reference_ids) AS n (type, id)
        JOIN document d ON d.type = n.type AND d.id = n.id WHERE is_directory(n.type)
      UNION SELECT o.owner FROM offer o WHERE o.referral = ANY (locked)
      UNION SELECT r.sender FROM referral r WHERE r.id = ANY (locked)
      UNION SELECT goes.sender FROM referral r CROSS JOIN LATERAL goes_on_to(r.id, actor) AS goes (sender)
        WHERE r.id = ANY (locked) AND r.direction = 'down' AND goes.sender IS NOT NULL
    ) n LEFT JOIN facility f ON f.id = n.id;

  RETURN QUERY
    SELECT 'network', 'Organization', w.id, NULL::int, true, NULL::text, NULL::text,
           jsonb_build_object('name', w.name, 'prefix', w.prefix)
    FROM network w
    WHERE w.id = ANY (networks || ARRAY(SELECT r.network FROM referral r WHERE r.id = ANY (locked)));

  IF (request->>'numbers')::int > 0 THEN
    RETURN QUERY
      SELECT 'number', NULL::text, NULL::text, nextval('referral_sequence')::int, NULL::boolean, NULL::text, NULL::text, NULL::jsonb
      FROM generate_series(1, (request->>'numbers')::int);
  END IF;
END $$;

-- changes: documents, tokens, references, dates, strings, quantities, positions, referrals, offers, demands, access, ended, packages, given,
-- attachments [[type, id, at]] of what may have some and is written or given to others, late [[type, id, at, named]] of what is named before it
-- is there (named) or may have been, events, audits, directory, typed (the rows of the network, see apply_directory), replay (see keep_replay).
-- Every part may be missing. Raises document_next_version when a document is not at the version it was loaded at.
CREATE OR REPLACE FUNCTION apply_changes(changes jsonb) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
  written bigint;
  updated_types text[];
  updated_ids text[];
  known_offers text[];
  named jsonb;
BEGIN
  IF changes ? 'late' THEN
    PERFORM await_late(changes->'late');
  END IF;
  IF changes ? 'typed' THEN
    PERFORM apply_directory(changes->'typed');
  END IF;

  INSERT INTO document (type, id, version, updated_at, deleted, content, owner)
  SELECT c.type, c.id, c.version, c.at, c.deleted, c.content, c.owner
  FROM jsonb_to_recordset(changes->'documents')
    AS c (type text, id text, version int, at timestamptz, deleted boolean, content jsonb, owner text)
  WHERE c.version = 1;

  named := open_references(changes);

  SELECT array_agg(c.type), array_agg(c.id) INTO updated_types, updated_ids
  FROM jsonb_to_recordset(changes->'documents') AS c (type text, id text, version int) WHERE c.version > 1;
  IF updated_ids IS NOT NULL THEN
    INSERT INTO document_version (type, id, version, updated_at, deleted, content, owner, txid)
    SELECT d.type, d.id, d.version, d.updated_at, d.deleted, d.content, d.owner, d.txid
    FROM unnest(updated_types, updated_ids) AS c (type, id) JOIN document d ON d.type = c.type AND d.id = c.id;

    -- Not one upsert: twins that create one id would lock its row in turns and could wait for each other.
    UPDATE document d SET version = c.version, updated_at = c.at, deleted = c.deleted, content = c.content, owner = c.owner,
      txid = pg_current_xact_id()
    FROM jsonb_to_recordset(changes->'documents')
      AS c (type text, id text, version int, at timestamptz, deleted boolean, content jsonb, owner text)
    WHERE d.type = c.type AND d.id = c.id AND d.version = c.version - 1;
    GET DIAGNOSTICS written = ROW_COUNT;
    IF written <> cardinality(updated_ids) THEN
      RAISE EXCEPTION 'a document is not at the version before' USING ERRCODE = '23505', CONSTRAINT = 'document_next_version';
    END IF;

    PERFORM index_documents(updated_types, updated_ids, named, changes);
  ELSE
    INSERT INTO search_token (type, id, param, system, code)
      SELECT r->>0, r->>1, r->>2, r->>3, r->>4 FROM jsonb_array_elements(changes->'tokens') r;
    INSERT INTO search_reference (type, id, param, target_type, target_id, open_status, updated_at)
      SELECT r->>0, r->>1, r->>2, r->>3, r->>4, r->>5, (r->>6)::timestamptz FROM jsonb_array_elements(named) r;
    INSERT INTO search_date (type, id, param, low, high)
      SELECT r->>0, r->>1, r->>2, (r->>3)::timestamptz, (r->>4)::timestamptz FROM jsonb_array_elements(changes->'dates') r;
    INSERT INTO search_string (type, id, param, folded)
      SELECT r->>0, r->>1, r->>2, r->>3 FROM jsonb_array_elements(changes->'strings') r;
    IF changes ? 'quantities' THEN
      INSERT INTO search_quantity (type, id, param, system, code, low, high)
        SELECT r->>0, r->>1, r->>2, r->>3, r->>4, coalesce((r->>5)::float8, '-Infinity'), coalesce((r->>6)::float8, 'Infinity') FROM jsonb_array_elements(changes->'quantities') r;
    END IF;
    IF changes ? 'positions' THEN
      INSERT INTO search_position (type, id, param, latitude, longitude)
        SELECT r->>0, r->>1, r->>2, (r->>3)::float, (r->>4)::float FROM jsonb_array_elements(changes->'positions') r;
    END IF;
  END IF;

  INSERT INTO change (at, type, id, version, kind)
  SELECT c.at, c.type, c.id, c.version, CASE WHEN c.deleted THEN 'delete' ELSE coalesce(c.kind, CASE WHEN c.version = 1 THEN 'create' ELSE 'update' END) END
  FROM jsonb_to_recordset(changes->'documents') AS c (type text, id text, version int, at timestamptz, deleted boolean, kind text);

  IF changes ? 'directory' THEN
    INSERT INTO directory (network, type, id)
    SELECT x->>0, x->>1, x->>2 FROM jsonb_array_elements(changes->'directory') x ON CONFLICT DO NOTHING;
  END IF;

  IF changes ? 'referrals' THEN
    INSERT INTO referral AS r
    SELECT * FROM jsonb_populate_recordset(NULL::referral, changes->'referrals')
    ON CONFLICT (id) DO UPDATE SET number = excluded.number, journey = excluded.journey, based_on = excluded.based_on,
      state = excluded.state, direction = excluded.direction, directed = excluded.directed, priority = excluded.priority, patient = excluded.patient,
      network = excluded.network, authored_on = excluded.authored_on, updated_at = excluded.updated_at;
  END IF;

  IF changes ? 'identifiers' THEN
    DELETE FROM referral_identifier i USING jsonb_array_elements(changes->'identifiers') c WHERE i.referral = c->>0;
    INSERT INTO referral_identifier (referral, sender, system, value)
    SELECT DISTINCT c->>0, c->>1, i->>0, i->>1
    FROM jsonb_array_elements(changes->'identifiers') c, jsonb_array_elements(c->2) i;
  END IF;

  IF changes ? 'journeys' THEN
    PERFORM keep_journeys(changes->'journeys');
  END IF;

  IF changes ? 'offers' THEN
    -- Those that end come before those that open, so that one referral never has two open offers on the way.
    WITH known AS (
      -- A service that knows of no departure says nothing of it.
      UPDATE offer o SET state = c.state, priority = c.priority, updated_at = c.updated_at,
        departed_at = CASE WHEN c.state = 'in-transit' THEN coalesce(c.departed_at, o.departed_at, c.updated_at) ELSE c.departed_at END
      FROM jsonb_populate_recordset(NULL::offer, changes->'offers') c WHERE o.id = c.id RETURNING o.id
    ) SELECT array_agg(known.id) INTO known_offers FROM known;
    INSERT INTO offer
    SELECT c.* FROM jsonb_populate_recordset(NULL::offer, changes->'offers') c
    WHERE c.id <> ALL (coalesce(known_offers, '{}'));
  END IF;

  IF changes ? 'demands' THEN
    INSERT INTO demand AS q
    SELECT * FROM jsonb_populate_recordset(NULL::demand, changes->'demands')
    ON CONFLICT (kind, id) DO UPDATE SET settled_at = excluded.settled_at, settled_by = excluded.settled_by;
  END IF;

  IF changes ? 'deadlines' THEN
    INSERT INTO deadline AS k
    SELECT * FROM jsonb_populate_recordset(NULL::deadline, changes->'deadlines')
    ON CONFLICT (referral, slot) DO UPDATE SET offer = excluded.offer, kind = excluded.kind, owes = excluded.owes, debtor = excluded.debtor,
      creditor = excluded.creditor, priority = excluded.priority, since = excluded.since, due_at = excluded.due_at,
      escalate_at = excluded.escalate_at, next_at = excluded.next_at, stage = excluded.stage, spent = excluded.spent,
      held_kind = excluded.held_kind, held_spent = excluded.held_spent, held_stage = excluded.held_stage, suggested = excluded.suggested,
      done_at = excluded.done_at;
  END IF;

  IF changes ? 'ended' THEN
    -- First wait for who gives more by what ends now (see attachments below): the next statement sees it, this one would not.
    PERFORM FROM access a JOIN jsonb_array_elements(changes->'ended') e ON a.facility = e->>0 AND a.via = e->>1
    WHERE a.until IS NULL FOR UPDATE OF a;
    UPDATE access a SET until = (e->>2)::timestamptz FROM jsonb_array_elements(changes->'ended') e
    WHERE a.facility = e->>0 AND a.via = e->>1 AND a.until IS NULL
      AND (a.scope = 'package' OR (e->>3)::boolean AND a.scope = 'referral' AND a.type <> 'Task');
    PERFORM end_onward(changes->'ended');
  END IF;
  INSERT INTO access (facility, type, id, scope, via, since)
  SELECT r->>0, r->>1, r->>2, r->>3, r->>4, (r->>5)::timestamptz FROM jsonb_array_elements(changes->'access') r
  ON CONFLICT DO NOTHING;
  IF changes ? 'late' THEN
    changes := with_late(changes);
  END IF;
  IF changes ? 'packages' OR changes ? 'given' THEN
    -- Gives a receiver what the referral's package holds: the patient, and the closure of what the referral names, as far as
    -- its sender may give it and it is about this patient. Never the patient's other records. What is given by itself, such as a
    -- summary, goes with its own closure.
    INSERT INTO access (facility, type, id, scope, via, since)
    SELECT p->>2, 'Patient', p->>4, 'package', p->>1, (p->>5)::timestamptz FROM jsonb_array_elements(changes->'packages') p
    WHERE may_give(p->>3, 'Patient', p->>4, p->>1)
    ON CONFLICT DO NOTHING;
    IF changes ? 'given' OR EXISTS (SELECT FROM jsonb_array_elements(changes->'packages') p
               JOIN search_reference r ON r.type = 'ServiceRequest' AND r.id = p->>0 AND r.param = '_package') THEN
      WITH RECURSIVE named (offer, facility, sender, patient, at, type, id) AS (
        (SELECT p->>1, p->>2, p->>3, p->>4, (p->>5)::timestamptz, r.target_type, r.target_id
        FROM jsonb_array_elements(changes->'packages') p
        JOIN search_reference r ON r.type = 'ServiceRequest' AND r.id = p->>0 AND r.param = '_package'
        WHERE may_give(p->>3, r.target_type, r.target_id, p->>1) AND is_about(r.target_type, r.target_id, p->>4)
        UNION
        SELECT g->>0, g->>1, g->>2, g->>3, (g->>4)::timestamptz, g->>5, g->>6
        FROM jsonb_array_elements(changes->'given') g
        WHERE may_give(g->>2, g->>5, g->>6, g->>0) AND is_about(g->>5, g->>6, g->>3))
        UNION
        SELECT n.offer, n.facility, n.sender, n.patient, n.at, r.target_type, r.target_id
        FROM named n JOIN search_reference r ON r.type = n.type AND r.id = n.id AND r.param = '_package'
        WHERE may_give(n.sender, r.target_type, r.target_id, n.offer) AND is_about(r.target_type, r.target_id, n.patient)
      )
      INSERT INTO access (facility, type, id, scope, via, since)
      SELECT n.facility, n.type, n.id, 'package', n.offer, n.at FROM named n
      -- Of what is named by others too, nobody could know before: who deletes it waits, or it is not given.
      JOIN document d ON d.type = n.type AND d.id = n.id AND NOT d.deleted
      FOR KEY SHARE OF d
      ON CONFLICT DO NOTHING;
    END IF;
  END IF;

  IF changes ? 'attachments' THEN
    -- What a resource names, and what is attached to it, is seen as the resource is, for as long: what ends at this moment is waited for.
    PERFORM FROM jsonb_array_elements(changes->'attachments') x
      JOIN access a ON a.type = x->>0 AND a.id = x->>1 AND a.scope <> 'owner' AND a.until IS NULL AND a.type IN ('Communication', 'Composition', 'Condition', 'Consent', 'Coverage', 'DiagnosticReport', 'DocumentReference', 'Observation',
        'Patient', 'RelatedPerson')
      FOR SHARE OF a;
    PERFORM hand_on(changes->'attachments');
  END IF;

  INSERT INTO event (at, type, id, version, move, from_state, to_state, party, facility, client, network, referral, reason_code, reason_text)
  SELECT e.at, e.type, e.id, e.version, e.move, e.from_state, e.to_state, e.party, e.facility, e.client, e.network, e.referral,
         e.reason_code, e.reason_text
  FROM jsonb_populate_recordset(NULL::event, changes->'events') e;

  WITH made AS (
    INSERT INTO audit (at, actor, client, action, type, id, version, outcome, request_id, address, details, patient)
    SELECT a.at, a.actor, a.client, a.action, a.type, a.id, a.version, coalesce(a.outcome, 200), a.request_id, a.address, a.details,
           (SELECT s.target_id FROM search_reference s
            WHERE s.type = a.type AND s.id = a.id AND s.param = '_patient' AND s.target_type = 'Patient' LIMIT 1)
    FROM jsonb_populate_recordset(NULL::audit, changes->'audits') a
    RETURNING audit.at, audit.seq, audit.actor, audit.type, audit.id
  )
  INSERT INTO audit_concern (owner, at, seq)
  SELECT d.owner, m.at, m.seq FROM made m JOIN document d ON d.type = m.type AND d.id = m.id
  WHERE d.owner IS DISTINCT FROM m.actor AND d.owner IS NOT NULL;

  IF changes ? 'replay' THEN
    PERFORM keep_replay(changes->'replay');
  END IF;
END $$;
