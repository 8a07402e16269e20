"""When a mailing leaves, as people write it; times that do not exist, or exist twice, are told."""

import datetime as dt
import re
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from newsletter.errors import UsageError
from newsletter.sending.scheduling import read_when, tell

NOW = dt.datetime(2026, 11, 22, 9, 30, tzinfo=dt.UTC)  # a Sunday


def read(text: str, *, zone: str = "UTC", now: dt.datetime = NOW) -> str:
    """The moment, in UTC."""
    return f"{read_when(text, zone=zone, now=now).astimezone(dt.UTC):%Y-%m-%d %H:%M:%S}"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-28 09:00", "2026-11-28 09:00:00"),
        ("2026-11-28T09:00", "2026-11-28 09:00:00"),
        ("2026-11-28   9:00", "2026-11-28 09:00:00"),
        ("  2026-11-28 09:00:30 ", "2026-11-28 09:00:30"),
        ("2026-11-28 09:00Z", "2026-11-28 09:00:00"),
        ("2026-11-28 09:00 utc", "2026-11-28 09:00:00"),
        ("2026-11-28 09:00+03:00", "2026-11-28 06:00:00"),
        ("2026-11-28 09:00 +0300", "2026-11-28 06:00:00"),
        ("2026-11-28 09:00-05:30", "2026-11-28 14:30:00"),
        ("2026-11-28 09:00+14:00", "2026-11-27 19:00:00"),
        ("2026-11-28 09:00 Africa/Nairobi", "2026-11-28 06:00:00"),
        ("2026-11-28 09:00 America/Argentina/Buenos_Aires", "2026-11-28 12:00:00"),
        ("2026-11-28 09:00 America/Port-au-Prince", "2026-11-28 14:00:00"),
        ("today 10:00", "2026-11-22 10:00:00"),
        ("Tomorrow 09:00", "2026-11-23 09:00:00"),
        ("tomorrow 09:00 Africa/Nairobi", "2026-11-23 06:00:00"),
        ("monday 09:00", "2026-11-23 09:00:00"),
        ("Saturday 09:00", "2026-11-28 09:00:00"),
        ("sunday 23:00", "2026-11-29 23:00:00"),
        ("10:00", "2026-11-22 10:00:00"),
        ("9:31", "2026-11-22 09:31:00"),
        ("09:30", "2026-11-23 09:30:00"),
        ("08:00 Africa/Nairobi", "2026-11-23 05:00:00"),
        ("2027-11-22 09:30", "2027-11-22 09:30:00"),
    ],
)
def test_a_time_as_people_write_it(text: str, moment: str) -> None:
    assert read(text) == moment


def test_without_a_zone_the_newsletters_own_is_meant() -> None:
    assert read("2026-11-28 09:00", zone="Africa/Nairobi") == "2026-11-28 06:00:00"
    assert read("2026-11-28 09:00+01:00", zone="Africa/Nairobi") == "2026-11-28 08:00:00"


def test_today_is_the_day_where_the_text_means_it() -> None:
    late = dt.datetime(2026, 11, 22, 22, 30, tzinfo=dt.UTC)  # Monday in Nairobi
    assert read("today 09:00 Africa/Nairobi", now=late) == "2026-11-23 06:00:00"
    assert read("tomorrow 09:00", zone="Africa/Nairobi", now=late) == "2026-11-24 06:00:00"
    assert read("monday 09:00", zone="Africa/Nairobi", now=late) == "2026-11-30 06:00:00"


def test_the_moment_keeps_the_zone_that_was_meant_and_is_told_in_it() -> None:
    moment = read_when("2026-11-28 09:00 Africa/Nairobi", zone="UTC", now=NOW)
    assert moment.tzinfo == ZoneInfo("Africa/Nairobi")
    assert tell(moment) == "Saturday 28 November 2026, 09:00 (Africa/Nairobi)"
    assert tell(read_when("2026-12-01 9:05 +03:00", zone="UTC", now=NOW)).endswith("1 December 2026, 09:05 (UTC+03:00)")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "tomorrow",
        "2026-11-28",
        "2026-11-28 9",
        "2026-11-28 9am",
        "2026-11-31 09:00",
        "2026-13-01 09:00",
        "0000-01-01 09:00",
        "2026-11-28 24:00",
        "2026-11-28 09:60",
        "2026-11-28 09:00:61",
        "2026-11-28 09:00 +15:00",
        "2026-11-28 09:00 +03:60",
        "2026-11-28 09:00 EAT",
        "2026-11-28 09:00 Africa/Atlantis",
        "2026-11-28 09:00 America/Argentina",
        "2026-11-28 09:00 Africa/",
        "2026-11-28 09:00 /etc/passwd",
        "28.11.2026 09:00",
        "someday 09:00",
        "٢٠٢٦-١١-٢٨ ٠٩:٠٠",
        "tomorrow 09:00 and then some",
    ],
)
def test_what_is_no_time_is_told_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match='Write for example "2026-11-28 09:00"'):
        read(text)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("2026-11-22 09:30", "is past. To send now, leave --at out."),
        ("today 09:29", "Sunday 22 November 2026, 09:29 (UTC) is past."),
        ("2026-11-22 09:00 Africa/Nairobi", "(Africa/Nairobi) is past."),
        ("0001-01-01 00:00", "is past."),
        ("2027-11-24 09:30", "is more than a year ahead. Choose an earlier time."),
        ("9999-12-31 23:59 -14:00", "is more than a year ahead."),
    ],
)
def test_a_time_that_is_past_or_far_away_is_told(text: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=re.escape(sentence)):
        read(text)


SPRING = dt.datetime(2026, 3, 20, 12, tzinfo=dt.UTC)
AUTUMN = dt.datetime(2026, 10, 20, 12, tzinfo=dt.UTC)


def test_a_time_that_the_clocks_skip_is_told_with_those_around_it() -> None:
    with pytest.raises(UsageError) as told:
        read("2026-03-29 02:30", zone="Europe/Berlin", now=SPRING)
    assert str(told.value) == (
        "On 2026-03-29 the clocks in Europe/Berlin are put forward, and 02:30 does not exist. Say 01:30 or 03:30."
    )
    assert read("2026-03-29 01:30", zone="Europe/Berlin", now=SPRING) == "2026-03-29 00:30:00"
    assert read("2026-03-29 03:30", zone="Europe/Berlin", now=SPRING) == "2026-03-29 01:30:00"
    assert read("2026-03-29 01:59", zone="Europe/Berlin", now=SPRING) == "2026-03-29 00:59:00"
    assert read("2026-03-29 03:00", zone="Europe/Berlin", now=SPRING) == "2026-03-29 01:00:00"


def test_a_time_that_comes_twice_is_told_with_what_to_say_for_each() -> None:
    with pytest.raises(UsageError, match="are put back, and 02:30 comes twice") as told:
        read("2026-10-25 02:30", zone="Europe/Berlin", now=AUTUMN)
    first, second = re.findall(r'--at "([^"]+)"', str(told.value))
    assert read(first, zone="Europe/Berlin", now=AUTUMN) == "2026-10-25 00:30:00"
    assert read(second, zone="Europe/Berlin", now=AUTUMN) == "2026-10-25 01:30:00"
    assert read("2026-10-25 01:59", zone="Europe/Berlin", now=AUTUMN) == "2026-10-24 23:59:00"
    assert read("2026-10-25 03:00", zone="Europe/Berlin", now=AUTUMN) == "2026-10-25 02:00:00"


def test_half_an_hour_is_skipped_and_repeated_too() -> None:
    with pytest.raises(UsageError, match=r"02:15 does not exist\. Say 01:45 or 02:45"):
        read("2026-10-04 02:15 Australia/Lord_Howe", now=dt.datetime(2026, 10, 1, tzinfo=dt.UTC))
    with pytest.raises(UsageError, match=re.escape("01:45+11:00")):
        read("2026-04-05 01:45 Australia/Lord_Howe", now=dt.datetime(2026, 4, 1, tzinfo=dt.UTC))


def test_a_bare_time_in_a_doubtful_hour_is_told_too() -> None:
    with pytest.raises(UsageError, match="comes twice"):
        read("02:30", zone="Europe/Berlin", now=dt.datetime(2026, 10, 24, 12, tzinfo=dt.UTC))


DAYS = (
    "2026-11-28",
    "2026-03-29",
    "9999-12-31",
    "0001-01-01",
    "today",
    "tomorrow",
    "monday",
    "t",
    "T",
    " ",
    "\n",
    "\0",
)
TIMES = ("09:00", "9:5", "24:00", "02:30", ":", "Z", "UTC", "+03:00", "-9999", "+0000", "٣", "\N{KELVIN SIGN}", "ſ")
PLACES = ("Africa/Nairobi", "Europe/Berlin", "America/", "Argentina", "a/b", "//", "../etc")
PIECES = st.sampled_from([*DAYS, *TIMES, *PLACES])
ZONES = ("UTC", "Europe/Berlin", "Pacific/Kiritimati", "America/St_Johns")


@settings(max_examples=300)
@given(st.text() | st.lists(PIECES, max_size=6).map("".join), st.sampled_from(ZONES))
@example("2026-11-28 09:00 America/Argentina", "UTC")
@example("9999-12-31 23:59", "America/St_Johns")
def test_any_text_gives_a_moment_ahead_or_a_sentence(text: str, zone: str) -> None:
    try:
        moment = read_when(text, zone=zone, now=NOW)
    except UsageError:
        pass  # any other error fails the test
    else:
        assert dt.timedelta() < moment - NOW <= dt.timedelta(days=366)


@settings(max_examples=150)
@given(st.integers(0, 4 * 24 * 360), st.sampled_from(ZONES))
@example(4 * 24 * 125 + 10, "Europe/Berlin")  # 2027-03-28 02:30
@example(4 * 24 * 342 + 10, "Europe/Berlin")  # 2027-10-31 02:30
def test_a_time_is_read_just_when_the_clocks_show_it_once(quarters: int, zone: str) -> None:
    wall = (dt.datetime(2026, 11, 23, tzinfo=dt.UTC) + dt.timedelta(minutes=15 * quarters)).replace(tzinfo=None)
    around = [wall.replace(tzinfo=dt.UTC) + dt.timedelta(minutes=15 * number) for number in range(-60, 61)]
    shown = [each for each in around if each.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0) == wall]
    try:
        moment = read_when(f"{wall:%Y-%m-%d %H:%M}", zone=zone, now=NOW)
    except UsageError:
        assert len(shown) != 1
    else:
        assert shown == [moment]
