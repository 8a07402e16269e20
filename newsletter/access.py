"""The front door for other programs: tokens that they come with, webhooks by which they are told."""

import datetime as dt
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from newsletter.project import Project

if TYPE_CHECKING:
    from newsletter.database.connection import Database


class Access:
    """How other programs reach one project, and are told."""

    def __init__(
        self,
        project: Project,
        database: "Callable[[], AbstractContextManager[Database]]",
        clock: Callable[[], dt.datetime],
    ) -> None:
        self._project = project
        self._database = database
        self._clock = clock

    def call_due(self, *, stop: Callable[[], bool] = lambda: False) -> None:
        """Call the webhooks that are due."""

    def expire(self) -> None:
        """Let go what was kept long enough."""
