"""Counts how often somebody does something in a stretch of time, without keeping who it was.

A row of `allowance` is named by a keyed hash of what is done and who does it, and goes when its time is over: nobody
can read an address or a network back from it. Signing up, forms and links by mail are limited with it.
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from newsletter.database.outside import allowance


@dataclass(frozen=True, slots=True)
class Use:
    """Something that may be done so often.

    Attributes:
        what: What is done, such as `network`.
        who: Who does it, such as a network; hashed before it is stored.
        most: How often in one stretch.
        lasts: How long a stretch is; it begins with the first use.
    """

    what: str
    who: str
    most: int
    lasts: timedelta

    def named(self, secret: bytes) -> bytes:
        """The keyed hash that names its row."""
        return hmac.digest(secret, f"allowance\0{self.what}\0{self.who}".encode(), "sha256")


@dataclass(frozen=True, slots=True)
class Refused:
    """A use that was one too many.

    Attributes:
        use: Which.
        until: When the next stretch begins.
    """

    use: Use
    until: datetime


def find_refused(connection: sa.Connection, uses: Sequence[Use], *, secret: bytes, now: datetime) -> Refused | None:
    """The first of these uses that would be one too many; only reads, so that a flood costs no writing."""
    counted = _read(connection, uses, secret, now)
    for use in uses:
        used, until = counted.get(use.named(secret), (0, now))
        if used >= use.most:
            return Refused(use, until)
    return None


def spend(connection: sa.Connection, uses: Sequence[Use], *, secret: bytes, now: datetime) -> Refused | None:
    """Count all of these uses; or none of them, if one would be one too many.

    Args:
        connection: A writing transaction that writes alone.
        uses: What is done, each by another name.
        secret: The project's secret key.
        now: When.

    Returns:
        What was one too many; None if all were counted.
    """
    if refused := find_refused(connection, uses, secret=secret, now=now):
        return refused
    counted = _read(connection, uses, secret, now)
    names = [use.named(secret) for use in uses]
    connection.execute(sa.delete(allowance).where(allowance.c.name.in_(names), allowance.c.until <= now))
    for use, name in zip(uses, names, strict=True):
        if name in counted:
            more = sa.update(allowance).where(allowance.c.name == name).values(used=allowance.c.used + 1)
            connection.execute(more)
        else:
            connection.execute(sa.insert(allowance).values(name=name, used=1, until=now + use.lasts))
    return None


def expire_allowances(connection: sa.Connection, *, now: datetime) -> int:
    """Delete what was counted in stretches that are over; says how many rows there were."""
    return connection.execute(sa.delete(allowance).where(allowance.c.until <= now)).rowcount


def _read(
    connection: sa.Connection, uses: Sequence[Use], secret: bytes, now: datetime
) -> dict[bytes, tuple[int, datetime]]:
    """How often each was used, and until when, in stretches that are not over."""
    rows = connection.execute(
        sa.select(allowance).where(allowance.c.name.in_([use.named(secret) for use in uses]), allowance.c.until > now)
    )
    return {row.name: (row.used, row.until) for row in rows}
