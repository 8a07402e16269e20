"""Brings a database from any version to the newest, with Alembic.

A new migration: change `schema.py`, write `versions/<number>_<what>.py` by the pattern of the last one, add the number
to `schema.VERSIONS`. The tests compare what the migrations make with what the schema says.
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config


def configuration(connection: sa.Connection | None = None) -> Config:
    """Alembic's settings, for one open connection."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def migrate(connection: sa.Connection) -> None:
    """Run what is missing inside the transaction of this connection, so that all of it happens or nothing."""
    command.upgrade(configuration(connection), "head")
