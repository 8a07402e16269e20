"""Reads when somebody wants a mailing to leave, as people write it, and says no to times that do not exist."""

import datetime as dt
import re
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from newsletter.errors import UsageError

_FAR: Final = dt.timedelta(days=366)

_WHEN: Final = re.compile(
    r"(?:(?P<day>\d{4}-\d\d-\d\d|today|tomorrow|[a-z]+)(?:[ t]+|$))?"
    r"(?P<time>\d{1,2}:\d\d(?::\d\d)?)?"
    r"\s*(?P<offset>z|utc|[+-]\d\d:?\d\d)?"
    r"(?:\s*(?P<zone>[a-z_]+/[a-z_/+-]+))?",
    re.IGNORECASE,
)
_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_HOW: Final = 'Write for example "2026-11-28 09:00", "tomorrow 09:00" or "2026-11-28 09:00 Africa/Nairobi".'


def read_when(text: str, *, zone: str, now: dt.datetime) -> dt.datetime:
    """The moment that a text means.

    Args:
        text: A day and a time; the zone may stand after them, as `+03:00`, `UTC` or `Africa/Nairobi`.
        zone: Where the text does not say one: the newsletter's.
        now: The time, with its zone.

    Returns:
        The moment, in the zone that the text means.

    Raises:
        UsageError: It is none, it is past or more than a year ahead, or the clocks make it doubtful: an hour that is
            skipped, or comes twice, when they are changed.
    """
    match = _WHEN.fullmatch(text.strip())
    if match is None or not match["time"]:
        raise UsageError(f"«{text}» is not a time to send at. {_HOW}")
    where = _zone(match["offset"], match["zone"], zone)
    wall = dt.datetime.combine(_day(match["day"], now.astimezone(where), text), _time(match["time"], text))
    if match["day"] is None and wall.replace(tzinfo=where) <= now:
        wall += dt.timedelta(days=1)  # a bare time means the next one
    moment = _certain(wall, where)
    if moment <= now:
        raise UsageError(f"{tell(moment)} is past. To send now, leave --at out.")
    if moment - now > _FAR:
        raise UsageError(f"{tell(moment)} is more than a year ahead. Choose an earlier time.")
    return moment


def tell(moment: dt.datetime) -> str:
    """A moment for people: `Saturday 28 November 2026, 09:00 (Africa/Nairobi)`."""
    where = str(moment.tzinfo)
    return f"{moment:%A} {moment.day} {moment:%B %Y, %H:%M} ({where})"


def _zone(offset: str | None, name: str | None, otherwise: str) -> dt.tzinfo:
    """The zone that is meant.

    Raises:
        UsageError: There is no such zone.
    """
    if offset and offset.lower() in {"z", "utc"}:
        return ZoneInfo("UTC")
    if offset:
        sign = -1 if offset[0] == "-" else 1
        hours, minutes = int(offset[1:3]), int(offset[-2:])
        if hours > 14 or minutes > 59:
            raise UsageError(f"{offset} is not a time zone. {_HOW}")
        return dt.timezone(sign * dt.timedelta(hours=hours, minutes=minutes))
    try:
        return ZoneInfo(name or otherwise)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # OSError: a folder of zones, as America/Argentina
        raise UsageError(f"There is no time zone «{name}». {_HOW}") from error


def _day(text: str | None, today: dt.datetime, whole: str) -> dt.date:
    """The day that is meant.

    Raises:
        UsageError: There is no such day.
    """
    word = (text or "today").lower()
    if word == "today":
        return today.date()
    if word == "tomorrow":
        return today.date() + dt.timedelta(days=1)
    if word in _DAYS:
        ahead = (_DAYS.index(word) - today.weekday() - 1) % 7 + 1  # never today: that would be said as today
        return today.date() + dt.timedelta(days=ahead)
    try:
        return dt.date.fromisoformat(word)
    except ValueError as error:
        raise UsageError(f"«{whole}» names no day that there is. {_HOW}") from error


def _time(text: str, whole: str) -> dt.time:
    """The time of day that is meant.

    Raises:
        UsageError: There is no such time.
    """
    try:
        return dt.time.fromisoformat(text.zfill(5) if text.count(":") == 1 else text.zfill(8))
    except ValueError as error:
        raise UsageError(f"«{whole}» names no time that there is. {_HOW}") from error


def _certain(wall: dt.datetime, where: dt.tzinfo) -> dt.datetime:
    """The one moment at which clocks show a time.

    Raises:
        UsageError: They never show it, or twice (PEP 495).
    """
    first, second = wall.replace(tzinfo=where), wall.replace(tzinfo=where, fold=1)
    if first.utcoffset() == second.utcoffset():
        return first
    after = second.astimezone(dt.UTC).astimezone(where)
    if first.astimezone(dt.UTC).astimezone(where).replace(tzinfo=None, fold=0) != wall:
        before = first.astimezone(dt.UTC).astimezone(where)
        raise UsageError(
            f"On {wall:%Y-%m-%d} the clocks in {where} are put forward, and {wall:%H:%M} does not exist. "
            f"Say {after:%H:%M} or {before:%H:%M}."
        )
    offsets = [f"{each:%z}"[:3] + ":" + f"{each:%z}"[3:] for each in (first, second)]
    raise UsageError(
        f"On {wall:%Y-%m-%d} the clocks in {where} are put back, and {wall:%H:%M} comes twice. "
        f'Say which one:  --at "{wall:%Y-%m-%d %H:%M}{offsets[0]}"  or  --at "{wall:%Y-%m-%d %H:%M}{offsets[1]}"'
    )
