-- The way back: how the loops of journeys stand, and what is handed on with a package that grows.

-- A journey without a row is open. reason: see domain/journey.py.
CREATE TABLE journey (
  number text PRIMARY KEY,
  network text NOT NULL REFERENCES network,
  loop text NOT NULL CHECK (loop IN ('open', 'closed', 'closed-without-return', 'lost')),
  reason text,
  since timestamptz NOT NULL,
  -- this prevents a loop that ended without anybody knowing why
  CONSTRAINT journey_reason CHECK ((reason IS NULL) = (loop = 'open'))
);
CREATE INDEX journey_loop ON journey (network, loop, since) WHERE loop <> 'open';

ALTER TABLE journey ENABLE ROW LEVEL SECURITY;
GRANT SELECT ON journey TO referral_service;
-- Whether the actor of the connection follows a referral: it sees it otherwise than by an offer, or by one that counts. Who said no sees it
-- still, and is not told how it goes on. Under the policies of what it reads.
CREATE FUNCTION follows(p_referral text) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT EXISTS (SELECT FROM access a WHERE a.facility = current_setting('referral.actor', true) AND a.type = 'ServiceRequest'
                 AND a.id = p_referral AND a.via IN ('', p_referral) AND a.until IS NULL)
    OR EXISTS (SELECT FROM offer o WHERE o.referral = p_referral AND o.owner = current_setting('referral.actor', true)
               AND o.state NOT IN ('rejected', 'redirected', 'withdrawn', 'lapsed', 'entered-in-error'))
$$;
-- Who follows one of its referrals.
CREATE POLICY seen ON journey FOR SELECT TO referral_service USING (
  EXISTS (SELECT FROM referral r WHERE r.journey = journey.number AND follows(r.id) OFFSET 0));

-- The first referrals of the journeys of these: whoever changes one of a journey locks that one, so that two never judge the
-- loop at once by what stood before the other.
CREATE FUNCTION with_roots(p_referrals text[]) RETURNS text[] LANGUAGE sql STABLE AS $$
  SELECT array_agg(found.id) FROM (
    SELECT unnest(p_referrals) AS id
    UNION SELECT root.id FROM referral r JOIN referral root ON root.number = r.journey WHERE r.id = ANY (p_referrals) AND r.number <> r.journey
  ) found
$$;

-- The journeys of these referrals, as rows of load_for_write: how the loop stands, and each of their referrals with what became of it.
CREATE FUNCTION journeys_of(p_referrals text[])
RETURNS TABLE (kind text, type text, id text, version int, visible boolean, owner text, content text, data jsonb) LANGUAGE sql STABLE AS $$
  SELECT 'journey', NULL::text, j.number, NULL::int, NULL::boolean, NULL::text, NULL::text,
    jsonb_build_object('network', j.network, 'loop', k.loop, 'reason', k.reason, 'since', k.since, 'legs', (
      SELECT jsonb_agg(jsonb_build_array(r.id, r.state, e.at, e.code))
      FROM referral r
      LEFT JOIN LATERAL (
        SELECT e.at, CASE WHEN e.move = 'replace' THEN 'replaced' ELSE e.reason_code END AS code FROM event e
        WHERE e.referral = r.id AND e.type = 'ServiceRequest'
          AND (e.to_state IN ('completed', 'cancelled') AND e.from_state <> e.to_state OR e.move = 'replace')
        ORDER BY e.seq DESC LIMIT 1
      ) e ON r.state IN ('completed', 'closed', 'cancelled', 'lapsed')
      WHERE r.journey = j.number))
  FROM (SELECT DISTINCT r.journey AS number, r.network FROM referral r WHERE r.id = ANY (p_referrals) AND r.journey IS NOT NULL) j
  LEFT JOIN journey k ON k.number = j.number
$$;

-- rows: [journey]
CREATE FUNCTION keep_journeys(p_rows jsonb) RETURNS void LANGUAGE sql AS $$
  INSERT INTO journey SELECT * FROM jsonb_populate_recordset(NULL::journey, p_rows)
  ON CONFLICT (number) DO UPDATE SET loop = excluded.loop, reason = excluded.reason, since = excluded.since
$$;

-- To whom something is given that names what goes with it: the types of HANDED_ON in fhir/package.py.
DROP INDEX access_attached;
CREATE INDEX access_given ON access (type, id) WHERE scope <> 'owner' AND until IS NULL
  AND type IN ('Communication', 'Composition', 'Condition', 'Consent', 'Coverage', 'DiagnosticReport', 'DocumentReference', 'Observation',
    'Patient', 'RelatedPerson');

-- Gives what resources name, and what that names, to whom they were given themselves, for as long: as far as their author may give it and
-- it is about the same patient. rows: [[type, id, at]] of what was given to somebody, or names something else than before.
CREATE FUNCTION hand_on(p_rows jsonb) RETURNS void LANGUAGE sql AS $$
  WITH RECURSIVE given (facility, scope, via, at, owner, patient, type, id) AS (
    SELECT a.facility, a.scope, a.via, (x->>2)::timestamptz, d.owner, about.target_id, r.target_type, r.target_id
    FROM jsonb_array_elements(p_rows) x
    JOIN document d ON d.type = x->>0 AND d.id = x->>1
    JOIN search_reference r ON r.type = d.type AND r.id = d.id AND r.param = '_package'
    -- Who sees a request by an offer, or as a sender before it, does not see its package for that.
    JOIN access a ON a.type = d.type AND a.id = d.id AND a.scope <> 'owner' AND a.until IS NULL
      -- As the index has them.
      AND a.type IN ('Communication', 'Composition', 'Condition', 'Consent', 'Coverage', 'DiagnosticReport', 'DocumentReference', 'Observation',
        'Patient', 'RelatedPerson')
      AND (a.scope = 'package' OR d.type NOT IN ('ServiceRequest', 'Task'))
    LEFT JOIN search_reference about ON about.type = d.type AND about.id = d.id AND about.param = '_patient'
    WHERE may_give(d.owner, r.target_type, r.target_id, a.via)
      AND is_about(r.target_type, r.target_id, about.target_id)
    UNION
    SELECT g.facility, g.scope, g.via, g.at, g.owner, g.patient, r.target_type, r.target_id
    FROM given g JOIN search_reference r ON r.type = g.type AND r.id = g.id AND r.param = '_package'
    WHERE may_give(g.owner, r.target_type, r.target_id, g.via)
      AND is_about(r.target_type, r.target_id, g.patient)
  )
  INSERT INTO access (facility, type, id, scope, via, since)
  SELECT g.facility, g.type, g.id, g.scope, g.via, g.at FROM given g
  ON CONFLICT DO NOTHING
$$;

-- What a resource names may come a moment after it. Who writes the one and who writes the other take turns, so that whoever comes second
-- sees the other. Only its own facility hands on what it names itself, so facilities do not wait for each other. rows: late of changes.
CREATE FUNCTION await_late(p_late jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  facility CONSTANT int := hashtext('late ' || current_setting('referral.actor', true));
  turn record;
BEGIN
  -- Few locks however much is written, and in one order.
  FOR turn IN
    SELECT hashtext(x->>0 || '/' || (x->>1)) & 63 AS place, bool_or((x->>3)::boolean) AS named FROM jsonb_array_elements(p_late) x
    GROUP BY 1 ORDER BY 1
  LOOP
    IF turn.named THEN
      PERFORM pg_advisory_xact_lock(facility, turn.place);
    ELSE
      PERFORM pg_advisory_xact_lock_shared(facility, turn.place);
    END IF;
  END LOOP;
END $$;

-- The changes with what is to be handed on because it was named before it was there: the packages that name it, and what else does, by
-- the same facility, in the rows of `packages` and `attachments`.
CREATE FUNCTION with_late(changes jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  more jsonb;
BEGIN
  -- What ends at this moment is waited for: it has no lock of the referral, as others have who give packages.
  PERFORM FROM jsonb_array_elements(changes->'late') x
    JOIN search_reference n ON n.type = 'ServiceRequest' AND n.param = '_package' AND n.target_id = x->>1 AND n.target_type = x->>0
    JOIN offer o ON o.referral = n.id ORDER BY o.id FOR SHARE OF o;
  SELECT jsonb_object_agg(named.part, coalesce(changes->named.part, '[]') || named.rows) INTO more FROM (
    SELECT 'packages' AS part, jsonb_agg(jsonb_build_array(r.id, o.id, o.owner, r.sender, r.patient, x->>2)) AS rows
    FROM jsonb_array_elements(changes->'late') x JOIN document d ON d.type = x->>0 AND d.id = x->>1 AND NOT d.deleted
    JOIN search_reference n ON n.type = 'ServiceRequest' AND n.param = '_package' AND n.target_id = d.id AND n.target_type = d.type
    JOIN referral r ON r.id = n.id AND r.sender = d.owner
    JOIN offer o ON o.referral = r.id AND o.state IN ('requested', 'received', 'awaiting-information', 'accepted', 'scheduled', 'in-transit',
      'no-show', 'arrived', 'completed')
    UNION ALL
    SELECT 'attachments', jsonb_agg(jsonb_build_array(p.type, p.id, x->>2))
    FROM jsonb_array_elements(changes->'late') x JOIN document d ON d.type = x->>0 AND d.id = x->>1 AND NOT d.deleted
    CROSS JOIN unnest(ARRAY['Communication', 'Composition', 'Condition', 'Consent', 'Coverage', 'DiagnosticReport', 'DocumentReference',
      'Observation', 'Patient', 'RelatedPerson']) AS k (type)
    JOIN search_reference n ON n.type = k.type AND n.param = '_package' AND n.target_id = d.id AND n.target_type = d.type
    JOIN document p ON p.type = n.type AND p.id = n.id AND p.owner = d.owner
  ) named WHERE named.rows IS NOT NULL;
  RETURN changes || coalesce(more, '{}');
END $$;

-- Where the patients of these offers live, as far as the actor sees the patient: rows of load_for_write.
CREATE FUNCTION homes_of(p_offers text[])
RETURNS TABLE (kind text, type text, id text, version int, visible boolean, owner text, content text, data jsonb) LANGUAGE sql STABLE AS $$
  SELECT 'home', 'Patient', p.id, NULL::int, true, NULL::text, NULL::text, jsonb_build_object('address', p.content->'address')
  FROM offer o JOIN document p ON p.type = 'Patient' AND p.id = o.patient AND NOT p.deleted
  WHERE o.id = ANY (p_offers) AND is_visible(current_setting('referral.actor', true), 'Patient', p.id)
$$;

REVOKE ALL ON FUNCTION follows(text), with_roots(text[]), journeys_of(text[]), keep_journeys(jsonb), hand_on(jsonb), await_late(jsonb), with_late(jsonb),
  homes_of(text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION follows(text) TO referral_service;

-- The journeys that have ended before: judged as domain/journey.py does, by what their offers say, for the log did not have it.
INSERT INTO journey (number, network, loop, reason, since)
WITH leg AS (
  SELECT r.journey, r.network, r.state, e.at, coalesce(e.reason_code, (
      SELECT jsonb_path_query_first(d.content, '$.output[*] ? (@.type.coding[*].code == "disposition").valueCodeableConcept.coding[*].code') #>> '{}'
      FROM offer o JOIN document d ON d.type = 'Task' AND d.id = o.id
      WHERE o.referral = r.id AND o.state IN ('completed', 'closed') ORDER BY o.updated_at DESC LIMIT 1)) AS code
  FROM referral r
  LEFT JOIN LATERAL (
    SELECT e.at, e.reason_code FROM event e
    WHERE e.referral = r.id AND e.type = 'ServiceRequest' AND e.to_state IN ('completed', 'cancelled') AND e.from_state <> e.to_state
    ORDER BY e.seq DESC LIMIT 1
  ) e ON r.state IN ('closed', 'cancelled')
  WHERE r.journey IS NOT NULL AND r.state <> 'draft'
), ended AS (
  SELECT journey, network, max(at) AS at,
    bool_and(state = 'entered-in-error') AS never,
    bool_or(state <> 'entered-in-error' AND code IN ('died', 'patient-died')) AS died,
    (array_agg(code ORDER BY at DESC NULLS LAST) FILTER (WHERE state <> 'entered-in-error'))[1] AS code,
    (array_agg(state ORDER BY at DESC NULLS LAST) FILTER (WHERE state <> 'entered-in-error'))[1] AS state
  FROM leg GROUP BY journey, network HAVING bool_and(state IN ('closed', 'cancelled', 'entered-in-error'))
), judged AS (
  SELECT journey, network, at, CASE
    WHEN never THEN 'mistaken'
    WHEN died THEN 'died'
    WHEN code = 'returned-to-referrer' THEN 'returned'
    WHEN code = 'discharged' THEN 'discharged'
    WHEN code IN ('left-on-request', 'patient-declined', 'patient-chose-elsewhere') THEN 'declined'
    WHEN code IN ('moved-on', 'transferred-outside-network') THEN 'moved-on'
    WHEN code = 'entered-by-mistake' THEN 'mistaken'
    WHEN state = 'closed' AND code IS DISTINCT FROM 'absconded' THEN 'returned'
    ELSE 'gave-up' END AS reason
  FROM ended
)
SELECT journey, network, CASE WHEN reason IN ('returned', 'discharged') THEN 'closed' ELSE 'closed-without-return' END, reason,
  coalesce(at, now())
FROM judged;
