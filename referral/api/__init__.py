"""The service over HTTP: one file per interaction or operation, and the one table of errors."""
