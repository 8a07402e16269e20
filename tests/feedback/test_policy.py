"""What follows from what came back: who is mailed no more, who is not touched, and that the order does not matter."""

import datetime as dt
import itertools
import shutil
from pathlib import Path
from typing import cast

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from newsletter.audience.lists import ensure_lists
from newsletter.config.pages import FeedbackTable
from newsletter.database.connection import Database, open_database
from newsletter.database.outside import EventKind, event
from newsletter.database.schema import DeliveryState, consent_record, delivery, subscription, suppression
from newsletter.errors import AudienceError, SubscriberNotFoundError
from newsletter.feedback.events import Event
from newsletter.feedback.policy import settle_told
from newsletter.feedback.standing import readmit
from newsletter.feedback.weighing import Weight, weight_of
from tests.database.opened import NOW, SECRET
from tests.feedback.arranged import (
    LATER,
    SETTINGS,
    bounce,
    events,
    join,
    send,
    state,
    status,
    suppressed,
    tell,
    told,
)

ADA, BEN, CYD = "ada@example.org", "ben@example.org", "cyd@example.net"
DAY = dt.timedelta(days=1)


@pytest.mark.parametrize("code", ["5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10"])
def test_item_79_an_address_that_does_not_exist_is_given_up_at_once(sqlite_database: Database, code: str) -> None:
    join(sqlite_database, ADA, lists=("community", "donors"))
    sent = send(sqlite_database, ADA)
    done = tell(sqlite_database, bounce(sent.rows[ADA], code))
    assert (done.new, done.suppressed) == (1, 1)
    assert suppressed(sqlite_database, ADA) == "bounced"
    assert (status(sqlite_database, ADA), status(sqlite_database, ADA, "donors")) == ("bounced", "bounced")
    assert events(sqlite_database)[0].hard is True


@pytest.mark.parametrize("code", ["4.2.2", "4.4.1", "5.2.2", "5.2.3", "5.3.4", "5.7.1", "5.7.515", "5.7.26", "4.7.32"])
def test_item_79_what_is_not_the_addresss_fault_suppresses_nobody_whatever_else_was_read(
    sqlite_database: Database, code: str
) -> None:
    join(sqlite_database, ADA)
    sent = send(sqlite_database, ADA)
    tell(sqlite_database, bounce(sent.rows[ADA], code, hard=True))
    assert suppressed(sqlite_database, ADA) is None
    assert status(sqlite_database, ADA) == "active"


@pytest.mark.parametrize(
    ("code", "hard", "weight"),
    [
        ("5.1.1", None, Weight.HARD),
        ("5.1.1", False, Weight.SOFT),
        (None, True, Weight.HARD),
        (None, None, Weight.SOFT),
        ("5.0.0", None, Weight.SOFT),
        ("5.0.0", True, Weight.HARD),
        ("5.2.2", True, Weight.SOFT),
        ("5.7.1", True, Weight.POLICY),
        ("5.1.1０", None, Weight.SOFT),
    ],
)
def test_a_status_code_and_what_was_read_are_weighed_against_each_other(
    code: str | None, hard: bool | None, weight: Weight
) -> None:
    assert weight_of(code, hard) is weight


def test_told_twice_an_event_counts_once(database: Database) -> None:
    join(database, ADA)
    sent = send(database, ADA)
    first, again = tell(database, bounce(sent.rows[ADA])), tell(database, bounce(sent.rows[ADA]))
    assert (first.new, first.known, first.suppressed) == (1, 0, 1)
    assert (again.new, again.known, again.suppressed) == (0, 1, 0)
    assert len(events(database)) == 1


def test_what_is_about_nobody_we_know_is_left_alone(sqlite_database: Database) -> None:
    join(sqlite_database, ADA)
    sent = send(sqlite_database, ADA)
    strange = [
        bounce(987654),
        bounce(sent.rows[ADA], mailing=sent.mailing + 1),
        Event(provider="smtp", key="hash", kind=EventKind.BOUNCED, at=NOW, address_hash=b"x" * 32),
        Event(provider="smtp", key="nothing", kind=EventKind.BOUNCED, at=NOW),
    ]
    assert tell(sqlite_database, *strange).strange == 4
    assert events(sqlite_database) == []


def test_what_names_an_address_only_is_about_the_newest_message_to_it(sqlite_database: Database) -> None:
    from newsletter.audience.subscribers import read_address

    join(sqlite_database, ADA)
    send(sqlite_database, ADA, edition="old", at=NOW - DAY)
    newest = send(sqlite_database, ADA, edition="new", at=NOW)
    hashed = read_address("Ada@EXAMPLE.org").hashed(SECRET)
    late = Event(
        provider="sendgrid", key="1", kind=EventKind.BOUNCED, at=NOW + DAY, address_hash=hashed, status="5.1.1"
    )
    tell(sqlite_database, late)
    (row,) = events(sqlite_database)
    assert (row.mailing_id, row.delivery_id, row.domain) == (newest.mailing, newest.rows[ADA], "example.org")
    assert suppressed(sqlite_database, ADA) == "bounced"


def test_item_80_soft_bounces_add_up_over_editions_and_time(database: Database) -> None:
    join(database, ADA)
    mailings = [send(database, ADA, edition=f"n{number}", at=NOW + number * 10 * DAY) for number in range(5)]
    bounces = [bounce(one.rows[ADA], "4.2.2", at=NOW + number * 10 * DAY + DAY) for number, one in enumerate(mailings)]
    tell(database, *bounces[:4])
    assert suppressed(database, ADA) is None
    tell(database, bounces[4])
    assert suppressed(database, ADA) == "bounced"
    assert status(database, ADA) == "bounced"


@pytest.mark.parametrize("how", ["told", "silent"])
def test_item_80_a_delivery_in_between_clears_them(sqlite_database: Database, how: str) -> None:
    join(sqlite_database, ADA)
    mailings = [send(sqlite_database, ADA, edition=f"n{number}", at=NOW + number * 10 * DAY) for number in range(6)]
    rows = [one.rows[ADA] for one in mailings]
    when = [NOW + number * 10 * DAY + DAY for number in range(6)]
    arrived = [] if how == "silent" else [told(EventKind.DELIVERED, rows[3], at=when[3])]
    tell(sqlite_database, *arrived, *(bounce(rows[n], "5.2.2", at=when[n]) for n in (0, 1, 2, 4, 5)))
    assert suppressed(sqlite_database, ADA) is None


@pytest.mark.parametrize(
    "limits",
    [
        {"soft_limit": 6},
        {"soft_editions": 6},
        {"soft_span": dt.timedelta(days=60)},
    ],
)
def test_soft_bounces_below_any_limit_suppress_nobody(sqlite_database: Database, limits: dict[str, object]) -> None:
    join(sqlite_database, ADA)
    mailings = [send(sqlite_database, ADA, edition=f"n{number}", at=NOW + number * 10 * DAY) for number in range(5)]
    bounces = [bounce(one.rows[ADA], "4.2.2", at=NOW + number * 10 * DAY + DAY) for number, one in enumerate(mailings)]
    tell(sqlite_database, *bounces, settings=FeedbackTable.model_validate(limits))
    assert suppressed(sqlite_database, ADA) is None


def test_item_79_refusals_by_policy_never_add_up(sqlite_database: Database) -> None:
    join(sqlite_database, ADA)
    for number in range(6):
        at = NOW + number * 10 * DAY
        sent = send(sqlite_database, ADA, edition=f"n{number}", at=at)
        tell(sqlite_database, bounce(sent.rows[ADA], "4.7.32", at=at + DAY))
    assert suppressed(sqlite_database, ADA) is None


def test_item_82_when_a_fifth_of_a_domain_comes_back_nobody_of_it_is_given_up_and_who_was_is_brought_back(
    database: Database,
) -> None:
    people = [f"reader{number}@example.net" for number in range(20)]
    join(database, *people, ADA)
    sent = send(database, *people, ADA)
    for number, person in enumerate(people[:4]):
        assert tell(database, bounce(sent.rows[person])).suppressed == 1, number
    assert status(database, people[0]) == "bounced"
    done = tell(database, bounce(sent.rows[people[4]]), bounce(sent.rows[ADA]))  # five of twenty: a quarter
    assert (done.suppressed, done.lifted) == (1, 4)
    assert [suppressed(database, person) for person in (*people[:5], ADA)] == [None] * 5 + ["bounced"]
    assert {status(database, person) for person in people} == {"active"}


def test_item_82_one_refusal_by_policy_keeps_a_small_domain_from_being_believed(sqlite_database: Database) -> None:
    join(sqlite_database, ADA, BEN, CYD)
    sent = send(sqlite_database, ADA, BEN, CYD)
    tell(sqlite_database, bounce(sent.rows[ADA], "5.1.1"), bounce(sent.rows[CYD], "5.1.1"))
    assert suppressed(sqlite_database, ADA) == "bounced"
    done = tell(sqlite_database, bounce(sent.rows[BEN], "5.7.1"))
    assert done.lifted == 1
    assert suppressed(sqlite_database, ADA) is None
    assert status(sqlite_database, ADA) == "active"
    assert suppressed(sqlite_database, CYD) == "bounced"


def test_item_83_a_complaint_takes_them_off_everything_at_once(database: Database) -> None:
    join(database, ADA, lists=("community", "donors"))
    sent = send(database, ADA)
    tell(database, told(EventKind.COMPLAINED, sent.rows[ADA]))
    assert suppressed(database, ADA) == "complained"
    assert (status(database, ADA), status(database, ADA, "donors")) == ("complained", "complained")
    with database.read() as connection:
        withdrawn = connection.scalars(sa.select(consent_record.c.method).order_by(consent_record.c.id)).all()
    assert withdrawn[-2:] == ["withdraw", "withdraw"]


def test_of_two_reasons_the_graver_stays(sqlite_database: Database) -> None:
    join(sqlite_database, ADA, BEN)
    sent = send(sqlite_database, ADA, BEN)
    for person, kinds in ((ADA, "bounce complaint"), (BEN, "complaint bounce")):
        row = sent.rows[person]
        made = {"bounce": bounce(row), "complaint": told(EventKind.COMPLAINED, row)}
        for kind in kinds.split():
            tell(sqlite_database, made[kind])
        assert (suppressed(sqlite_database, person), status(sqlite_database, person)) == ("complained", "complained")


def test_who_unsubscribes_at_the_provider_is_off_the_list_of_that_mailing(sqlite_database: Database) -> None:
    join(sqlite_database, ADA, lists=("community", "donors"))
    sent = send(sqlite_database, ADA)
    tell(sqlite_database, told(EventKind.UNSUBSCRIBED, sent.rows[ADA]))
    assert (status(sqlite_database, ADA), status(sqlite_database, ADA, "donors")) == ("unsubscribed", "active")
    assert suppressed(sqlite_database, ADA) is None


def test_item_84_an_automatic_answer_changes_nothing(sqlite_database: Database) -> None:
    join(sqlite_database, ADA)
    sent = send(sqlite_database, ADA)
    tell(sqlite_database, told(EventKind.REPLIED, sent.rows[ADA]), told(EventKind.DEFERRED, sent.rows[ADA]))
    assert (status(sqlite_database, ADA), suppressed(sqlite_database, ADA)) == ("active", None)


@pytest.mark.parametrize(
    ("kind", "settled"),
    [(EventKind.DELIVERED, "accepted"), (EventKind.BOUNCED, "accepted"), (EventKind.DROPPED, "refused")],
)
def test_any_sign_of_a_message_settles_what_was_unknown(
    sqlite_database: Database, kind: EventKind, settled: str
) -> None:
    join(sqlite_database, ADA, BEN)
    sent = send(sqlite_database, ADA, BEN, state=DeliveryState.UNKNOWN)
    done = tell(sqlite_database, told(kind, sent.rows[ADA]))
    assert done.settled == 1
    assert (state(sqlite_database, sent.rows[ADA]), state(sqlite_database, sent.rows[BEN])) == (settled, "unknown")


def test_a_sign_from_before_it_became_unknown_settles_it_too(sqlite_database: Database) -> None:
    join(sqlite_database, ADA)
    sent = send(sqlite_database, ADA, state=DeliveryState.CLAIMED)
    tell(sqlite_database, told(EventKind.DELIVERED, sent.rows[ADA]))
    assert state(sqlite_database, sent.rows[ADA]) == "claimed"
    with sqlite_database.write() as connection:
        connection.execute(sa.update(delivery).values(state=DeliveryState.UNKNOWN))
        assert settle_told(connection, [sent.mailing], now=LATER) == 1
    assert state(sqlite_database, sent.rows[ADA]) == "accepted"


def test_nothing_is_kept_of_what_was_said_about_somebody_erased(sqlite_database: Database) -> None:
    join(sqlite_database, ADA)
    sent = send(sqlite_database, ADA, subscriber_id=None)
    tell(sqlite_database, bounce(sent.rows[ADA], reason=f"{ADA} unknown", raw=ADA))
    (row,) = events(sqlite_database)
    assert (row.subscriber_id, row.reason, row.raw) == (None, None, None)


def test_the_team_can_bring_back_whose_address_works_after_all(database: Database) -> None:
    join(database, ADA, lists=("community", "donors"))
    sent = send(database, ADA)
    tell(database, bounce(sent.rows[ADA]), now=NOW + DAY)
    with database.write() as connection:
        assert readmit(connection, ADA, secret=SECRET, now=NOW + 2 * DAY) == "updated"
        assert readmit(connection, ADA, secret=SECRET, now=NOW + 2 * DAY) == "unchanged"
    assert suppressed(database, ADA) is None
    assert (status(database, ADA), status(database, ADA, "donors")) == ("active", "active")
    tell(database, bounce(sent.rows[ADA], key="an old one told late", at=NOW + DAY))
    assert suppressed(database, ADA) is None
    tell(database, bounce(sent.rows[ADA], key="a new one", at=NOW + 3 * DAY))
    assert suppressed(database, ADA) == "bounced"


def test_nobody_brings_back_who_complained_left_or_is_not_known(sqlite_database: Database) -> None:
    join(sqlite_database, ADA, BEN)
    sent = send(sqlite_database, ADA, BEN)
    tell(sqlite_database, told(EventKind.COMPLAINED, sent.rows[ADA]))
    tell(sqlite_database, told(EventKind.UNSUBSCRIBED, sent.rows[BEN]), bounce(sent.rows[BEN]))
    with sqlite_database.write() as connection:
        with pytest.raises(AudienceError, match="complained"):
            readmit(connection, ADA, secret=SECRET, now=LATER)
        with pytest.raises(SubscriberNotFoundError):
            readmit(connection, "nobody@example.org", secret=SECRET, now=LATER)
        readmit(connection, BEN, secret=SECRET, now=LATER)
    assert (status(sqlite_database, ADA), status(sqlite_database, BEN)) == ("complained", "unsubscribed")


PEOPLE = [*(f"r{number}@example.org" for number in range(6)), *(f"r{number}@example.net" for number in range(3))]
EDITIONS = ["one", "two", "three"]


@pytest.fixture(scope="module")
def arranged(empty_file: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, int]]]:
    """A database with nine people who got three editions, and their deliveries; the last edition's are unknown."""
    path = tmp_path_factory.mktemp("arranged") / "newsletter.db"
    shutil.copyfile(empty_file, path)
    with open_database(f"sqlite:///{path}") as database:
        with database.write() as connection:
            ensure_lists(connection, ["community", "donors"])
        join(database, *PEOPLE, lists=("community", "donors"))
        rows = [
            dict(
                send(
                    database,
                    *PEOPLE,
                    edition=edition,
                    at=NOW + number * 20 * DAY,
                    state=DeliveryState.UNKNOWN if edition == "three" else DeliveryState.ACCEPTED,
                ).rows
            )
            for number, edition in enumerate(EDITIONS)
        ]
    return path, rows


@st.composite
def happenings(draw: st.DrawFn) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    """Things that happened, and the same in another order and some of them told again."""
    one = st.tuples(
        st.sampled_from([EventKind.BOUNCED, EventKind.DELIVERED, EventKind.COMPLAINED, EventKind.UNSUBSCRIBED]),
        st.integers(0, 2),
        st.sampled_from(PEOPLE),
        st.integers(0, 3),
        st.sampled_from(["5.1.1", "4.2.2", "5.7.1", None]),
    )
    bounces = one.map(lambda each: (EventKind.BOUNCED, *each[1:]))
    first = draw(st.lists(st.one_of(bounces, one), min_size=1, max_size=14))
    return first, draw(st.permutations(first + draw(st.lists(st.sampled_from(first), max_size=5))))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(told_twice=happenings(), cuts=st.lists(st.integers(0, 20), max_size=4))
def test_item_88_in_whatever_order_and_however_often_it_is_told_it_ends_the_same(
    arranged: tuple[Path, list[dict[str, int]]],
    tmp_path: Path,
    told_twice: tuple[list[tuple[object, ...]], list[tuple[object, ...]]],
    cuts: list[int],
) -> None:
    path, rows = arranged
    limits = SETTINGS.model_copy(update={"soft_limit": 2, "soft_editions": 2, "soft_span": 10 * DAY})
    ends = []
    for order in told_twice:
        copy = tmp_path / "copy.db"
        shutil.copyfile(path, copy)
        made = [_event(rows, *each) for each in order]
        places = [0, *sorted(min(cut, len(made)) for cut in cuts), len(made)]
        with open_database(f"sqlite:///{copy}") as database:
            for number, (start, end) in enumerate(itertools.pairwise(places)):
                tell(database, *made[start:end], settings=limits, now=LATER + number * dt.timedelta(minutes=1))
            ends.append(_standing(database))
        copy.unlink()
    assert ends[0] == ends[1]


def _event(rows: list[dict[str, int]], *said: object) -> Event:
    kind, edition, person, hours, code = cast("tuple[EventKind, int, str, int, str | None]", said)
    at = NOW + edition * 20 * DAY + dt.timedelta(hours=1 + hours)
    name = f"{kind} {edition} {person} {hours} {code}"
    status = code if kind is EventKind.BOUNCED else None
    return Event(provider="sendgrid", key=name, kind=kind, at=at, delivery=rows[edition][person], status=status)


def _standing(database: Database) -> dict[str, list[str]]:
    """All that follows, without the numbers of rows and the times at which it was told."""
    tables = {
        "event": sa.select(event.c.provider, event.c.key, event.c.kind, event.c.at, event.c.hard, event.c.domain),
        "suppression": sa.select(suppression.c.address_hash, suppression.c.reason),
        "subscription": sa.select(subscription.c.subscriber_id, subscription.c.list_id, subscription.c.status),
        "delivery": sa.select(delivery.c.id, delivery.c.state),
        "consent": sa.select(
            consent_record.c.subscriber_id, consent_record.c.list_id, consent_record.c.method, consent_record.c.wording
        ),
    }
    with database.read() as connection:
        return {name: sorted(map(repr, connection.execute(query))) for name, query in tables.items()}
