-- Contract for 0.2.0: the wall. A connection of the service sees the clinical rows of the facility it acts for, and without an
-- actor none; what it writes goes through load_for_write and apply_changes, which run with the rights of the owner.

-- 0.1.0 looks at the schema at no time, and its connections are named plainly; later ones by the newest revision that they know.
DO $$
DECLARE
  old CONSTANT int := (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'referral');
BEGIN
  IF old > 0 THEN
    RAISE object_in_use USING MESSAGE = format('a service of 0.1.0 has %s connections to it: end that first', old);
  END IF;
END $$;

DO $$
DECLARE
  wall record;
BEGIN
  FOR wall IN SELECT * FROM (VALUES
    ('document', 'type', 'id'), ('document_version', 'type', 'id'),
    ('document_version_0', 'type', 'id'), ('document_version_1', 'type', 'id'),
    ('document_version_2', 'type', 'id'), ('document_version_3', 'type', 'id'),
    ('search_token', 'type', 'id'), ('search_reference', 'type', 'id'), ('search_date', 'type', 'id'), ('search_string', 'type', 'id'),
    ('event', 'type', 'id'), ('change', 'type', 'id'),
    ('referral', '''ServiceRequest''', 'id'), ('referral_identifier', '''ServiceRequest''', 'referral'),
    -- Whoever sees a referral sees how it stands with whom.
    ('offer', '''ServiceRequest''', 'referral')
  ) AS walls (name, type, id)
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', wall.name);
    -- The directory tells nothing of patients; which network's a facility sees, the queries decide.
    -- Every operator here and in the searches is leakproof: else a policy would keep them from the index.
    -- OFFSET 0: else the planner may hash all that the actor sees, to look up a few.
    EXECUTE format(
      'CREATE POLICY seen ON %1$I FOR SELECT TO referral_service USING ('
      '  %2$s IN (''HealthcareService'', ''Location'', ''Organization'', ''OrganizationAffiliation'', ''Practitioner'', ''PractitionerRole'')'
      '  OR EXISTS (SELECT FROM access a WHERE a.facility = current_setting(''referral.actor'', true)'
      '             AND a.type = %2$s AND a.id = %3$s AND a.until IS NULL OFFSET 0))',
      wall.name,
      CASE WHEN wall.type = 'type' THEN format('%I.type', wall.name) ELSE wall.type END,
      format('%I.%I', wall.name, wall.id));
    EXECUTE format('REVOKE INSERT, UPDATE, DELETE ON %I FROM referral_service', wall.name);
  END LOOP;
END $$;

ALTER TABLE access ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON access FOR SELECT TO referral_service USING (facility = current_setting('referral.actor', true));
REVOKE INSERT, UPDATE ON access FROM referral_service;

-- Who looks at what is looked at by the owner's commands alone.
REVOKE SELECT ON audit FROM referral_service;

-- What 0.1.0 read by: worklists are in search_reference now, and access is looked up by the facility first.
DROP INDEX referral_sender_open, referral_network_open, offer_owner_open, offer_requester_open, access_document;

UPDATE schema_revision SET oldest = '0002';
