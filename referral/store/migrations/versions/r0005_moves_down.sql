DROP FUNCTION standing_of(text, text, text);
DROP FUNCTION find_claim(text, text, text, timestamptz);
DROP TABLE claim_try;
DROP TABLE demand;
