-- The answer to a write, kept in the write's own transaction: what is sent again is answered again, and not done again.
-- key: of client, method, target, id of the request and body, or of client and Idempotency-Key. request: of method, target and body.
CREATE TABLE replay (
  key bytea PRIMARY KEY,
  facility text NOT NULL,
  request bytea NOT NULL,
  at timestamptz NOT NULL,
  answer jsonb NOT NULL,
  -- this prevents a key that stands for more than one request: it is a SHA-256
  CONSTRAINT replay_key_is_a_hash CHECK (octet_length(key) = 32 AND octet_length(request) = 32)
);
CREATE INDEX replay_at ON replay (at);
-- Bodies of patients stand in it: the service role has no right to the table, and gets an answer by its whole key alone.

-- asked: key and request (hexadecimal), at. The answer kept for this key by the facility that the connection acts for, with the
-- request that it answered; NULL where there is none. A twin that is under way is waited for: its answer is then found.
CREATE FUNCTION find_replay(asked jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended(asked->>'key', 0));
  RETURN (
    SELECT r.answer || jsonb_build_object('request', encode(r.request, 'hex')) FROM replay r
    WHERE r.key = decode(asked->>'key', 'hex') AND r.facility = current_setting('referral.actor', true)
      AND r.at > (asked->>'at')::timestamptz - interval '48 hours'
  );
END $$;

-- kept: [as asked, the facility that asked, and the answer]. Takes the place of one that is past its time, and takes some of those away.
CREATE FUNCTION keep_replay(kept jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
  INSERT INTO replay AS r (key, facility, request, at, answer)
  SELECT decode(k.key, 'hex'), k.facility, decode(k.request, 'hex'), k.at, k.answer
  FROM jsonb_to_recordset(kept) AS k (key text, facility text, request text, at timestamptz, answer jsonb)
  ON CONFLICT (key) DO UPDATE SET facility = excluded.facility, request = excluded.request, at = excluded.at, answer = excluded.answer;
  -- Some more than one comes with each write, so that it never falls behind. After the insert, and passing over what others
  -- hold: so nobody waits for somebody who waits.
  DELETE FROM replay r WHERE r.key IN (
    SELECT o.key FROM replay o WHERE o.at <= (kept->0->>'at')::timestamptz - interval '48 hours'
    ORDER BY o.at LIMIT 10 * jsonb_array_length(kept) FOR UPDATE SKIP LOCKED
  );
END $$;

REVOKE ALL ON FUNCTION find_replay(jsonb), keep_replay(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION find_replay(jsonb) TO referral_service;
