-- What stands in r0001_directory.sql is put back from there.
DROP INDEX document_directory;
