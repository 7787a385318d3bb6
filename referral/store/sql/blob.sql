-- name: keep
SELECT keep_blob($1, $2, $3, $4, $5)

-- name: find
SELECT id, size, sha1 FROM find_blobs($1)

-- name: read
SELECT size, part FROM read_blob($1, $2, $3, $4, $5)
