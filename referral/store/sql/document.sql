-- name: read
-- Sets the actor $1 and reads as it, in one message.
SELECT version, updated_at, deleted, content FROM read_document($1, $2, $3)

-- name: kept_by
SELECT kept_by($1, $2, $3, $4, $5)
