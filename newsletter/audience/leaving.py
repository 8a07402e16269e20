"""Leaving lists, by many people at once and in few statements, and taking it back.

When a mailing goes out, mail programs send what their readers want by the thousand. So `leave` takes all that came
together, in one transaction that somebody else commits: a few statements, however many people there are.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from newsletter.audience.consent import Consent, add_record
from newsletter.audience.lists import is_suppressed
from newsletter.database.schema import (
    ConsentMethod,
    SubscriptionStatus,
    consent_record,
    list_,
    subscriber,
    subscription,
)

UNDO: Final = "undo"
"""What the token that takes leaving back is signed for: subscriber, list, and the record of their leaving."""

UNDO_LASTS: Final = timedelta(hours=24)
"""How long leaving can be taken back by one button."""

_LEAVABLE: Final = (SubscriptionStatus.ACTIVE, SubscriptionStatus.PENDING)


@dataclass(frozen=True, slots=True)
class Leaving:
    """Somebody who wants to be off a list.

    Attributes:
        subscriber: Who.
        list_id: Which list; None for all that they are on.
        wording: How they said so, for the record.
    """

    subscriber: int
    list_id: int | None
    wording: str


@dataclass(frozen=True, slots=True)
class Left:
    """Somebody who was on a list and is not any more.

    Attributes:
        subscriber: Who.
        list_id: Which list.
        list_slug: Its name in newsletter.toml.
        email: Their address.
        address_hash: Its keyed hash.
        was_active: Whether they had been on the list, and not only asked to be.
        record: The consent record that says that they took their word back.
    """

    subscriber: int
    list_id: int
    list_slug: str
    email: str
    address_hash: bytes
    was_active: bool
    record: int


@dataclass(frozen=True, slots=True)
class Undo:
    """Somebody who takes a leaving back.

    Attributes:
        subscriber: Who.
        list_id: The list that they left.
        record: The consent record of their leaving.
    """

    subscriber: int
    list_id: int
    record: int


def leave(connection: sa.Connection, leaving: Iterable[Leaving], *, now: datetime) -> list[Left]:
    """Take people off lists at once and for as long as they wish, and write down that they took their word back.

    Whoever is not there, or left before, changes nothing. The same wish twice is one.

    Args:
        connection: A writing transaction of its own, so that nobody changes in between.
        leaving: Who wants to leave what; some hundreds at most.
        now: When.

    Returns:
        Those who were on a list, or had asked to be.
    """
    wordings: dict[int, dict[int | None, str]] = {}
    for wish in leaving:
        wordings.setdefault(wish.subscriber, {}).setdefault(wish.list_id, wish.wording)
    standings = (
        sa.select(
            subscription.c.subscriber_id,
            subscription.c.list_id,
            subscription.c.status,
            list_.c.slug,
            subscriber.c.email,
            subscriber.c.address_hash,
        )
        .join(subscriber, subscriber.c.id == subscription.c.subscriber_id)
        .join(list_, list_.c.id == subscription.c.list_id)
        .where(subscription.c.subscriber_id.in_(wordings), subscription.c.status.in_(_LEAVABLE))
        .order_by(subscription.c.subscriber_id, subscription.c.list_id)
    )
    going = [
        row
        for row in connection.execute(standings)
        if row.list_id in wordings[row.subscriber_id] or None in wordings[row.subscriber_id]
    ]
    if not going:
        return []
    by_list: dict[int, list[int]] = {}
    for row in going:
        by_list.setdefault(row.list_id, []).append(row.subscriber_id)
    places = sa.or_(
        *(
            sa.and_(subscription.c.list_id == list_id, subscription.c.subscriber_id.in_(people))
            for list_id, people in by_list.items()
        )
    )
    gone = {"status": SubscriptionStatus.UNSUBSCRIBED, "changed_at": now}
    connection.execute(sa.update(subscription).where(places).values(gone))
    said = [wordings[row.subscriber_id].get(row.list_id) or wordings[row.subscriber_id][None] for row in going]
    columns = consent_record.c
    added = connection.execute(
        sa.insert(consent_record).returning(columns.id, columns.subscriber_id, columns.list_id),
        [
            {
                "subscriber_id": row.subscriber_id,
                "address_hash": row.address_hash,
                "list_id": row.list_id,
                "wording": wording,
                "method": ConsentMethod.WITHDRAW,
                "at": now,
            }
            for row, wording in zip(going, said, strict=True)
        ],
    )
    records = {(subscriber_id, list_id): record for record, subscriber_id, list_id in added}  # in whatever order
    return [
        Left(
            subscriber=row.subscriber_id,
            list_id=row.list_id,
            list_slug=row.slug,
            email=row.email,
            address_hash=row.address_hash,
            was_active=row.status == SubscriptionStatus.ACTIVE,
            record=records[row.subscriber_id, row.list_id],
        )
        for row in going
    ]


def come_back(connection: sa.Connection, undo: Undo, *, now: datetime, wording: str) -> int | None:
    """Take leaving back: somebody who was on the list is on it again, as if they had never left.

    Only whose newest word about the list is the record of that leaving comes back, so it works once; who left later
    again, or must not be mailed, does not.

    Args:
        connection: A writing transaction.
        undo: Who takes what back.
        now: When.
        wording: What they agreed to, for the record.

    Returns:
        The record of their coming back; None if nothing was changed.
    """
    newest = sa.select(sa.func.max(consent_record.c.id)).where(
        consent_record.c.subscriber_id == undo.subscriber, consent_record.c.list_id == undo.list_id
    )
    never = sa.exists().where(subscriber.c.id == undo.subscriber, is_suppressed().correlate(subscriber))
    changed = connection.execute(
        sa.update(subscription)
        .where(
            subscription.c.subscriber_id == undo.subscriber,
            subscription.c.list_id == undo.list_id,
            subscription.c.status == SubscriptionStatus.UNSUBSCRIBED,
            newest.scalar_subquery() == undo.record,
            ~never,
        )
        .values(status=SubscriptionStatus.ACTIVE, changed_at=now)
    )
    if not changed.rowcount:
        return None
    return add_record(connection, undo.subscriber, undo.list_id, Consent(wording, ConsentMethod.FORM, now))
