-- name: lock
SELECT pg_advisory_xact_lock(hashtext('referral.import_network'))

-- name: networks
SELECT id, name, prefix, policy::text AS policy FROM network

-- name: memberships
SELECT network, facility, tier, code, valid_from, valid_to, document FROM membership WHERE network = $1

-- name: facilities
SELECT id, name, name_en, level, points, former_level, landmass, latitude, longitude, position, commune, insurer_code,
       phone, active
FROM facility
WHERE id = ANY ($1::text[]) OR insurer_code = ANY ($2::text[])

-- name: taken
SELECT d.type, d.id, EXISTS (SELECT FROM directory x WHERE x.network = $3 AND x.type = d.type AND x.id = d.id) AS ours
FROM unnest($1::text[], $2::text[]) AS wanted (type, id) JOIN document d ON d.type = wanted.type AND d.id = wanted.id

-- name: codes
SELECT network, facility, code FROM membership WHERE facility = ANY ($1::text[]) AND network <> $2

-- name: services
SELECT id, facility, code, network, name, specialty, age_min, age_max, sex, hours, active FROM service
WHERE facility = ANY ($1::text[])

-- name: capacities
SELECT c.service, c.status, c.free, c.as_of FROM capacity c JOIN service s ON s.id = c.service
WHERE s.facility = ANY ($1::text[])

-- name: techniques
SELECT list, code, name, name_en, chapter, level FROM technique WHERE list = ANY ($1::text[])

-- name: approvals
SELECT network, facility, service, list, technique, state, valid_from, valid_to, decision FROM approval
WHERE network = $1 OR (network IS NULL AND facility = ANY ($2::text[]))

-- name: affiliations
SELECT network, kind, organization, participating, needs, valid_from, valid_to, document FROM affiliation
WHERE network = $1 ORDER BY document

-- name: links
SELECT network, origin, destination, minutes, kind, both_ways, source FROM link WHERE network = $1

-- name: compare
-- How each resource stands beside what it should be; `id` and `meta` are the hub's.
SELECT c.type, c.id, d.version, d.owner, d.content - '{id,meta}'::text[] = c.content AND NOT d.deleted AS same,
       EXISTS (SELECT FROM directory x WHERE x.network = $2 AND x.type = c.type AND x.id = c.id) AS listed,
       CASE WHEN d.content - '{id,meta}'::text[] <> c.content THEN d.content::text END AS content,
       last.move, last.facility, last.client
FROM jsonb_to_recordset($1::text::jsonb) AS c (type text, id text, content jsonb)
LEFT JOIN document d ON d.type = c.type AND d.id = c.id
LEFT JOIN LATERAL (
  SELECT e.move, e.facility, e.client FROM event e WHERE e.type = d.type AND e.id = d.id ORDER BY e.seq DESC LIMIT 1
) last ON true
