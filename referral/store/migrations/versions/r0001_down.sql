DROP FUNCTION is_visible(text, text, text);
DROP FUNCTION load_for_write(jsonb);
DROP FUNCTION apply_changes(jsonb);
DROP FUNCTION apply_directory(jsonb);
DROP TABLE assertion_id, access_token, client, audit, change, event, offer, referral_identifier, referral, directory, access,
  search_string, search_date, search_reference, search_token, document_version, document, link, approval,
  technique, capacity, service, affiliation CASCADE;
DROP VIEW actor_network;
DROP TABLE membership, facility, network_version, network;
DROP SEQUENCE referral_sequence;
