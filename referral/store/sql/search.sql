-- What the matches of one page bring along. $1 the facility that looks, $2 the type and $3 the ids of the page; $4, $5 parameters and
-- target types to follow (no type: any); $6, $7 types and parameters that point here; $8 the types that may come along; $9 how many
-- at most.
-- name: included
SELECT type, id, content FROM included_documents($1, $2, $3, $4, $5, $6, $7, $8, $9)

-- One page of a worklist and what it brings along; see `open_work` in the migration.
-- name: open_work
SELECT matches, along, more, last_at FROM open_work($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
