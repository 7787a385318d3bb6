-- What is owed of a referral, by whom and until when. The rows are truth: a worker looks at them, a tick once a second.

-- A referral has one row of each slot, written anew with the move that changes what is owed: the step that somebody owes, what that
-- gives the office once it is escalated, and the validity of the slip. The columns are those of domain/deadlines.py.
CREATE TABLE deadline (
  referral text NOT NULL REFERENCES referral,
  slot text NOT NULL CHECK (slot IN ('step', 'office', 'slip')),
  network text NOT NULL,
  offer text,
  kind text CHECK (kind IN ('place', 'acknowledge', 'answer', 'summary', 'close')),
  owes text CHECK (owes IN ('sender', 'receiver', 'office')),
  debtor text,
  creditor text,
  priority text NOT NULL,
  since timestamptz NOT NULL,
  due_at timestamptz,
  escalate_at timestamptz,
  next_at timestamptz,
  stage int NOT NULL CHECK (stage BETWEEN 0 AND 2),
  spent int NOT NULL,
  held_kind text,
  held_spent int NOT NULL,
  held_stage int NOT NULL,
  suggested text,
  done_at timestamptz,
  -- this prevents two clocks for one step
  PRIMARY KEY (referral, slot),
  -- this prevents that what is over fires, and that anything fires a third time
  CONSTRAINT deadline_next CHECK (next_at IS NULL OR done_at IS NULL AND stage < 2),
  -- this prevents a step that nobody owes, and a slip that somebody does
  CONSTRAINT deadline_owed CHECK ((owes IS NULL) = (slot = 'slip') AND (debtor IS NULL) = (slot = 'slip')),
  -- this prevents a clock without a time; without one a step is due when the slip was, to the office alone
  CONSTRAINT deadline_timed CHECK ((due_at IS NOT NULL AND escalate_at IS NOT NULL) = (kind IS NOT NULL OR slot = 'slip' OR stage = 2)),
  -- this prevents an escalation before the warning
  CONSTRAINT deadline_order CHECK (due_at <= escalate_at)
);
-- What the tick looks at: those that have something to do yet, of each priority the first one first; apart from them the slips that are
-- to lapse, of which all of a network end at one midnight.
CREATE INDEX deadline_due ON deadline (priority, next_at) WHERE next_at IS NOT NULL AND NOT (slot = 'slip' AND stage = 1);
CREATE INDEX deadline_lapse ON deadline (next_at) WHERE next_at IS NOT NULL AND slot = 'slip' AND stage = 1;
-- What waits for a facility, and what it waits for, the most urgent first.
CREATE INDEX deadline_debtor ON deadline (debtor, due_at, referral) WHERE done_at IS NULL AND debtor IS NOT NULL;
CREATE INDEX deadline_creditor ON deadline (creditor, due_at, referral) WHERE done_at IS NULL AND creditor IS NOT NULL;

ALTER TABLE deadline ENABLE ROW LEVEL SECURITY;
-- Who owes what of a referral is seen by who sees the offer that it is about; without one by who sees the referral, but not by an
-- offer: who said no still does, and is not told how it goes on.
CREATE POLICY seen ON deadline FOR SELECT TO referral_service USING (
  EXISTS (SELECT FROM access a WHERE a.facility = current_setting('referral.actor', true) AND a.type = 'Task'
          AND a.id = deadline.offer AND a.until IS NULL OFFSET 0)
  OR EXISTS (SELECT FROM access a WHERE a.facility = current_setting('referral.actor', true) AND a.type = 'ServiceRequest'
             AND a.id = deadline.referral AND a.via IN ('', deadline.referral) AND a.until IS NULL OFFSET 0));
GRANT SELECT ON deadline TO referral_service;

-- What is due at a moment, for the worker; names no patient: the most urgent first, so that after a time without a worker nobody in
-- danger of life waits for all that is older. p_lapses: at most so many that lapse, behind all others.
CREATE FUNCTION due_deadlines(p_now timestamptz, p_most int, p_lapses int)
RETURNS TABLE (referral text, slot text, network text, offer text, kind text, owes text, debtor text, stage int, authored_on timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
  RETURN QUERY
    SELECT k.referral, k.slot, k.network, k.offer, k.kind, k.owes, k.debtor, k.stage, r.authored_on
    FROM (
      (SELECT p.turn, d.* FROM unnest(ARRAY['stat', 'asap', 'urgent', 'routine']) WITH ORDINALITY p (name, turn)
       CROSS JOIN LATERAL (
         SELECT * FROM deadline d
         WHERE d.priority = p.name AND d.next_at <= p_now AND NOT (d.slot = 'slip' AND d.stage = 1) ORDER BY d.next_at LIMIT p_most
       ) d
       ORDER BY p.turn, d.next_at LIMIT p_most)
      UNION ALL
      (SELECT 5, d.* FROM deadline d
       WHERE d.next_at <= p_now AND d.slot = 'slip' AND d.stage = 1 ORDER BY d.next_at LIMIT p_lapses)
    ) k JOIN referral r ON r.id = k.referral
    ORDER BY k.turn, k.next_at;
END $$;

-- Warns of what is due, or escalates it: the row, the event, what the office then owes. rows: [[referral, slot, stage, suggested]]
-- as they were found; what has moved since, or another worker has in hand, is passed over. Gives back what has been done.
CREATE FUNCTION fire_deadlines(p_now timestamptz, p_rows jsonb)
RETURNS TABLE (referral text, slot text, kind text, stage int)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH due AS MATERIALIZED (
    -- The referral too: a move of it that is under way goes first. Nothing here waits, so that nobody waits in a circle.
    SELECT k.referral, k.slot, x->>3 AS suggested,
      -- A service that knows no clocks may have moved it: the row is then over, and a new one is made.
      CASE
        WHEN k.slot = 'slip' THEN r.state IN ('unplaced', 'offered')
        WHEN k.kind = 'place' THEN r.state IN ('unplaced', 'lapsed')
        WHEN k.kind = 'acknowledge' THEN r.state = 'offered' AND o.state = 'requested'
        WHEN k.kind = 'answer' AND k.owes = 'receiver' THEN r.state = 'offered' AND o.state = 'received'
        WHEN k.kind = 'answer' THEN r.state IN ('offered', 'in-care')
        WHEN k.kind = 'summary' THEN r.state = 'in-care'
        ELSE r.state = 'completed'
      END AS fits
    FROM jsonb_array_elements(p_rows) x
    JOIN deadline k ON k.referral = x->>0 AND k.slot = x->>1
    JOIN referral r ON r.id = k.referral
    LEFT JOIN LATERAL (SELECT f.state FROM offer f WHERE f.id = k.offer) o ON true
    WHERE k.next_at <= p_now AND k.stage = (x->>2)::int
    FOR NO KEY UPDATE OF k, r SKIP LOCKED
  ), fired AS (
    UPDATE deadline k SET
      stage = CASE WHEN d.fits THEN k.stage + 1 ELSE k.stage END,
      next_at = CASE WHEN d.fits AND k.stage = 0 THEN k.escalate_at END,
      suggested = d.suggested,
      done_at = CASE WHEN NOT d.fits THEN p_now END
    FROM due d WHERE k.referral = d.referral AND k.slot = d.slot
    RETURNING k.*
  ), office AS (
    INSERT INTO deadline AS k (referral, slot, network, offer, kind, owes, debtor, priority, since, due_at, escalate_at, stage, spent,
      held_spent, held_stage, suggested)
    SELECT f.referral, 'office', f.network, f.offer, f.kind, 'office', f.network, f.priority, f.since, f.due_at, f.escalate_at, 2, f.spent,
      0, 0, f.suggested
    FROM fired f WHERE f.stage = 2 AND f.done_at IS NULL AND f.slot = 'step'
    ON CONFLICT (referral, slot) DO UPDATE SET offer = excluded.offer, kind = excluded.kind, priority = excluded.priority,
      since = excluded.since, due_at = excluded.due_at, escalate_at = excluded.escalate_at, stage = excluded.stage, spent = excluded.spent,
      suggested = excluded.suggested, done_at = NULL
  ), told AS (
    INSERT INTO event (at, type, id, version, move, from_state, to_state, party, facility, client, network, referral, reason_code, reason_text)
    SELECT p_now, d.type, d.id, d.version, CASE f.stage WHEN 1 THEN 'warn' ELSE 'escalate' END, s.state, s.state, 'system', f.network,
      'clock', f.network, f.referral, coalesce(f.kind, 'slip'), 'Organization/' || f.suggested
    FROM fired f
    CROSS JOIN LATERAL (
      SELECT 'Task' AS type, o.id, o.state FROM offer o WHERE o.id = f.offer
      UNION ALL SELECT 'ServiceRequest', r.id, r.state FROM referral r WHERE r.id = f.referral AND f.offer IS NULL
    ) s
    JOIN document d ON d.type = s.type AND d.id = s.id
    WHERE f.done_at IS NULL
  )
  SELECT f.referral, f.slot, f.kind, f.stage FROM fired f WHERE f.done_at IS NULL;
END $$;

-- Takes a referral, with the first one of its journey, for this transaction; false: somebody else has one of them in hand. It never
-- waits, and load_for_write then has them already.
CREATE FUNCTION take_referral(p_referral text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  wanted CONSTANT text[] := with_roots(ARRAY[p_referral]);
  taken int;
BEGIN
  PERFORM FROM referral r WHERE r.id = ANY (wanted) ORDER BY r.id FOR UPDATE SKIP LOCKED;
  GET DIAGNOSTICS taken = ROW_COUNT;
  RETURN taken = cardinality(wanted);
END $$;

-- Looks at a deadline again at another time: what could not be done now must not stand in the way of the others.
CREATE FUNCTION postpone_deadline(p_referral text, p_slot text, p_until timestamptz) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
  UPDATE deadline SET next_at = p_until WHERE referral = p_referral AND slot = p_slot AND next_at IS NOT NULL
$$;

-- Referrals that are under way and have no deadline: from before there were any, or moved by a service that knows none. p_after: the
-- last id of those before.
CREATE FUNCTION without_deadline(p_after text, p_most int) RETURNS TABLE (referral text, network text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT r.id, r.network FROM referral r
  WHERE r.state IN ('unplaced', 'offered', 'in-care', 'completed', 'lapsed') AND r.id > p_after
    AND NOT EXISTS (SELECT FROM deadline k WHERE k.referral = r.id AND k.slot = 'step' AND k.done_at IS NULL)
    AND NOT (r.state = 'lapsed' AND EXISTS (
      SELECT FROM event e WHERE e.type = 'ServiceRequest' AND e.id = r.id AND e.move = 'replace'))
  ORDER BY r.id LIMIT p_most
$$;

-- For the metrics: the clocks that run, by kind; and without a kind, what a worker has to look at first. Names nobody. It is asked again
-- and again: what is done, which is most of all in time, is not to be read for it.
CREATE FUNCTION clock_counts(p_now timestamptz)
RETURNS TABLE (kind text, running bigint, overdue bigint, escalated bigint, oldest timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp SET enable_seqscan = off AS $$
  SELECT k.kind, count(*), count(*) FILTER (WHERE k.due_at <= p_now), count(*) FILTER (WHERE k.stage = 2), min(k.due_at)
  FROM deadline k WHERE k.done_at IS NULL AND k.debtor IS NOT NULL AND k.slot = 'step' AND k.kind IS NOT NULL GROUP BY k.kind
  UNION ALL SELECT NULL, 0, 0, 0, least(
    (SELECT min(first.next_at) FROM unnest(ARRAY['stat', 'asap', 'urgent', 'routine']) p CROSS JOIN LATERAL (
       SELECT min(k.next_at) AS next_at FROM deadline k
       WHERE k.priority = p AND k.next_at IS NOT NULL AND NOT (k.slot = 'slip' AND k.stage = 1)) first),
    (SELECT min(k.next_at) FROM deadline k WHERE k.next_at IS NOT NULL AND k.slot = 'slip' AND k.stage = 1))
$$;

REVOKE ALL ON FUNCTION due_deadlines(timestamptz, int, int), fire_deadlines(timestamptz, jsonb), take_referral(text), postpone_deadline(text, text, timestamptz),
  without_deadline(text, int), clock_counts(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION due_deadlines(timestamptz, int, int), fire_deadlines(timestamptz, jsonb), take_referral(text), postpone_deadline(text, text, timestamptz),
  without_deadline(text, int), clock_counts(timestamptz) TO referral_service;
