-- What stands in r0002_functions.sql is put back from there.
DROP FUNCTION index_documents(text[], text[], jsonb, jsonb), open_references(jsonb), is_about(text, text, text),
  held_through(text, text, text), may_give(text, text, text, text), end_onward(jsonb);
