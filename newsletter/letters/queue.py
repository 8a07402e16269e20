"""The queue of letters: written down in the transaction that promises them, sent soon after, their traces kept short.

A letter is what one person is sent outside any mailing. Until it is sent the row holds the address; afterwards only a
keyed hash of it, by which one address is never sent too many. What a letter says is made when it leaves, from its kind
and a few ids: nothing that a stranger typed into a form reaches the address that they typed beside it.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import sqlalchemy as sa

from newsletter.audience.subscribers import read_address
from newsletter.database.outside import LetterState, letter


class LetterKind(StrEnum):
    """What a letter is about."""

    CONFIRM = "confirm"
    """Please confirm that you signed up: a link."""
    ALREADY = "already"
    """You signed up, and were on the list already: a link to preferences."""
    ACCESS = "access"
    """Here is the link that you asked for, to see what we hold, or to choose."""
    ERASE = "erase"
    """Please confirm that all is to be deleted: a link."""
    ENTRY = "entry"
    """To the team: somebody filled in a form."""


ASKED_FOR_BY_ANYBODY: Final = (LetterKind.CONFIRM, LetterKind.ALREADY, LetterKind.ACCESS, LetterKind.ERASE)
"""Letters that a stranger can make us send to an address: they count together against the limits."""

SHORT_LIMIT: Final = (1, timedelta(hours=24))
LONG_LIMIT: Final = (3, timedelta(days=30))
"""Letters to one address by which it could be bombed, whatever the list: so many in so long a time (item 133)."""


def write_letter(  # noqa: PLR0913 who gets what, and what it is made of
    connection: sa.Connection,
    kind: LetterKind,
    email: str,
    *,
    secret: bytes,
    now: datetime,
    subscriber_id: int | None = None,
    list_id: int | None = None,
    language: str | None = None,
    details: Mapping[str, int | str] | None = None,
) -> int:
    """Put a letter into the queue; whether there may be one is for the caller to ask (`may_have`).

    Args:
        connection: The writing transaction that promises it.
        kind: What it is about.
        email: To whom.
        secret: The project's secret key.
        now: When.
        subscriber_id: The person, where there is one; erasing them takes the letter along.
        list_id: The list that it is about.
        language: The reader's, where it is known.
        details: Ids and slugs that its text needs.

    Returns:
        Its id.

    Raises:
        AddressError: That is no address.
    """
    values = {
        "kind": kind,
        "state": LetterState.QUEUED,
        "email": email,
        "address_hash": read_address(email).hashed(secret),
        "subscriber_id": subscriber_id,
        "list_id": list_id,
        "language": language,
        "details": dict(details or {}),
        "created_at": now,
        "next_try": now,
    }
    made: int = connection.execute(sa.insert(letter).values(values).returning(letter.c.id)).scalar_one()
    return made


def may_have(
    connection: sa.Connection,
    address_hash: bytes,
    *,
    now: datetime,
    kinds: Collection[LetterKind] = ASKED_FOR_BY_ANYBODY,
    limits: Collection[tuple[int, timedelta]] = (SHORT_LIMIT, LONG_LIMIT),
) -> bool:
    """Whether an address may be sent one more of these letters now."""
    for most, span in limits:
        had = sa.select(sa.func.count()).where(
            letter.c.address_hash == address_hash, letter.c.kind.in_(kinds), letter.c.created_at > now - span
        )
        if connection.execute(had).scalar_one() >= most:
            return False
    return True


def use(connection: sa.Connection, letter_id: int, *, now: datetime) -> bool:
    """Follow the link of a letter that works once; whether it had not been followed before."""
    first = sa.update(letter).where(letter.c.id == letter_id, letter.c.used_at.is_(None)).values(used_at=now)
    return connection.execute(first).rowcount == 1
