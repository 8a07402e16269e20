"""What came back, whoever told it: one kind of row for all providers, written once however often it is told."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from newsletter.database.outside import EventKind, event

LONGEST_KEY: Final = 200
_SHOWN: Final = ("id", "provider", "kind", "at", "received_at", "status", "hard")
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
        implies: What else it proves: a message may be dropped since its reader complained long ago. Not written down.
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
    implies: EventKind | None = None


def record(connection: sa.Connection, told: Event, *, now: datetime) -> int | None:
    """Write an event down; its id, or None if it was told before.

    Args:
        connection: A writing transaction.
        told: The event.
        now: When it reached us.
    """
    once = _once(connection).values(_values(told, now)).returning(event.c.id)
    made: int | None = connection.execute(once).scalar()
    return made


def record_all(connection: sa.Connection, told: Iterable[Event], *, now: datetime) -> list[Event]:
    """Write many events down at once; those that were told before change nothing.

    Args:
        connection: A writing transaction.
        told: The events; of two with one name the first counts.
        now: When they reached us.

    Returns:
        Those that were new, in their order.
    """
    named: dict[tuple[str, str], Event] = {}
    for each in told:
        named.setdefault((each.provider, _key(each)), each)
    if not named:
        return []
    once = _once(connection).returning(event.c.provider, event.c.key)
    rows = [_values(each, now) for each in named.values()]
    new = {(row.provider, row.key) for row in connection.execute(once, rows)}
    return [each for name, each in named.items() if name in new]


def _once(connection: sa.Connection) -> sqlite.Insert | postgresql.Insert:
    """The insert that passes over what is there."""
    insert = sqlite.insert(event) if connection.dialect.name == "sqlite" else postgresql.insert(event)
    return insert.on_conflict_do_nothing(index_elements=["provider", "key"])


def _key(told: Event) -> str:
    """The name of an event, of a length and in characters that every database takes."""
    plain = len(told.key) <= LONGEST_KEY and told.key.isprintable() and told.key.isascii()
    return told.key if plain else hashlib.sha256(told.key.encode("utf-8", "backslashreplace")).hexdigest()


def _values(told: Event, now: datetime) -> Mapping[str, object]:
    """The row of an event."""
    return {
        "provider": told.provider,
        "key": _key(told),
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """An event as other programs are shown it: without addresses and without anybody's words.

    Attributes:
        id: Its row; grows with time.
        provider: Who told.
        kind: What it is.
        at: When it happened.
        received_at: When it reached us.
        mailing: Which mailing.
        subscriber: Whom it is about.
        status: The enhanced status code (RFC 3463).
        hard: Of a bounce, whether the address will not work again.
    """

    id: int
    provider: str
    kind: EventKind
    at: datetime
    received_at: datetime
    mailing: int | None
    subscriber: int | None
    status: str | None
    hard: bool | None

    def as_json(self) -> dict[str, object]:
        """The same as plain values."""
        plain = {name: getattr(self, name) for name in ("id", "provider", "mailing", "subscriber", "status", "hard")}
        moments = {"at": self.at.isoformat(), "received_at": self.received_at.isoformat()}
        return plain | {"kind": str(self.kind)} | moments


def read_events(
    connection: sa.Connection, *, after: int, limit: int, mailing: int | None, kind: EventKind | None
) -> list[Happened]:
    """The events with ids above `after`, in their order.

    Args:
        connection: A transaction.
        after: The last id that was seen; 0 to begin.
        limit: How many at most.
        mailing: Only those of this mailing.
        kind: Only those of this kind.
    """
    columns = (event.c.subscriber_id, event.c.mailing_id, *(event.c[name] for name in _SHOWN))
    query = sa.select(*columns).where(event.c.id > after).order_by(event.c.id).limit(limit)
    if mailing is not None:
        query = query.where(event.c.mailing_id == mailing)
    if kind is not None:
        query = query.where(event.c.kind == kind)
    return [
        Happened(
            mailing=row.mailing_id,
            subscriber=row.subscriber_id,
            **{name: getattr(row, name) for name in _SHOWN if name != "kind"},
            kind=EventKind(row.kind),
        )
        for row in connection.execute(query)
    ]


def forget_words(connection: sa.Connection, *, before: datetime) -> int:
    """Let go of the words of mail servers and providers that came before a time; what happened, and when, stays.

    Returns:
        How many events had any.
    """
    had = sa.or_(event.c.reason.is_not(None), event.c.raw.is_not(None))
    old = sa.update(event).where(event.c.received_at < before, had).values(reason=None, raw=None)
    return connection.execute(old).rowcount


def _fit(text: str | None, longest: int) -> str | None:
    """Text that every database takes: no NUL, no half characters, not too long."""
    if text is None:
        return None
    return text[:longest].replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode("utf-8")
