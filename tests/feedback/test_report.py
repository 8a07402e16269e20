"""The report of a mailing: its numbers add up, it singles nobody out, and it can be read by everybody."""

import datetime as dt
import json
import random
import re
from xml.etree import ElementTree as ET

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from newsletter.config import Settings, load_settings
from newsletter.database.connection import Database
from newsletter.database.outside import EventKind
from newsletter.database.schema import DeliveryState, delivery
from newsletter.errors import MailingNotFoundError
from newsletter.feedback.charts import Series, bars, columns, text_bars
from newsletter.feedback.events import Event
from newsletter.feedback.figures import MailingReport, complaints_in_words, in_words, percent
from newsletter.feedback.report import report
from newsletter.feedback.report_page import UNTRACKED, page
from tests.database.opened import NOW
from tests.feedback.arranged import LATER, bounce, join, send, tell, told
from tests.pictures.chromium import Scheme, Viewer, viewer

__all__ = ["viewer"]

PROJECT = """
[newsletter]
name = "Data for Change"
organisation = "Safe Online"
base_url = "https://news.example.org"

[identity]
from = "Data for Change <news@example.org>"
postal_address = "1 Example Street, Example Town"

[lists.community]
title = "Community"
"""

HOUR = dt.timedelta(hours=1)
EVIL = "<script>alert(1)</script>\"'&\x1b[31m"


def read(database: Database, mailing: int) -> MailingReport:
    with database.read() as connection:
        return report(connection, mailing, now=LATER)


def eventful(database: Database, seed: int = 1) -> int:
    """A mailing to sixty people of whom much came back; its id."""
    chance = random.Random(seed)
    people = [f"r{number}@{'example.org' if number < 30 else f'd{number % 9}.example.com'}" for number in range(60)]
    join(database, *people)
    before = send(database, *people[:20], edition="before", at=NOW - dt.timedelta(days=30))
    tell(database, told(EventKind.COMPLAINED, before.rows[people[19]]), now=NOW)
    sent = send(database, *people, edition="now")
    rows = list(sent.rows.values())
    states = [*DeliveryState, *[DeliveryState.ACCEPTED] * 10]
    with database.write() as connection:
        for row in rows:
            reason = {
                DeliveryState.REFUSED: "550 5.1.1 <somebody@example.org> unknown",
                DeliveryState.SKIPPED: "suppressed",
            }
            chosen = chance.choice(states)
            values = {"state": chosen, "reason": reason.get(chosen), "answered_at": NOW + chance.random() * 60 * HOUR}
            connection.execute(sa.update(delivery).where(delivery.c.id == row).values(values))
    happened: list[Event] = []
    for row in chance.sample(rows, 40):
        at = NOW + chance.random() * 100 * HOUR
        kind = chance.choice(
            [EventKind.BOUNCED] * 4 + [EventKind.COMPLAINED, EventKind.UNSUBSCRIBED, EventKind.DELIVERED]
        )
        status = chance.choice(["5.1.1", "5.2.2", "5.7.1", "4.4.1", None])
        more = {"reason": f"{status} {EVIL} for somebody@example.org"}
        happened.append(bounce(row, status, at=at, **more) if kind is EventKind.BOUNCED else told(kind, row, at=at))
    tell(database, *happened, *(told(EventKind.DROPPED, row, reason=EVIL) for row in rows[:2]))
    return sent.mailing


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The settings of a project with its own look left open."""
    path = tmp_path_factory.mktemp("settings") / "newsletter.toml"
    path.write_text(PROJECT, encoding="utf-8")
    return load_settings(path, {})


def test_its_numbers_add_up(database: Database) -> None:
    found = read(database, eventful(database))
    assert sum(found.states.values()) == found.audience == 60
    assert sum(each.people for each in found.refused) == found.states[DeliveryState.REFUSED]
    assert sum(each.people for each in found.left_out) == found.states[DeliveryState.SKIPPED]
    assert sum(each.people for each in found.bounced_why) == found.bounced > 20
    assert sum(each.people for each in found.bounced_domains) == found.bounced
    assert sum(each.accepted for each in found.over_time) == found.accepted
    assert sum(each.bounced for each in found.over_time) == found.bounced
    assert sum(each.complained for each in found.over_time) == found.complained > 0
    assert sum(each.unsubscribed for each in found.over_time) == found.unsubscribed > 0
    assert found.over_time[0].what == "hour 1"
    assert found.over_time[-1].what.startswith("day ")
    assert [(each.title, each.accepted, each.complained) for each in found.earlier] == [("Before", 20, 1)]
    assert json.loads(json.dumps(found.as_json()))["counts"] == found.states


def test_a_mailing_of_which_nothing_left_has_a_report(sqlite_database: Database, settings: Settings) -> None:
    sent = send(sqlite_database)
    found = read(sqlite_database, sent.mailing)
    assert (found.audience, found.bounced, found.over_time) == (0, 0, ())
    assert "Nothing has left yet" in page(found, settings)
    with pytest.raises(MailingNotFoundError):
        read(sqlite_database, 99)


def test_a_domain_of_which_two_people_came_back_is_not_told(sqlite_database: Database) -> None:
    people = [*(f"r{number}@many.example" for number in range(3)), "a@few.example", "b@few.example", "c@one.example"]
    join(sqlite_database, *people)
    sent = send(sqlite_database, *people)
    tell(sqlite_database, *(bounce(row, "4.2.2") for row in sent.rows.values()))
    found = read(sqlite_database, sent.mailing)
    assert [(each.what, each.people) for each in found.bounced_domains] == [("many.example", 3), ("other domains", 3)]
    assert "few.example" not in json.dumps(found.as_json())


def test_somebody_whose_message_came_back_twice_is_one_person(sqlite_database: Database) -> None:
    join(sqlite_database, "ada@example.org")
    sent = send(sqlite_database, "ada@example.org")
    (row,) = sent.rows.values()
    tell(sqlite_database, bounce(row, "4.2.2"), bounce(row, "5.1.1", at=NOW + HOUR))
    found = read(sqlite_database, sent.mailing)
    assert (found.bounced, found.hard, found.given_up) == (1, 1, 1)


def test_words_of_others_name_nobody_and_do_nothing(sqlite_database: Database, settings: Settings) -> None:
    found = read(sqlite_database, eventful(sqlite_database))
    assert found.policy_says
    html = page(found, settings)
    for text in (html, json.dumps(found.as_json())):
        assert "somebody@example.org" not in text
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert "\x1b" not in html
    assert not re.search(r"\bon\w+=|javascript:|https?://(?!www\.w3\.org/2000/svg)", html)


def test_the_page_needs_nothing_beside_it_and_says_so(sqlite_database: Database, settings: Settings) -> None:
    mailing = eventful(sqlite_database)
    html = page(read(sqlite_database, mailing), settings)
    assert "default-src 'none'" in html
    assert UNTRACKED in html
    assert html == page(read(sqlite_database, mailing), settings)
    drawings = re.findall(r"<svg xmlns.*?</svg>", html, re.DOTALL)
    assert len(drawings) >= 5
    for drawing in drawings:
        tree = ET.fromstring(drawing)
        name = "{http://www.w3.org/2000/svg}"
        title, description = tree.find(f"{name}title"), tree.find(f"{name}desc")
        assert title is not None
        assert description is not None
        assert tree.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
    ids = re.findall(r' id="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert html.count("<table>") >= len(drawings)


@pytest.mark.parametrize(("width", "scheme"), [(320, "dark"), (1280, "light")])
def test_the_page_can_be_read_on_a_phone_and_in_the_dark(
    sqlite_database: Database, settings: Settings, viewer: Viewer, width: int, scheme: Scheme
) -> None:
    html = page(read(sqlite_database, eventful(sqlite_database)), settings)
    look = viewer.look(html, width=width, scheme=scheme)
    assert look.problems() == []


@given(rows=st.lists(st.tuples(st.text(max_size=60), st.integers(0, 10**7)), max_size=8))
def test_bars_are_well_formed_and_grow_with_their_numbers(rows: list[tuple[str, int]]) -> None:
    rows = [("".join(c for c in label if c.isprintable()), number) for label, number in rows]
    tree = ET.fromstring(bars(rows, name="x", title=EVIL, description="<&>"))
    lengths = [float(rect.get("width", "0")) for rect in tree.iter() if rect.get("class") == "series-1"]
    assert len(lengths) == len(rows)
    assert all((length > 0) == (number > 0) for length, (_, number) in zip(lengths, rows, strict=True))
    ordered = sorted(zip((number for _, number in rows), lengths, strict=True))
    assert [length for _, length in ordered] == sorted(lengths)
    lines = text_bars(rows, plain=True)
    assert all(line.count("#") >= (number > 0) for line, (_, number) in zip(lines, rows, strict=True))


@given(numbers=st.lists(st.tuples(*[st.integers(0, 10**6)] * 3), max_size=60))
def test_columns_are_well_formed_and_stay_in_their_place(numbers: list[tuple[int, int, int]]) -> None:
    series = [Series(f"series <{place}>", tuple(row[place] for row in numbers)) for place in range(3)]
    labels = [f"hour {number}" for number in range(len(numbers))]
    tree = ET.fromstring(columns(labels, series, name="x", title="t", description="d"))
    height = float(str(tree.get("viewBox")).split()[3])
    drawn = [each for each in tree.iter() if (each.get("class") or "").startswith("series-")]
    assert len(drawn) == sum(number > 0 for row in numbers for number in row)
    assert all(-6 <= float(str(each.get("y"))) <= height for each in drawn)


def test_text_bars_use_what_the_terminal_has() -> None:
    rows = [("accepted", 1600), ("refused", 3), ("unknown", 0)]
    assert text_bars(rows, width=10) == ["accepted  1,600  ██████████", "refused       3  ▏", "unknown       0"]
    assert all(line.isascii() for line in text_bars(rows, plain=True))


@pytest.mark.parametrize(
    ("complained", "accepted", "says"),
    [
        (0, 0, "Nothing was accepted"),
        (0, 5_000, "Nobody marked"),
        (1, 400, "make no rate"),
        (4, 5_000, "below 0.1 %"),
        (5, 5_000, "above 0.1 %"),
        (14, 5_000, "above 0.1 %"),
        (15, 5_000, "0.3 % or more"),
    ],
)
def test_the_rate_of_complaints_is_told_in_words(complained: int, accepted: int, says: str) -> None:
    assert says in complaints_in_words(complained, accepted)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("5.1.1", "there is no such mailbox"),
        ("550 5.1.10 null MX", "the domain takes no mail"),
        ("452-4.2.2 over quota", "the mailbox is full"),
        ("5.7.26", "does not want it from us"),
        ("5.1.9", "wrong with the address"),
        ("connection 1.5.1.1 lost", "no reason"),
        ("5.9.9", "no reason"),
        (None, "no reason"),
    ],
)
def test_status_codes_are_told_in_words(said: str | None, words: str) -> None:
    assert words in in_words(said)


@pytest.mark.parametrize(
    ("share", "shown"), [(0, "0 %"), (0.0004, "0.04 %"), (0.0123, "1.2 %"), (0.456, "46 %"), (1, "100 %")]
)
def test_shares_are_shown_with_digits_that_say_something(share: float, shown: str) -> None:
    assert percent(share) == shown
