-- What the matches of one page bring along: the targets of their references, and what refers to them. $1 the facility that looks,
-- $2 the type and $3 the ids of the page; $4, $5 parameters and target types to follow (no type: any); $6, $7 types and
-- parameters that point here; $8 the types that may come along; $9 how many at most.
-- name: included
WITH named AS (
  SELECT s.target_type AS type, s.target_id AS id
  FROM unnest($4::text[], $5::text[]) AS f (param, target)
  JOIN search_reference s ON s.param = f.param AND (f.target IS NULL OR s.target_type = f.target)
  WHERE s.type = $2::text AND s.id = ANY ($3::text[])
  UNION
  SELECT s.type, s.id
  FROM unnest($6::text[], $7::text[]) AS f (type, param)
  JOIN search_reference s ON s.type = f.type AND s.param = f.param
  WHERE s.target_type = $2::text AND s.target_id = ANY ($3::text[])
)
SELECT d.type, d.id, d.content::text AS content
FROM named n JOIN document d ON d.type = n.type AND d.id = n.id
WHERE NOT d.deleted
  AND d.type = ANY ($8::text[])
  AND NOT (d.type = $2::text AND d.id = ANY ($3::text[]))
  AND (EXISTS (SELECT FROM access a
               WHERE a.facility = $1 AND a.type = d.type AND a.id = d.id AND a.until IS NULL)
    -- A value, not EXISTS: the planner would read the whole directory into a hash for a few rows.
    OR (SELECT true FROM directory x JOIN actor_network w ON w.network = x.network
        WHERE w.facility = $1 AND x.type = d.type AND x.id = d.id LIMIT 1))
ORDER BY d.type, d.id
LIMIT $9
