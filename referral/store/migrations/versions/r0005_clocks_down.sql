DROP FUNCTION due_deadlines(timestamptz, int, int), fire_deadlines(timestamptz, jsonb), take_referral(text), postpone_deadline(text, text, timestamptz),
  without_deadline(text, int), clock_counts(timestamptz);
DROP TABLE deadline;
