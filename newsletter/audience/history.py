"""What is known of one person's way with us: how they stand to each list, what they agreed to, what they got."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from newsletter.audience.subscribers import Subscriber
from newsletter.database.schema import (
    DeliveryState,
    SubscriptionStatus,
    SuppressionReason,
    consent_record,
    delivery,
    list_,
    mailing,
    subscriber,
    subscription,
    suppression,
)


@dataclass(frozen=True, slots=True)
class Standing:
    """How somebody stands to a list, and since when."""

    list_slug: str
    status: SubscriptionStatus
    since: datetime


@dataclass(frozen=True, slots=True)
class Agreement:
    """One consent record."""

    list_slug: str
    method: str
    wording: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Received:
    """What became of one mailing for somebody; `at` is when the answer came, if it did."""

    mailing: int
    edition: str
    title: str
    state: DeliveryState
    reason: str | None
    at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Everything that `subscribers show` tells.

    Attributes:
        subscriber: Who.
        suppressed: Why and since when the address must never be mailed; None if it may.
        paused_until: Until when they asked for no mail, if they ever did; may have passed.
        standings: To each list.
        agreements: The consent records, oldest first.
        received: The newest mailings first, at most a hundred.
    """

    subscriber: Subscriber
    suppressed: tuple[SuppressionReason, datetime] | None
    paused_until: datetime | None
    standings: tuple[Standing, ...]
    agreements: tuple[Agreement, ...]
    received: tuple[Received, ...]


def read_history(connection: sa.Connection, person: Subscriber) -> History:
    """What is known of a person."""
    rule = (
        sa.select(suppression.c.reason, suppression.c.at)
        .join(subscriber, subscriber.c.address_hash == suppression.c.address_hash)
        .where(subscriber.c.id == person.id)
    )
    never = connection.execute(rule).first()
    paused = sa.select(subscriber.c.paused_until).where(subscriber.c.id == person.id)
    standings = connection.execute(
        sa.select(list_.c.slug, subscription.c.status, subscription.c.changed_at)
        .join(list_)
        .where(subscription.c.subscriber_id == person.id)
        .order_by(list_.c.slug)
    )
    agreements = connection.execute(
        sa.select(list_.c.slug, consent_record.c.method, consent_record.c.wording, consent_record.c.at)
        .join(list_, list_.c.id == consent_record.c.list_id)
        .where(consent_record.c.subscriber_id == person.id)
        .order_by(consent_record.c.at, consent_record.c.id)
    )
    received = connection.execute(
        sa.select(
            delivery.c.mailing_id,
            delivery.c.edition,
            mailing.c.title,
            delivery.c.state,
            delivery.c.reason,
            delivery.c.answered_at,
        )
        .join(mailing)
        .where(delivery.c.subscriber_id == person.id)
        .order_by(delivery.c.id.desc())
        .limit(100)
    )
    return History(
        subscriber=person,
        suppressed=None if never is None else (SuppressionReason(never.reason), never.at),
        paused_until=connection.scalar(paused),
        standings=tuple(Standing(slug, SubscriptionStatus(status), at) for slug, status, at in standings),
        agreements=tuple(Agreement(*row) for row in agreements),
        received=tuple(Received(row[0], row[1], row[2], DeliveryState(row[3]), row[4], row[5]) for row in received),
    )
