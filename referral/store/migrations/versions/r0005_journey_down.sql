DROP FUNCTION with_roots(text[]), journeys_of(text[]), keep_journeys(jsonb), hand_on(jsonb), await_late(jsonb), with_late(jsonb), homes_of(text[]);
DROP TABLE journey;
DROP FUNCTION follows(text);
DROP INDEX access_given;
CREATE INDEX access_attached ON access (type, id) WHERE scope <> 'owner' AND until IS NULL
  AND type IN ('Communication', 'Consent', 'DiagnosticReport', 'DocumentReference', 'Patient', 'RelatedPerson');
