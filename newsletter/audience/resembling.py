"""Finds the subscriber whom somebody probably meant who mistyped an address, without reading the whole list."""

import difflib

import sqlalchemy as sa

from newsletter.audience.subscribers import read_address
from newsletter.database.schema import subscriber
from newsletter.errors import AddressError

_LIMIT = 2_000
"""Addresses compared for each way to be alike; each way is a walk along the index of addresses."""


def nearest_address(connection: sa.Connection, typed: str) -> str | None:
    """The address of a subscriber that is most like this one; None if none is near.

    Those are compared that begin with the same letters, or are among the first of the list.

    Args:
        connection: A transaction.
        typed: What was typed; need not be an address.
    """
    try:
        key = read_address(typed).key
    except AddressError:
        key = typed.strip().casefold()[:254]
    near: dict[str, str] = {}
    for length in (len(key.partition("@")[0]), 3, 1, 0):
        begin = key[:length]
        query = sa.select(subscriber.c.email_key, subscriber.c.email).order_by(subscriber.c.email_key).limit(_LIMIT)
        if begin:
            query = query.where(subscriber.c.email_key >= begin, subscriber.c.email_key < begin + "\U0010ffff")
        near.update({row.email_key: row.email for row in connection.execute(query)})
        for found in difflib.get_close_matches(key, near, n=10, cutoff=0.75):
            if _alike(found.partition("@")[0], key.partition("@")[0]):
                return near[found]
    return None


def _alike(one: str, other: str) -> bool:
    """Whether what stands before the @ is alike; the domain is often the same for many."""
    return difflib.SequenceMatcher(None, one, other).ratio() >= 0.6
