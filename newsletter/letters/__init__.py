"""Single messages to one person outside any mailing, queued in the database so that no crash loses one."""

import datetime as dt
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from newsletter.project import Project

if TYPE_CHECKING:
    from newsletter.database.connection import Database


class Letters:
    """The letters of one project."""

    def __init__(
        self,
        project: Project,
        database: "Callable[[], AbstractContextManager[Database]]",
        clock: Callable[[], dt.datetime],
    ) -> None:
        self._project = project
        self._database = database
        self._clock = clock

    def deliver_due(self, *, stop: Callable[[], bool] = lambda: False) -> None:
        """Send the letters that are due."""

    def expire(self) -> None:
        """Let go what was kept long enough."""
