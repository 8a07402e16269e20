"""The engine: keeps mailings moving until there is nothing to do, through crashes, outages and other workers.

It knows nothing of editions and messages. It sees to it that this process may send (`presence.py`), puts right what
dead workers left, asks again and again for the next step of each mailing, and waits in between. All that must survive
is in the ledger and in the rows of mailings, so there is no queue that could be lost: whatever is due is found anew.
`docs/explanation/engine.md` says why this and no engine from the shelf.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from newsletter.errors import DatabaseUnavailableError, MailingBusyError, NewsletterError
from newsletter.sending import mailings
from newsletter.sending.presence import present, reap
from newsletter.sending.run import Run

Step = Callable[[int], datetime | None]
"""Does what is due of a mailing; says when to ask again, or None if there is nothing more to do."""

_GLANCE: Final = 0.2
"""Seconds between two looks at whether to stop."""

_NEWS: Final = 1.0
"""Seconds between two looks for new mailings, and at those that others work on."""


def see_through(run: Run, mailing_id: int, step: Step, watch: Callable[[], bool]) -> None:
    """Do the steps of one mailing until it is over, the run is stopped, or only a far-off retry is left.

    Where another process sends from an SQLite file, its work is watched; when it ends, this one takes over.

    Args:
        run: Whose.
        mailing_id: The mailing.
        step: Does what is due.
        watch: Looks on; says whether the mailing is still under way.

    Raises:
        NewsletterError: As `step` does.
    """
    while not run.stop():
        try:
            with present(run.database, run.worker, run.clock, lease=run.lease):
                _work(run, lambda: [mailing_id], step)
                return
        except MailingBusyError:
            if not watch():
                return
            run.sleep(_GLANCE)


def serve(run: Run, step: Step, *, drain: bool) -> None:
    """Do the steps of all mailings, now and later.

    Args:
        run: Whose.
        step: Does what is due of a mailing; its errors are that mailing's.
        drain: Whether to end when nothing is held or sending any more.

    Raises:
        MailingBusyError: Another process sends from this SQLite file.
        DatabaseError: The database cannot be used.
    """

    def due() -> list[int]:
        with run.database.read() as connection:
            return [mailing.id for mailing in mailings.under_way(connection)]

    with present(run.database, run.worker, run.clock, lease=run.lease):
        _work(run, due, step, drain=drain)


def _work(run: Run, due: Callable[[], list[int]], step: Step, *, drain: bool = True) -> None:
    """Ask for the next step of each mailing that is due until there is none, or the run is stopped."""
    failing_since: datetime | None = None
    looks: dict[int, datetime] = {}
    while not run.stop():
        try:
            reap(run.database, now=run.clock(), lease=run.lease)
            looks = _look(run, due(), step, looks)
        except DatabaseUnavailableError:
            failing_since = failing_since or run.clock()
            if run.waits is not None and run.clock() - failing_since >= run.patience:
                raise
            _wait(run, _NEWS)
            continue
        failing_since = None
        if drain and not looks:
            return
        soonest = min(looks.values(), default=run.clock() + timedelta(seconds=_NEWS))
        _wait(run, min((soonest - run.clock()).total_seconds(), _NEWS))


def _look(run: Run, due: list[int], step: Step, looks: dict[int, datetime]) -> dict[int, datetime]:
    """Do the steps of those whose time has come; says when to look at each again."""
    later: dict[int, datetime] = {}
    for mailing in due:
        at = looks.get(mailing)
        if at is None or at <= run.clock():
            at = None if run.stop() else step(mailing)
        if at is not None:
            later[mailing] = at
    return later


def _wait(run: Run, seconds: float) -> None:
    """Wait, and look at whether to stop."""
    while seconds > 0 and not run.stop():
        run.sleep(min(seconds, _GLANCE))
        seconds -= _GLANCE


def separately(run: Run, step: Step, give_up: Callable[[int, str], bool]) -> Step:
    """A step whose errors end the work on that mailing only; `give_up` says whether it could write that down."""
    told: dict[int, str] = {}

    def tried(mailing: int) -> datetime | None:
        try:
            again = step(mailing)
        except DatabaseUnavailableError:
            raise
        except NewsletterError as error:
            why = str(error)
            if give_up(mailing, why) or told.get(mailing) != why:  # what is held cannot be paused: it is told once
                run.notice(f"Mailing {mailing}: {why}")
            told[mailing] = why
            return None
        told.pop(mailing, None)
        return again

    return tried
