-- Attachments: bytes, equal ones once, and which version of a Binary holds which. The service has no right to either table, and
-- reads and writes them by the functions below, which ask for the actor.

CREATE TABLE blob (
  sha256 bytea PRIMARY KEY,
  -- What documents say of them (Attachment.hash); nothing is secured by it.
  sha1 bytea NOT NULL,
  size int NOT NULL,
  -- As they were first sent: to see what takes the room. Each Binary has its own in its content.
  media_type text NOT NULL,
  content bytea NOT NULL,
  -- this prevents bytes that are found under the name of others
  CONSTRAINT blob_is_its_hash CHECK (sha256 = sha256(content)),
  -- this prevents empty attachments
  CONSTRAINT blob_size CHECK (size = octet_length(content) AND size > 0 AND octet_length(sha1) = 20)
);
-- Most are compressed already, and a part of them is read without the rest.
ALTER TABLE blob ALTER COLUMN content SET STORAGE EXTERNAL;

CREATE TABLE attachment (
  id text NOT NULL,
  version int NOT NULL,
  sha256 bytea NOT NULL REFERENCES blob,
  PRIMARY KEY (id, version)
);
CREATE INDEX attachment_blob ON attachment (sha256);

-- To whom something is given that may have attachments: the types of ATTACHED_AT in fhir/attachment.py.
CREATE INDEX access_attached ON access (type, id) WHERE scope <> 'owner' AND until IS NULL
  AND type IN ('Communication', 'Consent', 'DiagnosticReport', 'DocumentReference', 'Patient', 'RelatedPerson');

-- Gives bytes to a version of a Binary, which the facility that the connection acts for has just written.
CREATE FUNCTION keep_blob(p_id text, p_version int, p_media_type text, p_sha1 bytea, p_content bytea) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
  hash CONSTANT bytea := sha256(p_content);
BEGIN
  IF NOT EXISTS (
    SELECT FROM document d WHERE d.type = 'Binary' AND d.id = p_id AND d.version = p_version AND d.txid = pg_current_xact_id()
      AND d.owner = current_setting('referral.actor', true)
  ) THEN
    RAISE EXCEPTION 'bytes are given to a Binary of the actor, as it is written' USING ERRCODE = '42501';
  END IF;
  INSERT INTO blob (sha256, sha1, size, media_type, content) VALUES (hash, p_sha1, octet_length(p_content), p_media_type, p_content)
  ON CONFLICT (sha256) DO NOTHING;
  INSERT INTO attachment (id, version, sha256) VALUES (p_id, p_version, hash);
END $$;

-- What Binaries hold, of those that the facility sees that the connection acts for.
CREATE FUNCTION find_blobs(p_ids text[]) RETURNS TABLE (id text, size int, sha1 bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT d.id, b.size, b.sha1
  FROM document d JOIN attachment t ON t.id = d.id AND t.version = d.version JOIN blob b ON b.sha256 = t.sha256
  WHERE d.type = 'Binary' AND d.id = ANY (p_ids) AND NOT d.deleted
    AND EXISTS (SELECT FROM access a WHERE a.facility = current_setting('referral.actor', true) AND a.type = 'Binary' AND a.id = d.id
                AND a.until IS NULL OFFSET 0)
$$;

-- At most p_length bytes of a version, from p_start on (0: the first), for who sees the Binary now.
CREATE FUNCTION read_blob(p_actor text, p_id text, p_version int, p_start int, p_length int) RETURNS TABLE (size int, part bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT b.size, substring(b.content FROM p_start + 1 FOR p_length)
  FROM attachment t JOIN blob b ON b.sha256 = t.sha256
  WHERE t.id = p_id AND t.version = p_version
    AND EXISTS (SELECT FROM access a WHERE a.facility = p_actor AND a.type = 'Binary' AND a.id = p_id AND a.until IS NULL OFFSET 0)
$$;

REVOKE ALL ON FUNCTION keep_blob(text, int, text, bytea, bytea), find_blobs(text[]), read_blob(text, text, int, int, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION keep_blob(text, int, text, bytea, bytea), find_blobs(text[]), read_blob(text, text, int, int, int)
  TO referral_service;
