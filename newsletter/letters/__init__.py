"""Single messages to one person outside any mailing, queued in the database so that no crash loses one.

Others write a letter down in the transaction that promises it (`queue.write_letter`); it leaves soon after, by whoever
calls `deliver_due`: the server beside its pages, a worker, or the command `newsletter letters deliver`.
"""

import contextlib
import datetime as dt
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import cached_property
from typing import TYPE_CHECKING, Final

from newsletter.door import Door
from newsletter.errors import NewsletterError
from newsletter.project import Project

if TYPE_CHECKING:
    from newsletter.database.connection import Database
    from newsletter.letters.delivering import Delivered
    from newsletter.letters.standing import Standing
    from newsletter.letters.stationery import Stationery
    from newsletter.sending.senders.protocol import Sender
    from newsletter.tokens import Signer

_LOG: Final = logging.getLogger(__name__)

_BETWEEN: Final = 5
"""Seconds between looking for letters beside other work."""

_FIRST_PAUSE: Final = dt.timedelta(seconds=5)
_LONGEST_PAUSE: Final = dt.timedelta(minutes=5)


class Letters(Door):
    """The letters of one project; kept as long as the project is open, since it keeps what letters are written on.

    Args:
        project: Whose settings, theme, key and sender are used.
        database: Opens its database.
        clock: Tells the time.
    """

    def __init__(
        self,
        project: Project,
        database: "Callable[[], AbstractContextManager[Database]]",
        clock: Callable[[], dt.datetime],
    ) -> None:
        super().__init__(project, database, clock)
        self._pause: dt.timedelta | None = None
        self._not_before: dt.datetime | None = None

    def deliver_due(self, *, stop: Callable[[], bool] = lambda: False) -> "Delivered":
        """Send the letters that are due; several processes may do so at once.

        A sender that does not work is left alone for a while, each time twice as long, up to five minutes: nothing is
        sent then, and a call does nothing.

        Args:
            stop: Whether to stop; what is in flight is finished first.

        Raises:
            ConfigError: The settings of the sender are wrong.
            SenderError: The sender of another package does not work.
            DatabaseError: The database cannot be used.
        """
        from newsletter.letters.delivering import Delivered, Delivery

        if self._not_before is not None and self._clock() < self._not_before:
            return Delivered()
        with self._database() as database:
            round_ = Delivery(database, self._stationery, self._signer, self._open_sender, clock=self._clock, stop=stop)
            try:
                delivered = round_.run()
            except NewsletterError:
                self._rest()
                raise
        if delivered.problem is not None:
            self._rest()
        elif delivered != Delivered():
            self._pause = self._not_before = None
        return delivered

    def attend(self, *, stop: Callable[[], bool] = lambda: False) -> None:
        """As `deliver_due`, beside other work: what keeps letters from leaving is said in the log, where people look.

        Args:
            stop: Whether to stop; what is in flight is finished first.
        """
        try:
            delivered = self.deliver_due(stop=stop)
        except NewsletterError as error:
            _LOG.warning("letters: %s", error)
            return
        if delivered.problem is not None:
            _LOG.warning("letters wait, and are tried again: %s", delivered.problem)
        if delivered.failed:
            _LOG.warning("letters: %d given up. See why:  newsletter letters", delivered.failed)

    @contextlib.contextmanager
    def delivered_meanwhile(self, stop: Callable[[], bool]) -> Iterator[None]:
        """Send what is due beside other work, now and every few seconds, in a thread of its own.

        Args:
            stop: Whether to stop; what is in flight is finished first.
        """
        ended = threading.Event()

        def deliver() -> None:
            while True:
                self.attend(stop=stop)
                if ended.wait(_BETWEEN) or stop():
                    return

        thread = threading.Thread(target=deliver, name="letters", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def standing(self) -> "Standing":
        """What waits, what was given up, and how many have left lately."""
        from newsletter.letters.standing import read_standing

        with self._database() as database, database.read() as connection:
            return read_standing(connection)

    def expire(self) -> None:
        """Let go what was kept long enough: what is left of letters after 35 days."""
        from newsletter.letters.taking import any_old, forget_old

        with self._database() as database:
            with database.read() as connection:
                if not any_old(connection, now=self._clock()):
                    return
            with database.write() as connection:
                forget_old(connection, now=self._clock())

    @cached_property
    def _signer(self) -> "Signer":
        from newsletter.tokens import Signer

        return Signer(self._project.secret_key())

    @cached_property
    def _stationery(self) -> "Stationery":
        from newsletter.letters.stationery import Stationery

        return Stationery(self._project, self._signer)

    def _open_sender(self) -> "Sender":
        from newsletter.sending.senders import open_sender

        return open_sender(self._project, self._project.settings.sender.kind)

    def _rest(self) -> None:
        """Leave the sender alone for a while, twice as long as the last time."""
        self._pause = _FIRST_PAUSE if self._pause is None else min(self._pause * 2, _LONGEST_PAUSE)
        self._not_before = self._clock() + self._pause
