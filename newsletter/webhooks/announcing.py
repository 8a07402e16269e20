"""Writes down what other programs are to be told, in the transaction in which it happens: told just if it did."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import sqlalchemy as sa

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
    """
