DROP FUNCTION kept_by(text, text, text[], text[], text[]);
DROP FUNCTION type_history(text, text, timestamptz, xid8, xid8, bigint, int, int);
DROP FUNCTION first_change(text, timestamptz);
DROP INDEX change_at;
DROP INDEX change_type;
