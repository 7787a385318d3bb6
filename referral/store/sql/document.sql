-- name: read
-- Sets the actor $1 and reads as it, in one message.
SELECT version, updated_at, deleted, content FROM read_document($1, $2, $3)
