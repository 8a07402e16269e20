"""The front door to the editions on the web: pages, series, pictures; published, corrected, withdrawn."""

import datetime as dt
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from newsletter.project import Project

if TYPE_CHECKING:
    from newsletter.database.connection import Database


class Publications:
    """The public editions of one project."""

    def __init__(
        self,
        project: Project,
        database: "Callable[[], AbstractContextManager[Database]]",
        clock: Callable[[], dt.datetime],
    ) -> None:
        self._project = project
        self._database = database
        self._clock = clock
