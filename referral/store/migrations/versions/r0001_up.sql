-- Two roles: the owner (who runs this) and the group of the service, which owns nothing.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'referral_service') THEN
    CREATE ROLE referral_service NOLOGIN;
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'referral_login')
     AND NOT pg_has_role('referral_login', 'referral_service', 'member') THEN
    GRANT referral_service TO referral_login;
  END IF;
END $$;

-- The network: what an import or the office writes.

CREATE TABLE network (
  id text PRIMARY KEY,
  name text NOT NULL,
  prefix text NOT NULL UNIQUE CHECK (prefix ~ '^[A-Z]{2}$'),
  policy jsonb NOT NULL,
  updated_at timestamptz NOT NULL
);

-- One row: a process compares its number with that of its snapshot.
CREATE TABLE network_version (
  single boolean PRIMARY KEY DEFAULT true CHECK (single),
  version bigint NOT NULL
);
INSERT INTO network_version (version) VALUES (1);

CREATE TABLE facility (
  id text PRIMARY KEY,
  name text NOT NULL,
  name_en text,
  level text CHECK (level IN ('initial', 'basic', 'specialised')),
  points int,
  former_level text,
  landmass text NOT NULL DEFAULT 'mainland',
  -- Null until a Location gives the position: such a facility is reached by explicit links only.
  latitude double precision CHECK (latitude BETWEEN -90 AND 90),
  longitude double precision CHECK (longitude BETWEEN -180 AND 180),
  position text,
  commune text,
  insurer_code text,
  phone text,
  active boolean NOT NULL DEFAULT true,
  -- The Location that gave the position; null after an import, whose Location has the facility's id.
  place text
);
CREATE UNIQUE INDEX facility_insurer_code ON facility (insurer_code) WHERE insurer_code IS NOT NULL;

CREATE TABLE membership (
  network text NOT NULL REFERENCES network,
  facility text NOT NULL REFERENCES facility,
  tier text NOT NULL CHECK (tier IN ('station', 'satellite', 'core', 'central')),
  code text NOT NULL,
  valid_from date,
  valid_to date,
  -- The OrganizationAffiliation that says so.
  document text NOT NULL UNIQUE,
  PRIMARY KEY (network, facility),
  CONSTRAINT membership_code UNIQUE (network, code)
);
CREATE INDEX membership_facility ON membership (facility);

CREATE TABLE affiliation (
  network text NOT NULL REFERENCES network,
  kind text NOT NULL CHECK (kind IN ('refers-to', 'supports', 'green-channel', 'recognises-results')),
  organization text NOT NULL REFERENCES facility,
  participating text NOT NULL REFERENCES facility,
  needs text[] NOT NULL DEFAULT '{}',
  valid_from date,
  valid_to date,
  document text NOT NULL UNIQUE,
  CHECK (organization <> participating)
);
CREATE INDEX affiliation_network ON affiliation (network);

CREATE TABLE service (
  id text PRIMARY KEY,
  facility text NOT NULL REFERENCES facility,
  -- Its id in the import file, and the network of that file; null for what was made over FHIR.
  code text,
  network text REFERENCES network,
  name text NOT NULL,
  specialty text,
  age_min int,
  age_max int,
  sex text,
  hours text,
  active boolean NOT NULL DEFAULT true
);
CREATE UNIQUE INDEX service_code ON service (facility, code);

CREATE TABLE capacity (
  service text PRIMARY KEY REFERENCES service ON DELETE CASCADE,
  status text NOT NULL CHECK (status IN ('capacity', 'waitlist', 'no-capacity', 'additional-assessment-required')),
  free int CHECK (free >= 0),
  as_of timestamptz
);

CREATE TABLE technique (
  list text NOT NULL,
  code text NOT NULL,
  name text NOT NULL,
  name_en text,
  chapter text,
  level text,
  PRIMARY KEY (list, code)
);

CREATE TABLE approval (
  -- The network whose file says so; null for what an office wrote into a HealthcareService over FHIR.
  network text REFERENCES network,
  facility text NOT NULL REFERENCES facility,
  service text REFERENCES service ON DELETE CASCADE,
  list text NOT NULL,
  technique text NOT NULL,
  state text NOT NULL,
  valid_from date,
  valid_to date,
  decision text,
  FOREIGN KEY (list, technique) REFERENCES technique
);
CREATE INDEX approval_network ON approval (network);
CREATE INDEX approval_facility ON approval (facility);
CREATE INDEX approval_service ON approval (service);

CREATE TABLE link (
  network text NOT NULL REFERENCES network,
  origin text NOT NULL REFERENCES facility,
  destination text NOT NULL REFERENCES facility,
  minutes numeric NOT NULL CHECK (minutes > 0),
  kind text NOT NULL CHECK (kind IN ('road', 'ferry')),
  both_ways boolean NOT NULL,
  source text
);
CREATE INDEX link_network ON link (network);
CREATE INDEX link_origin ON link (origin);

-- The facilities that act in a network: its members, and its office, whose Organization has the network's id.
CREATE VIEW actor_network AS
  SELECT facility, network FROM membership
  WHERE (valid_from IS NULL OR valid_from <= current_date) AND (valid_to IS NULL OR valid_to >= current_date)
  UNION ALL
  SELECT id, id FROM network;

-- Resources as they were sent, and the rows by which they are found.

CREATE TABLE document (
  type text NOT NULL,
  id text NOT NULL,
  version int NOT NULL CHECK (version > 0),
  updated_at timestamptz NOT NULL,
  deleted boolean NOT NULL DEFAULT false,
  content jsonb NOT NULL,
  -- The facility that wrote it (clinical) or that it describes (directory); the network's id for the office.
  owner text NOT NULL,
  txid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  PRIMARY KEY (type, id)
);
CREATE INDEX document_newest ON document (type, updated_at, id);

CREATE TABLE document_version (
  type text NOT NULL,
  id text NOT NULL,
  version int NOT NULL,
  updated_at timestamptz NOT NULL,
  deleted boolean NOT NULL,
  content jsonb NOT NULL,
  owner text NOT NULL,
  txid xid8 NOT NULL,
  PRIMARY KEY (type, id, version)
) PARTITION BY HASH (id);
CREATE TABLE document_version_0 PARTITION OF document_version FOR VALUES WITH (MODULUS 4, REMAINDER 0);
CREATE TABLE document_version_1 PARTITION OF document_version FOR VALUES WITH (MODULUS 4, REMAINDER 1);
CREATE TABLE document_version_2 PARTITION OF document_version FOR VALUES WITH (MODULUS 4, REMAINDER 2);
CREATE TABLE document_version_3 PARTITION OF document_version FOR VALUES WITH (MODULUS 4, REMAINDER 3);

CREATE TABLE search_token (type text NOT NULL, id text NOT NULL, param text NOT NULL, system text NOT NULL, code text NOT NULL);
CREATE INDEX search_token_value ON search_token (type, param, code, system, id);
CREATE INDEX search_token_document ON search_token (type, id);

CREATE TABLE search_reference (type text NOT NULL, id text NOT NULL, param text NOT NULL, target_type text NOT NULL, target_id text NOT NULL);
CREATE INDEX search_reference_value ON search_reference (type, param, target_id, target_type, id);
CREATE INDEX search_reference_document ON search_reference (type, id);

CREATE TABLE search_date (type text NOT NULL, id text NOT NULL, param text NOT NULL, low timestamptz NOT NULL, high timestamptz NOT NULL);
CREATE INDEX search_date_low ON search_date (type, param, low, id);
CREATE INDEX search_date_high ON search_date (type, param, high, id);
CREATE INDEX search_date_document ON search_date (type, id);

CREATE TABLE search_string (type text NOT NULL, id text NOT NULL, param text NOT NULL, folded text NOT NULL);
CREATE INDEX search_string_value ON search_string (type, param, folded text_pattern_ops, id);
CREATE INDEX search_string_document ON search_string (type, id);

-- Who sees what. A row lives while `until` is null; `via` names the offer (or referral) that gave it.
CREATE TABLE access (
  facility text NOT NULL,
  type text NOT NULL,
  id text NOT NULL,
  scope text NOT NULL CHECK (scope IN ('owner', 'referral', 'package')),
  via text NOT NULL DEFAULT '',
  since timestamptz NOT NULL,
  until timestamptz,
  PRIMARY KEY (facility, type, id, scope, via)
);
CREATE INDEX access_document ON access (type, id);
CREATE INDEX access_via ON access (via) WHERE until IS NULL;

CREATE TABLE directory (
  network text NOT NULL REFERENCES network,
  type text NOT NULL,
  id text NOT NULL,
  PRIMARY KEY (network, type, id)
);
CREATE INDEX directory_document ON directory (type, id);

-- Referrals and offers.

CREATE SEQUENCE referral_sequence MAXVALUE 99999999;

CREATE TABLE referral (
  id text PRIMARY KEY,
  network text NOT NULL REFERENCES network,
  number text UNIQUE,
  journey text,
  based_on text REFERENCES referral,
  state text NOT NULL CHECK (state IN ('draft', 'unplaced', 'offered', 'in-care', 'completed', 'closed', 'cancelled', 'lapsed', 'entered-in-error')),
  direction text NOT NULL CHECK (direction IN ('up', 'down', 'lateral')),
  directed boolean NOT NULL,
  priority text NOT NULL CHECK (priority IN ('routine', 'urgent', 'asap', 'stat')),
  sender text NOT NULL,
  patient text NOT NULL,
  authored_on timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  -- Prevents a referral that is under way without a number to ask for it by.
  CONSTRAINT referral_numbered CHECK (state = 'draft' OR (number IS NOT NULL AND journey IS NOT NULL) OR state = 'entered-in-error'),
  -- Prevents a referral that continues itself.
  CONSTRAINT referral_not_own_ground CHECK (based_on <> id)
);
CREATE INDEX referral_sender_open ON referral (sender, updated_at DESC, id) WHERE state IN ('draft', 'unplaced', 'offered', 'in-care', 'completed', 'lapsed');
CREATE INDEX referral_network_open ON referral (network, updated_at DESC, id) WHERE state IN ('unplaced', 'offered', 'in-care', 'completed', 'lapsed');
CREATE INDEX referral_journey ON referral (journey);
CREATE INDEX referral_based_on ON referral (based_on) WHERE based_on IS NOT NULL;

-- The sender's own numbers. Prevents one request that was sent twice from becoming two referrals.
CREATE TABLE referral_identifier (
  sender text NOT NULL,
  system text NOT NULL,
  value text NOT NULL,
  referral text NOT NULL REFERENCES referral,
  CONSTRAINT referral_identifier_once PRIMARY KEY (sender, system, value)
);
CREATE INDEX referral_identifier_referral ON referral_identifier (referral);

CREATE TABLE offer (
  id text PRIMARY KEY,
  referral text NOT NULL REFERENCES referral,
  network text NOT NULL REFERENCES network,
  state text NOT NULL CHECK (state IN ('requested', 'received', 'awaiting-information', 'accepted', 'scheduled', 'in-transit', 'no-show', 'arrived', 'completed', 'closed', 'rejected', 'redirected', 'withdrawn', 'lapsed', 'stopped', 'entered-in-error')),
  priority text NOT NULL,
  requester text NOT NULL,
  owner text NOT NULL,
  patient text NOT NULL,
  authored_on timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  -- Prevents an offer of a facility to itself standing as a request nobody else sees.
  CONSTRAINT offer_to_another CHECK (owner <> requester)
);
-- Prevents two facilities from being asked for one patient at once.
CREATE UNIQUE INDEX offer_one_open ON offer (referral) WHERE state IN ('requested', 'received', 'awaiting-information', 'accepted', 'scheduled', 'in-transit', 'no-show', 'arrived');
CREATE INDEX offer_referral ON offer (referral);
CREATE INDEX offer_owner_open ON offer (owner, updated_at DESC, id) WHERE state IN ('requested', 'received', 'awaiting-information', 'accepted', 'scheduled', 'in-transit', 'no-show', 'arrived');
CREATE INDEX offer_requester_open ON offer (requester, updated_at DESC, id) WHERE state IN ('requested', 'received', 'awaiting-information', 'accepted', 'scheduled', 'in-transit', 'no-show', 'arrived', 'completed');

-- What happened: append-only.

CREATE TABLE event (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  txid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  at timestamptz NOT NULL,
  type text NOT NULL,
  id text NOT NULL,
  version int NOT NULL,
  move text NOT NULL,
  from_state text,
  to_state text,
  party text,
  facility text NOT NULL,
  client text NOT NULL,
  network text,
  referral text,
  reason_code text,
  reason_text text
);
CREATE INDEX event_document ON event (type, id, seq);
CREATE INDEX event_referral ON event (referral, seq) WHERE referral IS NOT NULL;

CREATE TABLE change (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  txid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  at timestamptz NOT NULL,
  type text NOT NULL,
  id text NOT NULL,
  version int NOT NULL,
  kind text NOT NULL CHECK (kind IN ('create', 'update', 'delete'))
);
CREATE INDEX change_order ON change (txid, seq);

CREATE TABLE audit (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL,
  actor text,
  client text,
  action text NOT NULL,
  type text,
  id text,
  version int,
  request_id text,
  details jsonb
);
CREATE INDEX audit_at ON audit (at);

-- Systems that may ask for tokens.

CREATE TABLE client (
  id text CONSTRAINT client_pkey PRIMARY KEY,
  facility text NOT NULL,
  name text NOT NULL,
  scope text NOT NULL,
  jwks jsonb NOT NULL,
  active boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL
);

CREATE TABLE access_token (
  hash bytea PRIMARY KEY,
  client text NOT NULL REFERENCES client,
  scope text NOT NULL,
  issued_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL
);
CREATE INDEX access_token_expiry ON access_token (expires_at);

CREATE TABLE assertion_id (
  client text NOT NULL,
  jti text NOT NULL,
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (client, jti)
);
CREATE INDEX assertion_id_expiry ON assertion_id (expires_at);
