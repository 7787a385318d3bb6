DROP FUNCTION keep_replay(jsonb);
DROP FUNCTION find_replay(jsonb);
DROP TABLE replay;
