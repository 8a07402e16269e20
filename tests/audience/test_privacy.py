"""Privacy: everything about a person can be seen, and nothing of them stays where it can be read."""

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from newsletter.audience.consent import Consent
from newsletter.audience.lists import count_people, subscribe
from newsletter.audience.privacy import PENDING_LASTS, Handed, erase, expire_pending, files_with, person_report
from newsletter.audience.subscribers import Details, find_subscriber, read_address, save_subscriber
from newsletter.database.connection import Database
from newsletter.database.outside import EventKind, form_entry, webhook
from newsletter.database.schema import (
    ConsentMethod,
    SubscriptionStatus,
    composition,
    consent_record,
    delivery,
    mailing,
    metadata,
    subscriber,
    suppression,
)
from newsletter.errors import AudienceError, SubscriberNotFoundError
from newsletter.feedback.events import Event, record
from newsletter.letters.queue import LetterKind, write_letter
from newsletter.webhooks.announcing import announce
from tests.database.opened import NOW, SECRET, add_people

ADA = Details(
    email="Ada.Lovelace@example.com",
    first_name="Augusta Ada",
    last_name="Lovelace-King",
    tags=("analytical-engine",),
    attributes={"employer": "Babbage & Co"},
)
TRACES = (b"ada.lovelace", b"augusta ada", b"lovelace-king", b"analytical-engine", b"babbage")


def add_ada(database: Database, status: SubscriptionStatus = SubscriptionStatus.ACTIVE) -> int:
    with database.write() as connection:
        person, _ = save_subscriber(connection, ADA, secret=SECRET, now=NOW)
        subscribe(connection, person, "community", Consent("Yes, please.", ConsentMethod.FORM, NOW), status=status)
    return person


def mail(database: Database, person: int, *, state: str = "refused", sender: str = "outbox") -> int:
    with database.write() as connection:
        connection.execute(sa.insert(composition).values(digest="d" * 64, data=b"{}"))
        about = {"edition": "data-sharing", "title": "Data Sharing", "list_id": 1, "digest": "d" * 64, "sender": sender}
        about |= {"state": "sending", "created_at": NOW, "holds_until": NOW, "audience": 1}
        source = 'email != "ada.lovelace@EXAMPLE.com"'
        made = connection.execute(sa.insert(mailing).values(where_source=source, **about)).inserted_primary_key[0]
        row = {"mailing_id": made, "edition": "data-sharing", "subscriber_id": person, "state": state}
        why = "550 <ADA.Lovelace@example.com>: no such user"
        connection.execute(sa.insert(delivery).values(reason=why, claimed_at=NOW, answered_at=NOW, **row))
    return int(made)


def leave_traces(database: Database, person: int) -> None:
    """What came back about Ada, what she wrote into a form, what other programs are told, a letter to her."""
    hashed = read_address(ADA.email).hashed(SECRET)
    with database.write() as connection:
        said = {"reason": f"550 {ADA.email}: no such user", "raw": f"To: Augusta Ada <{ADA.email}>"}
        bounced = Event(provider="smtp", key="1", kind=EventKind.BOUNCED, at=NOW, subscriber=person, **said)
        record(connection, bounced, now=NOW)
        entry = {"form": "updates", "at": NOW, "expires_at": NOW, "address_hash": hashed}
        connection.execute(sa.insert(form_entry).values(answers={"news": "Analytical-Engine of Babbage"}, **entry))
        connection.execute(
            sa.insert(webhook).values(url="https://www.example.org", kinds=["subscriber.confirmed"], created_at=NOW)
        )
        announce(connection, "subscriber.confirmed", {"email": ADA.email}, now=NOW, subscriber_id=person)
        write_letter(connection, LetterKind.ACCESS, ADA.email, secret=SECRET, now=NOW, subscriber_id=person)


def raw(database: Database) -> bytes:
    """Every byte that the database has in files, in lower case."""
    assert database.path is not None
    return b"".join(path.read_bytes() for path in sorted(database.path.parent.glob("*newsletter.db*"))).lower()


def test_nothing_of_an_erased_person_is_in_any_file_of_the_database(sqlite_database: Database) -> None:
    """They are added, change, and are moved about by others who come and go, as time does with a database."""
    person = add_ada(sqlite_database)
    mail(sqlite_database, person)
    leave_traces(sqlite_database, person)
    with sqlite_database.write() as connection:
        add_people(connection, 3000)
        connection.execute(sa.update(subscriber).where(subscriber.c.id == person).values(first_name="Augusta Ada B."))
        connection.execute(sa.delete(subscriber).where(subscriber.c.id % 3 == 2))
    copy = sqlite_database.path.with_name("newsletter.db.version-0000")
    copy.write_bytes(b"old rows: Ada.Lovelace@example.com")
    before = raw(sqlite_database)
    assert all(trace in before for trace in TRACES)

    done = erase(sqlite_database, "ADA.lovelace@Example.com", secret=SECRET, now=NOW)

    assert done.known
    assert done.removed == (str(copy),)
    after = raw(sqlite_database)
    assert [trace for trace in TRACES if trace in after] == []
    assert b"reader 7" in after  # the others are there


def test_a_copy_that_does_not_hold_the_person_is_kept(sqlite_database: Database) -> None:
    add_ada(sqlite_database)
    copy = sqlite_database.path.with_name("newsletter.db.version-0000")
    copy.write_bytes(b"somebody else's rows")
    erase(sqlite_database, ADA.email, secret=SECRET, now=NOW)
    assert copy.exists()


def test_what_stays_names_nobody_and_counts_as_before(database: Database) -> None:
    person = add_ada(database)
    made = mail(database, person)
    leave_traces(database, person)
    done = erase(database, ADA.email, secret=SECRET, now=NOW)
    assert done.known
    with database.read() as connection:
        row = connection.execute(sa.select(delivery)).one()
        assert (row.mailing_id, row.subscriber_id, row.state) == (made, None, "refused")
        assert row.reason == "550 <erased@example.invalid>: no such user"
        assert connection.scalar(sa.select(mailing.c.where_source)) == 'email != "erased@example.invalid"'
        assert connection.scalar(sa.select(consent_record.c.subscriber_id)) is None
        assert connection.scalar(sa.select(suppression.c.reason)) == "erased"
        assert count_people(connection, "community") == 0
        with pytest.raises(SubscriberNotFoundError):
            find_subscriber(connection, ADA.email)
        for table in metadata.sorted_tables:
            for found in connection.execute(sa.select(table)):
                assert "lovelace" not in repr(tuple(found)).lower()


def test_an_erased_address_cannot_be_added_again(database: Database) -> None:
    add_ada(database)
    erase(database, ADA.email, secret=SECRET, now=NOW)
    with pytest.raises(AudienceError, match=r"must never be mailed again \(erased\)"), database.write() as connection:
        save_subscriber(connection, ADA, secret=SECRET, now=NOW)


def test_erasing_twice_or_somebody_unknown_still_keeps_them_out(database: Database) -> None:
    for _ in range(2):
        assert not erase(database, ADA.email, secret=SECRET, now=NOW).known
    with pytest.raises(AudienceError, match="erased"), database.write() as connection:
        save_subscriber(connection, ADA, secret=SECRET, now=NOW)


def test_an_older_reason_not_to_mail_stays(database: Database) -> None:
    add_ada(database)
    with database.write() as connection:
        hashed = connection.scalar(sa.select(subscriber.c.address_hash))
        connection.execute(sa.insert(suppression).values(address_hash=hashed, reason="complained", at=NOW))
    erase(database, ADA.email, secret=SECRET, now=NOW)
    with database.read() as connection:
        assert connection.scalars(sa.select(suppression.c.reason)).all() == ["complained"]


def test_copies_of_messages_are_deleted_before_anything_is_forgotten(database: Database) -> None:
    """If the copies cannot be deleted, the person is still there to be erased again."""
    mail(database, add_ada(database), state="accepted")

    def fail(messages: object) -> list[str]:
        raise PermissionError(13, "Permission denied", "outbox/00000001.eml")

    with pytest.raises(PermissionError):
        erase(database, ADA.email, secret=SECRET, now=NOW, forget=fail)
    seen: list[Handed] = []
    done = erase(database, ADA.email, secret=SECRET, now=NOW, forget=lambda all_: seen.extend(all_) or ["1.eml"])
    assert done.known
    assert done.removed == ("1.eml",)
    assert [(one.mailing, one.edition, one.sender) for one in seen] == [(1, "data-sharing", "outbox")]


@pytest.mark.parametrize(
    ("state", "sender", "told"), [("accepted", "smtp", "mailbox"), ("claimed", "outbox", "leaving")]
)
def test_what_cannot_be_reached_is_told(database: Database, state: str, sender: str, told: str) -> None:
    mail(database, add_ada(database), state=state, sender=sender)
    assert any(told in sentence for sentence in erase(database, ADA.email, secret=SECRET, now=NOW).remains)


def test_a_reader_in_the_way_is_told_and_the_next_time_finishes(sqlite_database: Database) -> None:
    import newsletter.database.connection as opening

    add_ada(sqlite_database)
    before = opening.BUSY_SECONDS
    opening.BUSY_SECONDS = 0
    try:
        with sqlite_database.read() as reading:
            reading.execute(sa.select(subscriber)).all()
            assert any(
                "Run the same" in one for one in erase(sqlite_database, ADA.email, secret=SECRET, now=NOW).remains
            )
    finally:
        opening.BUSY_SECONDS = before
    again = erase(sqlite_database, ADA.email, secret=SECRET, now=NOW)
    assert not any("Run the same" in one for one in again.remains)
    assert [trace for trace in TRACES if trace in raw(sqlite_database)] == []


def test_killed_while_it_cleans_up_it_can_be_finished(sqlite_database: Database) -> None:
    """The process ends between the transaction and the cleaning of the file."""
    add_ada(sqlite_database)
    program = (
        "import os, signal, sys\n"
        "from datetime import UTC, datetime\n"
        "from newsletter.audience.privacy import erase\n"
        "from newsletter.database.connection import Database, open_database\n"
        "Database.forget_deleted = lambda self: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"with open_database('sqlite:///{sqlite_database.path}') as database:\n"
        f"    erase(database, {ADA.email!r}, secret={SECRET!r}, now=datetime.now(UTC))\n"
    )
    run = subprocess.run([sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": "."}, check=False)
    assert run.returncode == -signal.SIGKILL
    erase(sqlite_database, ADA.email, secret=SECRET, now=NOW)
    assert [trace for trace in TRACES if trace in raw(sqlite_database)] == []


def test_a_report_tells_everything(database: Database) -> None:
    mail(database, add_ada(database))
    report = person_report(database, ADA.email, secret=SECRET)
    assert report["email"] == "Ada.Lovelace@example.com"
    assert report["attributes"] == {"employer": "Babbage & Co"}
    assert report["tags"] == ["analytical-engine"]
    moment = NOW.isoformat()
    assert report["lists"] == [{"list": "community", "status": "active", "since": moment, "changed": moment}]
    (agreed,) = report["consent"]
    assert (agreed["list"], agreed["wording"], agreed["method"], agreed["at"]) == (
        *("community", "Yes, please.", "form"),
        moment,
    )
    (message,) = report["messages"]
    assert (message["edition"], message["state"], message["left_at"]) == ("data-sharing", "refused", moment)
    assert report["suppression"] is None


def test_a_report_of_somebody_erased_tells_only_that_they_are_kept_out(database: Database) -> None:
    with pytest.raises(SubscriberNotFoundError):
        person_report(database, ADA.email, secret=SECRET)
    add_ada(database)
    erase(database, ADA.email, secret=SECRET, now=NOW)
    report = person_report(database, ADA.email, secret=SECRET)
    assert report["known"] is False
    assert report["suppression"] == {"reason": "erased", "at": NOW.isoformat()}


def test_a_sign_up_that_nobody_confirmed_is_forgotten_and_may_come_again(database: Database) -> None:
    add_ada(database, SubscriptionStatus.PENDING)
    assert expire_pending(database, now=NOW + PENDING_LASTS) == 0
    assert expire_pending(database, now=NOW + PENDING_LASTS + timedelta(seconds=1)) == 1
    with database.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(subscriber)) == 0
    add_ada(database)


def test_who_is_on_another_list_stays_when_a_sign_up_expires(database: Database) -> None:
    person = add_ada(database, SubscriptionStatus.PENDING)
    with database.write() as connection:
        subscribe(connection, person, "donors", Consent("Yes.", ConsentMethod.FORM, NOW))
    assert expire_pending(database, now=NOW + timedelta(days=60)) == 1
    report = person_report(database, ADA.email, secret=SECRET)
    assert [one["list"] for one in report["lists"]] == ["donors"]


def test_tables_that_still_hold_an_address_are_named(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("email\nADA.LOVELACE@example.com\n")
    (tmp_path / "others.csv").write_text("email\ngrace@example.com\n")
    assert files_with(tmp_path, ADA.email) == [tmp_path / "people.csv"]
    assert files_with(tmp_path / "missing", ADA.email) == []
