-- As every function is at first; what they are is in r0001_functions.sql.
GRANT EXECUTE ON FUNCTION load_for_write(jsonb), apply_changes(jsonb) TO PUBLIC;
