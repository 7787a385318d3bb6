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

-- What an import writes into `network` becomes a version: 0.3.0 knows of none. What is in force already, or stored last, is none anew.
CREATE FUNCTION keep_policy_version() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  today date := (NEW.updated_at AT TIME ZONE 'UTC')::date;
  latest policy_version;
BEGIN
  SELECT * INTO latest FROM policy_version WHERE network = NEW.id ORDER BY number DESC LIMIT 1;
  IF latest.mapping = NEW.policy OR NEW.policy = (
    SELECT mapping FROM policy_version WHERE network = NEW.id AND (valid_from IS NULL OR valid_from <= today)
    ORDER BY valid_from DESC NULLS LAST, number DESC LIMIT 1
  ) THEN
    RETURN NULL;
  END IF;
  INSERT INTO policy_version VALUES (
    NEW.id, coalesce(latest.number, 0) + 1, CASE WHEN latest.number > 0 THEN greatest(today, latest.valid_from) END, NEW.policy,
    NEW.updated_at, 'import'
  );
  RETURN NULL;
END $$;
CREATE TRIGGER network_policy AFTER INSERT OR UPDATE OF policy ON network FOR EACH ROW EXECUTE FUNCTION keep_policy_version();
