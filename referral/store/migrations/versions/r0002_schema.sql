-- The oldest revision whose service this schema bears. A migration that only adds leaves it; one that takes something away
-- which an older service uses raises it.
ALTER TABLE schema_revision ADD COLUMN oldest text NOT NULL DEFAULT '0001';
