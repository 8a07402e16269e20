"""People: which addresses are one, what is kept, and who may be mailed."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from newsletter.audience.lists import count_people, ensure_lists, find_list, people, subscribe, unsubscribe
from newsletter.audience.subscribers import (
    Change,
    Details,
    find_subscriber,
    read_address,
    save_subscriber,
    suppress,
)
from newsletter.database.connection import Database
from newsletter.database.schema import SuppressionReason, consent_record, list_, subscriber, suppression
from newsletter.errors import AddressError, AudienceError, ListNotFoundError, SubscriberNotFoundError
from newsletter.expressions import parse_expression
from tests.database.opened import AGREED, NOW, SECRET, add_people

ADA = Details(
    email="Ada.Lovelace@Example.COM",
    first_name="Ada",
    last_name="Lovelace",
    language="en",
    country="gb",
    tags=("researcher", "ngo"),
    attributes={"team": "Analysis"},
)


def save(connection: sa.Connection, details: Details) -> tuple[int, Change]:
    return save_subscriber(connection, details, secret=SECRET, now=NOW)


@pytest.mark.parametrize(
    ("typed", "email", "key"),
    [
        (" Ada@Example.COM ", "Ada@example.com", "ada@example.com"),
        ("ada+news@example.org", "ada+news@example.org", "ada+news@example.org"),
        ("a.d.a@example.org", "a.d.a@example.org", "a.d.a@example.org"),
        ("ada@BÜCHER.example.com", "ada@bücher.example.com", "ada@xn--bcher-kva.example.com"),
        ("ada@xn--bcher-kva.example.com", "ada@bücher.example.com", "ada@xn--bcher-kva.example.com"),
        ("ÄDA@example.com", "ÄDA@example.com", "äda@example.com"),
        ("a\u0308da@example.com", "äda@example.com", "äda@example.com"),
        ("-n@example.org", "-n@example.org", "-n@example.org"),
        ("o'k@example.net", "o'k@example.net", "o'k@example.net"),
    ],
)
def test_the_normal_form_folds_what_is_the_same_mailbox_and_no_more(typed: str, email: str, key: str) -> None:
    address = read_address(typed)
    assert (address.email, address.key) == (email, key)


@given(
    local=st.text("abcABCäÄßéÉ.+-_ς", min_size=1, max_size=12),
    domain=st.sampled_from(["Example.com", "ÉCOLE.example.org"]),
)
def test_the_normal_form_of_a_normal_form_is_itself(local: str, domain: str) -> None:
    try:
        address = read_address(f"{local}@{domain}")
    except AddressError:
        return
    assert read_address(address.key).key == address.key
    assert read_address(address.email).key == address.key
    assert read_address(address.email.upper().replace("SS", "ss")).key == address.key or not local.isascii()


@pytest.mark.parametrize(
    "typed",
    ["", "ada", "@", "ada@", "@example.com", "ada@localhost", "ada@example", "Ada <ada@example.com>", "a@b@example.com",
     "ada@example.com,bob@example.com", "ada @example.com", "ada@example.com\nBcc: eve@example.com", "\x00@example.com",
     "a" * 65 + "@example.com", "ada@" + "e" * 260 + ".com", "ada@[127.0.0.1]", "\ud800@example.com"],
)  # fmt: skip
def test_what_cannot_be_mailed_is_refused_with_a_sentence_of_one_line(typed: str) -> None:
    with pytest.raises(AddressError, match="is not an email address that can be mailed") as raised:
        read_address(typed)
    assert str(raised.value).isprintable()


def test_the_hash_of_an_address_needs_the_key_and_folds_as_the_normal_form() -> None:
    assert read_address("ADA@example.com").hashed(SECRET) == read_address("ada@EXAMPLE.com").hashed(SECRET)
    assert read_address("ada@example.com").hashed(SECRET) != read_address("ada@example.com").hashed(b"another key")
    assert len(read_address("ada@example.com").hashed(SECRET)) == 32


def test_a_person_comes_back_as_they_went_in(database: Database) -> None:
    with database.write() as connection:
        assert save(connection, ADA)[1] is Change.NEW
        ada = find_subscriber(connection, "ada.lovelace@example.com")
    assert ada.person == {
        "email": "Ada.Lovelace@example.com",
        "first_name": "Ada",
        "last_name": "Lovelace",
        "language": "en",
        "country": "GB",
        "joined": date(2026, 11, 22),
        "tags": ("ngo", "researcher"),
        "attributes": {"team": "Analysis"},
    }


def test_what_was_said_again_is_set_and_what_was_not_said_stays(database: Database) -> None:
    with database.write() as connection:
        first, _ = save(connection, ADA)
        assert save(connection, ADA) == (first, Change.UNCHANGED)
        assert save(connection, Details(email="ADA.lovelace@example.com")) == (first, Change.UNCHANGED)
        more = Details(email=ADA.email, first_name="Augusta", tags=("ngo", "donor"), attributes={"seat": "3"})
        assert save(connection, more) == (first, Change.UPDATED)
        ada = find_subscriber(connection, ADA.email)
    assert (ada.first_name, ada.last_name, ada.country) == ("Augusta", "Lovelace", "GB")
    assert ada.tags == ("donor", "ngo", "researcher")
    assert ada.attributes == {"team": "Analysis", "seat": "3"}


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"first_name": "x" * 201}, "first_name is longer than 200 characters"),
        ({"first_name": "Ada\r\nBcc: eve@example.com"}, "first_name has a line break"),
        ({"last_name": "\ud800"}, "last_name has a line break or another"),
        ({"language": "English"}, "is not a language code like en or pt-BR"),
        ({"country": "Kenya"}, "is not a two-letter code like KE"),
        ({"attributes": {"shoe size": "43"}}, "is not a name of letters, digits and _"),
        ({"tags": ("ok", "two\nlines")}, "tag 2 has a line break"),
    ],
)
def test_a_detail_that_cannot_be_right_is_refused(database: Database, wrong: dict[str, object], sentence: str) -> None:
    with database.write() as connection:
        with pytest.raises(AudienceError, match=sentence):
            save(connection, replace(ADA, **wrong))
        assert connection.scalar(sa.select(sa.func.count()).select_from(subscriber)) == 0


def test_all_that_is_wrong_is_told_at_once(database: Database) -> None:
    with database.write() as connection, pytest.raises(AudienceError, match=r"language .*country") as raised:
        save(connection, replace(ADA, language="?", country="?"))
    assert str(raised.value).endswith(".")


def test_a_suppressed_address_cannot_be_added_however_it_is_typed(database: Database) -> None:
    with database.write() as connection:
        reason = SuppressionReason.ERASED
        assert suppress(connection, "ADA.LOVELACE@example.com", reason, secret=SECRET, now=NOW) is Change.NEW
        assert suppress(connection, ADA.email, SuppressionReason.BOUNCED, secret=SECRET, now=NOW) is Change.UNCHANGED
        with pytest.raises(AudienceError, match="must never be mailed again"):
            save(connection, ADA)
        kept = connection.execute(sa.select(suppression)).one()
    assert kept.reason == "erased"
    assert b"ada" not in kept.address_hash.lower()


def test_nobody_is_found_where_nobody_is(database: Database) -> None:
    with database.read() as connection, pytest.raises(SubscriberNotFoundError, match="newsletter subscribers add"):
        find_subscriber(connection, "eve@example.com")


def test_lists_are_made_known_once_and_stay(database: Database) -> None:
    with database.write() as connection:
        ensure_lists(connection, ["donors", "press", "press"])
        assert set(connection.scalars(sa.select(list_.c.slug))) == {"community", "donors", "press"}


def test_a_mistyped_list_is_told_the_nearest(database: Database) -> None:
    with database.read() as connection, pytest.raises(ListNotFoundError, match="Did you mean «community»"):
        find_list(connection, "comunity")


def test_subscribing_keeps_the_proof_and_does_so_once(database: Database) -> None:
    with database.write() as connection:
        ada, _ = save(connection, ADA)
        assert subscribe(connection, ada, "community", AGREED) is Change.NEW
        assert subscribe(connection, ada, "community", AGREED) is Change.UNCHANGED
        (proof,) = connection.execute(sa.select(consent_record)).all()
    assert (proof.subscriber_id, proof.wording, proof.method, proof.at) == (ada, AGREED.wording, "form", NOW)
    assert proof.address_hash == read_address(ADA.email).hashed(SECRET)


def test_who_left_is_not_brought_back(database: Database) -> None:
    with database.write() as connection:
        ada, _ = save(connection, ADA)
        subscribe(connection, ada, "community", AGREED)
        assert unsubscribe(connection, ada, "community", now=NOW + timedelta(days=1)) is Change.UPDATED
        assert unsubscribe(connection, ada, "community", now=NOW + timedelta(days=2)) is Change.UNCHANGED
        with pytest.raises(AudienceError, match=r"left the list «community» on 23 November 2026 \(unsubscribed\)"):
            subscribe(connection, ada, "community", AGREED)
        assert list(people(connection, "community")) == []


def chosen(connection: sa.Connection, where: str | None = None) -> list[str]:
    condition = None if where is None else parse_expression(where)
    found = [person.email for person in people(connection, "community", condition)]
    assert count_people(connection, "community", condition) == len(found)
    return found


def test_only_active_and_unsuppressed_people_of_the_list_are_mailed(database: Database) -> None:
    with database.write() as connection:
        add_people(connection, 2)
        add_people(connection, 1, "donors")
        add_people(connection, 2)
        unsubscribe(connection, 4, "community", now=NOW)
        suppress(connection, "reader5@example.com", SuppressionReason.BOUNCED, secret=SECRET, now=NOW)
        assert chosen(connection) == ["reader1@example.com", "reader2@example.com"]


def test_a_condition_chooses_among_them(database: Database) -> None:
    with database.write() as connection:
        for number, country in enumerate(["KE", None, "UG", "KE"]):
            tags = ("researcher",) if number < 2 else ()
            person, _ = save(connection, Details(email=f"p{number}@example.com", country=country, tags=tags))
            subscribe(connection, person, "community", AGREED)
        assert chosen(connection, 'country == "KE"') == ["p0@example.com", "p3@example.com"]
        assert chosen(connection, 'country == "KE" and "researcher" in tags') == ["p0@example.com"]
        assert chosen(connection, 'country == "TZ"') == []


def test_a_long_list_is_walked_whole_and_in_order_while_it_is_written_to(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("newsletter.audience.lists.PAGE", 7)
    with database.write() as connection:
        everybody = add_people(connection, 50)
        met = []
        for person in people(connection, "community"):
            met.append(person.id)
            unsubscribe(connection, person.id, "community", now=NOW)
    assert met == everybody


def test_reading_people_costs_two_queries_a_page(database: Database) -> None:
    with database.write() as connection:
        add_people(connection, 120)
        statements: list[str] = []
        watch: Callable[..., None] = lambda *about: statements.append(about[2])  # noqa: E731
        sa.event.listen(connection, "before_cursor_execute", watch)
        assert sum(1 for _ in people(connection, "community")) == 120
    assert len(statements) <= 5


def test_a_page_of_people_costs_the_same_wherever_it_stands(sqlite_database: Database) -> None:
    """Sorted by the index and begun where the last one ended: a list's time grows with its length, not its square."""
    with sqlite_database.write() as connection:
        add_people(connection, 200)
        connection.exec_driver_sql("ANALYZE")
        seen: list[tuple[str, object]] = []
        sa.event.listen(connection, "before_cursor_execute", lambda *about: seen.append((about[2], about[3])))
        next(people(connection, "community"))
        statement, values = next((text, values) for text, values in seen if "subscription" in text)
        steps = [step[3] for step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)]
    assert any("subscriber_id>?" in step for step in steps), steps
    assert not any("TEMP B-TREE" in step or "SCAN" in step for step in steps), steps
