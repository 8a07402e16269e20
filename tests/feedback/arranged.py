"""A ledger as sending leaves it, made quickly: people of several domains, mailings that reached them, and events."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from newsletter.audience.lists import find_list, subscribe
from newsletter.audience.subscribers import Details, read_address, save_subscriber
from newsletter.config.pages import FeedbackTable
from newsletter.database.connection import Database
from newsletter.database.outside import EventKind, event
from newsletter.database.schema import (
    DeliveryState,
    MailingState,
    composition,
    delivery,
    mailing,
    subscriber,
    subscription,
    suppression,
)
from newsletter.feedback.events import Event
from newsletter.feedback.policy import Followed, follow
from tests.database.opened import AGREED, NOW, SECRET

LATER = NOW + dt.timedelta(days=400)
"""When tests tell what came back; whatever they tell happened before."""
SETTINGS = FeedbackTable()


@dataclass(frozen=True)
class Sent:
    """A mailing that was sent.

    Attributes:
        mailing: Its id.
        rows: The delivery of each person, by their address.
    """

    mailing: int
    rows: Mapping[str, int]


def join(database: Database, *emails: str, lists: Iterable[str] = ("community",)) -> None:
    """Put people on lists."""
    with database.write() as connection:
        for email in emails:
            person, _ = save_subscriber(connection, Details(email=email), secret=SECRET, now=NOW)
            for slug in lists:
                subscribe(connection, person, slug, AGREED)


def send(
    database: Database,
    *emails: str,
    edition: str = "first",
    at: dt.datetime = NOW,
    state: DeliveryState = DeliveryState.ACCEPTED,
    **values: Any,
) -> Sent:
    """Send a mailing to people, of whom each has a delivery in one state."""
    with database.write() as connection:
        digest = f"digest of {edition}"
        if connection.scalar(sa.select(composition.c.digest).where(composition.c.digest == digest)) is None:
            connection.execute(sa.insert(composition).values(digest=digest, data=b""))
        fields = {
            "edition": edition,
            "title": edition.title(),
            "list_id": find_list(connection, "community"),
            "digest": digest,
            "sender": "sendgrid",
            "state": MailingState.SENT,
            "audience": len(emails),
            "created_at": at,
            "holds_until": at,
            "started_at": at,
        }
        number = connection.execute(sa.insert(mailing).values(fields).returning(mailing.c.id)).scalar_one()
        rows = {}
        for email in emails:
            key = read_address(email).key
            person = connection.execute(sa.select(subscriber).where(subscriber.c.email_key == key)).one()
            row = {
                "mailing_id": number,
                "edition": edition,
                "subscriber_id": person.id,
                "state": state,
                "claimed_at": at,
                "answered_at": at,
                "address_hash": person.address_hash,
                **values,
            }
            made = sa.insert(delivery).values(row).returning(delivery.c.id)
            rows[email] = connection.execute(made).scalar_one()
    return Sent(number, rows)


def bounce(row: int, status: str | None = "5.1.1", *, at: dt.datetime = NOW, key: str = "", **more: Any) -> Event:
    """A bounce of a delivery."""
    name = key or f"bounce {row} {at.isoformat()} {status}"
    return Event(provider="smtp", key=name, kind=EventKind.BOUNCED, at=at, delivery=row, status=status, **more)


def told(kind: EventKind, row: int, *, at: dt.datetime = NOW, **more: Any) -> Event:
    """Another event about a delivery."""
    return Event(provider="smtp", key=f"{kind} {row} {at.isoformat()}", kind=kind, at=at, delivery=row, **more)


def tell(database: Database, *events: Event, settings: FeedbackTable = SETTINGS, now: dt.datetime = LATER) -> Followed:
    """Tell what came back, all at once."""
    with database.write() as connection:
        return follow(connection, events, settings=settings, now=now)


def suppressed(database: Database, email: str) -> str | None:
    """Why an address is suppressed."""
    with database.read() as connection:
        hashed = read_address(email).hashed(SECRET)
        found: str | None = connection.scalar(
            sa.select(suppression.c.reason).where(suppression.c.address_hash == hashed)
        )
        return found


def status(database: Database, email: str, slug: str = "community") -> str | None:
    """How somebody stands to a list."""
    with database.read() as connection:
        query = (
            sa.select(subscription.c.status)
            .join(subscriber, subscriber.c.id == subscription.c.subscriber_id)
            .where(subscriber.c.email_key == read_address(email).key)
            .where(subscription.c.list_id == find_list(connection, slug))
        )
        found: str | None = connection.scalar(query)
        return found


def state(database: Database, row: int) -> str:
    """The state of a delivery."""
    with database.read() as connection:
        return str(connection.scalar(sa.select(delivery.c.state).where(delivery.c.id == row)))


def events(database: Database) -> list[Any]:
    """All events, in the order in which they were written down."""
    with database.read() as connection:
        return list(connection.execute(sa.select(event).order_by(event.c.id)))
