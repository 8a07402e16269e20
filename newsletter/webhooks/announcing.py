"""Writes down what other programs are to be told, in the transaction in which it happens: told just if it did."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import sqlalchemy as sa

from newsletter.database.outside import CallState, webhook, webhook_call

KINDS: Final = (
    "subscriber.confirmed",
    "subscriber.unsubscribed",
    "subscriber.erased",
    "message.bounced",
    "message.complained",
    "mailing.sent",
    "form.received",
)
"""What can be told."""

TRIAL: Final = "webhook.test"
"""The kind of a call that somebody asks for to see whether it arrives."""


def announce(
    connection: sa.Connection, kind: str, data: Mapping[str, object], *, now: datetime, subscriber_id: int | None = None
) -> None:
    """Queue a call of every webhook that wants to know.

    Args:
        connection: The writing transaction in which it happens.
        kind: One of `KINDS`.
        data: What is told: ids, slugs, states; an address only where the kind is about a person.
        now: When.
        subscriber_id: Whom it is about, if anybody.

    Raises:
        ValueError: There is no such kind: a mistake of ours.
    """
    announce_all(connection, kind, [(data, subscriber_id)], now=now)


def announce_all(
    connection: sa.Connection, kind: str, rows: Sequence[tuple[Mapping[str, object], int | None]], *, now: datetime
) -> None:
    """Queue the calls about several things of one kind that happen in one transaction.

    Args:
        connection: The writing transaction in which they happen.
        kind: One of `KINDS`.
        rows: What is told of each, and whom it is about, if anybody.
        now: When.

    Raises:
        ValueError: There is no such kind: a mistake of ours.
    """
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is not among the kinds that can be told")
    in_use = sa.select(webhook.c.id, webhook.c.kinds).where(webhook.c.disabled_at.is_(None)).order_by(webhook.c.id)
    told = [row.id for row in connection.execute(in_use) if kind in row.kinds]
    calls = [
        _call(each, kind, body, now) | {"subscriber_id": person}
        for body, person in ((body_of(kind, data, now), person) for data, person in rows)
        for each in told
    ]
    if calls:
        connection.execute(sa.insert(webhook_call), calls)


def announce_trial(connection: sa.Connection, webhook_id: int, *, now: datetime) -> int:
    """Queue a call that tells one webhook nothing but that it is a test; its id."""
    row = _call(webhook_id, TRIAL, body_of(TRIAL, {"webhook": webhook_id}, now), now)
    made: int = connection.execute(sa.insert(webhook_call).values(row).returning(webhook_call.c.id)).scalar_one()
    return made


def forget(connection: sa.Connection, subscriber_id: int) -> None:
    """Delete what was told, or is yet to be told, about a person who is erased."""
    connection.execute(sa.delete(webhook_call).where(webhook_call.c.subscriber_id == subscriber_id))


def body_of(kind: str, data: Mapping[str, object], now: datetime) -> str:
    """What a call says: the same bytes at every try, in ASCII, so that no database and no proxy changes them."""
    said = {"type": kind, "timestamp": now.astimezone(UTC).isoformat(timespec="seconds"), "data": dict(data)}
    return json.dumps(said, separators=(",", ":"), default=str)


def _call(webhook_id: int, kind: str, body: str, now: datetime) -> dict[str, object]:
    return {
        "webhook_id": webhook_id,
        "kind": kind,
        "body": body,
        "state": CallState.WAITING,
        "created_at": now,
        "next_try": now,
    }
