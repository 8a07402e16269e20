"""Proof of who agreed to what: records that are only ever added, and the link by which a person says yes.

A record says who, on which list, in which words, how and when. The database itself refuses to change or delete one
(triggers of the first migration); when a person is erased, the record stays and forgets whose it was.

Double opt-in: `lists.subscribe` with `PENDING` writes down that somebody asked; `confirmation` makes the token that
goes into their message; `confirm` turns the token into a subscription. A token is for one request only, works once,
and for seven days at most.
"""

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from newsletter.database.schema import (
    ConsentMethod,
    SubscriptionStatus,
    consent_record,
    list_,
    subscriber,
    subscription,
    suppression,
)
from newsletter.errors import AudienceError, TokenError
from newsletter.tokens import Signer

PURPOSE: Final = "confirm"
"""What the token of a confirmation is signed for."""

LASTS: Final = timedelta(days=7)
"""How long a link to confirm works."""

_ASKS: Final = (ConsentMethod.FORM, ConsentMethod.COMMAND, ConsentMethod.IMPORT)


@dataclass(frozen=True, slots=True)
class Consent:
    """Somebody's agreement to be on a list.

    Attributes:
        wording: What they agreed to, or where that is written down.
        method: How it reached us.
        at: When.
        origin: The keyed hash of where the request came from, as `hashed_origin` makes it.
    """

    wording: str
    method: ConsentMethod
    at: datetime
    origin: bytes | None = None


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Somebody who said yes.

    Attributes:
        subscriber: Their id.
        list_slug: The list that they are on now.
    """

    subscriber: int
    list_slug: str


def hashed_origin(origin: str, secret: bytes) -> bytes:
    """The keyed hash of where a request came from: two can be compared, and the address is not kept."""
    return hmac.digest(secret, b"origin\0" + origin.encode(), "sha256")


def add_record(connection: sa.Connection, person: int, list_id: int, consent: Consent) -> int:
    """Add a record; its id."""
    hashed = sa.select(subscriber.c.address_hash).where(subscriber.c.id == person).scalar_subquery()
    row = sa.insert(consent_record).values(
        subscriber_id=person,
        address_hash=hashed,
        list_id=list_id,
        wording=consent.wording,
        method=consent.method,
        at=consent.at,
        origin=consent.origin,
    )
    made: int = connection.execute(row.returning(consent_record.c.id)).scalar_one()
    return made


def _newest_request(connection: sa.Connection, person: int, list_id: int) -> int | None:
    """The record by which somebody asked last."""
    newest: int | None = connection.scalar(
        sa.select(sa.func.max(consent_record.c.id)).where(
            consent_record.c.subscriber_id == person,
            consent_record.c.list_id == list_id,
            consent_record.c.method.in_(_ASKS),
        )
    )
    return newest


def confirmation(connection: sa.Connection, person: int, list_id: int, signer: Signer, *, now: datetime) -> str:
    """The token by which a person who asked to be on a list says yes.

    Raises:
        AudienceError: They are not waiting to confirm.
    """
    waiting = connection.scalar(
        sa.select(subscription.c.status).where(
            subscription.c.subscriber_id == person, subscription.c.list_id == list_id
        )
    )
    request = _newest_request(connection, person, list_id)
    if waiting != SubscriptionStatus.PENDING or request is None:
        raise AudienceError("This person is not waiting to confirm. Add them to the list first.")
    return signer.sign(PURPOSE, person, list_id, request, expires=now + LASTS)


def confirm(
    connection: sa.Connection, token: str, signer: Signer, *, now: datetime, origin: bytes | None = None
) -> Confirmed:
    """Say yes, once: who was pending is active, and the record says so.

    Args:
        connection: A writing transaction.
        token: As `confirmation` made it.
        signer: With the project's key.
        now: When.
        origin: Where the request came from, as `hashed_origin` makes it.

    Raises:
        TokenError: The link was changed, has expired, or was used already.
    """
    ids = signer.read(PURPOSE, token, now=now)
    if len(ids) != 3:
        raise TokenError("This link is not for confirming. Open the one in the newest message.")
    person, list_id, request = ids
    used = TokenError("This link was used already, or is not the newest. If you are on the list, all is well.")
    if _newest_request(connection, person, list_id) != request:
        raise used
    never = sa.exists().where(subscriber.c.id == person, suppression.c.address_hash == subscriber.c.address_hash)
    if not _activate(connection, person, list_id, now, ~never):
        raise used
    asked = connection.execute(
        sa.select(consent_record.c.wording, list_.c.slug)
        .join(list_, list_.c.id == consent_record.c.list_id)
        .where(consent_record.c.id == request)
    ).one()
    add_record(connection, person, list_id, Consent(asked.wording, ConsentMethod.CONFIRM, now, origin))
    return Confirmed(person, asked.slug)


def confirm_by_hand(connection: sa.Connection, person: int, list_id: int, consent: Consent) -> bool:
    """Take somebody's word for a pending person's yes, and write down which; says whether they were pending."""
    if not _activate(connection, person, list_id, consent.at):
        return False
    add_record(connection, person, list_id, consent)
    return True


def _activate(
    connection: sa.Connection, person: int, list_id: int, now: datetime, *conditions: sa.ColumnElement[bool]
) -> bool:
    changed = connection.execute(
        sa.update(subscription)
        .where(
            subscription.c.subscriber_id == person,
            subscription.c.list_id == list_id,
            subscription.c.status == SubscriptionStatus.PENDING,
            *conditions,
        )
        .values(status=SubscriptionStatus.ACTIVE, changed_at=now)
    )
    return changed.rowcount == 1
