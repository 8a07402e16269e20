"""The fixtures of this room's tests."""

from tests.database.opened import database, empty_file

__all__ = ["database", "empty_file"]
