"""The front door for readers, who come with the links of their messages: leave, choose, see, delete."""

import datetime as dt
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from newsletter.project import Project

if TYPE_CHECKING:
    from newsletter.audience.privacy import Erased
    from newsletter.database.connection import Database


class Readers:
    """What readers do themselves."""

    def __init__(
        self,
        project: Project,
        database: "Callable[[], AbstractContextManager[Database]]",
        clock: Callable[[], dt.datetime],
        erase: "Callable[[str], Erased]",
    ) -> None:
        self._project = project
        self._database = database
        self._clock = clock
        self._erase = erase
