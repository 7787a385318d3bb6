DROP FUNCTION kept_by(text, text, text[], text[], text[]);
DROP FUNCTION type_history(text, text, timestamptz, xid8, xid8, bigint, int, int);
DROP FUNCTION first_change(text, timestamptz);
DROP INDEX change_at;
DROP INDEX change_type;
UPDATE change SET kind = CASE kind WHEN 'put' THEN 'create' ELSE 'update' END WHERE kind IN ('put', 'restore');
ALTER TABLE change DROP CONSTRAINT change_kind_check,
  ADD CONSTRAINT change_kind_check CHECK (kind IN ('create', 'update', 'delete')) NOT VALID;
