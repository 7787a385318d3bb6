-- name: find_request
-- As the actor of the connection sees it.
SELECT content, network, sender, directed, patient, (SELECT authored_on FROM referral WHERE id = $1) AS authored_on
FROM request_to_place($1)

-- name: find_patient
SELECT content::text FROM document
WHERE type = 'Patient' AND id = $2 AND NOT deleted AND is_visible($1, 'Patient', id)

-- name: find_patient_by_identifier
-- A business identifier stands for the one patient whom the facility sees under it; none where there are several.
SELECT min(p.content::text)
FROM search_token t JOIN document p ON p.type = 'Patient' AND p.id = t.id AND NOT p.deleted
WHERE t.type = 'Patient' AND t.param = 'identifier' AND t.system = $2 AND t.code = $3 AND is_visible($1, 'Patient', t.id)
HAVING count(DISTINCT t.id) = 1

-- name: diagnoses
-- What Conditions are coded as, of those that the facility sees.
SELECT DISTINCT system, code FROM search_token
WHERE type = 'Condition' AND param = 'code' AND id = ANY ($2::text[]) AND system IS NOT NULL
  AND is_visible($1, 'Condition', id)

-- name: overlay
-- Only services that say they are full rule a facility out, and only where the policy weighs it ($4) a waitlist and who is sent there
-- cost something; the others need not be read. How many are sent where is held by the process: the open offer may be among them.
SELECT c.service, c.status, c.free, c.as_of, NULL::text AS rejected, NULL::text AS asked, NULL::timestamptz AS asked_at
FROM capacity c JOIN service s ON s.id = c.service JOIN membership m ON m.facility = s.facility
WHERE m.network = $2 AND c.status = 'no-capacity'
UNION ALL
SELECT c.service, c.status, c.free, c.as_of, NULL, NULL, NULL
FROM capacity c JOIN service s ON s.id = c.service JOIN membership m ON m.facility = s.facility
WHERE $4 AND m.network = $2 AND c.status = 'waitlist'
UNION ALL
SELECT DISTINCT NULL, NULL, NULL::int, NULL::timestamptz, o.owner, NULL, NULL::timestamptz
FROM offer o
WHERE o.referral = $3 AND o.state IN ('rejected', 'redirected') AND is_visible($1, 'ServiceRequest', o.referral)
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, o.owner, o.authored_on
FROM offer o
WHERE $4 AND o.referral = $3 AND o.state IN ('requested', 'received', 'awaiting-information', 'accepted', 'scheduled', 'in-transit', 'no-show')
  AND is_visible($1, 'ServiceRequest', o.referral)

-- name: known
-- Facilities that had the patient $1 in care, or the patient of the request $2: by offers and encounters that the actor sees.
WITH patient AS (
  SELECT $1::text AS id WHERE $1::text IS NOT NULL
  UNION
  SELECT s.target_id FROM search_reference s WHERE s.type = 'ServiceRequest' AND s.id = $2 AND s.param = '_patient'
)
SELECT o.owner AS facility
FROM patient p
JOIN search_reference s ON s.type = 'Task' AND s.param = '_patient' AND s.target_type = 'Patient' AND s.target_id = p.id
JOIN offer o ON o.id = s.id AND o.state IN ('arrived', 'completed', 'closed', 'stopped')
UNION
SELECT d.owner
FROM patient p
JOIN search_reference s ON s.type = 'Encounter' AND s.param = '_patient' AND s.target_type = 'Patient' AND s.target_id = p.id
JOIN document d ON d.type = s.type AND d.id = s.id AND NOT d.deleted

-- name: results
-- Of these resources ($1 types, $2 ids) the results that are final, as far as the actor sees them: what they are of, from which day, and
-- who performed them (nobody named: whose they are), and whose they are.
SELECT d.type, d.id, d.owner,
  (SELECT min(s.low) FROM search_date s WHERE s.type = d.type AND s.id = d.id AND s.param = 'date') AS dated,
  (SELECT jsonb_agg(jsonb_build_array(t.system, t.code)) FROM search_token t
   WHERE t.type = d.type AND t.id = d.id AND t.param IN ('category', 'code'))::text AS codes,
  ARRAY(SELECT s.target_id FROM search_reference s
   WHERE s.type = d.type AND s.id = d.id AND s.param = 'performer' AND s.target_type = 'Organization' ORDER BY 1) AS houses
FROM unnest($1::text[], $2::text[]) AS n (type, id)
JOIN document d ON d.type = n.type AND d.id = n.id AND NOT d.deleted
WHERE d.type IN ('DiagnosticReport', 'Observation') AND EXISTS (
  SELECT FROM search_token t WHERE t.type = d.type AND t.id = d.id AND t.param = 'status'
    AND t.code IN ('final', 'amended', 'corrected', 'appended'))

-- name: answer_times
SELECT network, facility, answers, minutes FROM answer_times()

-- name: patients_sent
SELECT network, facility, offers FROM offers_ahead($1)

-- name: full_services
-- Sets the actor $1 and reads, in one message: what is read here is the same for every actor.
SELECT set_config('referral.actor', $1, false), ARRAY (
    SELECT c.service
    FROM capacity c JOIN service s ON s.id = c.service JOIN membership m ON m.facility = s.facility
    WHERE m.network = $2 AND c.status = 'no-capacity'
) AS services

-- name: facilities_of_code
-- Those with this id in the file of a network, and the facility or office with this id of its own: one file's id
-- may be the Organization id of another network's facility. A network that is named decides by its file first.
WITH coded AS (
    SELECT facility AS id, network FROM membership WHERE code = $1 AND ($2::text IS NULL OR network = $2)
), named AS (
    SELECT f.id, m.network FROM facility f LEFT JOIN membership m ON m.facility = f.id WHERE f.id = $1
    UNION ALL
    SELECT id, id FROM network WHERE id = $1
)
SELECT id, coalesce(array_agg(DISTINCT network ORDER BY network) FILTER (WHERE network IS NOT NULL), '{}') AS networks
FROM (
    SELECT id, network FROM coded
    UNION ALL
    SELECT id, network FROM named WHERE $2::text IS NULL OR NOT EXISTS (SELECT FROM coded)
) found
GROUP BY id ORDER BY id <> $1, networks, id

-- name: techniques_of_code
SELECT list, code, name, name_en, chapter, level FROM technique
WHERE code = $1 AND ($2::text IS NULL OR list = $2) ORDER BY list
