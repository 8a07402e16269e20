"""The fixtures of this room's tests."""

from tests.chaos.arena import arena, crowd, nursery, postgresql_arena
from tests.database.opened import database, database_url, empty_file, server, template

__all__ = [
    "arena",
    "crowd",
    "database",
    "database_url",
    "empty_file",
    "nursery",
    "postgresql_arena",
    "server",
    "template",
]
