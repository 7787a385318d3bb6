-- Found by: values with their unit, addresses, positions. And which types are the directory's, in one place.

-- The bounds of what is known of a value, both within: equal for a number, apart for a Range or a comparator; infinity where there
-- is none. Not numeric, whose comparisons are not leakproof: the policies would keep them from the indexes.
-- One row for the coded unit, and one without a system for the unit in words, where that is another.
CREATE TABLE search_quantity (type text NOT NULL, id text NOT NULL, param text NOT NULL, system text NOT NULL, code text NOT NULL,
  low float8 NOT NULL, high float8 NOT NULL);
CREATE INDEX search_quantity_low ON search_quantity (type, param, low, id);
CREATE INDEX search_quantity_high ON search_quantity (type, param, high, id);
CREATE INDEX search_quantity_document ON search_quantity (type, id);

-- Addresses are tokens of the system of addresses; by this they are found by their beginning.
CREATE INDEX search_token_uri ON search_token (type, param, code text_pattern_ops, id) WHERE system = 'urn:ietf:rfc:3986';

-- In degrees of WGS 84.
CREATE TABLE search_position (type text NOT NULL, id text NOT NULL, param text NOT NULL, latitude float NOT NULL, longitude float NOT NULL);
CREATE INDEX search_position_value ON search_position (type, param, latitude, longitude, id);
CREATE INDEX search_position_document ON search_position (type, id);

-- These tell nothing of patients.
CREATE FUNCTION is_directory(type text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN type IN ('Endpoint', 'HealthcareService', 'Location', 'Organization', 'OrganizationAffiliation', 'Practitioner', 'PractitionerRole',
  'Questionnaire', 'Schedule', 'Slot');

DO $$
DECLARE
  wall record;
  seen CONSTANT text := '(is_directory(%2$s) OR EXISTS (SELECT FROM access a'
    ' WHERE a.facility = current_setting(''referral.actor'', true) AND a.type = %2$s AND a.id = %3$s AND a.until IS NULL OFFSET 0))';
BEGIN
  FOR wall IN SELECT * FROM (VALUES
    ('document', false), ('document_version', false), ('document_version_0', false), ('document_version_1', false),
    ('document_version_2', false), ('document_version_3', false), ('search_token', false), ('search_reference', false),
    ('search_date', false), ('search_string', false), ('event', false), ('change', false),
    ('search_quantity', true), ('search_position', true)
  ) AS walls (name, new)
  LOOP
    IF wall.new THEN
      EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', wall.name);
      EXECUTE format('GRANT SELECT ON %I TO referral_service', wall.name);
    END IF;
    EXECUTE format(CASE WHEN wall.new THEN 'CREATE POLICY seen ON %1$I FOR SELECT TO referral_service' ELSE 'ALTER POLICY seen ON %1$I' END
      || ' USING ' || seen, wall.name, format('%I.type', wall.name), format('%I.id', wall.name));
  END LOOP;
END $$;
