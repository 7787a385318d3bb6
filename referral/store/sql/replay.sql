-- name: find
SELECT find_replay($1::jsonb) AS data

-- name: lock
-- In one order for all commands, so that two of them never wait for each other.
SELECT pg_advisory_xact_lock(found.lock)
FROM (SELECT DISTINCT hashtextextended(name, 1) AS lock FROM unnest($1::text[]) AS name ORDER BY lock) AS found
