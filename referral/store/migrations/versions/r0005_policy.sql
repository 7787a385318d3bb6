-- The versions of a network's policy. The one in force on a day is that with the latest `valid_from` not after it (of two, the
-- later number); the first one holds before its day too.
CREATE TABLE policy_version (
  network text NOT NULL REFERENCES network,
  number int NOT NULL CHECK (number > 0),
  valid_from date,
  mapping jsonb NOT NULL,
  stored_at timestamptz NOT NULL,
  stored_by text NOT NULL,
  PRIMARY KEY (network, number),
  -- Prevents a later version that would hold since ever.
  CONSTRAINT policy_version_first CHECK (valid_from IS NOT NULL OR number = 1)
);
GRANT SELECT, INSERT ON policy_version TO referral_service;

INSERT INTO policy_version SELECT id, 1, NULL, policy, updated_at, 'import' FROM network;

-- What an import writes into `network` becomes a version: 0.3.0 knows of none. What stood there, or is in force already, is none anew:
-- the row keeps what held when it was written, also after a planned version began.
CREATE FUNCTION keep_policy_version() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  today date := (NEW.updated_at AT TIME ZONE 'UTC')::date;
  latest int;
BEGIN
  SELECT max(number) INTO latest FROM policy_version WHERE network = NEW.id;
  IF NEW.policy = OLD.policy OR NEW.policy = (
    SELECT mapping FROM policy_version WHERE network = NEW.id AND (valid_from IS NULL OR valid_from <= today)
    ORDER BY valid_from DESC NULLS LAST, number DESC LIMIT 1
  ) THEN
    RETURN NULL;
  END IF;
  INSERT INTO policy_version VALUES (
    NEW.id, coalesce(latest, 0) + 1, CASE WHEN latest > 0 THEN today END, NEW.policy, NEW.updated_at, 'import'
  );
  RETURN NULL;
END $$;
CREATE TRIGGER network_policy AFTER INSERT OR UPDATE OF policy ON network FOR EACH ROW EXECUTE FUNCTION keep_policy_version();

-- What suggestions weigh beside the way, where the policy says so. None of it names a patient or a referral.

-- Who has a waitlist, among all services there are.
CREATE INDEX capacity_waitlist ON capacity (service) WHERE status = 'waitlist';

-- How many patients are sent to each facility of these networks and have not arrived.
CREATE FUNCTION offers_ahead(p_networks text[]) RETURNS TABLE (network text, facility text, offers bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT o.network, o.owner, count(*) FROM offer o
  WHERE o.network = ANY (p_networks)
    AND o.state IN ('requested', 'received', 'awaiting-information', 'accepted', 'scheduled', 'in-transit', 'no-show')
  GROUP BY o.network, o.owner
$$;

-- How long receivers took to accept, reject or pass on, in minutes from when they were asked: the median of each facility in each network
-- and (facility null) of each network, by the last 200,000 events of all.
CREATE FUNCTION answer_times() RETURNS TABLE (network text, facility text, answers bigint, minutes double precision)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT o.network, o.owner, count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM e.at - o.authored_on) / 60)
  FROM event e JOIN offer o ON o.id = e.id
  WHERE e.seq > (SELECT max(seq) - 200000 FROM event) AND e.type = 'Task' AND e.party = 'receiver'
    AND e.from_state IN ('requested', 'received', 'awaiting-information') AND e.to_state IN ('accepted', 'rejected', 'redirected')
    AND o.state <> 'entered-in-error'
  GROUP BY GROUPING SETS ((o.network, o.owner), (o.network))
$$;

REVOKE ALL ON FUNCTION offers_ahead(text[]), answer_times() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION offers_ahead(text[]), answer_times() TO referral_service;
