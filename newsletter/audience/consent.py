"""Proof of who agreed to what: records that are only ever added, and the link by which a person says yes.

A record says who, on which list, in which words, how and when. The database itself refuses to change or delete one
(triggers of the first migration); when a person is erased, the record stays and forgets whose it was.

Double opt-in: `lists.subscribe` with `PENDING` writes down that somebody asked; `confirmation` makes the token that
goes into their message, for one list or for all that they asked for at once; `confirm` turns the token into
subscriptions. A token is for these requests only, works once, and for seven days at most.

Somebody who left and asks in the form to come back stays as they are, with the request on record, until they confirm:
a stranger who types their address changes nothing about them.
"""

import hmac
from collections.abc import Sequence
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

MOST_LISTS: Final = 20
"""Lists that one link confirms at most; a token has room for some more."""

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
        lists: The slugs of the lists that they are on from now on.
    """

    subscriber: int
    lists: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a link to confirm is about.

    Attributes:
        subscriber: The person's id.
        language: The person's, if it is known.
        waiting: The slugs of the lists that they can say yes to by it.
        active: Those that they are on already.
    """

    subscriber: int
    language: str | None
    waiting: tuple[str, ...]
    active: tuple[str, ...]


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


def find_request(connection: sa.Connection, person: int, list_id: int) -> tuple[int, SubscriptionStatus] | None:
    """The request that a person has yet to confirm, and how they stand to the list until then; None if there is none.

    Who is pending waits for their newest request. Who left waits if what came last is that they asked, in the form, to
    come back.
    """
    stands = connection.execute(
        sa.select(subscription.c.status, subscription.c.changed_at).where(
            subscription.c.subscriber_id == person, subscription.c.list_id == list_id
        )
    ).first()
    if stands is None or stands.status not in {SubscriptionStatus.PENDING, SubscriptionStatus.UNSUBSCRIBED}:
        return None
    newest = (
        sa.select(consent_record.c.id, consent_record.c.method, consent_record.c.at)
        .where(consent_record.c.subscriber_id == person, consent_record.c.list_id == list_id)
        .order_by(consent_record.c.id.desc())
        .limit(1)
    )
    if stands.status == SubscriptionStatus.PENDING:
        found = connection.execute(newest.where(consent_record.c.method.in_(_ASKS))).first()
    else:
        found = connection.execute(newest).first()
        if found is not None and (found.method != ConsentMethod.FORM or found.at < stands.changed_at):
            return None
    return None if found is None else (found.id, SubscriptionStatus(stands.status))


def confirmation(connection: sa.Connection, person: int, lists: Sequence[int], signer: Signer, *, now: datetime) -> str:
    """The token by which a person who asked to be on lists says yes to those that they have yet to confirm.

    Args:
        connection: A transaction.
        person: The subscriber's id.
        lists: The ids of the lists, `MOST_LISTS` at most.
        signer: With the project's key.
        now: When.

    Raises:
        AudienceError: They are not waiting to confirm any of them.
    """
    found = ((list_id, find_request(connection, person, list_id)) for list_id in lists[:MOST_LISTS])
    numbers = [number for list_id, request in found if request is not None for number in (list_id, request[0])]
    if not numbers:
        raise AudienceError("This person is not waiting to confirm. Add them to the list first.")
    return signer.sign(PURPOSE, person, *numbers, expires=now + LASTS)


def look_up(connection: sa.Connection, token: str, signer: Signer, *, now: datetime, purpose: str = PURPOSE) -> Asked:
    """What a link to confirm is about, without following it.

    Args:
        connection: A transaction.
        token: From the link; may be anything.
        signer: With the project's key.
        now: When.
        purpose: What the token is signed for: another one for links in test messages.

    Raises:
        TokenError: The link was changed or has expired.
    """
    person, requests = _read(token, signer, now, purpose)
    slugs = {row.id: row.slug for row in connection.execute(sa.select(list_))}
    mine = sa.select(subscription.c.list_id, subscription.c.status).where(subscription.c.subscriber_id == person)
    standings = {(row.list_id, row.status) for row in connection.execute(mine)}
    waiting, active = [], []
    for list_id, request in requests:
        if _waits(connection, person, list_id, request) is not None:
            waiting.append(slugs[list_id])
        elif (list_id, SubscriptionStatus.ACTIVE) in standings:
            active.append(slugs[list_id])
    language = connection.scalar(sa.select(subscriber.c.language).where(subscriber.c.id == person))
    return Asked(person, language, tuple(waiting), tuple(active))


def confirm(
    connection: sa.Connection, token: str, signer: Signer, *, now: datetime, origin: bytes | None = None
) -> Confirmed:
    """Say yes, once: who asked is on the lists, and the records say so.

    Args:
        connection: A writing transaction.
        token: As `confirmation` made it.
        signer: With the project's key.
        now: When.
        origin: Where the request came from, as `hashed_origin` makes it.

    Raises:
        TokenError: The link was changed, has expired, or was used already.
    """
    person, requests = _read(token, signer, now, PURPOSE)
    slugs = []
    for list_id, request in requests:
        status = _waits(connection, person, list_id, request)
        if status is None or not _activate(connection, person, list_id, now, status):
            continue
        asked = connection.execute(
            sa.select(consent_record.c.wording, list_.c.slug)
            .join(list_, list_.c.id == consent_record.c.list_id)
            .where(consent_record.c.id == request)
        ).one()
        add_record(connection, person, list_id, Consent(asked.wording, ConsentMethod.CONFIRM, now, origin))
        slugs.append(asked.slug)
    if not slugs:
        raise TokenError("This link was used already, or is not the newest. If you are on the list, all is well.")
    return Confirmed(person, tuple(slugs))


def _read(token: str, signer: Signer, now: datetime, purpose: str) -> tuple[int, list[tuple[int, int]]]:
    """The person, and each list with the request for it."""
    ids = signer.read(purpose, token, now=now)
    if len(ids) < 3 or not len(ids) % 2:
        raise TokenError("This link is not for confirming. Open the one in the newest message.")
    return ids[0], list(zip(ids[1::2], ids[2::2], strict=True))


def _waits(connection: sa.Connection, person: int, list_id: int, request: int) -> SubscriptionStatus | None:
    """How a person stands to a list who can say yes by this request; None if they cannot."""
    found = find_request(connection, person, list_id)
    never = sa.exists().where(subscriber.c.id == person, suppression.c.address_hash == subscriber.c.address_hash)
    if found is None or found[0] != request or connection.scalar(sa.select(never)):
        return None
    return found[1]


def confirm_by_hand(connection: sa.Connection, person: int, list_id: int, consent: Consent) -> bool:
    """Take somebody's word for a pending person's yes, and write down which; says whether they were pending."""
    if not _activate(connection, person, list_id, consent.at, SubscriptionStatus.PENDING):
        return False
    add_record(connection, person, list_id, consent)
    return True


def _activate(connection: sa.Connection, person: int, list_id: int, now: datetime, status: SubscriptionStatus) -> bool:
    """Put somebody on a list who still stands to it as they did when it was looked."""
    changed = connection.execute(
        sa.update(subscription)
        .where(
            subscription.c.subscriber_id == person,
            subscription.c.list_id == list_id,
            subscription.c.status == status,
        )
        .values(status=SubscriptionStatus.ACTIVE, changed_at=now)
    )
    return changed.rowcount == 1
