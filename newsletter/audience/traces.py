"""What is held about a person beside lists and messages: letters, what came back, forms, what others heard.

Events stay as rows, so that reports add up, and say nothing of anybody then.
"""

from collections.abc import Iterator
from datetime import datetime

import sqlalchemy as sa

from newsletter.database.outside import event, form_entry, letter, webhook_call
from newsletter.database.schema import delivery
from newsletter.webhooks.announcing import forget


def erase_traces(connection: sa.Connection, person: int | None, hashed: bytes) -> None:
    """Take a person out of letters, events, forms and calls; call it before the person is deleted.

    Args:
        connection: A writing transaction.
        person: Their id; None if nobody has the address any more.
        hashed: The keyed hash of their address.
    """
    if person is not None:
        _tie_to_messages(connection, person)
    nothing = dict.fromkeys(("subscriber_id", "address_hash", "domain", "reason", "raw"))
    connection.execute(sa.update(event).where(_theirs(event, person, hashed)).values(nothing))
    connection.execute(sa.delete(form_entry).where(form_entry.c.address_hash == hashed))
    connection.execute(sa.delete(letter).where(_theirs(letter, person, hashed)))
    if person is not None:
        forget(connection, person)


def _tie_to_messages(connection: sa.Connection, person: int) -> None:
    """Let what a reader did twice about one message still be told from what two readers did."""
    theirs = sa.and_(event.c.subscriber_id == person, event.c.delivery_id.is_(None), event.c.mailing_id.is_not(None))
    message = (
        sa.select(sa.func.min(delivery.c.id))
        .where(delivery.c.mailing_id == event.c.mailing_id, delivery.c.subscriber_id == person)
        .scalar_subquery()
    )
    connection.execute(sa.update(event).where(theirs).values(delivery_id=message))


def read_traces(connection: sa.Connection, person: int | None, hashed: bytes) -> dict[str, list[dict[str, object]]]:
    """What letters, events, forms and calls hold about a person, or about an address that nobody has."""
    return {
        "letters": list(_letters(connection, person, hashed)),
        "events": list(_events(connection, person, hashed)),
        "forms": list(_entries(connection, hashed)),
        "told": [] if person is None else list(_calls(connection, person)),
    }


def _theirs(of: sa.Table, person: int | None, hashed: bytes) -> sa.ColumnElement[bool]:
    """The condition on `event` or `letter` that it is about somebody."""
    by_address = of.c.address_hash == hashed
    return by_address if person is None else sa.or_(of.c.subscriber_id == person, by_address)


def _letters(connection: sa.Connection, person: int | None, hashed: bytes) -> Iterator[dict[str, object]]:
    theirs = letter.c.address_hash == hashed
    if person is not None:
        theirs = sa.or_(letter.c.subscriber_id == person, theirs)
    for row in connection.execute(sa.select(letter).where(theirs).order_by(letter.c.id)):
        yield {
            "about": row.kind,
            "state": row.state,
            "written_at": _told(row.created_at),
            "answered_at": _told(row.answered_at),
            "followed_at": _told(row.used_at),
            "reason": row.reason,
        }


def _events(connection: sa.Connection, person: int | None, hashed: bytes) -> Iterator[dict[str, object]]:
    query = sa.select(event).where(_theirs(event, person, hashed)).order_by(event.c.id)
    for row in connection.execute(query):
        yield {
            "what": row.kind,
            "at": _told(row.at),
            "told_by": row.provider,
            "mailing": row.mailing_id,
            "status": row.status,
            "reason": row.reason,
            "as_it_came": row.raw,
        }


def _entries(connection: sa.Connection, hashed: bytes) -> Iterator[dict[str, object]]:
    query = sa.select(form_entry).where(form_entry.c.address_hash == hashed).order_by(form_entry.c.id)
    for row in connection.execute(query):
        yield {"form": row.form, "at": _told(row.at), "answers": row.answers, "kept_until": _told(row.expires_at)}


def _calls(connection: sa.Connection, person: int) -> Iterator[dict[str, object]]:
    query = sa.select(webhook_call).where(webhook_call.c.subscriber_id == person).order_by(webhook_call.c.id)
    for row in connection.execute(query):
        yield {"what": row.kind, "at": _told(row.created_at), "said": row.body}


def _told(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
