"""The front door to the forms of a project: take an entry, tell the team, list, export, let go."""

import datetime as dt
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from newsletter.project import Project

if TYPE_CHECKING:
    from newsletter.database.connection import Database


class Forms:
    """The forms of one project."""

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
