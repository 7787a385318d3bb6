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
-- Only services that say they are full rule a facility out; the others need not be read.
SELECT c.service, c.status, c.free, c.as_of, NULL::text AS rejected
FROM capacity c JOIN service s ON s.id = c.service JOIN membership m ON m.facility = s.facility
WHERE m.network = $2 AND c.status = 'no-capacity'
UNION ALL
SELECT DISTINCT NULL, NULL, NULL::int, NULL::timestamptz, o.owner
FROM offer o
WHERE o.referral = $3 AND o.state IN ('rejected', 'redirected') AND is_visible($1, 'ServiceRequest', o.referral)

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
