-- name: network_versions
SELECT number, valid_from, mapping::text AS mapping, stored_at, stored_by FROM policy_version WHERE network = $1 ORDER BY number

-- name: networks
SELECT id, name, prefix FROM network ORDER BY id

-- name: insert
INSERT INTO policy_version (network, number, valid_from, mapping, stored_at, stored_by)
SELECT $1, coalesce(max(number), 0) + 1, $2, $3::jsonb, $4, $5 FROM policy_version WHERE network = $1
RETURNING number

-- name: put_in_force
-- For services that know one policy alone.
UPDATE network SET policy = $2::jsonb, updated_at = $3 WHERE id = $1

-- name: raise_version
UPDATE network_version SET version = version + 1

-- name: techniques
SELECT list, code FROM technique WHERE list = ANY ($1::text[])
