-- name: record
SELECT record_audit($1::text::jsonb)

-- name: seal
SELECT seal_audit($1, $2)

-- name: find
SELECT seq, at, actor, client, action, type, id, version, outcome, patient, query, address, request_id
FROM find_audit($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13::text::jsonb, $14, $15, $16, $17)

-- name: rows
SELECT seq, at, actor, client, action, type, id, version, outcome, patient, query, address, request_id, details::text AS details
FROM audit WHERE (at, seq) > ($1, $2::bigint) AND at < $3 ORDER BY at, seq LIMIT $4

-- name: seals
-- `head` is what seal_audit() puts before the rows. `ahead`: in the future, by more than seal_audit() lets pass.
SELECT day, number, rows, seqs, marks, hash, json_build_array(to_char(day, 'YYYY-MM-DD'), number,
    to_char(sealed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), rows)::text AS head,
  day > (soon AT TIME ZONE 'UTC')::date OR sealed_at > soon AS ahead
FROM audit_seal CROSS JOIN (SELECT clock_timestamp() + interval '1 minute' AS soon OFFSET 0) c WHERE (day, number) > ($1, $2::int) AND day <= $3 ORDER BY day, number LIMIT $4

-- name: seal_before
SELECT hash FROM audit_seal WHERE day < $1 ORDER BY day DESC, number DESC LIMIT 1

-- name: lines
-- The same text as in seal_audit(), but not by a function of the database: whoever changed a row might have changed that too.
-- OFFSET 0: else the planner, who knows neither how many ranges nor how long, may read the whole table.
SELECT t.seq, t.line FROM unnest($1::bigint[], $2::bigint[]) AS r (low, high) CROSS JOIN LATERAL (
  SELECT a.seq, json_build_array(a.seq, a.txid::text, to_char(a.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), a.actor, a.client,
    a.action, a.type, a.id, a.version, a.outcome, a.patient, a.query, a.address, a.request_id, a.details)::text AS line
  FROM audit a WHERE a.seq >= r.low AND a.seq < r.high OFFSET 0
) t

-- name: overlap
SELECT b.day, b.number FROM audit_seal a JOIN audit_seal b ON b.seqs && a.seqs AND (b.day, b.number) > (a.day, a.number)
ORDER BY b.day, b.number LIMIT 1

-- name: unsealed
-- A number of a transaction that this cluster has not reached is of another one: rows of it were adopted, if they were there.
SELECT a.seq, a.at, coalesce(
    p.cluster = (SELECT system_identifier FROM pg_control_system())
    AND ((a.txid, a.seq) <= (p.to_txid, p.to_seq)
      OR a.seq <= coalesce(p.adopting, p.adopted) AND a.txid >= pg_snapshot_xmax(pg_current_snapshot())), false) AS passed
FROM audit a LEFT JOIN audit_progress p ON true
WHERE a.at >= $1 AND a.at < $2 AND NOT EXISTS (SELECT FROM audit_seal s WHERE s.seqs @> a.seq)

-- name: note_export
INSERT INTO audit (at, action, query, details) VALUES ($1, 'export', $2, $3::text::jsonb)

-- name: id_key
SELECT key FROM id_key
