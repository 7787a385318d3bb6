DROP FUNCTION load_each(jsonb);
