"""The front door of signing up: ask, confirm, within limits; wiring only, like `app.py`."""

import datetime as dt
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from newsletter.project import Project

if TYPE_CHECKING:
    from newsletter.database.connection import Database


class SignUps:
    """Signing up for the lists of one project."""

    def __init__(
        self,
        project: Project,
        database: "Callable[[], AbstractContextManager[Database]]",
        clock: Callable[[], dt.datetime],
    ) -> None:
        self._project = project
        self._database = database
        self._clock = clock

    def expire(self) -> None:
        """Let go what was kept long enough."""
