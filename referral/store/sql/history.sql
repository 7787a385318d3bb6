-- name: version
-- One version of a resource that the facility sees now.
SELECT v.version, v.updated_at, v.deleted, v.content::text AS content
FROM document d CROSS JOIN LATERAL (
  SELECT d.version, d.updated_at, d.deleted, d.content WHERE d.version = $4
  UNION ALL
  SELECT o.version, o.updated_at, o.deleted, o.content FROM document_version o WHERE o.type = $2 AND o.id = $3 AND o.version = $4
) v
WHERE d.type = $2 AND d.id = $3
  AND (EXISTS (SELECT FROM access a WHERE a.facility = $1 AND a.type = $2 AND a.id = $3 AND a.until IS NULL OFFSET 0)
    OR EXISTS (SELECT FROM directory x JOIN actor_network n ON n.network = x.network
               WHERE n.facility = $1 AND x.type = $2 AND x.id = $3 OFFSET 0))

-- name: instance
-- The versions of a resource that the facility sees now, since $4 and before version $5, the last one first. No row at all: it
-- does not see it; one without a version: there is none.
SELECT v.version, v.updated_at, v.content,
  (SELECT c.kind FROM change c WHERE c.type = $2 AND c.txid = v.txid AND c.id = $3 AND c.version = v.version) AS kind
FROM document d LEFT JOIN LATERAL (
  SELECT n.version, n.updated_at, n.txid, n.content::text AS content FROM (
    SELECT d.version, d.updated_at, d.txid, d.content
    UNION ALL
    SELECT o.version, o.updated_at, o.txid, o.content FROM document_version o WHERE o.type = $2 AND o.id = $3
  ) n WHERE n.updated_at >= $4 AND n.version < $5 ORDER BY n.version DESC LIMIT $6
) v ON true
WHERE d.type = $2 AND d.id = $3
  AND (EXISTS (SELECT FROM access a WHERE a.facility = $1 AND a.type = $2 AND a.id = $3 AND a.until IS NULL OFFSET 0)
    OR EXISTS (SELECT FROM directory x JOIN actor_network n ON n.network = x.network
               WHERE n.facility = $1 AND x.type = $2 AND x.id = $3 OFFSET 0))
ORDER BY v.version DESC

-- name: first_change
SELECT first_change($1, $2)

-- name: type
SELECT txid, seq, id, version, at, kind, content
FROM type_history($1, $2, $3, $4::text::xid8, $5::text::xid8, $6, $7, $8)
