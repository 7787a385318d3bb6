-- What stands in a directory is found by its owner: a facility that joins a network brings all of it.
CREATE INDEX document_directory ON document (owner) WHERE is_directory(type);

-- The typed rows of the directory that a transaction leaves; called by apply_changes before its documents.
--
-- typed, every part may be missing:
--   networks [network]              upsert (an import)
--   network_names [{id, name}]      what the office says of itself over FHIR
--   facilities [facility]           upsert of whole rows (an import)
--   organizations [facility]        upsert of what an Organization says; the position stays
--   locations [{id, facility, latitude, longitude, position, landmass}]  what a Location says, see below
--   memberships [membership]        upsert; members of the network also find the facility's resources
--   ended_memberships [{network, facility, valid_to}]
--   affiliations [affiliation]      upsert by document;  dropped_affiliations [document]
--   services [service]              upsert; network and code, once known, stay
--   retired_services [service id]
--   capacities [capacity]           upsert;  dropped_capacities [service id]
--   techniques [technique]          upsert
--   dropped_approvals [approval]    every equal row;  withdrawn_approvals [{service, list, technique}] whatever else they say
--   approvals [approval]            insert; left out: of techniques that no list has; without a network, what is approved already
--   dropped_links [link], links [link]
CREATE OR REPLACE FUNCTION apply_directory(typed jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO network SELECT * FROM jsonb_populate_recordset(NULL::network, typed->'networks')
  ON CONFLICT (id) DO UPDATE SET name = excluded.name, prefix = excluded.prefix, policy = excluded.policy,
    updated_at = excluded.updated_at;
  UPDATE network w SET name = n.name FROM jsonb_populate_recordset(NULL::network, typed->'network_names') n
  WHERE w.id = n.id;

  INSERT INTO facility SELECT * FROM jsonb_populate_recordset(NULL::facility, typed->'facilities')
  ON CONFLICT (id) DO UPDATE SET name = excluded.name, name_en = excluded.name_en, level = excluded.level,
    points = excluded.points, former_level = excluded.former_level, landmass = excluded.landmass,
    latitude = excluded.latitude, longitude = excluded.longitude, position = excluded.position,
    commune = excluded.commune, insurer_code = excluded.insurer_code, phone = excluded.phone, active = excluded.active,
    place = excluded.place;
  INSERT INTO facility (id, name, name_en, level, points, former_level, commune, insurer_code, phone, active)
  SELECT id, name, name_en, level, points, former_level, commune, insurer_code, phone, active
  FROM jsonb_populate_recordset(NULL::facility, typed->'organizations')
  ON CONFLICT (id) DO UPDATE SET name = excluded.name, name_en = excluded.name_en, level = excluded.level,
    points = excluded.points, former_level = excluded.former_level, commune = excluded.commune,
    insurer_code = excluded.insurer_code, phone = excluded.phone, active = excluded.active;
  -- A facility stands where the Location of its own id says; without that one, where the first that had a position says.
  UPDATE facility f SET latitude = l.latitude, longitude = l.longitude, position = l.position, landmass = l.landmass, place = l.id
  FROM (
    SELECT DISTINCT ON (w.id) l.*
    FROM ROWS FROM (jsonb_to_recordset(typed->'locations') AS (
      id text, facility text, latitude double precision, longitude double precision, position text, landmass text
    )) WITH ORDINALITY AS l (id, facility, latitude, longitude, position, landmass, nth)
    JOIN facility w ON w.id = l.facility AND (l.id = w.id OR l.id = w.place OR w.latitude IS NULL)
    ORDER BY w.id, l.id = w.id DESC, l.nth
  ) l WHERE f.id = l.facility;

  DELETE FROM affiliation WHERE document IN (SELECT jsonb_array_elements_text(typed->'dropped_affiliations'));
  INSERT INTO affiliation SELECT * FROM jsonb_populate_recordset(NULL::affiliation, typed->'affiliations')
  ON CONFLICT (document) DO UPDATE SET network = excluded.network, kind = excluded.kind,
    organization = excluded.organization, participating = excluded.participating, needs = excluded.needs,
    valid_from = excluded.valid_from, valid_to = excluded.valid_to;

  INSERT INTO membership SELECT * FROM jsonb_populate_recordset(NULL::membership, typed->'memberships')
  ON CONFLICT (network, facility) DO UPDATE SET tier = excluded.tier, code = excluded.code,
    valid_from = excluded.valid_from, valid_to = excluded.valid_to, document = excluded.document;
  UPDATE membership m SET valid_to = e.valid_to
  FROM jsonb_populate_recordset(NULL::membership, typed->'ended_memberships') e
  WHERE m.network = e.network AND m.facility = e.facility;
  INSERT INTO directory (network, type, id)
  WITH joined AS (SELECT network, facility FROM jsonb_populate_recordset(NULL::membership, typed->'memberships')),
  own AS (
    SELECT j.network, d.type, d.id FROM joined j JOIN document d ON d.owner = j.facility AND is_directory(d.type)
  )
  SELECT j.network, d.type, d.id FROM joined j JOIN document d ON d.type = 'Organization' AND d.id = j.facility
  UNION SELECT network, type, id FROM own
  UNION SELECT o.network, 'Practitioner', s.target_id FROM own o JOIN search_reference s
    ON s.type = o.type AND s.id = o.id AND s.param = 'practitioner' AND s.target_type = 'Practitioner'
  ON CONFLICT DO NOTHING;

  INSERT INTO service AS s SELECT * FROM jsonb_populate_recordset(NULL::service, typed->'services')
  ON CONFLICT (id) DO UPDATE SET facility = excluded.facility, name = excluded.name, specialty = excluded.specialty,
    age_min = excluded.age_min, age_max = excluded.age_max, sex = excluded.sex, hours = excluded.hours,
    active = excluded.active, network = coalesce(s.network, excluded.network),
    code = CASE WHEN s.facility = excluded.facility THEN coalesce(s.code, excluded.code) ELSE excluded.code END;
  UPDATE service SET active = false WHERE id IN (SELECT jsonb_array_elements_text(typed->'retired_services'));
  DELETE FROM capacity WHERE service IN (SELECT jsonb_array_elements_text(typed->'dropped_capacities'));
  INSERT INTO capacity SELECT * FROM jsonb_populate_recordset(NULL::capacity, typed->'capacities')
  ON CONFLICT (service) DO UPDATE SET status = excluded.status, free = excluded.free, as_of = excluded.as_of;

  INSERT INTO technique SELECT * FROM jsonb_populate_recordset(NULL::technique, typed->'techniques')
  ON CONFLICT (list, code) DO UPDATE SET name = excluded.name, name_en = excluded.name_en, chapter = excluded.chapter,
    level = excluded.level;
  DELETE FROM approval a USING jsonb_populate_recordset(NULL::approval, typed->'dropped_approvals') o
  WHERE a.facility = o.facility AND a IS NOT DISTINCT FROM o;
  DELETE FROM approval a USING jsonb_populate_recordset(NULL::approval, typed->'withdrawn_approvals') o
  WHERE a.service = o.service AND a.list = o.list AND a.technique = o.technique;
  INSERT INTO approval SELECT a.* FROM jsonb_populate_recordset(NULL::approval, typed->'approvals') a
    JOIN technique t ON t.list = a.list AND t.code = a.technique
  WHERE a.network IS NOT NULL OR NOT EXISTS (
    SELECT FROM approval b
    WHERE b.facility = a.facility AND b.service = a.service AND b.list = a.list AND b.technique = a.technique
      AND b.state = 'approved' AND (b.valid_from IS NULL OR b.valid_from <= current_date)
      AND (b.valid_to IS NULL OR b.valid_to >= current_date)
  );

  DELETE FROM link l USING jsonb_populate_recordset(NULL::link, typed->'dropped_links') o
  WHERE l.origin = o.origin AND l IS NOT DISTINCT FROM o;
  INSERT INTO link SELECT * FROM jsonb_populate_recordset(NULL::link, typed->'links');

  -- Capacity is read with each question; everything else is in the snapshots of the processes, which look for a new number.
  IF EXISTS (SELECT FROM jsonb_object_keys(typed) part WHERE part NOT IN ('capacities', 'dropped_capacities')) THEN
    UPDATE network_version SET version = version + 1;
  END IF;
END $$;
