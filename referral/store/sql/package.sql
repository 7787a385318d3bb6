-- One page of the package of a request, for the facility $1 that sees the request $2: its patient, then what it names and what that
-- names, about the same patient, by type and id. $3 the types that may be shown; $4, $5, $6 place (1 the patient, 2 the rest), type and
-- id of the last one of the page before; $7 how many.
-- name: package
WITH RECURSIVE about AS (
  SELECT s.target_id AS id FROM search_reference s
  WHERE s.type = 'ServiceRequest' AND s.id = $2 AND s.param = '_patient' AND s.target_type = 'Patient' LIMIT 1
), named (type, id) AS (
  SELECT 'ServiceRequest', $2::text
  UNION
  SELECT r.target_type, r.target_id
  FROM named n JOIN search_reference r ON r.type = n.type AND r.id = n.id AND r.param = '_package'
  WHERE EXISTS (SELECT FROM search_reference o JOIN about ON about.id = o.target_id
                WHERE o.type = r.target_type AND o.id = r.target_id AND o.param = '_patient')
    OR r.target_type = 'Binary' AND NOT EXISTS (
      SELECT FROM search_reference o WHERE o.type = r.target_type AND o.id = r.target_id AND o.param = '_patient')
), placed (place, type, id) AS (
  SELECT 1, 'Patient', about.id FROM about
  UNION ALL SELECT 2, n.type, n.id FROM named n WHERE (n.type, n.id) <> ('ServiceRequest', $2::text) AND n.type <> 'Patient'
)
SELECT p.place, d.type, d.id, d.content::text AS content
FROM placed p JOIN document d ON d.type = p.type AND d.id = p.id
WHERE NOT d.deleted AND d.type = ANY ($3::text[]) AND (p.place, p.type, p.id) > ($4::int, $5::text, $6::text)
  AND EXISTS (SELECT FROM access a WHERE a.facility = $1 AND a.type = d.type AND a.id = d.id AND a.until IS NULL OFFSET 0)
ORDER BY p.place, p.type, p.id LIMIT $7

-- What a policy may ask of the request $1: as far as the connection's actor sees it. born: of its patient.
-- name: request
SELECT d.content::text AS content, (
    SELECT s.low FROM search_reference p JOIN search_date s ON s.type = p.target_type AND s.id = p.target_id AND s.param = 'birthdate'
    WHERE p.type = d.type AND p.id = d.id AND p.param = '_patient' LIMIT 1) AS born
FROM document d WHERE d.type = 'ServiceRequest' AND d.id = $1

-- What it names itself, with the codes that say what that is.
-- name: named
SELECT r.target_type AS type, r.target_id AS id, (
    SELECT jsonb_agg(jsonb_build_array(t.system, t.code)) FROM search_token t
    WHERE t.type = r.target_type AND t.id = r.target_id AND t.param IN ('category', 'code', 'type'))::text AS codes
FROM search_reference r WHERE r.type = 'ServiceRequest' AND r.id = $1 AND r.param = '_package'
