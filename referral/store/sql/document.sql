-- name: read
-- Sets the actor $1 and reads as it, in one message.
SELECT version, updated_at, deleted, content FROM read_document($1, $2, $3)

-- name: kept_by
SELECT asked.type, asked.id, asked.reason FROM (
  SELECT d.type, d.id, kept_by(d.type, d.id, $3, $4, (SELECT array_agg(g.type || '/' || g.id) FROM unnest($1::text[], $2::text[]) g (type, id))) AS reason
  FROM unnest($1::text[], $2::text[]) d (type, id)
) asked WHERE asked.reason IS NOT NULL ORDER BY asked.type, asked.id
