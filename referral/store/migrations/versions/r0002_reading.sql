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

-- Most resources have 2 to 4 kB: not to be compressed with each write and opened with each read.
ALTER TABLE document SET (toast_tuple_target = 8160);

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
        -- The directory, by a call: written out here, its tables would be opened for each read.
        OR is_visible(p_actor, p_type, p_id));
END $$;

-- What the matches of one page bring along: the targets of their references, and what refers to them. Under the policies of the one
-- who calls; planned once, which costs more than to run it.
CREATE FUNCTION included_documents(p_actor text, p_type text, p_ids text[], p_params text[], p_targets text[],
  p_from_types text[], p_from_params text[], p_types text[], p_most int)
RETURNS TABLE (type text, id text, content text)
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH named AS (
    SELECT s.target_type AS type, s.target_id AS id
    FROM unnest(p_ids) AS m (id)
    -- The parameter first: a row that is not asked for need not be asked of the wall.
    JOIN search_reference s ON s.type = p_type AND s.id = m.id AND s.param = ANY (p_params)
    WHERE EXISTS (SELECT FROM unnest(p_params, p_targets) AS f (param, target)
                  WHERE f.param = s.param AND (f.target IS NULL OR f.target = s.target_type))
    UNION
    SELECT s.type, s.id
    FROM unnest(p_from_types, p_from_params) AS f (type, param)
    CROSS JOIN unnest(p_ids) AS m (id)
    JOIN search_reference s ON s.type = f.type AND s.param = f.param AND s.target_id = m.id AND s.target_type = p_type
  )
  SELECT d.type, d.id, d.content::text
  FROM named n JOIN document d ON d.type = n.type AND d.id = n.id
  WHERE NOT d.deleted
    AND d.type = ANY (p_types)
    AND NOT (d.type = p_type AND d.id = ANY (p_ids))
    AND (EXISTS (SELECT FROM access a
                 WHERE a.facility = p_actor AND a.type = d.type AND a.id = d.id AND a.until IS NULL OFFSET 0)
      OR EXISTS (SELECT FROM directory x JOIN actor_network w ON w.network = x.network
                 WHERE w.facility = p_actor AND x.type = d.type AND x.id = d.id OFFSET 0))
  ORDER BY d.type, d.id
  LIMIT p_most;
END $$;

-- What names one version of a document for ever. The time stands in it because a database that was restored counts its versions anew.
CREATE FUNCTION version_key(p_type text, p_id text, p_version int, p_at timestamptz) RETURNS text
LANGUAGE sql STABLE AS $$ SELECT p_type || '/' || p_id || '/' || p_version || '/' || p_at $$;

-- Versions of documents with their keys, as they stand in Bundle.entry behind the address of the endpoint, in UTF-8: takes the actor
-- and looks with its eyes, as `read_document` does. An older version is seen by who sees the document now.
CREATE FUNCTION read_versions(p_actor text, p_types text[], p_ids text[], p_versions int[])
RETURNS TABLE (key text, entry bytea)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
  PERFORM set_config('referral.actor', p_actor, false);
  RETURN QUERY
    -- In a type and an id there is nothing to escape.
    SELECT version_key(d.type, d.id, v.version, v.updated_at),
      convert_to(concat(d.type, '/', d.id, '","resource":', v.content), 'UTF8')
    FROM unnest(p_types, p_ids, p_versions) AS n (type, id, version)
    JOIN document d ON d.type = n.type AND d.id = n.id
    CROSS JOIN LATERAL (
      SELECT d.version, d.updated_at, d.content WHERE d.version = n.version
      UNION ALL
      SELECT o.version, o.updated_at, o.content FROM document_version o
      WHERE d.version > n.version AND o.type = n.type AND o.id = n.id AND o.version = n.version
    ) v
    WHERE (EXISTS (SELECT FROM access a
                   WHERE a.facility = p_actor AND a.type = n.type AND a.id = n.id AND a.until IS NULL OFFSET 0)
      OR EXISTS (SELECT FROM directory x JOIN actor_network w ON w.network = x.network
                 WHERE w.facility = p_actor AND x.type = n.type AND x.id = n.id OFFSET 0));
END $$;

-- One page of a worklist in one call: what one facility has not ended, newest first, and what that names. It looks over the wall:
-- behind it each row would be asked of `access` three times. The rule stands here, once for each row.
-- p_count: matches at most; the last of so many tells that there is a next page, and is not shown. p_before, p_after: time and
-- id of the last match of the page before. p_params: references to follow; p_follow: the same, `param:Type` where to that type
-- alone. p_types: what may come along, with commas between, p_most of it at most.
-- One row: the version keys of the matches in their order and of what comes along, null where there are none; whether there is a
-- next page; the time of the last match shown. `read_versions` tells what they hold, where that is not known already.
CREATE FUNCTION open_work(p_actor text, p_type text, p_param text, p_target text, p_statuses text[], p_count int,
  p_before timestamptz, p_after text, p_params text[], p_follow text[], p_types text, p_most int)
RETURNS TABLE (matches text[], along text[], more boolean, last_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE
  allowed CONSTANT text[] := string_to_array(p_types, ',');
  ids text[];
  times timestamptz[];
BEGIN
  SELECT array_agg(page.id), array_agg(page.key), array_agg(page.updated_at) INTO ids, matches, times FROM (
    SELECT w.id, w.updated_at, version_key(p_type, w.id, d.version, d.updated_at) AS key
    FROM search_reference w JOIN document d ON d.type = p_type AND d.id = w.id
    WHERE w.type = p_type AND w.param = p_param AND w.target_id = p_target AND w.target_type = 'Organization'
      AND w.open_status IS NOT NULL AND w.open_status = ANY (p_statuses)
      AND w.updated_at <= p_before AND (w.updated_at < p_before OR w.id > p_after)
      AND NOT d.deleted
      AND EXISTS (SELECT FROM access a
                  WHERE a.facility = p_actor AND a.type = p_type AND a.id = w.id AND a.until IS NULL OFFSET 0)
    ORDER BY w.updated_at DESC, w.id LIMIT p_count
  ) page;
  more := coalesce(cardinality(ids), 0) = p_count;
  IF more THEN
    ids := trim_array(ids, 1);
    matches := trim_array(matches, 1);
  END IF;
  last_at := times[cardinality(ids)];
  IF p_params <> '{}' THEN
    SELECT array_agg(along.key ORDER BY along.key) INTO along FROM (
      SELECT version_key(d.type, d.id, d.version, d.updated_at) AS key
      FROM (
        SELECT DISTINCT s.target_type AS type, s.target_id AS id
        FROM unnest(ids) AS m (id) JOIN search_reference s ON s.type = p_type AND s.id = m.id AND s.param = ANY (p_params)
        WHERE s.param = ANY (p_follow) OR s.param || ':' || s.target_type = ANY (p_follow)
      ) n JOIN document d ON d.type = n.type AND d.id = n.id
      WHERE NOT d.deleted AND d.type = ANY (allowed)
        AND NOT (d.type = p_type AND d.id = ANY (ids))
        AND (EXISTS (SELECT FROM access a
                     WHERE a.facility = p_actor AND a.type = d.type AND a.id = d.id AND a.until IS NULL OFFSET 0)
          -- The directory, by a call: written out here, its tables would be opened for each page.
          OR is_visible(p_actor, d.type, d.id))
      LIMIT p_most
    ) along;
  END IF;
  RETURN NEXT;
END $$;

-- Who is full, among all services there are: asked for with every suggestion.
CREATE INDEX capacity_none ON capacity (service) WHERE status = 'no-capacity';

-- What a suggestion must know of a stored request that the actor sees. Of its patient only age and sex, and these as the
-- sender sees them: who decides without the package (the office) gets the sender's answer.
CREATE FUNCTION request_to_place(p_id text)
RETURNS TABLE (content text, network text, sender text, directed boolean, patient text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT d.content::text, r.network, r.sender, r.directed, patient.content
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

-- For the metrics: how many offers wait for an answer, by state, and when the one that stands longest was last moved. Names nobody.
-- The states stand there twice: from the join alone the planner does not derive that the index has them.
CREATE INDEX offer_waiting ON offer (state, updated_at) WHERE state IN ('requested', 'received', 'awaiting-information');
CREATE FUNCTION waiting_offers() RETURNS TABLE (state text, offers bigint, since timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT s.state,
    (SELECT count(*) FROM offer o
     WHERE o.state = s.state AND o.state IN ('requested', 'received', 'awaiting-information')),
    (SELECT min(o.updated_at) FROM offer o
     WHERE o.state = s.state AND o.state IN ('requested', 'received', 'awaiting-information'))
  FROM unnest(ARRAY['requested', 'received', 'awaiting-information']) AS s (state)
$$;

REVOKE ALL ON FUNCTION read_document(text, text, text), version_key(text, text, int, timestamptz), read_versions(text, text[], text[], int[]),
  included_documents(text, text, text[], text[], text[], text[], text[], text[], int),
  open_work(text, text, text, text, text[], int, timestamptz, text, text[], text[], text, int),
  request_to_place(text), network_of_number(text), waiting_offers() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION read_document(text, text, text), version_key(text, text, int, timestamptz), read_versions(text, text[], text[], int[]),
  included_documents(text, text, text[], text[], text[], text[], text[], text[], int),
  open_work(text, text, text, text, text[], int, timestamptz, text, text[], text[], text, int),
  request_to_place(text), network_of_number(text), waiting_offers() TO referral_service;
