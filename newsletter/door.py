"""What every front door holds; the doors stand between `app.py` and the rooms, one for each thing that people do."""

import datetime as dt
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from newsletter.project import Project

if TYPE_CHECKING:
    from newsletter.database.connection import Database


class Door:
    """A way into one project: wiring, no logic.

    Args:
        project: Whose settings and key are used.
        database: Opens its database.
        clock: Tells the time.
    """

    def __init__(
        self,
        project: Project,
        database: "Callable[[], AbstractContextManager[Database]]",
        clock: Callable[[], dt.datetime],
    ) -> None:
        self._project = project
        self._database = database
        self._clock = clock
