ALTER TABLE schema_revision DROP COLUMN oldest;
