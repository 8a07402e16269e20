"""A certificate tells every change of the ledger apart from what may happen to it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from newsletter.audience.changing import move
from newsletter.audience.privacy import erase
from newsletter.database.connection import Database, open_database
from newsletter.database.schema import DeliveryState, MailingState, composition, delivery, mailing, subscriber
from newsletter.errors import MailingNotFoundError, SendError
from newsletter.sending import answers, certificate, mailings
from newsletter.sending.certificate import make_certificate, verify_certificate, write_certificate
from newsletter.sending.senders.protocol import Verdict
from tests.database.opened import NOW, SECRET, add_people
from tests.ledger.books import planned_mailing, said, take

KEY = SECRET.ljust(32, b".")
PEOPLE = 12


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several blocks without thousands of rows."""
    monkeypatch.setattr(certificate, "_BLOCK", 5)


@pytest.fixture
def sent(database: Database) -> Database:
    """A mailing to twelve people: eight accepted, two refused, one skipped, one unknown."""
    with database.write() as connection:
        add_people(connection, PEOPLE)
        number = planned_mailing(connection)
        rows = take(connection, number, "one", PEOPLE - 1)
        answers.record(connection, "one", said(rows[:8], Verdict.ACCEPTED), now=NOW)
        refused = said(rows[8:10], Verdict.REFUSED, "550 5.1.1 <reader9@example.com> nobody of that name")
        answers.record(connection, "one", refused, now=NOW)
        answers.record(connection, "one", said(rows[10:], Verdict.UNKNOWN, "No answer."), now=NOW)
        skipped = sa.update(delivery).where(delivery.c.state == DeliveryState.PLANNED)
        connection.execute(skipped.values(state=DeliveryState.SKIPPED, reason="unsubscribed"))
        mailings.change_state(connection, number, MailingState.SENT, finished_at=NOW)
    return database


def make(database: Database, secret: bytes = KEY) -> dict[str, Any]:
    return make_certificate(database, 1, secret=secret, now=NOW)


def check(database: Database, data: dict[str, Any] | bytes, secret: bytes = KEY) -> certificate.Verification:
    content = data if isinstance(data, bytes) else write_certificate(data)
    return verify_certificate(database, content, secret=secret)


def change(database: Database, statement: sa.Update | sa.Delete | sa.Insert) -> None:
    with database.write() as connection:
        connection.execute(statement)


def test_an_untouched_ledger_is_as_certified(sent: Database) -> None:
    data = make(sent)
    assert data["mailing"]["audience"] == data["deliveries"]["rows"] == PEOPLE
    assert data["open"] == {"unknown": [11]}
    assert {(each["state"], each["reason"]): each["deliveries"] for each in data["counts"]} == {
        ("accepted", ""): 8,
        ("refused", "5.1.1"): 2,
        ("skipped", "unsubscribed"): 1,
        ("unknown", ""): 1,
    }
    found = check(sent, data)
    assert (found.good, found.problems, found.notes, found.mailing) == (True, (), (), 1)
    assert found.fingerprint == certificate.fingerprint(data)


def test_a_certificate_names_nobody(sent: Database) -> None:
    content = write_certificate(make(sent))
    assert b"@" not in content
    assert b"Reader" not in content


_DELIVERY = sa.update(delivery).where(delivery.c.id == 7)
_CHANGES: dict[str, sa.Update | sa.Delete | sa.Insert] = {
    "dropped": sa.delete(delivery).where(delivery.c.id == 7),
    "the first dropped": sa.delete(delivery).where(delivery.c.id == 1),
    "the last dropped": sa.delete(delivery).where(delivery.c.id == PEOPLE),
    "added": sa.insert(delivery).values(id=99, mailing_id=1, edition="data-sharing", state="accepted"),
    "another state": _DELIVERY.values(state="refused"),
    "another reason": sa.update(delivery).where(delivery.c.id == 9).values(reason="550 5.7.1 Spam"),
    "claimed at another time": _DELIVERY.values(claimed_at=NOW.replace(microsecond=1)),
    "answered at another time": _DELIVERY.values(answered_at=NOW.replace(year=2025)),
    "to another address": _DELIVERY.values(address_hash=b"x" * 32),
    "an unknown one to another address": sa.update(delivery).where(delivery.c.id == 11).values(address_hash=b"x" * 32),
    "an unknown one dropped": sa.delete(delivery).where(delivery.c.id == 11),
    "the title": sa.update(mailing).values(title="Another"),
    "the audience": sa.update(mailing).values(audience=PEOPLE - 1),
    "the condition": sa.update(mailing).values(where_source="'x' in tags"),
    "the edition's text": sa.update(composition).values(data=b"{ }"),
    "another mailing": sa.update(mailing).values(created_at=NOW.replace(year=2025)),
}


@pytest.mark.parametrize("what", _CHANGES)
def test_a_changed_ledger_fails(sent: Database, what: str) -> None:
    data = make(sent)
    change(sent, _CHANGES[what])
    found = check(sent, data)
    assert not found.good, what
    assert found.problems


def test_two_deliveries_that_changed_places_fail_and_the_place_is_told(sent: Database) -> None:
    data = make(sent)
    change(sent, sa.update(delivery).where(delivery.c.id == 8).values(state="refused", reason="550 5.1.1 x"))
    change(sent, sa.update(delivery).where(delivery.c.id == 9).values(state="accepted", reason=None))
    found = check(sent, data)
    assert found.problems == ("A delivery was changed, added or taken away; the first such is among numbers 6 to 10.",)


def test_a_dropped_row_is_counted(sent: Database) -> None:
    data = make(sent)
    change(sent, sa.delete(delivery).where(delivery.c.id == 12))
    assert check(sent, data).problems == (
        "12 deliveries were certified; the ledger has 11.",
        "A delivery was changed, added or taken away; the first such is among numbers 11 to 12.",
        "skipped (unsubscribed): 1 were certified; the ledger has 0.",
    )


@pytest.fixture(scope="module")
def content(request: pytest.FixtureRequest) -> bytes:
    """A certificate by itself, for what needs no ledger."""
    data = {"format": 1, "mailing": {"id": 1}, "text": "Zoë", "key": ""}
    key = certificate._private_key(KEY)
    data["key"] = key.public_key().public_bytes_raw().hex()
    return write_certificate(data | {"signature": key.sign(write_certificate(data)).hex()})


@given(place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_any_flipped_bit_of_the_file_is_seen(content: bytes, place: int, bit: int) -> None:
    assert certificate._believed(content) is not None
    changed = bytearray(content)
    changed[place % len(content)] ^= 1 << bit
    assert certificate._believed(bytes(changed)) is None


@given(
    content=st.one_of(
        st.binary(),
        st.text().map(str.encode),
        st.recursive(st.integers(), st.lists).map(lambda value: json.dumps(value).encode()),
        st.just(b'{"key": 1, "signature": []}\n'),
        st.just(b"[" * 100_000),
    )
)
def test_no_file_breaks_it(content: bytes) -> None:
    assert certificate._believed(content) is None


def test_every_part_of_the_file_is_signed(sent: Database) -> None:
    data = make(sent)

    def variants(value: Any, put: Callable[[Any], Any]) -> Iterator[Any]:
        if isinstance(value, dict):
            for name in value:
                yield from variants(value[name], lambda new, name=name: put(value | {name: new}))
                yield put({other: value[other] for other in value if other != name})
        else:
            yield put("something else")

    for changed in variants(data, lambda new: new):
        assert not check(sent, changed).good


def test_another_key_is_told_from_a_changed_file(sent: Database) -> None:
    found = check(sent, make(sent, secret=b"another key of enough length ..."))
    assert not found.good
    assert "not with the key of this project" in found.problems[0]


def test_another_database_has_no_such_mailing(sent: Database, tmp_path: Path) -> None:
    with open_database(f"sqlite:///{tmp_path}/another.db") as another:
        assert check(another, make(sent)).problems == ("There is no mailing 1 in this database.",)


def test_people_who_move_or_are_erased_do_not_break_it(sent: Database) -> None:
    with sent.write() as connection:
        connection.execute(sa.update(mailing).values(where_source='email != "reader9@example.com"'))
    data = make(sent)
    with sent.write() as connection:
        move(connection, "reader3@example.com", "elsewhere@example.com", secret=SECRET)
    erase(sent, "reader9@example.com", secret=SECRET, now=NOW)
    with sent.read() as connection:
        said_then = connection.scalar(sa.select(delivery.c.reason).where(delivery.c.id == 9))
        assert "reader9" not in str(said_then)
        assert connection.scalar(sa.select(subscriber.c.id).where(subscriber.c.id == 9)) is None
    found = check(sent, data)
    assert found.good, found.problems
    assert found.notes == (
        "Somebody named in the condition was erased since.",
        "Since then 1 of the people were erased or merged; their deliveries are as certified.",
    )


def test_a_late_answer_is_told_and_breaks_nothing(sent: Database) -> None:
    data = make(sent)
    with sent.write() as connection:
        answers.settle(connection, said([11], Verdict.ACCEPTED), now=NOW.replace(year=2027))
    found = check(sent, data)
    assert found.good, found.problems
    assert found.notes == ("Since then 1 that was unknown became accepted.",)
    assert check(sent, make(sent)).notes == ()


def test_only_a_mailing_that_is_over_is_certified(sent: Database) -> None:
    with pytest.raises(MailingNotFoundError):
        make_certificate(sent, 2, secret=KEY, now=NOW)
    change(sent, sa.update(mailing).values(state="paused"))
    with pytest.raises(SendError, match="is paused"):
        make(sent)


def test_deliveries_of_other_mailings_between_them_do_not_matter(sent: Database) -> None:
    data = make(sent)
    with sent.write() as connection:
        planned_mailing(connection, edition="another")
    assert check(sent, data).good
