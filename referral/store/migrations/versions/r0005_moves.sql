-- What the parties of an offer ask of each other, and the tries to claim a patient.

-- A question is a Communication of the receiver, an abort a Task of the sender. It is open until it is settled: by an answer
-- (settled_by), by what the other does with it, or by the end of the offer.
CREATE TABLE demand (
  kind text NOT NULL CHECK (kind IN ('question', 'abort')),
  id text NOT NULL,
  offer text NOT NULL REFERENCES offer,
  referral text NOT NULL REFERENCES referral,
  asked_at timestamptz NOT NULL,
  settled_at timestamptz,
  settled_by text,
  PRIMARY KEY (kind, id),
  -- Prevents an answer to what is still open.
  CONSTRAINT demand_settled CHECK (settled_by IS NULL OR settled_at IS NOT NULL)
);
-- Prevents two wishes to stop the care of one offer.
CREATE UNIQUE INDEX demand_one_abort ON demand (offer) WHERE kind = 'abort' AND settled_at IS NULL;
CREATE INDEX demand_referral ON demand (referral);

ALTER TABLE demand ENABLE ROW LEVEL SECURITY;
-- Whoever sees a referral sees how it stands with whom.
CREATE POLICY seen ON demand FOR SELECT TO referral_service USING (
  EXISTS (SELECT FROM access a WHERE a.facility = current_setting('referral.actor', true) AND a.type = 'ServiceRequest'
          AND a.id = demand.referral AND a.until IS NULL OFFSET 0));
GRANT SELECT ON demand TO referral_service;

-- When the patient left, where that was said: an offer takes no harm from silence while he is on the way.
ALTER TABLE offer ADD COLUMN departed_at timestamptz;
UPDATE offer SET departed_at = updated_at WHERE state = 'in-transit';
-- Prevents that who is in transit has not left.
ALTER TABLE offer ADD CONSTRAINT offer_departed CHECK (state <> 'in-transit' OR departed_at IS NOT NULL);

-- Claims that named no referral, of the last hour: who tried which number, which is kept keyed (of 10^8 each is guessed by a plain hash).
-- member: whether of the network that the number is of. The service has no right to it.
CREATE TABLE claim_try (
  client text NOT NULL,
  number_hash bytea NOT NULL,
  at timestamptz NOT NULL,
  member boolean NOT NULL
);
CREATE INDEX claim_try_client ON claim_try (client, at);
CREATE INDEX claim_try_number ON claim_try (number_hash, at) WHERE member;
CREATE INDEX claim_try_at ON claim_try (at);

CREATE FUNCTION claim_hash(p_number text) RETURNS bytea LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN (SELECT sha256(key || sha256(key || convert_to(p_number, 'UTF8'))) FROM id_key);
END $$;

-- The referral with this number whose patient was born on this day, where the facility that the connection acts for is a member of
-- its network; null: none, and the try is counted. held: there were too many of late, and nothing was looked for.
CREATE FUNCTION find_claim(p_number text, p_birth_date text, p_client text, p_at timestamptz, OUT referral text, OUT held boolean)
LANGUAGE plpgsql AS $$
DECLARE
  hash CONSTANT bytea := claim_hash(p_number);
  since CONSTANT timestamptz := p_at - interval '1 hour';
  networks CONSTANT text[] := ARRAY(
    SELECT m.network FROM membership m WHERE m.facility = current_setting('referral.actor', true)
      AND (m.valid_from IS NULL OR m.valid_from <= current_date) AND (m.valid_to IS NULL OR m.valid_to >= current_date));
  -- A number that was never given away is of a network, too: nobody learns by it which are. Of a prefix that is past the referral tells.
  member CONSTANT boolean := EXISTS (SELECT FROM network n WHERE n.prefix = left(p_number, 2) AND n.id = ANY (networks))
    OR EXISTS (SELECT FROM referral r WHERE r.number = p_number AND r.network = ANY (networks));
BEGIN
  -- One after the other: else many at once would all be let through.
  PERFORM pg_advisory_xact_lock(hashtextextended('claim of ' || p_client, 0));
  SELECT count(*) FILTER (WHERE t.number_hash = hash) >= 5 OR count(*) >= 20 INTO held
    FROM claim_try t WHERE t.client = p_client AND t.at > since;
  -- Who is of another network finds nothing, and keeps nobody from what he would find.
  held := held OR member AND (SELECT count(*) FROM claim_try t WHERE t.number_hash = hash AND t.at > since AND t.member) >= 20;
  IF held THEN
    RETURN;
  END IF;
  -- Of many a patient only the year is known: a day of it would be guessed as soon, and is told by nobody.
  SELECT r.id INTO referral FROM referral r
    JOIN document d ON d.type = 'Patient' AND d.id = r.patient AND NOT d.deleted
    WHERE r.number = p_number AND r.state NOT IN ('draft', 'entered-in-error') AND d.content->>'birthDate' = p_birth_date
      AND r.network = ANY (networks);
  IF referral IS NULL THEN
    -- Whoever comes takes away what is past, of all, and waits for nobody who does.
    DELETE FROM claim_try t WHERE t.ctid = ANY (ARRAY(
      SELECT old.ctid FROM claim_try old WHERE old.at <= since ORDER BY old.at LIMIT 100 FOR UPDATE SKIP LOCKED));
    INSERT INTO claim_try (client, number_hash, at, member) VALUES (p_client, hash, p_at, member);
  END IF;
END $$;

-- Whether an event is a move that is told: of an offer with the offer; what it makes of its referral is no second move.
CREATE FUNCTION is_told(e event) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
  SELECT e.party IS NOT NULL AND (
    e.type = 'Task' AND e.move <> 'amend'
    OR e.type = 'ServiceRequest' AND (
      e.move IN ('submit', 'discard', 'cancel', 'lapse', 'replace', 'dismiss', 'warn', 'escalate')
      OR e.move = 'mark-error' AND e.to_state = 'entered-in-error'))
$$;
REVOKE ALL ON FUNCTION is_told(event) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION is_told(event) TO referral_service;

-- To whom a patient who was sent down goes on from the receiver of that: who had sent him up before the receiver did, or sent him
-- up at all where the receiver never did. NULL: to nobody, for the receiver sent him first, or he was never sent up.
CREATE FUNCTION goes_on_to(p_referral text, p_receiver text) RETURNS text LANGUAGE sql STABLE AS $$
  WITH RECURSIVE before (step, sender, direction, based_on) AS (
    SELECT 1, b.sender, b.direction, b.based_on FROM referral r JOIN referral b ON b.id = r.based_on
    WHERE r.id = p_referral AND r.direction = 'down'
    UNION ALL SELECT b.step + 1, j.sender, j.direction, j.based_on FROM before b JOIN referral j ON j.id = b.based_on
  ), up AS (SELECT step, sender FROM before WHERE direction <> 'down')
  SELECT u.sender FROM up u
  WHERE u.sender <> p_receiver AND u.step > coalesce((SELECT max(o.step) FROM up o WHERE o.sender = p_receiver), 0)
  ORDER BY u.step LIMIT 1
$$;

-- How a referral or an offer stands, for a facility that sees it: the referral, the offer that counts (that one; of a referral the
-- open one, else the last), what is open between its parties, whether the patient goes on from its receiver, whether it was replaced, and whether the facility is a member of its network.
-- A resource that is neither: its `deleted` alone. No row: it is not there, or not seen.
CREATE FUNCTION standing_of(p_actor text, p_type text, p_id text) RETURNS SETOF jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
  RETURN QUERY
    SELECT jsonb_build_object('deleted', d.deleted, 'referral', to_jsonb(r), 'offer', to_jsonb(o),
      'performers', jsonb_array_length(s.content->'performer'),
      'asked', EXISTS (SELECT FROM demand q WHERE q.referral = r.id AND q.offer = o.id AND q.kind = 'question' AND q.settled_at IS NULL),
      'abort', EXISTS (SELECT FROM demand q WHERE q.referral = r.id AND q.offer = o.id AND q.kind = 'abort' AND q.settled_at IS NULL),
      'due', (SELECT k.due_at FROM deadline k WHERE k.referral = r.id AND k.slot = 'step' AND k.done_at IS NULL),
      'follows', EXISTS (SELECT FROM access a WHERE a.facility = p_actor AND a.type = 'ServiceRequest' AND a.id = r.id AND a.via IN ('', r.id)
                         AND a.until IS NULL)
        OR coalesce(o.owner = p_actor AND o.state NOT IN ('rejected', 'redirected', 'withdrawn', 'lapsed', 'entered-in-error'), false),
      'goes_on', o.id IS NOT NULL AND goes_on_to(r.id, o.owner) IS NOT NULL,
      'replaced', EXISTS (SELECT FROM event e WHERE e.type = 'ServiceRequest' AND e.id = r.id AND e.move = 'replace'),
      'member', EXISTS (SELECT FROM membership m WHERE m.network = r.network AND m.facility = p_actor
                        AND (m.valid_from IS NULL OR m.valid_from <= current_date) AND (m.valid_to IS NULL OR m.valid_to >= current_date)))
    FROM document d
    LEFT JOIN LATERAL (
      SELECT f.id, f.referral FROM offer f WHERE p_type = 'Task' AND f.id = d.id
      UNION ALL SELECT NULL, d.id WHERE p_type = 'ServiceRequest'
    ) named ON true
    LEFT JOIN referral r ON r.id = named.referral
    LEFT JOIN document s ON s.type = 'ServiceRequest' AND s.id = r.id
    LEFT JOIN LATERAL (
      SELECT f.* FROM offer f WHERE f.referral = r.id AND (named.id IS NULL OR f.id = named.id)
      ORDER BY f.state IN ('requested', 'received', 'awaiting-information', 'accepted', 'scheduled', 'in-transit', 'no-show', 'arrived') DESC,
        f.authored_on DESC, f.id DESC LIMIT 1
    ) o ON true
    WHERE d.type = p_type AND d.id = p_id
      AND EXISTS (SELECT FROM access a WHERE a.facility = p_actor AND a.type = p_type AND a.id = p_id AND a.until IS NULL OFFSET 0);
END $$;

REVOKE ALL ON FUNCTION goes_on_to(text, text), claim_hash(text), find_claim(text, text, text, timestamptz), standing_of(text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION standing_of(text, text, text) TO referral_service;
