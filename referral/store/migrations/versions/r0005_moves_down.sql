DROP FUNCTION standing_of(text, text, text);
DROP FUNCTION goes_on_to(text, text);
DROP FUNCTION find_claim(text, text, text, timestamptz), claim_hash(text), is_told(event);
DROP TABLE claim_try;
ALTER TABLE offer DROP COLUMN departed_at;
DROP TABLE demand;
