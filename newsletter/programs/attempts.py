"""Counts what other programs may do only so often: come with a wrong token, and have letters sent to people."""

import math
from datetime import datetime, timedelta
from typing import Final

from newsletter.audience.allowances import Use, find_refused, spend
from newsletter.database.connection import Database
from newsletter.errors import TooManyAttemptsError

_WRONG_TOKENS: Final = 30
_WINDOW: Final = timedelta(minutes=10)
"""Wrong tokens that may come from one network, and in how long a time."""

_TO_ONE: Final = 10


def count_wrong_token(database: Database, network: str, *, secret: bytes, now: datetime) -> None:
    """Count a wrong token; once there are too many nothing more is written, so that trying costs us little.

    Raises:
        TooManyAttemptsError: There were too many lately.
    """
    use = Use("wrong token", network, _WRONG_TOKENS, _WINDOW)
    with database.read() as connection:
        refused = find_refused(connection, [use], secret=secret, now=now)
    if refused is None:
        with database.write() as connection:
            refused = spend(connection, [use], secret=secret, now=now)
    if refused is not None:
        what = "Too many wrong tokens came from your network. Wait, and see that your token is right."
        raise TooManyAttemptsError(what, wait=seconds_until(refused.until, now))


def letters_of(token: int, most: int) -> Use:
    """The letters that a program has us send, counted by its token; as many in an hour as all visitors together may."""
    return Use("letters of a program", str(token), most, timedelta(hours=1))


def letters_to(mailbox: str) -> Use:
    """The letters that programs have us send to one mailbox, in however many spellings."""
    return Use("letters to a mailbox", mailbox, _TO_ONE, timedelta(days=1))


def seconds_until(moment: datetime, now: datetime) -> int:
    """Whole seconds until a moment, at least one."""
    return max(1, math.ceil((moment - now).total_seconds()))
