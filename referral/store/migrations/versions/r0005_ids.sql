-- The secret by which running numbers become ids that tell nothing: see fhir/opaque_id.py. Without it, two ids of AuditEvents would
-- tell a facility how much all others did in between.
CREATE TABLE id_key (
  -- this prevents a second one
  single boolean PRIMARY KEY DEFAULT true CHECK (single),
  key bytea NOT NULL CHECK (octet_length(key) = 32)
);
INSERT INTO id_key (key) SELECT sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8'));
GRANT SELECT ON id_key TO referral_service;
