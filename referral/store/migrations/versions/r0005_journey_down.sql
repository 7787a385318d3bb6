DROP FUNCTION with_roots(text[]), journeys_of(text[]), keep_journeys(jsonb), hand_on(jsonb), homes_of(text[]);
DROP TABLE journey;
