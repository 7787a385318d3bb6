DROP TABLE id_key;
