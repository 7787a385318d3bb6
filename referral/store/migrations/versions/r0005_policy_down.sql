DROP FUNCTION offers_ahead(text[]), answer_times();
DROP INDEX capacity_waitlist;
DROP TRIGGER network_policy ON network;
DROP FUNCTION keep_policy_version();
-- 0.3.0 knows one policy: that of today.
UPDATE network n SET policy = v.mapping
FROM (
  SELECT DISTINCT ON (network) network, mapping FROM policy_version
  WHERE number = 1 OR valid_from <= (now() AT TIME ZONE 'UTC')::date
  ORDER BY network, valid_from DESC NULLS LAST, number DESC
) v WHERE v.network = n.id;
DROP TABLE policy_version;
