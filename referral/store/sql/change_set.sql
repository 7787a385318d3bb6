-- name: load
SELECT kind, type, id, version, visible, owner, content, data FROM load_for_write($1)

-- name: load_each
SELECT n, kind, type, id, version, visible, owner, content, data FROM load_each($1)

-- name: apply
SELECT apply_changes($1)
