-- The changes of a type in the order of their commits, and what must not be deleted.

CREATE INDEX change_type ON change (type, txid, seq);
-- Also told: put (made under an id of the client's) and restore (a deletion was taken back). The rows that there are need no look.
ALTER TABLE change DROP CONSTRAINT change_kind_check,
  ADD CONSTRAINT change_kind_check CHECK (kind IN ('create', 'put', 'update', 'restore', 'delete')) NOT VALID;
-- For "since": small, and nothing to a write, since time and place in the table run together.
CREATE INDEX change_at ON change USING brin (at) WITH (pages_per_range = 16, autosummarize = on);

-- The first transaction that changed a resource of the type at this time or later; null where none did. Times do not follow
-- commits, and clocks are set back: so each row is asked, and what began before may be among what is looked at.
CREATE FUNCTION first_change(p_type text, p_since timestamptz) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT c.txid::text FROM change c WHERE c.at >= p_since AND c.type = p_type ORDER BY c.txid LIMIT 1
$$;

-- One page of the history of a type: what the facility sees now, the last commit first. It stops before what is still under way:
-- so nothing ever comes in between. p_from: see first_change. p_txid, p_seq: the last one of the page before. p_count: how many
-- are wanted; p_most: how many are looked at, so that a page costs as much to whom hardly sees any. Then a row without an id says
-- how far that was. Over the wall: behind it each row would be asked twice.
CREATE FUNCTION type_history(p_actor text, p_type text, p_since timestamptz, p_from xid8, p_txid xid8, p_seq bigint,
  p_count int, p_most int)
RETURNS TABLE (txid text, seq bigint, id text, version int, at timestamptz, kind text, content text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_bitmapscan = off AS $$
#variable_conflict use_column
DECLARE
  networks CONSTANT text[] := ARRAY(SELECT a.network FROM actor_network a WHERE a.facility = p_actor);
  before CONSTANT xid8 := least(p_txid, pg_snapshot_xmin(pg_current_snapshot()));
  found int;
BEGIN
  RETURN QUERY
    SELECT c.txid::text, c.seq, c.id, c.version, c.at, c.kind, CASE WHEN c.kind <> 'delete' THEN (
        SELECT d.content::text FROM document d WHERE d.type = p_type AND d.id = c.id AND d.version = c.version
        UNION ALL
        SELECT v.content::text FROM document_version v WHERE v.type = p_type AND v.id = c.id AND v.version = c.version
        LIMIT 1) END
    FROM (
      SELECT w.txid, w.seq, w.id, w.version, w.at, w.kind FROM change w
      WHERE w.type = p_type AND (w.txid, w.seq) < (before, CASE WHEN before = p_txid THEN p_seq ELSE 0 END) AND w.txid >= p_from
      ORDER BY w.txid DESC, w.seq DESC LIMIT p_most
    ) c
    WHERE c.at >= p_since
      AND (EXISTS (SELECT FROM access a WHERE a.facility = p_actor AND a.type = p_type AND a.id = c.id AND a.until IS NULL OFFSET 0)
        OR EXISTS (SELECT FROM directory x WHERE x.network = ANY (networks) AND x.type = p_type AND x.id = c.id OFFSET 0))
    ORDER BY c.txid DESC, c.seq DESC LIMIT p_count;
  GET DIAGNOSTICS found = ROW_COUNT;
  IF found < p_count THEN
    RETURN QUERY
      SELECT w.txid::text, w.seq, NULL::text, NULL::int, NULL::timestamptz, NULL::text, NULL::text FROM change w
      WHERE w.type = p_type AND (w.txid, w.seq) < (before, CASE WHEN before = p_txid THEN p_seq ELSE 0 END) AND w.txid >= p_from
      ORDER BY w.txid DESC, w.seq DESC OFFSET p_most - 1 LIMIT 1;
  END IF;
END $$;

-- Why a resource must stay, whoever asks: 'referral' where a referral or an offer names it, its package reaches it, or it was
-- given to another facility by one; 'records' where it is a Patient whom something is about; 'documents' where it is a Binary that
-- is attached to something; null where nothing keeps it. It is locked first: what is being written about it now is waited for, and
-- seen. p_types, p_params: the types and the parameters whose references are looked for. p_going: 'Type/id' of what goes with it.
CREATE FUNCTION kept_by(p_type text, p_id text, p_types text[], p_params text[], p_going text[]) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
  PERFORM FROM document d WHERE d.type = p_type AND d.id = p_id FOR UPDATE;
  IF EXISTS (
    SELECT FROM search_reference s
    WHERE s.type IN ('ServiceRequest', 'Task') AND s.param = ANY (p_params) AND s.target_id = p_id AND s.target_type = p_type
      -- Who never saw it has given it to nobody, and keeps nothing by knowing its id.
      AND (EXISTS (SELECT FROM referral r WHERE r.id = s.id AND (is_directory(p_type) OR EXISTS (
             SELECT FROM access a WHERE a.facility = r.sender AND a.type = p_type AND a.id = p_id)))
        OR EXISTS (SELECT FROM offer o WHERE o.id = s.id))
  ) THEN
    RETURN 'referral';
  END IF;
  IF EXISTS (
    WITH RECURSIVE naming (type, id) AS (
      SELECT p_type, p_id
      UNION
      SELECT s.type, s.id FROM naming n
      JOIN search_reference s ON s.type = ANY (p_types) AND s.param = '_package' AND s.target_id = n.id AND s.target_type = n.type
    ) SELECT FROM naming n JOIN referral r ON n.type = 'ServiceRequest' AND r.id = n.id
    WHERE is_directory(p_type) OR EXISTS (SELECT FROM access a WHERE a.facility = r.sender AND a.type = p_type AND a.id = p_id)
  ) THEN
    RETURN 'referral';
  END IF;
  IF EXISTS (
    WITH about AS (
      SELECT r.id FROM search_reference own
      JOIN search_reference s ON s.type = 'ServiceRequest' AND s.param = '_patient' AND s.target_id = own.target_id AND s.target_type = 'Patient'
      JOIN referral r ON r.id = s.id
      WHERE own.type = p_type AND own.id = p_id AND own.param = '_patient'
      UNION
      SELECT coalesce(o.referral, own.target_id) FROM search_reference own
      LEFT JOIN offer o ON own.target_type = 'Task' AND o.id = own.target_id
      WHERE own.type = p_type AND own.id = p_id AND own.target_type IN ('ServiceRequest', 'Task')
    ), ways AS (
      SELECT about.id FROM about UNION SELECT o.id FROM about JOIN offer o ON o.referral = about.id
    )
    SELECT FROM ways JOIN access a ON a.via = ways.id AND a.until IS NULL AND a.type = p_type AND a.id = p_id
  ) THEN
    RETURN 'referral';
  END IF;
  IF p_type = 'Patient' AND EXISTS (
    SELECT FROM search_reference s JOIN document d ON d.type = s.type AND d.id = s.id AND NOT d.deleted
    WHERE s.type = ANY (p_types) AND s.param = '_patient' AND s.target_id = p_id AND s.target_type = 'Patient'
      AND (s.type, s.id) <> (p_type, p_id) AND s.type || '/' || s.id <> ALL (p_going)
  ) THEN
    RETURN 'records';
  END IF;
  IF p_type = 'Binary' AND EXISTS (
    SELECT FROM search_reference s JOIN document d ON d.type = s.type AND d.id = s.id
    JOIN access a ON a.facility = d.owner AND a.type = p_type AND a.id = p_id
    WHERE s.type = ANY (p_types) AND s.param = '_package' AND s.target_id = p_id AND s.target_type = p_type
      AND s.type || '/' || s.id <> ALL (p_going)
  ) THEN
    RETURN 'documents';
  END IF;
  RETURN NULL;
END $$;

REVOKE ALL ON FUNCTION first_change(text, timestamptz), type_history(text, text, timestamptz, xid8, xid8, bigint, int, int),
  kept_by(text, text, text[], text[], text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION first_change(text, timestamptz), type_history(text, text, timestamptz, xid8, xid8, bigint, int, int),
  kept_by(text, text, text[], text[], text[]) TO referral_service;
