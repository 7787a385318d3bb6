-- name: read_clinical
SELECT d.version, d.updated_at, d.deleted, d.content::text AS content
FROM document d
WHERE d.type = $2 AND d.id = $3
  AND EXISTS (SELECT FROM access a
              WHERE a.facility = $1 AND a.type = d.type AND a.id = d.id AND a.until IS NULL)

-- name: read_directory
SELECT d.version, d.updated_at, d.deleted, d.content::text AS content
FROM document d
WHERE d.type = $2 AND d.id = $3
  AND EXISTS (SELECT FROM directory x JOIN actor_network n ON n.network = x.network
              WHERE n.facility = $1 AND x.type = d.type AND x.id = d.id)
