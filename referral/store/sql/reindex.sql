-- name: count
SELECT count(*) FROM document

-- name: keys
SELECT type, id FROM document WHERE (type, id) > ($1, $2) ORDER BY type, id LIMIT $3

-- name: documents
SELECT d.type, d.id, d.version, d.updated_at, d.deleted, d.owner, d.content::text AS content,
  r.sender, o.owner AS receiver, o.requester,
  (SELECT jsonb_agg(jsonb_build_array(named.system, named.code, s.target_type, s.target_id))
   FROM search_token named
   JOIN search_reference s ON s.type = named.type AND s.id = named.id AND named.param = s.param || ':identifier'
   JOIN search_token t ON t.type = s.target_type AND t.id = s.target_id AND t.param = 'identifier'
     AND t.system = named.system AND t.code = named.code
   WHERE named.type = d.type AND named.id = d.id AND named.param LIKE '%:identifier') AS resolved
FROM unnest($1::text[], $2::text[]) AS k (type, id)
JOIN document d ON d.type = k.type AND d.id = k.id
LEFT JOIN referral r ON d.type = 'ServiceRequest' AND r.id = d.id
LEFT JOIN offer o ON d.type = 'Task' AND o.id = d.id

-- name: hold
SELECT d.type, d.id FROM unnest($1::text[], $2::text[], $3::int[]) AS k (type, id, version)
JOIN document d ON d.type = k.type AND d.id = k.id AND d.version = k.version
ORDER BY d.type, d.id FOR NO KEY UPDATE OF d SKIP LOCKED

-- name: index
SELECT index_documents($1::text[], $2::text[], open_references($3::jsonb), $3::jsonb)
