-- The two calls of a command, run with the rights of the owner: the service itself writes no clinical table.

-- request: actor text, update [[type, id]], focus [id of a referral or an offer], references [[type, id]],
--          identifiers [{types, system, value}], numbers int, replay (see find_replay)
-- The actor is the one that the connection acts for, whatever `actor` says.
-- Rows: document (content and version, locked), reference (nobody deletes it until the end), identifier, referral (locked when its
-- document, offer or focus is named), offer, facility, network, number.
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

  -- What a request leaves out costs nothing: a statement that finds nothing costs as much as one that finds a row.
  IF request->'update' <> '[]' OR request->'focus' <> '[]' THEN
    -- Lock referrals first and in one order, then read: what a waiting command reads is what the one before it left.
    SELECT array_agg(DISTINCT found.referral) INTO locked FROM (
      SELECT o.referral FROM jsonb_array_elements(request->'update') u JOIN offer o ON u->>0 = 'Task' AND o.id = u->>1
      UNION ALL SELECT u->>1 FROM jsonb_array_elements(request->'update') u WHERE u->>0 = 'ServiceRequest'
      UNION ALL SELECT f FROM jsonb_array_elements_text(request->'focus') f
      UNION ALL SELECT o.referral FROM jsonb_array_elements_text(request->'focus') f JOIN offer o ON o.id = f
    ) found;
    PERFORM FROM referral r WHERE r.id = ANY (locked) ORDER BY r.id FOR UPDATE;
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
                         WHERE s.type = d.type AND s.id = d.id AND s.param = 'organization' LIMIT 1))
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
      ) n JOIN document d ON d.type = n.type AND d.id = n.id
      CROSS JOIN LATERAL (SELECT
        EXISTS (SELECT FROM access a WHERE a.facility = actor AND a.type = d.type AND a.id = d.id AND a.until IS NULL OFFSET 0)
        OR EXISTS (SELECT FROM directory x WHERE x.network = ANY (networks) AND x.type = d.type AND x.id = d.id OFFSET 0) AS visible OFFSET 0) AS seen;

    RETURN QUERY
      SELECT 'offer', 'Task', o.id, NULL::int, true, NULL::text, NULL::text, to_jsonb(o)
      FROM offer o WHERE o.referral = ANY (locked);
  END IF;

  IF locked IS NOT NULL OR 'ServiceRequest' = ANY (reference_types) THEN
    RETURN QUERY
      SELECT 'referral', 'ServiceRequest', r.id, NULL::int, NULL::boolean, NULL::text, NULL::text,
             to_jsonb(r) || jsonb_build_object(
               -- From the first of its journey up to this one: who comes later has no right to what came before.
               'journey_senders', (
                 WITH RECURSIVE before (id, sender, based_on) AS (
                   SELECT r.id, r.sender, r.based_on
                   UNION SELECT j.id, j.sender, j.based_on FROM before b JOIN referral j ON j.id = b.based_on
                 ) SELECT jsonb_agg(DISTINCT b.sender) FROM before b),
               'returned_by', (SELECT jsonb_agg(DISTINCT b.sender) FROM referral b WHERE b.based_on = r.id
                               AND b.direction = 'down' AND b.state NOT IN ('draft', 'cancelled', 'entered-in-error')))
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

-- References with what a worklist goes by: the status of what has not ended, and its time.
CREATE FUNCTION open_references(changes jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  RETURN (
    SELECT jsonb_agg(r || jsonb_build_array(o.code, o.at))
    FROM jsonb_array_elements(changes->'references') r
    LEFT JOIN (
      SELECT t->>0 AS type, t->>1 AS id, t->>4 AS code, c.at
      FROM jsonb_array_elements(changes->'tokens') t
      JOIN jsonb_to_recordset(changes->'documents') AS c (type text, id text, at text) ON c.type = t->>0 AND c.id = t->>1
      WHERE t->>0 IN ('ServiceRequest', 'Task') AND t->>2 = 'status'
        AND t->>4 IN ('draft', 'active', 'requested', 'received', 'accepted', 'ready', 'in-progress', 'on-hold')
    ) o ON o.type = r->>0 AND o.id = r->>1 AND r->>2 IN ('owner', 'performer', 'requester') AND r->>3 = 'Organization');
END $$;

-- Index rows of documents that may have some: what changes says of these, and nothing else. named: as open_references gives them.
CREATE FUNCTION index_documents(types text[], ids text[], named jsonb, changes jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  -- Rows that stay are left alone: most of what is searched by does not change with a move.
  DELETE FROM search_token s USING (
    SELECT o.type, o.id, o.param, o.system, o.code FROM unnest(types, ids) AS c (type, id)
      JOIN search_token o ON o.type = c.type AND o.id = c.id
    EXCEPT SELECT r->>0, r->>1, r->>2, r->>3, r->>4 FROM jsonb_array_elements(changes->'tokens') r
  ) gone WHERE s.type = gone.type AND s.id = gone.id AND s.param = gone.param AND s.system = gone.system AND s.code = gone.code;
  DELETE FROM search_reference s USING (
    SELECT o.type, o.id, o.param, o.target_type, o.target_id, o.open_status, o.updated_at
      FROM unnest(types, ids) AS c (type, id) JOIN search_reference o ON o.type = c.type AND o.id = c.id
    EXCEPT SELECT r->>0, r->>1, r->>2, r->>3, r->>4, r->>5, (r->>6)::timestamptz FROM jsonb_array_elements(named) r
  ) gone WHERE s.type = gone.type AND s.id = gone.id AND s.param = gone.param
    AND s.target_type = gone.target_type AND s.target_id = gone.target_id;
  DELETE FROM search_date s USING (
    SELECT o.type, o.id, o.param, o.low, o.high FROM unnest(types, ids) AS c (type, id)
      JOIN search_date o ON o.type = c.type AND o.id = c.id
    EXCEPT SELECT r->>0, r->>1, r->>2, (r->>3)::timestamptz, (r->>4)::timestamptz FROM jsonb_array_elements(changes->'dates') r
  ) gone WHERE s.type = gone.type AND s.id = gone.id AND s.param = gone.param AND s.low = gone.low AND s.high = gone.high;
  DELETE FROM search_string s USING (
    SELECT o.type, o.id, o.param, o.folded FROM unnest(types, ids) AS c (type, id)
      JOIN search_string o ON o.type = c.type AND o.id = c.id
    EXCEPT SELECT r->>0, r->>1, r->>2, r->>3 FROM jsonb_array_elements(changes->'strings') r
  ) gone WHERE s.type = gone.type AND s.id = gone.id AND s.param = gone.param AND s.folded = gone.folded;

  INSERT INTO search_token (type, id, param, system, code)
    SELECT r->>0, r->>1, r->>2, r->>3, r->>4 FROM jsonb_array_elements(changes->'tokens') r
    EXCEPT SELECT o.type, o.id, o.param, o.system, o.code FROM unnest(types, ids) AS c (type, id)
      JOIN search_token o ON o.type = c.type AND o.id = c.id;
  INSERT INTO search_reference (type, id, param, target_type, target_id, open_status, updated_at)
    SELECT r->>0, r->>1, r->>2, r->>3, r->>4, r->>5, (r->>6)::timestamptz FROM jsonb_array_elements(named) r
    EXCEPT SELECT o.type, o.id, o.param, o.target_type, o.target_id, o.open_status, o.updated_at
      FROM unnest(types, ids) AS c (type, id) JOIN search_reference o ON o.type = c.type AND o.id = c.id;
  INSERT INTO search_date (type, id, param, low, high)
    SELECT r->>0, r->>1, r->>2, (r->>3)::timestamptz, (r->>4)::timestamptz FROM jsonb_array_elements(changes->'dates') r
    EXCEPT SELECT o.type, o.id, o.param, o.low, o.high FROM unnest(types, ids) AS c (type, id)
      JOIN search_date o ON o.type = c.type AND o.id = c.id;
  INSERT INTO search_string (type, id, param, folded)
    SELECT r->>0, r->>1, r->>2, r->>3 FROM jsonb_array_elements(changes->'strings') r
    EXCEPT SELECT o.type, o.id, o.param, o.folded FROM unnest(types, ids) AS c (type, id)
      JOIN search_string o ON o.type = c.type AND o.id = c.id;

  -- Rare: what can have no such rows names no such part.
  IF changes ? 'quantities' THEN
    DELETE FROM search_quantity s USING unnest(types, ids) AS c (type, id) WHERE s.type = c.type AND s.id = c.id;
    INSERT INTO search_quantity (type, id, param, system, code, low, high)
      SELECT r->>0, r->>1, r->>2, r->>3, r->>4, coalesce((r->>5)::float8, '-Infinity'), coalesce((r->>6)::float8, 'Infinity') FROM jsonb_array_elements(changes->'quantities') r;
  END IF;
  IF changes ? 'positions' THEN
    DELETE FROM search_position s USING unnest(types, ids) AS c (type, id) WHERE s.type = c.type AND s.id = c.id;
    INSERT INTO search_position (type, id, param, latitude, longitude)
      SELECT r->>0, r->>1, r->>2, (r->>3)::float, (r->>4)::float FROM jsonb_array_elements(changes->'positions') r;
  END IF;
END $$;

-- Whether a resource may go with what is about this patient: it is about him; bytes need not say about whom they are.
CREATE FUNCTION is_about(p_type text, p_id text, p_patient text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN EXISTS (SELECT FROM search_reference o WHERE o.type = p_type AND o.id = p_id AND o.param = '_patient' AND o.target_id = p_patient)
    OR p_type = 'Binary' AND NOT EXISTS (SELECT FROM search_reference o WHERE o.type = p_type AND o.id = p_id AND o.param = '_patient');
END $$;

-- By which offers and referrals alone a facility sees a resource: empty where it sees it for good, as its owner or because it was given
-- back to it; null where it does not see it. What it holds by an offer is the package's, or what is said about a referral offered to it.
CREATE FUNCTION held_through(p_facility text, p_type text, p_id text) RETURNS text[] LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN (
    SELECT CASE WHEN bool_and(held.through IS NOT NULL) THEN array_agg(held.through) WHEN count(*) > 0 THEN '{}' END FROM (
      SELECT CASE WHEN a.scope <> 'owner' AND (EXISTS (SELECT FROM offer o WHERE o.id = a.via)
                    OR EXISTS (SELECT FROM offer o WHERE o.referral = a.via AND o.owner = p_facility)) THEN a.via END AS through
      FROM access a WHERE a.facility = p_facility AND a.type = p_type AND a.id = p_id AND a.until IS NULL) held);
END $$;

-- Whether a facility may give others a resource by an offer or a referral (see docs/decisions/0019): what it holds for good; and what it
-- was given by an offer that it has accepted, of the referral that this one rests on, or of this one itself where it gives back.
CREATE FUNCTION may_give(p_facility text, p_type text, p_id text, p_via text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
DECLARE
  through text[];
BEGIN
  IF EXISTS (SELECT FROM access a WHERE a.facility = p_facility AND a.type = p_type AND a.id = p_id AND a.scope = 'owner' AND a.until IS NULL) THEN
    RETURN true;
  END IF;
  through := held_through(p_facility, p_type, p_id);
  RETURN coalesce(through = '{}' OR EXISTS (
    SELECT FROM referral r
    JOIN offer o ON o.referral = CASE WHEN r.sender = p_facility THEN r.based_on ELSE r.id END AND o.owner = p_facility
    WHERE r.id = coalesce((SELECT v.referral FROM offer v WHERE v.id = p_via), p_via)
      AND (o.id = ANY (through) OR o.referral = ANY (through))
      AND o.state IN ('accepted', 'scheduled', 'in-transit', 'no-show', 'arrived', 'completed', 'closed', 'stopped')), false);
END $$;

-- What was passed on by those whose access ends, and by those to whom they passed it, ends too where no care has begun: all that could
-- not be given any more. ended: as in changes.
CREATE FUNCTION end_onward(p_ended jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  reached text[] := ARRAY(SELECT e->>1 FROM jsonb_array_elements(p_ended) e);
  at CONSTANT timestamptz := (p_ended->0->>2)::timestamptz;
  onward text[];
BEGIN
  LOOP
    SELECT array_agg(o.id) INTO onward
    FROM unnest(reached) AS e (id) JOIN offer f ON f.id = e.id
    JOIN referral r ON r.based_on = f.referral AND r.sender = f.owner
    JOIN offer o ON o.referral = r.id AND o.state IN ('requested', 'received', 'awaiting-information', 'accepted', 'scheduled', 'in-transit', 'no-show');
    EXIT WHEN onward IS NULL;
    -- As where it ended first: who gives more by these is waited for.
    PERFORM FROM offer o WHERE o.id = ANY (onward) ORDER BY o.id FOR UPDATE;
    PERFORM FROM offer o JOIN access a ON a.via IN (o.id, o.referral) AND a.facility = o.owner
    WHERE o.id = ANY (onward) AND a.until IS NULL FOR UPDATE OF a;
    UPDATE access a SET until = at FROM offer o JOIN referral r ON r.id = o.referral
    WHERE o.id = ANY (onward) AND a.via IN (o.id, o.referral) AND a.facility = o.owner AND a.scope <> 'owner' AND a.until IS NULL
      AND NOT may_give(r.sender, a.type, a.id, a.via);
    reached := onward;
  END LOOP;
END $$;

-- changes: documents, tokens, references, dates, strings, quantities, positions, referrals, offers, access, ended, packages, given,
-- attachments [[type, id, at]] of what may have some and is written or given to others, events, audits, directory, typed (the rows of the network, see apply_directory), replay (see keep_replay).
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

  IF changes ? 'offers' THEN
    -- Those that end come before those that open, so that one referral never has two open offers on the way.
    WITH known AS (
      UPDATE offer o SET state = c.state, priority = c.priority, updated_at = c.updated_at
      FROM jsonb_populate_recordset(NULL::offer, changes->'offers') c WHERE o.id = c.id RETURNING o.id
    ) SELECT array_agg(known.id) INTO known_offers FROM known;
    INSERT INTO offer
    SELECT c.* FROM jsonb_populate_recordset(NULL::offer, changes->'offers') c
    WHERE c.id <> ALL (coalesce(known_offers, '{}'));
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
    -- An attachment is seen as what it is attached to, as far as the author of that may give it, and for as long: what ends at this
    -- moment is waited for.
    INSERT INTO access (facility, type, id, scope, via, since)
    SELECT a.facility, r.target_type, r.target_id, a.scope, a.via, (x->>2)::timestamptz
    FROM jsonb_array_elements(changes->'attachments') x
    JOIN document d ON d.type = x->>0 AND d.id = x->>1
    JOIN search_reference r ON r.type = d.type AND r.id = d.id AND r.param = '_package' AND r.target_type = 'Binary'
    JOIN access a ON a.type = d.type AND a.id = d.id AND a.scope <> 'owner' AND a.until IS NULL
      -- As the index has them.
      AND a.type IN ('Communication', 'Consent', 'DiagnosticReport', 'DocumentReference', 'Patient', 'RelatedPerson')
    WHERE may_give(d.owner, r.target_type, r.target_id, a.via)
      AND is_about(r.target_type, r.target_id,
                   (SELECT s.target_id FROM search_reference s WHERE s.type = d.type AND s.id = d.id AND s.param = '_patient' LIMIT 1))
    FOR SHARE OF a
    ON CONFLICT DO NOTHING;
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

REVOKE ALL ON FUNCTION load_for_write(jsonb), apply_changes(jsonb), open_references(jsonb),
  index_documents(text[], text[], jsonb, jsonb), is_about(text, text, text), held_through(text, text, text), may_give(text, text, text, text),
  end_onward(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION load_for_write(jsonb), apply_changes(jsonb) TO referral_service;
