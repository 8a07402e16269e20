"""Consent records are only ever added, and a link to confirm works once, for one request, for a week."""

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from newsletter.audience.consent import (
    LASTS,
    MOST_LISTS,
    Consent,
    add_record,
    confirm,
    confirmation,
    find_request,
    hashed_origin,
    look_up,
)
from newsletter.audience.lists import ensure_lists, find_list, mailable, subscribe, unsubscribe
from newsletter.audience.subscribers import Details, save_subscriber, suppress
from newsletter.database.connection import Database
from newsletter.database.schema import ConsentMethod, SubscriptionStatus, SuppressionReason, consent_record, subscriber
from newsletter.errors import AudienceError, TokenError
from newsletter.tokens import Signer
from tests.database.opened import NOW, SECRET

SIGNER = Signer(b"k" * 32)
ASKED = Consent("Send me the newsletter.", ConsentMethod.FORM, NOW, hashed_origin("192.0.2.7", SECRET))


def pending(connection: sa.Connection, email: str = "ann@example.org") -> int:
    person, _ = save_subscriber(connection, Details(email=email), secret=SECRET, now=NOW)
    subscribe(connection, person, "community", ASKED, SubscriptionStatus.PENDING)
    return person


def test_who_asked_is_mailed_only_after_they_confirm_and_only_once(database: Database) -> None:
    with database.write() as connection:
        person, to_list = pending(connection), find_list(connection, "community")
        assert list(connection.scalars(mailable(to_list))) == []
        token = confirmation(connection, person, [to_list], SIGNER, now=NOW)
        assert confirm(connection, token, SIGNER, now=NOW + timedelta(days=6)).lists == ("community",)
        assert list(connection.scalars(mailable(to_list))) == [person]
        with pytest.raises(TokenError, match="used already"):
            confirm(connection, token, SIGNER, now=NOW + timedelta(days=6))
        unsubscribe(connection, person, "community", now=NOW)
        with pytest.raises(TokenError, match="used already"):
            confirm(connection, token, SIGNER, now=NOW + timedelta(days=6))
        methods = connection.scalars(sa.select(consent_record.c.method).order_by(consent_record.c.id)).all()
        assert methods == ["form", "confirm", "withdraw"]
        with pytest.raises(AudienceError, match="not waiting"):
            confirmation(connection, person, [to_list], SIGNER, now=NOW)


def test_a_link_expires_after_a_week_and_is_good_for_nothing_else(database: Database) -> None:
    with database.write() as connection:
        person, to_list = pending(connection), find_list(connection, "community")
        token = confirmation(connection, person, [to_list], SIGNER, now=NOW)
        with pytest.raises(TokenError, match="expired"):
            confirm(connection, token, SIGNER, now=NOW + LASTS)
        with pytest.raises(TokenError):
            confirm(connection, SIGNER.sign("unsubscribe", person, to_list, 1), SIGNER, now=NOW)
        with pytest.raises(TokenError):
            confirm(connection, SIGNER.sign("confirm", person), SIGNER, now=NOW)
        suppress(connection, "ann@example.org", SuppressionReason.ASKED, secret=SECRET, now=NOW)
        with pytest.raises(TokenError):
            confirm(connection, token, SIGNER, now=NOW)


def test_one_link_is_good_for_several_lists_each_for_itself(database: Database) -> None:
    with database.write() as connection:
        person = pending(connection)
        subscribe(connection, person, "donors", ASKED, SubscriptionStatus.PENDING)
        lists = [find_list(connection, slug) for slug in ("community", "donors")]
        token = confirmation(connection, person, lists, SIGNER, now=NOW)
        assert look_up(connection, token, SIGNER, now=NOW).waiting == ("community", "donors")
        unsubscribe(connection, person, "donors", now=NOW)
        assert confirm(connection, token, SIGNER, now=NOW).lists == ("community",)
        asked = look_up(connection, token, SIGNER, now=NOW)
        assert (asked.waiting, asked.active) == ((), ("community",))


def test_the_longest_link_still_works(database: Database) -> None:
    slugs = [f"list-{number}" for number in range(MOST_LISTS + 1)]
    with database.write() as connection:
        ensure_lists(connection, slugs)
        person = pending(connection)
        for slug in slugs:
            subscribe(connection, person, slug, ASKED, SubscriptionStatus.PENDING)
        lists = [find_list(connection, slug) for slug in slugs]
        token = confirmation(connection, person, lists, SIGNER, now=NOW)
        assert confirm(connection, token, SIGNER, now=NOW).lists == tuple(slugs[:MOST_LISTS])
        far = [2**28, *(number for _ in range(MOST_LISTS) for number in (100, 2**28))]
        SIGNER.read("confirm", SIGNER.sign("confirm", *far, expires=NOW + LASTS), now=NOW)


def test_who_left_is_asked_for_by_a_newer_request_alone(database: Database) -> None:
    """Whoever left stays so for every link from before, and for every record that is no request of the form."""
    later = NOW + timedelta(days=1)
    with database.write() as connection:
        person, to_list = pending(connection), find_list(connection, "community")
        before = confirmation(connection, person, [to_list], SIGNER, now=NOW)
        unsubscribe(connection, person, "community", now=later)
        assert find_request(connection, person, to_list) is None  # the newest record says that they left
        add_record(connection, person, to_list, Consent("by hand", ConsentMethod.COMMAND, later))
        assert find_request(connection, person, to_list) is None
        add_record(connection, person, to_list, replace(ASKED, at=NOW))  # from before they left
        assert find_request(connection, person, to_list) is None
        request = add_record(connection, person, to_list, replace(ASKED, at=later))
        assert find_request(connection, person, to_list) == (request, SubscriptionStatus.UNSUBSCRIBED)
        with pytest.raises(TokenError, match="not the newest"):
            confirm(connection, before, SIGNER, now=later)
        token = confirmation(connection, person, [to_list], SIGNER, now=later)
        assert confirm(connection, token, SIGNER, now=later).lists == ("community",)
        assert list(connection.scalars(mailable(to_list))) == [person]


@pytest.mark.parametrize(
    "change",
    [
        sa.update(consent_record).values(wording="more"),
        sa.update(consent_record).values(subscriber_id=None, at=NOW + timedelta(days=1)),
        sa.update(consent_record).values(subscriber_id=1, address_hash=b"x"),
        sa.delete(consent_record),
    ],
)
def test_the_database_refuses_to_change_or_delete_a_record(database: Database, change: sa.Executable) -> None:
    with database.write() as connection:
        pending(connection)
    with pytest.raises(Exception, match="consent records are never changed"), database.write() as connection:
        connection.execute(change)


def test_a_record_outlives_the_person_and_forgets_whose_it_was(database: Database) -> None:
    with database.write() as connection:
        person = pending(connection)
        before = connection.execute(sa.select(consent_record)).one()
        connection.execute(sa.delete(subscriber).where(subscriber.c.id == person))
        after = connection.execute(sa.select(consent_record)).one()
    assert after.subscriber_id is None
    assert after.address_hash == before.address_hash
    assert after.origin == ASKED.origin
