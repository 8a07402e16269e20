"""Undoing an import: the state before comes back to the byte, and what happened since is left alone and told."""

import contextlib
import datetime as dt
import hashlib
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from newsletter.audience.changing import find_both, merge
from newsletter.audience.importing import ImportCounts, Imported
from newsletter.audience.lists import Consent, subscribe, unsubscribe
from newsletter.audience.receipts import erase_from_receipts, find_receipt, list_receipts
from newsletter.audience.subscribers import Details, find_subscriber, save_subscriber, suppress
from newsletter.audience.undoing import undo_import
from newsletter.database.connection import Database
from newsletter.database.schema import (
    ConsentMethod,
    SuppressionReason,
    composition,
    delivery,
    import_arrival,
    import_change,
    list_,
    mailing,
    metadata,
    subscriber,
    subscriber_tag,
)
from newsletter.errors import AudienceError
from tests.audience.imports import addresses, export, export_of, prepare, told
from tests.database.opened import NOW, SECRET

LATER = NOW + dt.timedelta(hours=1)

FILE = """\
email,first_name,country,tags,attributes.team
ada@example.com,Ada,GB,"a,b",X
bob@example.com,Bob,KE,,
eve@example.com,Eve,,,
"""


def undo(database: Database, receipt: int | None):
    assert receipt is not None
    with database.write() as connection:
        return undo_import(connection, receipt, now=LATER)


def test_people_who_came_are_gone_and_those_changed_are_as_before(database: Database, import_bytes) -> None:
    import_bytes(
        "email,first_name,attributes.team,attributes.b\nADA@example.com,Augusta,W,z\n", to_list="donors", tags=("b",)
    )
    before = export(database)
    done, _ = import_bytes(FILE, at=LATER)
    assert done.counts == ImportCounts(2, 1, 0, 0)
    undone = undo(database, done.receipt)
    assert (undone.removed, undone.restored, undone.left_alone) == (2, 1, ())
    assert export(database) == before


def test_what_happened_since_is_left_alone_and_told(database: Database, import_bytes) -> None:
    names = ["edited", "tagged", "left", "suppressed", "moved", "agreed", "plain"]
    done, _ = import_bytes("email\n" + "".join(f"{name}@example.com\n" for name in names))
    with database.write() as connection:
        ids = {name: find_subscriber(connection, f"{name}@example.com").id for name in names}
        save_subscriber(connection, Details(email="edited@example.com", first_name="E"), secret=SECRET, now=LATER)
        connection.execute(sa.insert(subscriber_tag).values(subscriber_id=ids["tagged"], tag="vip"))
        unsubscribe(connection, ids["left"], "community", now=LATER)
        suppress(connection, "suppressed@example.com", SuppressionReason.BOUNCED, secret=SECRET, now=LATER)
        subscribe(connection, ids["moved"], "donors", Consent("yes", ConsentMethod.FORM, LATER))
    undone = undo(database, done.receipt)
    assert {one.email: one.reason for one in undone.left_alone} == {
        "edited@example.com": "Their details or tags were changed since.",
        "tagged@example.com": "Their details or tags were changed since.",
        "left@example.com": "They are unsubscribed since.",
        "suppressed@example.com": "Their address was suppressed since.",
        "moved@example.com": "They are on another list since.",
    }
    assert undone.removed == 2
    assert set(addresses(database)) == {one.email for one in undone.left_alone}


def test_a_field_changed_since_stays_and_the_others_come_back(database: Database, import_bytes) -> None:
    import_bytes("email,first_name,country\nada@example.com,Augusta,FR\n")
    done, _ = import_bytes(FILE, at=LATER)
    with database.write() as connection:
        save_subscriber(connection, Details(email="ada@example.com", country="US"), secret=SECRET, now=LATER)
        connection.execute(sa.delete(subscriber_tag).where(subscriber_tag.c.tag == "a"))
    undone = undo(database, done.receipt)
    assert [(one.email, one.reason) for one in undone.left_alone] == [
        ("ada@example.com", "Their country was changed since. These tags were taken away since: a.")
    ]
    with database.read() as connection:
        ada = find_subscriber(connection, "ada@example.com")
    assert (ada.first_name, ada.country, ada.tags, ada.attributes) == ("Augusta", "US", (), {})


def test_who_was_mailed_since_is_off_the_list_and_stays_in_the_ledger(database: Database, import_bytes) -> None:
    done, _ = import_bytes(FILE)
    with database.write() as connection:
        person = find_subscriber(connection, "bob@example.com").id
        connection.execute(sa.insert(composition).values(digest="d", data=b""))
        values = {"edition": "one", "title": "One", "digest": "d", "sender": "outbox", "state": "sent"}
        on = connection.scalar(sa.select(list_.c.id).where(list_.c.slug == "community"))
        sent = connection.scalars(
            sa.insert(mailing).returning(mailing.c.id),
            [{**values, "list_id": on, "created_at": NOW, "holds_until": NOW}],
        ).one()
        row = {"mailing_id": sent, "edition": "one", "subscriber_id": person, "state": "accepted"}
        connection.execute(sa.insert(delivery).values(row))
    undone = undo(database, done.receipt)
    assert undone.removed == 2
    assert "mailed since" in undone.left_alone[0].reason
    assert addresses(database) == ["bob@example.com"]
    with database.read() as connection:
        assert connection.scalar(sa.select(delivery.c.subscriber_id)) == person
    assert export(database)[2] == []


def test_people_who_come_twice_in_a_long_file_are_one_and_can_be_undone(
    database: Database, import_bytes, monkeypatch
) -> None:
    """Each batch of rows knows what those before it brought."""
    monkeypatch.setattr("newsletter.audience.importing.running.BATCH", 2)
    import_bytes("email,first_name\nold@example.com,Old\n", to_list="donors")
    before = export(database)
    rows = ["ada,A", "bob,B", "ada,A", "old,O", "bob,Bo", "eve,E", "old,Older", "old,Older", "ada,Ada", "ada,Ada"]
    text = "email,first_name\n" + "".join(f"{row.replace(',', '@example.com,')}\n" for row in rows)
    done, outcomes = import_bytes(text, at=LATER)
    ends = ["new", "new", "unchanged", "updated", "updated", "new", "updated", "unchanged", "updated", "unchanged"]
    assert [outcome for _, outcome in told(outcomes)] == ends
    with database.read() as connection:
        names = [find_subscriber(connection, f"{name}@example.com").first_name for name in ("ada", "bob", "old")]
    assert names == ["Ada", "Bo", "Older"]
    undone = undo(database, done.receipt)
    assert (undone.removed, undone.restored, undone.left_alone) == (3, 1, ())
    assert export(database) == before


def test_undone_once_is_undone(database: Database, import_bytes) -> None:
    done, _ = import_bytes(FILE)
    undo(database, done.receipt)
    with pytest.raises(AudienceError, match="undone on 22 November 2026 already"):
        undo(database, done.receipt)
    with pytest.raises(AudienceError, match="no receipt 99"):
        undo(database, 99)


def test_imports_are_undone_in_any_order_without_harm(database: Database, import_bytes) -> None:
    first, _ = import_bytes(FILE)
    between = export(database)
    second, _ = import_bytes(FILE.replace("Bob", "Robert"), at=LATER)
    undone = undo(database, first.receipt)
    assert [one.email for one in undone.left_alone] == ["bob@example.com"]
    undo(database, second.receipt)
    with database.read() as connection:
        assert find_subscriber(connection, "bob@example.com").first_name == "Bob"
    assert addresses(database) == ["bob@example.com"]
    assert between[0][1] in export(database)[0]


def test_a_receipt_keeps_nothing_of_somebody_erased_and_can_still_be_undone(database: Database, import_bytes) -> None:
    import_bytes("email,first_name\nbob@example.com,Robert\n")
    done, _ = import_bytes(FILE, at=LATER)
    with database.write() as connection:
        for email in ("ada@example.com", "bob@example.com"):
            person = find_subscriber(connection, email).id
            erase_from_receipts(connection, person)
            connection.execute(sa.delete(subscriber).where(subscriber.c.id == person))
    with database.read() as connection:
        kept = [connection.execute(sa.select(table)).all() for table in (import_change, import_arrival)]
        receipts = [
            row
            for table in metadata.sorted_tables
            if "import" in table.name
            for row in connection.execute(sa.select(table))
        ]
    assert kept[0] == []
    assert [row.marks[:4] for row in kept[1] if row.receipt_id == done.receipt] == [bytes(4)]
    assert not any(word in str(receipts) for word in ("ada@", "Bob", "Robert"))
    undone = undo(database, done.receipt)
    assert (undone.removed, undone.left_alone) == (1, ())
    assert addresses(database) == []


def test_a_receipt_tells_what_was_done(database: Database, import_bytes) -> None:
    done, _ = import_bytes(FILE, tags=("ngo",), consent="paper form")
    with database.read() as connection:
        (receipt,) = list_receipts(connection)
        assert receipt == find_receipt(connection, done.receipt or 0)
    assert receipt.counts == done.counts
    assert receipt.as_json()["options"] == {
        "form": "CSV, UTF-8, separated by commas",
        "list": "community",
        "consent": "paper form",
        "tags": ["ngo"],
        "columns": {name: name for name in FILE.split("\n", 1)[0].split(",")},
    }
    assert receipt.digest == hashlib.sha256(FILE.encode()).hexdigest()


def test_imports_undone_the_newest_first_leave_nothing(database: Database, import_bytes) -> None:
    """An agreement that came with an import which is undone is none any more."""
    before = export(database)
    first, _ = import_bytes(FILE)
    between = export(database)
    second, _ = import_bytes(FILE, at=LATER, to_list="donors")
    assert undo(database, second.receipt).left_alone == ()
    assert export(database) == between
    assert undo(database, first.receipt).left_alone == ()
    assert export(database) == before


def test_who_signed_up_since_and_was_merged_stays(database: Database, import_bytes) -> None:
    """They said yes to the list themselves, under another address of theirs."""
    done, _ = import_bytes("email\nada@example.com\n")
    with database.write() as connection:
        other, _ = save_subscriber(connection, Details(email="ada@example.org"), secret=SECRET, now=LATER)
        subscribe(connection, other, "community", Consent("yes", ConsentMethod.FORM, LATER))
        merge(connection, *find_both(connection, "ada@example.org", "ada@example.com"))
    assert [one.reason for one in undo(database, done.receipt).left_alone] == ["They agreed anew since."]
    assert addresses(database) == ["ada@example.com"]


class _OverError(Exception):
    """Gives the world of one example up."""


ROW = st.tuples(
    st.sampled_from("abcdef"),
    st.sampled_from(["", "N", "Ü", "M"]),
    st.sampled_from(["", "KE", "FR"]),
    st.sampled_from(["", "t", "t;u", "v"]),
    st.sampled_from(["", "2026-01-31"]),
    st.sampled_from(["", "x", "y"]),
)
ROWS = st.lists(ROW, max_size=6)
HEADER = "email;first_name;country;tags;joined;attributes.team\n"


def as_file(rows: list[tuple[str, ...]]) -> str:
    """The rows as a file; an address is given by its letter."""
    return HEADER.replace(";", "|") + "".join(f"{row[0]}@example.com|" + "|".join(row[1:]) + "\n" for row in rows)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    world=st.lists(st.tuples(ROWS, st.sampled_from(["community", "donors", None])), max_size=3),
    leaves=st.sets(st.sampled_from("abcdef"), max_size=2),
    never=st.sets(st.sampled_from("abcdef"), max_size=1),
    rows=ROWS,
    to_list=st.sampled_from(["community", None]),
    tags=st.sampled_from([(), ("t",)]),
)
def test_any_world_is_the_same_after_import_and_undo(
    *, database: Database, tmp_path: Path, world, leaves, never, rows, to_list, tags
) -> None:
    def bring(rows: list[tuple[str, ...]], at: dt.datetime, **order: object) -> Imported:
        path = tmp_path / "people.csv"
        path.write_text(as_file(rows), encoding="utf-8")
        return prepare(path, at, [], **order).run(connection)

    with contextlib.suppress(_OverError), database.write() as connection:
        for past, on in world:
            bring(past, NOW, to_list=on)
        for letter in leaves & {email[0] for email in connection.scalars(sa.select(subscriber.c.email))}:
            unsubscribe(connection, find_subscriber(connection, f"{letter}@example.com").id, "community", now=NOW)
        for letter in never:
            suppress(connection, f"{letter}@example.com", SuppressionReason.ASKED, secret=SECRET, now=NOW)
        before = export_of(connection)
        done = bring(rows, LATER, to_list=to_list, tags=tags)
        after = export_of(connection)
        assert done.counts.rows == len(rows)
        if len({row[0] for row in rows}) == len(rows):
            again = bring(rows, LATER, to_list=to_list, tags=tags).counts
            assert again.new == again.updated == 0, "the second import of a file changes nothing"
            assert export_of(connection) == after
        undone = undo_import(connection, done.receipt or 0, now=LATER)
        assert undone.left_alone == ()
        assert export_of(connection) == before
        raise _OverError
