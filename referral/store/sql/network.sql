-- name: version
SELECT version FROM network_version

-- name: networks
SELECT id, name FROM network ORDER BY id

-- name: facilities
SELECT id, name, name_en, level, points, former_level, landmass, latitude, longitude, position, commune, insurer_code,
       phone, active
FROM facility WHERE latitude IS NOT NULL AND longitude IS NOT NULL ORDER BY id

-- name: memberships
SELECT network, facility, tier, code, valid_from, valid_to FROM membership ORDER BY network, facility

-- name: affiliations
SELECT network, kind, organization, participating, needs, valid_from, valid_to, document FROM affiliation
ORDER BY network, organization, participating, kind, document

-- name: services
SELECT id, facility, name, specialty, age_min, age_max, sex, hours, active FROM service ORDER BY id

-- name: techniques
SELECT list, code, name, name_en, chapter, level FROM technique ORDER BY list, code

-- name: approvals
SELECT facility, service, list, technique, state, valid_from, valid_to, decision FROM approval
ORDER BY facility, service, list, technique, valid_from

-- name: links
SELECT network, origin, destination, minutes, kind, both_ways, source FROM link ORDER BY network, origin, destination, kind

-- name: policies
-- Of two from the same day the later one counts.
SELECT DISTINCT ON (network, valid_from) network, number, valid_from, mapping::text AS mapping FROM policy_version
ORDER BY network, valid_from, number DESC
