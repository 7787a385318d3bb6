"""Clients write while the service, its database and its disk fail; then the store is checked."""
