"""Pausing: somebody who asked for no mail until some day stays on their lists, and no mailing reaches them before."""

import calendar
from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from newsletter.database.schema import subscriber
from newsletter.errors import AudienceError

PAUSED: Final = "paused"
"""Why somebody who pauses does not get an edition."""

LONGEST: Final = timedelta(days=2 * 366)
"""How long a pause may be; who wants a longer one leaves."""


def is_paused() -> sa.ColumnElement[bool]:
    """The condition on `subscriber` that they asked for no mail now, by the clock of the database.

    A moment without microseconds, as SQLite's clock gives it, sorts before the same with them: there a pause may last
    for a second longer.
    """
    return sa.func.coalesce(subscriber.c.paused_until > sa.func.current_timestamp(), sa.false())


def pause(connection: sa.Connection, person: int, until: datetime | None) -> bool:
    """Send nothing to somebody until a moment, or again as usual; says whether that was a change."""
    other = subscriber.c.paused_until.is_distinct_from(sa.literal(until, subscriber.c.paused_until.type))
    change = sa.update(subscriber).where(subscriber.c.id == person, other).values(paused_until=until)
    return connection.execute(change).rowcount == 1


def day_in(months: int, *, now: datetime, zone: str) -> date:
    """The same day of the month so many months from now; the last day of a month that is too short for it."""
    today = now.astimezone(ZoneInfo(zone)).date()
    years, month = divmod(today.month - 1 + months, 12)
    year = today.year + years
    return date(year, month + 1, min(today.day, calendar.monthrange(year, month + 1)[1]))


def until_day(day: date, *, now: datetime, zone: str) -> datetime:
    """The moment at which a pause until a day ends: when it begins where the newsletter is at home.

    Raises:
        AudienceError: That day is not in the future, or too far away.
    """
    moment = datetime.combine(day, time(), ZoneInfo(zone))
    if not now < moment <= now + LONGEST:
        raise AudienceError("A pause ends on a day after today, and within two years. Choose another day.")
    return moment
