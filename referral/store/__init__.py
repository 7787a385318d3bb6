"""The only place that talks to PostgreSQL. It sees bytes and typed values, never FHIR models."""
