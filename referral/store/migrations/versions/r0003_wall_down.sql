DO $$
DECLARE
  wall text;
BEGIN
  FOREACH wall IN ARRAY ARRAY['document', 'document_version', 'document_version_0', 'document_version_1', 'document_version_2',
    'document_version_3', 'search_token', 'search_reference', 'search_date', 'search_string', 'event', 'change', 'referral',
    'referral_identifier', 'offer']
  LOOP
    EXECUTE format('DROP POLICY seen ON %I', wall);
    EXECUTE format('ALTER TABLE %I DISABLE ROW LEVEL SECURITY', wall);
    EXECUTE format('GRANT INSERT ON %I TO referral_service', wall);
  END LOOP;
END $$;
DROP POLICY own ON access;
ALTER TABLE access DISABLE ROW LEVEL SECURITY;
GRANT INSERT, UPDATE ON access TO referral_service;
GRANT UPDATE ON document, referral, offer TO referral_service;
GRANT DELETE ON referral_identifier, search_token, search_reference, search_date, search_string TO referral_service;
GRANT SELECT ON audit TO referral_service;

CREATE INDEX referral_sender_open ON referral (sender, updated_at DESC, id) WHERE state IN ('draft', 'unplaced', 'offered', 'in-care', 'completed', 'lapsed');
CREATE INDEX referral_network_open ON referral (network, updated_at DESC, id) WHERE state IN ('unplaced', 'offered', 'in-care', 'completed', 'lapsed');
CREATE INDEX offer_owner_open ON offer (owner, updated_at DESC, id) WHERE state IN ('requested', 'received', 'awaiting-information', 'accepted', 'scheduled', 'in-transit', 'no-show', 'arrived');
CREATE INDEX offer_requester_open ON offer (requester, updated_at DESC, id) WHERE state IN ('requested', 'received', 'awaiting-information', 'accepted', 'scheduled', 'in-transit', 'no-show', 'arrived', 'completed');
CREATE INDEX access_document ON access (type, id);

UPDATE schema_revision SET oldest = '0001';
