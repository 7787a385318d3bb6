-- Writes that come at once are loaded in one message, and written in one transaction.

-- requests: [as load_for_write takes it], each for its own `actor`; n: its place among them, from 1.
-- It looks over the wall no further than each of them would alone.
CREATE FUNCTION load_each(requests jsonb)
RETURNS TABLE (n int, kind text, type text, id text, version int, visible boolean, owner text, content text, data jsonb)
LANGUAGE plpgsql AS $$
BEGIN
  FOR place IN 0 .. jsonb_array_length(requests) - 1 LOOP
    PERFORM set_config('referral.actor', requests->place->>'actor', true);
    RETURN QUERY SELECT place + 1, l.* FROM load_for_write(requests->place) l;
  END LOOP;
END $$;
REVOKE ALL ON FUNCTION load_each(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION load_each(jsonb) TO referral_service;
