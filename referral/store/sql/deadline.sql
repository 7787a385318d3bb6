-- name: due
SELECT * FROM due_deadlines($1, $2, $3)

-- name: fire
SELECT * FROM fire_deadlines($1, $2::text::jsonb)

-- name: take
SELECT take_referral($1)

-- name: postpone
SELECT postpone_deadline($1, $2, $3)

-- name: without
SELECT * FROM without_deadline($1, $2)

-- name: counts
SELECT * FROM clock_counts(now())
