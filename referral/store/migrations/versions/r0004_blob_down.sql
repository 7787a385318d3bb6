DROP INDEX access_attached;
DROP FUNCTION keep_blob(text, int, text, bytea, bytea), find_blobs(text[]), read_blob(text, text, int, int, int);
DROP TABLE attachment, blob;
