"""When what was told «not now» is tried again, and how fast messages may leave, over all workers together."""

import hashlib
from datetime import timedelta
from typing import Final

import sqlalchemy as sa

from newsletter.database.clock import database_time
from newsletter.database.connection import Database
from newsletter.database.schema import pace

MOST_TRIES: Final = 10
"""After so many a delivery is refused: nearly a day has gone by, and nobody waits for an old newsletter."""

_LONGEST: Final = timedelta(hours=6)

_FIRST: Final = {
    "4.2.2": timedelta(minutes=30),  # the mailbox is full: its owner has to do something
    "4.7.": timedelta(minutes=5),  # greylisting and limits: most servers want about that (RFC 6647 section 4.4)
    "4.3.": timedelta(minutes=2),  # their system is busy or short of something
    "4.4.": timedelta(minutes=1),  # the network on the way
}
"""The first wait after a temporary failure, by the beginning of its enhanced status code (RFC 3463)."""

_OTHERWISE: Final = timedelta(minutes=3)

_STRETCH: Final = 0.25
"""Seconds of sending that one booking of the pace covers."""


def wait_after(status: str | None, tries: int, delivery: int) -> timedelta:
    """How long to wait before a delivery is tried again.

    Each wait is twice the one before, and up to a quarter longer by chance, so that not all come back at once. The
    chance is drawn from the delivery, so that the same failure always waits as long.

    Args:
        status: The enhanced status code, if there was one.
        tries: Those made so far, at least 1.
        delivery: Its row.
    """
    first = next((wait for start, wait in _FIRST.items() if status and status.startswith(start)), _OTHERWISE)
    drawn = hashlib.sha256(f"{delivery} {tries}".encode()).digest()[0] / 255
    doubled: timedelta = min(first * (1 << (tries - 1)), _LONGEST)
    return doubled * (1 + drawn / 4)


class Pace:
    """Keeps all workers together to so many messages a second.

    Args:
        database: Where the one row is that all workers share.
        rate: Messages a second.
    """

    _NAME = "messages"

    def __init__(self, database: Database, rate: float) -> None:
        self._database = database
        self._rate = rate

    def book(self, wanted: int) -> tuple[int, float]:
        """Take the next places in the row of messages.

        Returns:
            How many messages may leave, at most `wanted`, and in how many seconds.
        """
        places = max(1, min(wanted, int(self._rate * _STRETCH)))
        lasts = places / self._rate
        with self._database.write(shared=True) as connection:
            now = connection.execute(sa.select(database_time(connection))).scalar_one()
            free_at = sa.case((pace.c.free_at > now, pace.c.free_at), else_=now) + lasts
            move = sa.update(pace).where(pace.c.name == self._NAME).values(free_at=free_at).returning(pace.c.free_at)
            end = connection.scalar(move)
            if end is None:  # the first message of all, for one of the workers
                first = "INSERT INTO pace (name, free_at) VALUES (:name, 0) ON CONFLICT (name) DO NOTHING"
                connection.execute(sa.text(first), {"name": self._NAME})
                end = connection.execute(move).scalar_one()
        return places, max(0.0, end - lasts - now)
