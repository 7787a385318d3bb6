-- name: record
SELECT record_audit($1::text::jsonb)

-- name: seal
SELECT seal_audit($1, $2)
