-- name: network_of_number
SELECT network_of_number($1)

-- name: find_story
SELECT r.id, r.number, r.journey, r.state, r.direction, r.priority, r.authored_on, r.sender, n.name AS network_name,
       coalesce(f.name, r.sender) AS sender_name, b.number AS based_on,
       coalesce(j.loop, 'open') AS loop, j.reason AS loop_reason, j.since AS loop_since
FROM referral r JOIN network n ON n.id = r.network
LEFT JOIN journey j ON j.number = r.journey
LEFT JOIN facility f ON f.id = r.sender
LEFT JOIN referral b ON b.id = r.based_on
WHERE r.number = $1

-- name: offers_of
SELECT o.id, o.state, o.authored_on, coalesce(f.name, o.owner) AS owner_name
FROM offer o LEFT JOIN facility f ON f.id = o.owner
WHERE o.referral = $1 ORDER BY o.authored_on, o.id

-- name: legs_of
SELECT r.number, r.direction, r.state, coalesce(s.name, r.sender) AS sender_name, last.name AS target_name
FROM referral r LEFT JOIN facility s ON s.id = r.sender
LEFT JOIN LATERAL (
  SELECT coalesce(f.name, o.owner) AS name FROM offer o LEFT JOIN facility f ON f.id = o.owner
  WHERE o.referral = r.id ORDER BY o.authored_on DESC, o.id DESC LIMIT 1
) last ON true
WHERE r.journey = $1 AND r.number IS NOT NULL ORDER BY r.authored_on, r.number

-- name: events_of
-- Texts of reasons are written by people about patients: they are not told here.
SELECT e.at, e.type, e.id, e.move, e.from_state, e.to_state, e.party, e.reason_code,
       coalesce(f.name, n.name, e.facility) AS facility_name,
       EXISTS (SELECT FROM demand q WHERE q.referral = e.referral AND q.offer = e.id AND q.kind = 'question' AND q.asked_at <= e.at
               AND (q.settled_at IS NULL OR q.settled_at > e.at)) AS asked
FROM event e
LEFT JOIN facility f ON f.id = e.facility
LEFT JOIN network n ON n.id = e.facility
WHERE e.referral = $1 ORDER BY e.seq

-- name: waiting
SELECT w.state, w.offers, w.since FROM waiting_offers() w
