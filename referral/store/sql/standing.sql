-- name: standing
SELECT standing_of($1, $2, $3)::text

-- name: summary_read
-- The offer of a completed referral of this sender, by the summary that came back to it.
SELECT o.id
FROM access a
JOIN referral r ON r.id = a.via AND r.sender = a.facility AND r.state = 'completed'
JOIN offer o ON o.referral = r.id AND o.state = 'completed'
WHERE a.facility = $1 AND a.type = $2 AND a.id = $3 AND a.scope = 'package' AND a.until IS NULL

-- name: visits
-- The offers of this receiver ($1) whose visit is one of these appointments ($2: ids), each with the appointment: the last one named counts.
SELECT o.id AS offer, named.id AS appointment
FROM search_reference w
JOIN offer o ON o.id = w.id AND o.state = 'scheduled'
JOIN document d ON d.type = 'Task' AND d.id = o.id
CROSS JOIN LATERAL (
  SELECT p.part FROM jsonb_array_elements(d.content->'output') WITH ORDINALITY AS p (part, place)
  WHERE p.part->'type'->'coding' @> '[{"code": "appointment"}]' ORDER BY p.place DESC LIMIT 1
) last
JOIN unnest($2::text[]) AS named (id) ON concat('/', last.part->'valueReference'->>'reference') LIKE concat('%/Appointment/', named.id)
WHERE w.type = 'Task' AND w.param = 'owner' AND w.target_type = 'Organization' AND w.target_id = $1 AND w.open_status = 'accepted'

-- name: summaries_given
-- Those of these documents ($1: types, $2: ids) that an offer names as its summary whose care was completed.
SELECT DISTINCT own.type, own.id
FROM unnest($1::text[], $2::text[]) AS n (type, id)
JOIN search_reference own ON own.type = n.type AND own.id = n.id AND own.param = '_patient'
JOIN search_reference s ON s.type = 'Task' AND s.param = '_patient' AND s.target_type = 'Patient' AND s.target_id = own.target_id
JOIN offer o ON o.id = s.id AND o.state IN ('completed', 'closed')
JOIN document d ON d.type = 'Task' AND d.id = o.id
CROSS JOIN LATERAL jsonb_array_elements(d.content->'output') AS part
WHERE part->'type'->'coding' @> '[{"code": "summary"}]'
  AND concat('/', part->'valueReference'->>'reference') LIKE concat('%/', n.type, '/', n.id)
