DROP FUNCTION seal_audit(timestamptz, int);
DROP FUNCTION record_audit(jsonb);
DROP TABLE audit_progress, audit_seal;
DROP INDEX audit_order;
ALTER TABLE audit DROP COLUMN txid, DROP COLUMN outcome, DROP COLUMN patient, DROP COLUMN query, DROP COLUMN address;
