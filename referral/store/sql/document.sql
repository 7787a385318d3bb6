-- name: read
-- Sets the actor $1 and reads as it, in one message.
SELECT version, updated_at, deleted, content FROM read_document($1, $2, $3)

-- name: versions
-- Sets the actor $1 and reads as it, in one message.
SELECT key, entry FROM read_versions($1, $2, $3, $4)

-- name: kept_by
SELECT asked.type, asked.id, asked.reason FROM (
  SELECT d.type, d.id, kept_by(d.type, d.id, $3, $4, (SELECT array_agg(g.type || '/' || g.id) FROM unnest($1::text[], $2::text[]) g (type, id))) AS reason
  FROM unnest($1::text[], $2::text[]) d (type, id)
) asked WHERE asked.reason IS NOT NULL ORDER BY asked.type, asked.id

-- name: standing
SELECT d.type, d.id, d.content::text AS content
FROM unnest($2::text[], $3::text[]) AS n (type, id) JOIN document d ON d.type = n.type AND d.id = n.id
WHERE NOT d.deleted
  -- OFFSET 0: else the planner may hash all that the actor sees, to look up a few.
  AND (EXISTS (SELECT FROM access a WHERE a.facility = $1 AND a.type = d.type AND a.id = d.id AND a.until IS NULL OFFSET 0)
    OR EXISTS (SELECT FROM directory x JOIN actor_network w ON w.network = x.network
               WHERE w.facility = $1 AND x.type = d.type AND x.id = d.id OFFSET 0))
