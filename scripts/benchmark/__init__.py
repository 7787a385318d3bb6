"""The benchmark behind `scripts/bench`: the service beside a bare floor, on one PostgreSQL, by one client."""
