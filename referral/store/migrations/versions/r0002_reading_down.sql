DROP FUNCTION network_of_number(text);
DROP FUNCTION request_to_place(text);
DROP FUNCTION read_document(text, text, text);
DROP INDEX search_reference_open;
ALTER TABLE search_reference DROP COLUMN updated_at, DROP COLUMN open_status;
