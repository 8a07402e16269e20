"""The fixtures of this room's tests."""

from tests.database.opened import database_url, empty_file, server, template

__all__ = ["database_url", "empty_file", "server", "template"]
