-- The audit as facilities read it: the rows of their own doings, and those of what others did to what is theirs.

CREATE INDEX audit_actor ON audit (actor, at, seq);
CREATE INDEX audit_patient ON audit (patient, at, seq) WHERE patient IS NOT NULL;
CREATE INDEX audit_id ON audit (id, at, seq) WHERE id IS NOT NULL;

-- Which rows concern a facility besides those of its own doings: what another one, or nobody who is known, did to a resource of
-- its own or tried to. It only finds rows: in no seal, since it says nothing that they do not.
CREATE TABLE audit_concern (
  owner text NOT NULL,
  at timestamptz NOT NULL,
  seq bigint NOT NULL,
  PRIMARY KEY (owner, at, seq)
);
INSERT INTO audit_concern (owner, at, seq)
  SELECT d.owner, a.at, a.seq FROM audit a JOIN document d ON d.type = a.type AND d.id = a.id
  WHERE d.owner IS DISTINCT FROM a.actor AND d.owner IS NOT NULL;

-- As in revision 0002. A thirteenth member is the patient whom a search names, which the service of 0.2.0 does not send.
CREATE OR REPLACE FUNCTION record_audit(records jsonb) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  WITH made AS (
    INSERT INTO audit (at, actor, client, action, type, id, version, outcome, query, address, request_id, details, patient)
    SELECT (r->>0)::timestamptz, r->>1, r->>2, r->>3, r->>4, r->>5, (r->>6)::int, (r->>7)::smallint, r->>8, r->>9, r->>10,
      nullif(r->11, 'null'),
      coalesce(r->>12,
        (SELECT s.target_id FROM search_reference s
         WHERE s.type = r->>4 AND s.id = r->>5 AND s.param = '_patient' AND s.target_type = 'Patient' LIMIT 1))
    FROM jsonb_array_elements(records) r
    RETURNING audit.at, audit.seq, audit.actor, audit.type, audit.id
  )
  INSERT INTO audit_concern (owner, at, seq)
  SELECT d.owner, m.at, m.seq FROM made m JOIN document d ON d.type = m.type AND d.id = m.id
  WHERE d.owner IS DISTINCT FROM m.actor AND d.owner IS NOT NULL
$$;

-- A page of the audit as a facility sees it, the newest row first, before the place (p_at, p_seq). The rows of its own doings are
-- shown whole. Of what others did to its own it sees who, what, when and how it ended; not their system, address, words or request.
-- The patient is shown where the resource was ever seen: else the record of a try would tell about whom a hidden resource is.
-- p_lows, p_highs: the spans of time that are asked for, in their order, each with its low and without its high.
-- All that follows narrows, null: not at all. p_seqs: these rows. p_actions; p_refused: whether it was refused. p_actors: who.
-- p_clients, p_requests: systems and requests, of its own doings. p_patients. p_entities: [["Type/id" or "id"]], one of each.
-- p_about, p_named: whether a patient is told; whether anything is.
-- p_count: how many are wanted; p_most: how many are looked at. Then a row without an action says how far that was.
CREATE FUNCTION find_audit(p_actor text, p_at timestamptz, p_seq bigint, p_lows timestamptz[], p_highs timestamptz[], p_seqs bigint[],
  p_actions text[], p_refused boolean, p_actors text[], p_clients text[], p_requests text[], p_patients text[], p_entities jsonb,
  p_about boolean, p_named boolean, p_count int, p_most int)
RETURNS TABLE (seq bigint, at timestamptz, actor text, client text, action text, type text, id text, version int, outcome smallint,
  patient text, query text, address text, request_id text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE
  -- What no filter can leave out need not be looked at beyond what is wanted.
  most CONSTANT int := CASE
    WHEN coalesce(p_seqs::text, p_actions::text, p_refused::text, p_clients::text, p_requests::text, p_patients::text,
      p_entities::text, p_about::text, p_named::text, p_actors::text) IS NULL AND cardinality(p_lows) = 1 THEN p_count
    ELSE p_most END;
  low CONSTANT timestamptz := p_lows[1];
  high CONSTANT timestamptz := p_highs[cardinality(p_highs)];
  names CONSTANT text[] := coalesce(p_patients,
    ARRAY(SELECT regexp_replace(n.name, '^.*/', '') FROM jsonb_array_elements_text(p_entities->0) n (name)));
  looked bigint[];
  last bigint;
  found int;
BEGIN
  IF p_seqs IS NOT NULL THEN
    looked := ARRAY(
      SELECT a.seq FROM audit a
      WHERE a.seq = ANY (p_seqs) AND (a.at, a.seq) < (p_at, p_seq) AND a.at >= low AND a.at < high
      ORDER BY a.at DESC, a.seq DESC LIMIT most);
  ELSIF coalesce(p_patients::text, p_entities::text) IS NOT NULL THEN
    looked := ARRAY(
      SELECT w.seq FROM (
        SELECT a.at, a.seq FROM audit a
        WHERE a.id = ANY (names) AND (a.at, a.seq) < (p_at, p_seq) AND a.at >= low AND a.at < high
        UNION
        SELECT a.at, a.seq FROM audit a
        WHERE a.patient = ANY (names) AND (a.at, a.seq) < (p_at, p_seq) AND a.at >= low AND a.at < high
      ) w ORDER BY w.at DESC, w.seq DESC LIMIT most);
  ELSE
    -- The first of both together are among the first of each.
    looked := ARRAY(
      SELECT w.seq FROM (
        (SELECT a.at, a.seq FROM audit a
         WHERE a.actor = p_actor AND (a.at, a.seq) < (p_at, p_seq) AND a.at >= low AND a.at < high
         ORDER BY a.at DESC, a.seq DESC LIMIT most)
        UNION ALL
        (SELECT c.at, c.seq FROM audit_concern c
         WHERE c.owner = p_actor AND (c.at, c.seq) < (p_at, p_seq) AND c.at >= low AND c.at < high
         ORDER BY c.at DESC, c.seq DESC LIMIT most)
      ) w ORDER BY w.at DESC, w.seq DESC LIMIT most);
  END IF;
  last := CASE WHEN cardinality(looked) = most THEN looked[most] END;

  RETURN QUERY
  SELECT f.seq, f.at, f.actor, f.client, f.action, f.type, f.id, f.version, f.outcome, f.patient, f.query, f.address, f.request_id
  FROM unnest(looked) WITH ORDINALITY AS l (seq, place)
  CROSS JOIN LATERAL (
    SELECT a.seq, a.at, a.actor, a.action, a.type, a.id, a.version, a.outcome,
      CASE WHEN o.own THEN a.client END AS client,
      CASE WHEN o.own THEN a.query END AS query,
      CASE WHEN o.own THEN a.address END AS address,
      CASE WHEN o.own THEN a.request_id END AS request_id,
      CASE WHEN NOT o.own OR a.id IS NULL
             OR EXISTS (SELECT FROM access x WHERE x.facility = p_actor AND x.type = a.type AND x.id = a.id)
           THEN a.patient END AS patient
    FROM audit a CROSS JOIN LATERAL (SELECT a.actor IS NOT DISTINCT FROM p_actor AS own) o
    WHERE a.seq = l.seq
      AND (o.own OR EXISTS (SELECT FROM audit_concern c WHERE c.owner = p_actor AND c.at = a.at AND c.seq = a.seq))
    OFFSET 0
  ) f
  WHERE (p_actions IS NULL OR f.action = ANY (p_actions))
    AND (p_refused IS NULL OR (f.outcome >= 400) = p_refused)
    AND (p_actors IS NULL OR f.actor = ANY (p_actors))
    AND (p_clients IS NULL OR f.client = ANY (p_clients))
    AND (p_requests IS NULL OR f.request_id = ANY (p_requests))
    AND (p_patients IS NULL OR f.patient = ANY (p_patients) OR f.type = 'Patient' AND f.id = ANY (p_patients))
    AND (p_about IS NULL OR (f.patient IS NOT NULL OR coalesce(f.type = 'Patient' AND f.id IS NOT NULL, false)) = p_about)
    AND (p_named IS NULL OR (f.patient IS NOT NULL OR f.type IS NOT NULL AND f.id IS NOT NULL OR f.request_id IS NOT NULL) = p_named)
    AND (cardinality(p_lows) = 1 OR EXISTS (
      SELECT FROM unnest(p_lows, p_highs) AS s (low, high) WHERE f.at >= s.low AND f.at < s.high))
    AND NOT EXISTS (
      SELECT FROM jsonb_array_elements(p_entities) AS e (names)
      WHERE NOT coalesce(e.names ? f.id OR e.names ? (f.type || '/' || f.id), false)
        AND NOT coalesce(e.names ? f.patient OR e.names ? ('Patient/' || f.patient), false))
  ORDER BY l.place LIMIT p_count;
  GET DIAGNOSTICS found = ROW_COUNT;
  IF found < p_count AND last IS NOT NULL THEN
    RETURN QUERY
      SELECT a.seq, a.at, NULL::text, NULL::text, NULL::text, NULL::text, NULL::text, NULL::int, NULL::smallint, NULL::text, NULL::text,
        NULL::text, NULL::text
      FROM audit a WHERE a.seq = last;
  END IF;
END $$;

REVOKE ALL ON TABLE audit_concern FROM PUBLIC;
REVOKE ALL ON FUNCTION find_audit(text, timestamptz, bigint, timestamptz[], timestamptz[], bigint[], text[], boolean, text[], text[], text[],
  text[], jsonb, boolean, boolean, int, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION find_audit(text, timestamptz, bigint, timestamptz[], timestamptz[], bigint[], text[], boolean, text[], text[],
  text[], text[], jsonb, boolean, boolean, int, int) TO referral_service;
