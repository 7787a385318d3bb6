-- What the parties did, as the connection's actor sees it: the wall shows events of what it sees. Texts of reasons stand in what was
-- moved, too, but not whom the clock would ask next: that is for who could ask, the sender and the office. Who said no is not told
-- how long the referral waits.
-- name: of
SELECT e.seq, e.at, e.type, e.id, e.version, e.referral, e.move, e.party, e.facility, e.reason_code,
  CASE WHEN e.move NOT IN ('warn', 'escalate') OR EXISTS (
    SELECT FROM referral r WHERE r.id = e.referral AND current_setting('referral.actor', true) IN (r.sender, r.network)
  ) THEN e.reason_text END
FROM event e
WHERE (e.type = 'Task' AND e.id = ANY ($2::text[]) OR e.referral = ANY ($1::text[]))
  AND is_told(e) AND (e.type = 'Task' OR e.move NOT IN ('warn', 'escalate') OR follows(e.referral))
ORDER BY e.seq LIMIT $3

-- name: one
SELECT e.seq, e.at, e.type, e.id, e.version, e.referral, e.move, e.party, e.facility, e.reason_code,
  CASE WHEN e.move NOT IN ('warn', 'escalate') OR EXISTS (
    SELECT FROM referral r WHERE r.id = e.referral AND current_setting('referral.actor', true) IN (r.sender, r.network)
  ) THEN e.reason_text END
FROM event e
WHERE e.seq = $1
  AND is_told(e) AND (e.type = 'Task' OR e.move NOT IN ('warn', 'escalate') OR follows(e.referral))
