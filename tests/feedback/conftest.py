"""Fixtures of the tests of what comes back."""

from tests.database.opened import database, database_url, empty_file, server, sqlite_database, template

__all__ = ["database", "database_url", "empty_file", "server", "sqlite_database", "template"]
