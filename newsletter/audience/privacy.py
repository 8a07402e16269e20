"""What a person may ask of whoever keeps their data: to see all of it, and to have it gone.

Erasing leaves three things, none of which tells who it was: the keyed hash of the address, so that nobody adds it
again; consent records that name nobody; and rows in the ledger and of events, so that counts stay true.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from newsletter.audience.receipts import erase_from_receipts
from newsletter.audience.subscribers import Address, find_subscriber, read_address
from newsletter.audience.traces import erase_traces, read_traces
from newsletter.database.connection import Database, copies
from newsletter.database.schema import (
    DeliveryState,
    SubscriptionStatus,
    SuppressionReason,
    consent_record,
    delivery,
    import_arrival,
    import_change,
    list_,
    mailing,
    subscriber,
    subscription,
    suppression,
)
from newsletter.errors import SubscriberNotFoundError
from newsletter.webhooks.announcing import announce

PENDING_LASTS: Final = timedelta(days=30)
"""How long a sign-up that nobody confirmed is kept."""

_NOBODY: Final = "erased@example.invalid"
"""Stands where the address stood in a text that must stay readable."""

_LEAVING: Final = "A message to this person was leaving at this moment; its copy may still be in the outbox."


@dataclass(frozen=True, slots=True)
class Handed:
    """A message that was made for a person.

    Attributes:
        delivery: Its row in the ledger.
        mailing: The mailing.
        edition: The mailing's edition.
        created_at: When the mailing was made.
        sender: The kind of sender that had it.
    """

    delivery: int
    mailing: int
    edition: str
    created_at: datetime
    sender: str


@dataclass(frozen=True, slots=True)
class Erased:
    """What erasing did.

    Attributes:
        known: Whether anybody had the address; a second time, nobody has.
        removed: Files that were deleted because they held the address.
        remains: Sentences about what this program cannot reach, or could not now.
    """

    known: bool
    removed: tuple[str, ...]
    remains: tuple[str, ...]


def erase(
    database: Database,
    email: str,
    *,
    secret: bytes,
    now: datetime,
    forget: Callable[[Sequence[Handed]], Sequence[str]] = lambda _: (),
) -> Erased:
    """Erase a person everywhere, and see that the address is never added again.

    It can be asked again, whether the first time ended well or was killed: it then finishes what was left.

    Args:
        database: Open, and not inside a transaction.
        email: The address, however typed.
        secret: The project's secret key.
        now: When.
        forget: Deletes the copies that we keep of messages; says which files it deleted. It is called before anything
            is committed, so that a program that is killed can be told again.

    Raises:
        AddressError: That is no address.
        DatabaseError: The database cannot be written; nothing was erased.
    """
    address = read_address(email)
    hashed = address.hashed(secret)
    removed: list[str] = []
    remains: list[str] = []
    with database.write() as connection:
        row = connection.execute(sa.select(subscriber).where(subscriber.c.email_key == address.key)).first()
        spellings = {address.email, address.key} | ({row.email} if row else set())
        if row is not None:
            messages = _handed(connection, row.id)
            removed += forget(messages)
            if away := sum(message.sender != "outbox" for message in messages):
                remains.append(
                    f"{away:,} of their messages left through the mail server: "
                    "copies there, and in their own mailbox, are out of reach."
                )
            if _is_leaving(connection, row.id):
                remains.append(_LEAVING)
            _clean_ledger(connection, row.id, spellings)
            erase_from_receipts(connection, row.id)
        erase_traces(connection, None if row is None else row.id, hashed)
        if row is not None:
            connection.execute(sa.delete(subscriber).where(subscriber.c.id == row.id))  # takes tags and lists with it
            announce(connection, "subscriber.erased", {"subscriber": row.id}, now=now)
        _clean_conditions(connection, spellings)
        _keep_hash(connection, hashed, now)
    if not database.forget_deleted():
        remains.append(
            "The database file still has it in free space, since another process was in the way. "
            "Run the same command again when that one is done."
        )
    if database.path is not None:
        for copy in copies(database.path):
            if mentions(copy, spellings):
                copy.unlink()
                removed.append(str(copy))
    else:
        remains.append("The server's own write-ahead log and archives keep old rows until it recycles them.")
    remains.append("Backups made before still hold this person; delete them, or let them grow old.")
    return Erased(row is not None, tuple(removed), tuple(remains))


def _handed(connection: sa.Connection, person: int) -> list[Handed]:
    """The messages that were made for a person, or may have been."""
    rows = connection.execute(
        sa.select(delivery.c.id, mailing.c.id, mailing.c.edition, mailing.c.created_at, mailing.c.sender)
        .join(mailing, mailing.c.id == delivery.c.mailing_id)
        .where(delivery.c.subscriber_id == person, delivery.c.claimed_at.is_not(None))
        .order_by(delivery.c.id)
    )
    return [Handed(*row) for row in rows]


def _is_leaving(connection: sa.Connection, person: int) -> bool:
    claimed = sa.exists().where(delivery.c.subscriber_id == person, delivery.c.state == DeliveryState.CLAIMED)
    return bool(connection.scalar(sa.select(claimed)))


def _clean_ledger(connection: sa.Connection, person: int, spellings: set[str]) -> None:
    """Take the address out of what mail servers said; the states and counts stay."""
    pattern = _pattern(spellings)
    said = sa.select(delivery.c.id, delivery.c.reason).where(
        delivery.c.subscriber_id == person, delivery.c.reason.is_not(None)
    )
    for row, reason in connection.execute(said).all():
        if pattern.search(str(reason)):
            clean = pattern.sub(_NOBODY, str(reason))
            connection.execute(sa.update(delivery).where(delivery.c.id == row).values(reason=clean))


def _clean_conditions(connection: sa.Connection, spellings: set[str]) -> None:
    """Take the address out of the conditions of mailings: they choose the same people, who are all others."""
    pattern = _pattern(spellings)
    sources = sa.select(mailing.c.id, mailing.c.where_source).where(mailing.c.where_source.is_not(None))
    for row, source in connection.execute(sources).all():
        if pattern.search(str(source)):
            clean = pattern.sub(_NOBODY, str(source))
            connection.execute(sa.update(mailing).where(mailing.c.id == row).values(where_source=clean))


def _pattern(spellings: set[str]) -> re.Pattern[str]:
    return re.compile("|".join(re.escape(one) for one in sorted(spellings, key=len, reverse=True)), re.IGNORECASE)


def _keep_hash(connection: sa.Connection, hashed: bytes, now: datetime) -> None:
    """Suppress the address; a reason that is there already stays, since it says more."""
    known = sa.select(suppression.c.reason).where(suppression.c.address_hash == hashed)
    if connection.scalar(known) is None:
        values = {"address_hash": hashed, "reason": SuppressionReason.ERASED, "at": now}
        connection.execute(sa.insert(suppression).values(values))


def mentions(path: Path, spellings: set[str]) -> bool:
    """Whether an address stands in a file, in whatever case; in bounded memory, read as bytes."""
    wanted = [spelling.lower().encode() for spelling in spellings]
    overlap = max(len(one) for one in wanted) - 1
    before = b""
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            here = before + piece.lower()
            if any(one in here for one in wanted):
                return True
            before = here[-overlap:]
    return False


def files_with(folder: Path, email: str) -> list[Path]:
    """The files of a folder, such as tables that were imported, in which an address stands as plain text."""
    address: Address = read_address(email)
    if not folder.is_dir():
        return []
    files = (path for path in sorted(folder.iterdir()) if path.is_file() and not path.is_symlink())
    return [path for path in files if mentions(path, {address.email, address.key})]


def expire_pending(database: Database, *, now: datetime) -> int:
    """Erase sign-ups that nobody confirmed within `PENDING_LASTS`; the address may be added again.

    Returns:
        How many there were.
    """
    old = sa.select(subscription.c.subscriber_id, subscription.c.list_id).where(
        subscription.c.status == SubscriptionStatus.PENDING, subscription.c.changed_at < now - PENDING_LASTS
    )
    with database.read() as connection:
        if connection.execute(old.limit(1)).first() is None:
            return 0
    with database.write() as connection:
        rows = connection.execute(old).all()
        for person, on_list in rows:
            connection.execute(
                sa.delete(subscription).where(subscription.c.subscriber_id == person, subscription.c.list_id == on_list)
            )
        for person in {row.subscriber_id for row in rows}:
            elsewhere = sa.exists().where(subscription.c.subscriber_id == person)
            if not connection.scalar(sa.select(elsewhere)):
                erase_from_receipts(connection, person)
                connection.execute(sa.delete(subscriber).where(subscriber.c.id == person))
    return len(rows)


def person_report(database: Database, email: str, *, secret: bytes) -> dict[str, object]:
    """Everything that is held about a person, as plain values.

    Raises:
        AddressError: That is no address.
        SubscriberNotFoundError: Nobody has it, it is not suppressed, and nobody gave it in a form.
    """
    hashed = read_address(email).hashed(secret)
    with database.read() as connection:
        refused = connection.execute(sa.select(suppression).where(suppression.c.address_hash == hashed)).first()
        blocked = None if refused is None else {"reason": refused.reason, "at": refused.at.isoformat()}
        try:
            person = find_subscriber(connection, email)
        except SubscriberNotFoundError:
            traces = read_traces(connection, None, hashed)
            if blocked is None and not any(traces.values()):
                raise
            return {"email": read_address(email).email, "known": False, "suppression": blocked, **traces}
        joined = person.joined.isoformat()
        paused = connection.scalar(sa.select(subscriber.c.paused_until).where(subscriber.c.id == person.id))
        return {
            "known": True,
            **person.person,
            "joined": joined,
            "paused_until": _told(paused),
            "tags": list(person.tags),
            "lists": list(_standings(connection, person.id)),
            "consent": list(_agreements(connection, hashed)),
            "messages": list(_messages(connection, person.id)),
            "imports": list(_imports(connection, person.id)),
            **read_traces(connection, person.id, hashed),
            "suppression": blocked,
        }


def _standings(connection: sa.Connection, person: int) -> Iterator[dict[str, object]]:
    query = (
        sa.select(list_.c.slug, subscription.c.status, subscription.c.created_at, subscription.c.changed_at)
        .join(list_, list_.c.id == subscription.c.list_id)
        .where(subscription.c.subscriber_id == person)
        .order_by(list_.c.slug)
    )
    for slug, status, created, changed in connection.execute(query):
        yield {"list": slug, "status": status, "since": created.isoformat(), "changed": changed.isoformat()}


def _agreements(connection: sa.Connection, hashed: bytes) -> Iterator[dict[str, object]]:
    """The consent records of an address, also those of a time before it was added again."""
    query = (
        sa.select(consent_record, list_.c.slug)
        .join(list_, list_.c.id == consent_record.c.list_id)
        .where(consent_record.c.address_hash == hashed)
        .order_by(consent_record.c.id)
    )
    for row in connection.execute(query):
        origin = row.origin.hex() if row.origin else None
        said: dict[str, object] = {"list": row.slug, "wording": row.wording, "method": row.method}
        yield said | {"at": row.at.isoformat(), "origin_hash": origin}


def _messages(connection: sa.Connection, person: int) -> Iterator[dict[str, object]]:
    query = (
        sa.select(delivery, mailing.c.title, mailing.c.sender)
        .join(mailing, mailing.c.id == delivery.c.mailing_id)
        .where(delivery.c.subscriber_id == person)
        .order_by(delivery.c.id)
    )
    for row in connection.execute(query):
        yield {
            "edition": row.edition,
            "title": row.title,
            "mailing": row.mailing_id,
            "state": row.state,
            "reason": row.reason,
            "sender": row.sender,
            "message_id": row.message_id,
            "left_at": _told(row.claimed_at),
            "answered_at": _told(row.answered_at),
        }


def _imports(connection: sa.Connection, person: int) -> Iterator[dict[str, Any]]:
    """What receipts of imports hold: that they came with one, and what one changed."""
    came = sa.select(import_arrival.c.receipt_id).where(
        import_arrival.c.first_id <= person, import_arrival.c.first_id + import_arrival.c.people > person
    )
    for receipt in connection.scalars(came):
        yield {"receipt": receipt, "came": True}
    changed = sa.select(import_change.c.receipt_id, import_change.c.changes).where(
        import_change.c.subscriber_id == person
    )
    for receipt, changes in connection.execute(changed.order_by(import_change.c.receipt_id)):
        yield {"receipt": receipt, "changed": changes}


def _told(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
