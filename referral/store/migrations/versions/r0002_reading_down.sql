DROP FUNCTION network_of_number(text);
DROP FUNCTION request_to_place(text);
DROP FUNCTION open_work(text, text, text, text, text[], int, timestamptz, text, text[], text[], text[], int);
DROP FUNCTION included_documents(text, text, text[], text[], text[], text[], text[], text[], int);
DROP FUNCTION read_document(text, text, text);
ALTER TABLE document RESET (toast_tuple_target);
DROP INDEX search_reference_open;
ALTER TABLE search_reference DROP COLUMN updated_at, DROP COLUMN open_status;
