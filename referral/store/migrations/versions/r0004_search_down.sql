DO $$
DECLARE
  wall text;
BEGIN
  FOREACH wall IN ARRAY ARRAY['document', 'document_version', 'document_version_0', 'document_version_1', 'document_version_2',
    'document_version_3', 'search_token', 'search_reference', 'search_date', 'search_string', 'event', 'change']
  LOOP
    EXECUTE format(
      'ALTER POLICY seen ON %1$I USING ('
      '  %1$I.type IN (''HealthcareService'', ''Location'', ''Organization'', ''OrganizationAffiliation'', ''Practitioner'', ''PractitionerRole'')'
      '  OR EXISTS (SELECT FROM access a WHERE a.facility = current_setting(''referral.actor'', true)'
      '             AND a.type = %1$I.type AND a.id = %1$I.id AND a.until IS NULL OFFSET 0))',
      wall);
  END LOOP;
END $$;
DROP TABLE search_position, search_quantity;
DROP INDEX search_token_uri;
DROP FUNCTION is_directory(text);
