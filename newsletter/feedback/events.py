"""What came back, whoever told it: one kind of row for all providers, written once however often it is told."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from newsletter.database.outside import EventKind, event

LONGEST_REASON: Final = 500
LONGEST_RAW: Final = 20_000
"""Characters that are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that came back.

    Attributes:
        provider: Who told: `sendgrid`, `smtp` (a bounce or a complaint that came by mail), `page` (a reader's click).
        key: Names it among those of its provider, so that telling it twice changes nothing.
        kind: What it is.
        at: When it happened.
        subscriber: Whom it is about, if known.
        address_hash: The keyed hash of the address, if known.
        mailing: Which mailing, if known.
        delivery: Which delivery, if known.
        domain: Of the address.
        status: The enhanced status code (RFC 3463).
        hard: Of a bounce, whether the address will not work again.
        reason: What the mail server or the provider said.
        raw: As it came.
    """

    provider: str
    key: str
    kind: EventKind
    at: datetime
    subscriber: int | None = None
    address_hash: bytes | None = None
    mailing: int | None = None
    delivery: int | None = None
    domain: str | None = None
    status: str | None = None
    hard: bool | None = None
    reason: str | None = None
    raw: str | None = None


def record(connection: sa.Connection, told: Event, *, now: datetime) -> int | None:
    """Write an event down; its id, or None if it was told before.

    Args:
        connection: A writing transaction.
        told: The event.
        now: When it reached us.
    """
    values: Mapping[str, object] = {
        "provider": told.provider,
        "key": told.key if len(told.key) <= 200 else hashlib.sha256(told.key.encode()).hexdigest(),
        "kind": told.kind,
        "at": told.at,
        "received_at": now,
        "subscriber_id": told.subscriber,
        "address_hash": told.address_hash,
        "mailing_id": told.mailing,
        "delivery_id": told.delivery,
        "domain": told.domain,
        "status": told.status,
        "hard": told.hard,
        "reason": _fit(told.reason, LONGEST_REASON),
        "raw": _fit(told.raw, LONGEST_RAW),
    }
    insert = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(event)
    once = insert.values(values).on_conflict_do_nothing(index_elements=["provider", "key"]).returning(event.c.id)
    made: int | None = connection.execute(once).scalar()
    return made


def _fit(text: str | None, longest: int) -> str | None:
    """Text that every database takes: no NUL, no half characters, not too long."""
    if text is None:
        return None
    return text[:longest].replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode("utf-8")
