"""The fixtures of this room's tests."""

from tests.audience.imports import import_bytes, import_sqlite
from tests.database.opened import database, database_url, empty_file, server, sqlite_database, template

__all__ = [
    "database",
    "database_url",
    "empty_file",
    "import_bytes",
    "import_sqlite",
    "server",
    "sqlite_database",
    "template",
]
