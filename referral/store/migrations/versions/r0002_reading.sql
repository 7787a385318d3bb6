-- Worklists: what is not yet ended of one facility, newest first, in the order of one index. Null: ended, or no such reference.
ALTER TABLE search_reference ADD COLUMN open_status text, ADD COLUMN updated_at timestamptz;
UPDATE search_reference s SET open_status = t.code, updated_at = d.updated_at
FROM search_token t, document d
WHERE s.type IN ('ServiceRequest', 'Task') AND s.param IN ('owner', 'performer', 'requester') AND s.target_type = 'Organization'
  AND t.type = s.type AND t.id = s.id AND t.param = 'status'
  AND t.code IN ('draft', 'active', 'requested', 'received', 'accepted', 'ready', 'in-progress', 'on-hold')
  AND d.type = s.type AND d.id = s.id;
CREATE INDEX search_reference_open ON search_reference (type, param, target_id, updated_at DESC, id)
  WHERE open_status IS NOT NULL;

-- Reading by id in one message: takes the actor and looks with its eyes, under the policies of the one who calls.
CREATE FUNCTION read_document(p_actor text, p_type text, p_id text)
RETURNS TABLE (version int, updated_at timestamptz, deleted boolean, content text)
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('referral.actor', p_actor, false);
  RETURN QUERY
    SELECT d.version, d.updated_at, d.deleted, d.content::text FROM document d
    WHERE d.type = p_type AND d.id = p_id
      -- OFFSET 0: else the planner may hash all that the actor sees, to look up one.
      AND (EXISTS (SELECT FROM access a WHERE a.facility = p_actor AND a.type = p_type AND a.id = p_id AND a.until IS NULL OFFSET 0)
        OR EXISTS (SELECT FROM directory x JOIN actor_network n ON n.network = x.network
                   WHERE n.facility = p_actor AND x.type = p_type AND x.id = p_id OFFSET 0));
END $$;

-- What a suggestion must know of a stored request that the actor sees. Of its patient only age and sex, and these as the
-- sender sees them: who decides without the package (the office) gets the sender's answer.
CREATE FUNCTION request_to_place(p_id text)
RETURNS TABLE (content text, network text, sender text, patient text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT d.content::text, r.network, r.sender, patient.content
  FROM document d
  LEFT JOIN referral r ON r.id = d.id
  LEFT JOIN LATERAL (
    SELECT (SELECT jsonb_object_agg(part.key, part.value) FROM jsonb_each(p.content) part
            WHERE part.key IN ('resourceType', 'birthDate', 'gender'))::text AS content
    FROM search_reference s JOIN document p ON p.type = 'Patient' AND p.id = s.target_id AND NOT p.deleted
    WHERE s.type = 'ServiceRequest' AND s.id = d.id AND s.param = '_patient'
      AND is_visible(coalesce(r.sender, current_setting('referral.actor', true)), 'Patient', p.id)
    LIMIT 1
  ) patient ON true
  WHERE d.type = 'ServiceRequest' AND d.id = p_id AND NOT d.deleted
    AND is_visible(current_setting('referral.actor', true), 'ServiceRequest', p_id)
$$;

-- The network that a number belongs to: its office sees the story, and nothing of the patient.
CREATE FUNCTION network_of_number(p_number text) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT r.network FROM referral r WHERE r.number = p_number
$$;

REVOKE ALL ON FUNCTION read_document(text, text, text), request_to_place(text), network_of_number(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION read_document(text, text, text), request_to_place(text), network_of_number(text) TO referral_service;
