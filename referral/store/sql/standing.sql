-- name: standing
SELECT standing_of($1, $2, $3)::text

-- name: summary_read
-- The offer of a completed referral of this sender, by the summary that came back to it.
SELECT o.id
FROM access a
JOIN referral r ON r.id = a.via AND r.sender = a.facility AND r.state = 'completed'
JOIN offer o ON o.referral = r.id AND o.state = 'completed'
WHERE a.facility = $1 AND a.type = $2 AND a.id = $3 AND a.scope = 'package' AND a.until IS NULL
