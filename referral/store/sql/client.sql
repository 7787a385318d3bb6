-- name: find_client
SELECT id, facility, name, scope, jwks::text AS jwks, active, created_at FROM client WHERE id = $1

-- name: list_clients
SELECT id, facility, name, scope, jwks::text AS jwks, active, created_at FROM client ORDER BY facility, id

-- name: known_facility
SELECT EXISTS (SELECT FROM facility WHERE id = $1) OR EXISTS (SELECT FROM network WHERE id = $1)

-- name: add_client
WITH added AS (
    INSERT INTO client (id, facility, name, scope, jwks, active, created_at)
    VALUES ($1, $2, $3, $4, $5::text::jsonb, $6, $7)
    ON CONFLICT (id) DO NOTHING
    RETURNING id, facility, created_at
), noted AS (
    INSERT INTO audit (at, actor, client, action, details)
    SELECT created_at, NULL, id, 'client-add', jsonb_build_object('facility', facility) FROM added
)
SELECT EXISTS (SELECT FROM added)

-- name: issue_token
-- An assertion is good once: the row of its id stays until the assertion cannot be valid any more. What is past
-- its time goes on the way; one at a time does that, so that two never wait for each other's rows.
WITH used AS (
    INSERT INTO assertion_id (client, jti, expires_at)
    VALUES ($1, $2, $3)
    ON CONFLICT (client, jti) DO NOTHING
    RETURNING client
), issued AS (
    INSERT INTO access_token (hash, client, scope, issued_at, expires_at)
    SELECT $4::bytea, client, $5::text, $7::timestamptz, $8::timestamptz FROM used
    RETURNING client
), noted AS (
    INSERT INTO audit (at, actor, client, action, request_id, address, details)
    SELECT $7::timestamptz, $6::text, client, 'token', $9::text, $10::text, jsonb_build_object('scope', $5::text) FROM issued
), old_assertions AS (
    DELETE FROM assertion_id WHERE (client, jti) IN (
        SELECT client, jti FROM assertion_id
        WHERE expires_at <= $7::timestamptz AND pg_try_advisory_xact_lock(hashtext('referral.old_tokens'))
        LIMIT 100
    )
), old_tokens AS (
    DELETE FROM access_token WHERE hash IN (
        SELECT hash FROM access_token
        WHERE expires_at <= $7::timestamptz AND pg_try_advisory_xact_lock(hashtext('referral.old_tokens'))
        LIMIT 100
    )
)
SELECT EXISTS (SELECT FROM issued)

-- name: find_token
SELECT client.id, client.facility, access_token.scope, access_token.expires_at
FROM access_token JOIN client ON client.id = access_token.client
WHERE access_token.hash = $1 AND access_token.expires_at > $2 AND client.active
  -- One from the time to come was given before the clock was set back, and would live too long.
  AND access_token.issued_at <= $2 + interval '30 seconds'
