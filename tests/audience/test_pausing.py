"""A pause: no mailing reaches whoever asked for none until some day, and they stay on their lists."""

import datetime as dt

import pytest
import sqlalchemy as sa

from newsletter.audience.changing import find_both, merge
from newsletter.audience.history import read_history
from newsletter.audience.lists import count_people, mailable, people, subscribe
from newsletter.audience.pausing import PAUSED, day_in, pause, until_day
from newsletter.audience.privacy import erase, person_report
from newsletter.audience.subscribers import Details, find_subscriber, save_subscriber
from newsletter.database.connection import Database
from newsletter.database.outside import EventKind, event, form_entry, webhook, webhook_call
from newsletter.database.schema import DeliveryState, composition, delivery, mailing, merged
from newsletter.errors import AudienceError
from newsletter.feedback.events import Event, record
from newsletter.sending.ledger import claim, plan, reserve
from newsletter.sending.reasons import count_reasons, explain
from newsletter.webhooks.announcing import announce
from tests.database.opened import AGREED, NOW, SECRET


def soon(**length: float) -> dt.datetime:
    """A moment by the clock of the database, which is the machine's."""
    return dt.datetime.now(dt.UTC) + dt.timedelta(**length)


def add(database: Database, email: str, until: dt.datetime | None = None) -> int:
    with database.write() as connection:
        person, _ = save_subscriber(connection, Details(email=email), secret=SECRET, now=NOW)
        subscribe(connection, person, "community", AGREED)
        pause(connection, person, until)
    return person


def test_who_pauses_is_not_mailed_until_the_pause_is_over(database: Database) -> None:
    paused = add(database, "paused@example.org", soon(days=30))
    over = add(database, "over@example.org", soon(days=-1))
    just = add(database, "just@example.org", soon(seconds=-5))
    never = add(database, "never@example.org")
    with database.read() as connection:
        assert [each.id for each in people(connection, "community")] == [over, just, never]
        assert count_people(connection, "community") == 3
        assert paused not in set(connection.scalars(mailable(1)))
        assert count_reasons(connection, "community", None, None) == {"included": 3, PAUSED: 1}
        why = explain(connection, paused, "community", None, None)
    assert not why.included
    assert why.words.startswith(f"asked for no mail until {soon(days=30):%Y-%m-%d}")


def test_a_pause_is_set_changed_and_ended(database: Database) -> None:
    person, until = add(database, "a@example.org"), soon(days=30)
    with database.write() as connection:
        assert not pause(connection, person, None)
        assert pause(connection, person, until)
        assert not pause(connection, person, until)
        history = read_history(connection, find_subscriber(connection, "a@example.org"))
        assert history.paused_until == until
        assert pause(connection, person, None)
    assert person_report(database, "a@example.org", secret=SECRET)["paused_until"] is None


def test_who_pauses_while_a_mailing_is_under_way_is_left_out_of_the_rest(database: Database) -> None:
    first, second = add(database, "a@example.org"), add(database, "b@example.org")
    with database.write() as connection:
        connection.execute(sa.insert(composition).values(digest="d" * 64, data=b"{}"))
        about = {"edition": "news", "title": "News", "list_id": 1, "digest": "d" * 64, "sender": "outbox"}
        about |= {"state": "sending", "created_at": NOW, "holds_until": NOW}
        made = connection.execute(sa.insert(mailing).values(**about)).inserted_primary_key[0]
        assert plan(connection, made) == 2
        mine = reserve(connection, made, "worker", 10)
        pause(connection, second, soon(days=30))
        claimed = claim(connection, made, "worker", [each.delivery for each in mine], now=NOW)
        assert claimed == {each.delivery for each in mine if each.subscriber.id == first}
        skipped = connection.execute(sa.select(delivery).where(delivery.c.subscriber_id == second)).one()
    assert (skipped.state, skipped.reason) == (DeliveryState.SKIPPED, PAUSED)


@pytest.mark.parametrize(("one", "other"), [(10, 20), (20, 10), (None, 20), (20, None)])
def test_of_two_people_made_one_the_later_pause_holds(database: Database, one: int | None, other: int | None) -> None:
    days = {10: soon(days=10), 20: soon(days=20), None: None}
    gone = add(database, "gone@example.org", days[one])
    kept = add(database, "kept@example.org", days[other])
    with database.write() as connection:
        merge(connection, *find_both(connection, "gone@example.org", "kept@example.org"))
        history = read_history(connection, find_subscriber(connection, "kept@example.org"))
        assert tuple(connection.execute(sa.select(merged)).one()) == (gone, kept)
    assert history.paused_until == days[20]


@pytest.mark.parametrize(
    ("months", "today", "day"),
    [
        (1, dt.date(2026, 1, 31), dt.date(2026, 2, 28)),
        (1, dt.date(2026, 12, 15), dt.date(2027, 1, 15)),
        (6, dt.date(2026, 8, 31), dt.date(2027, 2, 28)),
        (3, dt.date(2027, 11, 30), dt.date(2028, 2, 29)),
    ],
)
def test_months_end_on_the_same_day_or_the_last_one(months: int, today: dt.date, day: dt.date) -> None:
    now = dt.datetime.combine(today, dt.time(12), dt.UTC)
    assert day_in(months, now=now, zone="UTC") == day


def test_a_pause_ends_when_the_day_begins_where_the_newsletter_is_at_home() -> None:
    now = dt.datetime(2026, 11, 23, 23, 30, tzinfo=dt.UTC)  # the 24th in Nairobi already
    assert day_in(1, now=now, zone="Africa/Nairobi") == dt.date(2026, 12, 24)
    until = until_day(dt.date(2026, 12, 24), now=now, zone="Africa/Nairobi")
    assert until.astimezone(dt.UTC) == dt.datetime(2026, 12, 23, 21, tzinfo=dt.UTC)
    for wrong in (dt.date(2026, 11, 24), dt.date(2020, 1, 1), dt.date(2030, 1, 1)):
        with pytest.raises(AudienceError, match="two years"):
            until_day(wrong, now=now, zone="Africa/Nairobi")


def test_erasing_takes_a_person_out_of_what_came_back_forms_and_calls(database: Database) -> None:
    """Item 95: the rows of events stay for the counts, and name nobody."""
    ada, other = add(database, "ada@lovelace.example", soon(days=5)), add(database, "other@example.org")
    with database.write() as connection:
        hashed = connection.scalar(sa.text("SELECT address_hash FROM subscriber WHERE id = :id"), {"id": ada})
        for person, known in ((ada, None), (None, hashed), (other, None)):
            told = Event(
                provider="smtp",
                key=f"{person}-{known is not None}",
                kind=EventKind.BOUNCED,
                at=NOW,
                subscriber=person,
                address_hash=known,
                domain="lovelace.example",
                reason="550 ada@lovelace.example: no such user",
                raw="To: ada@lovelace.example",
            )
            record(connection, told, now=NOW)
        entry = {"form": "updates", "at": NOW, "expires_at": NOW, "answers": {"news": "From Ada at lovelace.example"}}
        connection.execute(sa.insert(form_entry).values(**entry, address_hash=hashed))
        connection.execute(sa.insert(form_entry).values(**{**entry, "answers": {}}, address_hash=b"x" * 32))
        hook = {"url": "https://www.example.org", "kinds": ["subscriber.confirmed"], "created_at": NOW}
        connection.execute(sa.insert(webhook).values(**hook))
        for person in (ada, other):
            announce(connection, "subscriber.confirmed", {"is": "ada@lovelace"}, now=NOW, subscriber_id=person)
    report = person_report(database, "ada@lovelace.example", secret=SECRET)
    assert report["paused_until"] is not None
    assert [len(report[name]) for name in ("events", "forms", "told")] == [2, 1, 1]  # type: ignore[arg-type]

    erase(database, "ada@lovelace.example", secret=SECRET, now=NOW)

    with database.read() as connection:
        events = connection.execute(sa.select(event).order_by(event.c.id)).all()
        assert [(row.kind, row.subscriber_id) for row in events] == [
            ("bounced", None),
            ("bounced", None),
            ("bounced", other),
        ]
        for row in events[:2]:
            assert (row.address_hash, row.domain, row.reason, row.raw) == (None,) * 4
        assert events[2].raw is not None
        assert connection.scalar(sa.select(sa.func.count()).select_from(form_entry)) == 1
        assert connection.scalars(sa.select(webhook_call.c.subscriber_id)).all() == [other]
    left = person_report(database, "ada@lovelace.example", secret=SECRET)
    assert (left["known"], left["events"], left["forms"]) == (False, [], [])
