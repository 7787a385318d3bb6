DROP FUNCTION find_audit(text, timestamptz, bigint, timestamptz[], timestamptz[], bigint[], text[], boolean, text[], text[], text[], text[],
  jsonb, boolean, boolean, int, int);
CREATE OR REPLACE FUNCTION record_audit(records jsonb) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  INSERT INTO audit (at, actor, client, action, type, id, version, outcome, query, address, request_id, details, patient)
  SELECT (r->>0)::timestamptz, r->>1, r->>2, r->>3, r->>4, r->>5, (r->>6)::int, (r->>7)::smallint, r->>8, r->>9, r->>10,
    nullif(r->11, 'null'),
    (SELECT s.target_id FROM search_reference s
     WHERE s.type = r->>4 AND s.id = r->>5 AND s.param = '_patient' AND s.target_type = 'Patient' LIMIT 1)
  FROM jsonb_array_elements(records) r
$$;
DROP TABLE audit_concern;
DROP INDEX audit_actor, audit_patient, audit_id;
