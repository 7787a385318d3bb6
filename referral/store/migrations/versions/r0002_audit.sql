-- The audit: who asked for what, how it was answered, and a chain of seals over its rows.

-- The defaults are for the service of 0.1.0, which knows none of these.
ALTER TABLE audit
  ADD COLUMN txid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  -- The HTTP status of the answer; a row of a write is there only where the write is.
  ADD COLUMN outcome smallint NOT NULL DEFAULT 200,
  ADD COLUMN patient text,
  -- The parameters of a search as they were sent; of an operation its name, then these.
  ADD COLUMN query text,
  ADD COLUMN address text;
CREATE INDEX audit_order ON audit (txid, seq);

-- A seal names its rows one by one (gaps are transactions that were rolled back): no number of a transaction is needed to read it.
CREATE TABLE audit_seal (
  -- The UTC day on which it was made, and its number in that day.
  day date NOT NULL,
  number int NOT NULL CHECK (number > 0),
  sealed_at timestamptz NOT NULL,
  rows int NOT NULL CHECK (rows > 0),
  seqs int8multirange NOT NULL,
  -- Eight bytes of the sha256 of each row, in the order of seq: they tell which one does not agree.
  marks bytea NOT NULL,
  -- sha256 of the hash before it (for the first of a day that of the day before), its own head, and the text of its rows.
  hash bytea NOT NULL,
  PRIMARY KEY (day, number)
);
CREATE INDEX audit_seal_seqs ON audit_seal USING gist (seqs);

-- How far sealing has come. Only a saving: seals are read without it, and where it is missing the sealer looks at every row.
CREATE TABLE audit_progress (
  single boolean PRIMARY KEY DEFAULT true CHECK (single),
  -- Numbers of transactions mean something in one cluster alone.
  cluster bigint NOT NULL,
  -- All rows up to here, in the order of (txid, seq), are sealed.
  to_txid xid8 NOT NULL,
  to_seq bigint NOT NULL,
  -- Rows up to here were there when the cluster was first met: a seal may have them, whatever their txid says. `adopting`: how far
  -- they have been looked at; null: all have.
  adopted bigint NOT NULL,
  adopting bigint
);

-- Records what was read, sought or refused: [[at, actor, client, action, type, id, version, outcome, query, address, request_id,
-- details]]. Whom a resource is about is looked up here, also where the one who asked does not see it.
CREATE FUNCTION record_audit(records jsonb) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  INSERT INTO audit (at, actor, client, action, type, id, version, outcome, query, address, request_id, details, patient)
  SELECT (r->>0)::timestamptz, r->>1, r->>2, r->>3, r->>4, r->>5, (r->>6)::int, (r->>7)::smallint, r->>8, r->>9, r->>10,
    nullif(r->11, 'null'),
    (SELECT s.target_id FROM search_reference s
     WHERE s.type = r->>4 AND s.id = r->>5 AND s.param = '_patient' AND s.target_type = 'Patient' LIMIT 1)
  FROM jsonb_array_elements(records) r
$$;

-- Looks at the next rows, `at_most` of them, seals those that are in no seal, and tells how many it looked at: fewer than
-- `at_most` is all there are. One at a time; whoever comes meanwhile finds nothing to do.
-- Rows are taken in the order of (txid, seq) and before every transaction that is still open: none can come to stand behind.
-- A time ahead of the server's clock is not believed: days never go back, so all later seals would stand under the day it names.
CREATE FUNCTION seal_audit(sealing_at timestamptz, at_most int) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  here CONSTANT bigint := (SELECT system_identifier FROM pg_control_system());
  progress audit_progress;
  last audit_seal;
  made audit_seal;
  looked int;
  reached bigint;
  reached_txid xid8;
  texts text;
BEGIN
  IF NOT pg_try_advisory_xact_lock(hashtext('referral.seal_audit')) THEN
    RETURN 0;
  END IF;
  SELECT * INTO progress FROM audit_progress;
  IF progress.cluster IS DISTINCT FROM here THEN
    -- The first time, or after a restore elsewhere. What commits from now on is not before the transactions open now.
    INSERT INTO audit_progress (cluster, to_txid, to_seq, adopted, adopting)
    SELECT here, pg_snapshot_xmin(pg_current_snapshot()), 0, coalesce(max(seq), 0), 0 FROM audit
    ON CONFLICT (single) DO UPDATE SET cluster = excluded.cluster, to_txid = excluded.to_txid, to_seq = excluded.to_seq,
      adopted = excluded.adopted, adopting = excluded.adopting
    RETURNING * INTO progress;
  END IF;

  IF progress.adopting IS NOT NULL THEN
    SELECT count(*), max(w.seq),
      range_agg(int8range(w.seq, w.seq, '[]')) FILTER (WHERE NOT EXISTS (SELECT FROM audit_seal s WHERE s.seqs @> w.seq))
    INTO looked, reached, made.seqs
    FROM (
      SELECT a.seq FROM audit a WHERE a.seq > progress.adopting AND a.seq <= progress.adopted ORDER BY a.seq LIMIT at_most
    ) w;
    UPDATE audit_progress SET adopting = CASE WHEN looked = at_most THEN reached END;
    -- What came since is still to be looked at.
    looked := at_most;
  ELSE
    SELECT count(*), max(w.txid), (array_agg(w.seq ORDER BY w.txid DESC, w.seq DESC))[1],
      range_agg(int8range(w.seq, w.seq, '[]'))
        FILTER (WHERE w.seq > progress.adopted OR NOT EXISTS (SELECT FROM audit_seal s WHERE s.seqs @> w.seq))
    INTO looked, reached_txid, reached, made.seqs
    FROM (
      SELECT a.txid, a.seq FROM audit a
      WHERE (a.txid, a.seq) > (progress.to_txid, progress.to_seq) AND a.txid < pg_snapshot_xmin(pg_current_snapshot())
      ORDER BY a.txid, a.seq LIMIT at_most
    ) w;
    IF looked > 0 THEN
      UPDATE audit_progress SET to_txid = reached_txid, to_seq = reached;
    END IF;
  END IF;
  IF made.seqs IS NULL THEN
    RETURN looked;
  END IF;

  IF sealing_at > clock_timestamp() + interval '1 minute' THEN
    sealing_at := clock_timestamp();
  END IF;
  SELECT * INTO last FROM audit_seal ORDER BY day DESC, number DESC LIMIT 1;
  -- A clock that was set back does not begin a day again.
  made.day := greatest((sealing_at AT TIME ZONE 'UTC')::date, last.day);
  made.number := CASE WHEN made.day = last.day THEN last.number + 1 ELSE 1 END;
  made.sealed_at := sealing_at;
  -- The same text in store/sql/audit.sql, by which seals are verified: of every column, whatever the session's settings are.
  SELECT count(*), string_agg(t.line || E'\n', '' ORDER BY t.seq),
    string_agg(substr(sha256(convert_to(t.line, 'UTF8')), 1, 8), '' ORDER BY t.seq)
  INTO made.rows, texts, made.marks
  FROM unnest(made.seqs) r CROSS JOIN LATERAL (
    SELECT a.seq, json_build_array(a.seq, a.txid::text, to_char(a.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), a.actor, a.client,
      a.action, a.type, a.id, a.version, a.outcome, a.patient, a.query, a.address, a.request_id, a.details)::text AS line
    -- OFFSET 0: else the planner, who knows neither how many ranges nor how long, may read the whole table.
    FROM audit a WHERE a.seq >= lower(r) AND a.seq < upper(r) OFFSET 0
  ) t;
  made.hash := sha256(coalesce(last.hash, '') || convert_to(
    json_build_array(to_char(made.day, 'YYYY-MM-DD'), made.number, to_char(made.sealed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'),
      made.rows)::text || E'\n' || texts, 'UTF8'));
  INSERT INTO audit_seal SELECT made.*;
  RETURN looked;
END $$;

REVOKE ALL ON FUNCTION record_audit(jsonb), seal_audit(timestamptz, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION record_audit(jsonb), seal_audit(timestamptz, int) TO referral_service;
