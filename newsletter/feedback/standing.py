"""Takes people off and brings them back by what came back: suppressions and subscriptions, each with its trace.

Of two reasons the graver stays, in whatever order they come: who complained is never mailed again; who left, left;
and only who was taken off because mail came back can be brought back when that turns out to be wrong.
"""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Final

import sqlalchemy as sa

from newsletter.audience.consent import Consent, add_record
from newsletter.audience.subscribers import Change, find_subscriber, read_address
from newsletter.database.outside import EventKind, event
from newsletter.database.schema import (
    ConsentMethod,
    SubscriptionStatus,
    SuppressionReason,
    mailing,
    subscriber,
    subscription,
    suppression,
)
from newsletter.errors import AudienceError, SubscriberNotFoundError
from newsletter.feedback.events import Event, record
from newsletter.feedback.weighing import TEAM

COMPLAINED: Final = "marked a message as spam"
UNSUBSCRIBED: Final = "unsubscribed through their mail provider"
READMITTED: Final = "is on the list again: mail to the address had come back by mistake"

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MAY_LEAVE: Final = (SubscriptionStatus.ACTIVE, SubscriptionStatus.PENDING, SubscriptionStatus.BOUNCED)


def suppress_bounced(connection: sa.Connection, hashed: bytes, *, now: datetime) -> bool:
    """Mail an address no more since it does not work; whether it was mailed until now."""
    if _reason(connection, hashed) is not None:
        return False
    connection.execute(sa.insert(suppression).values(address_hash=hashed, reason=SuppressionReason.BOUNCED, at=now))
    theirs = sa.select(subscriber.c.id).where(subscriber.c.address_hash == hashed)
    connection.execute(
        sa.update(subscription)
        .where(subscription.c.subscriber_id.in_(theirs), subscription.c.status == SubscriptionStatus.ACTIVE)
        .values(status=SubscriptionStatus.BOUNCED, changed_at=now)
    )
    return True


def lift(connection: sa.Connection, hashed: bytes) -> bool:
    """Undo what `suppress_bounced` did, if that is what keeps the address from being mailed; whether it was.

    Its suppression is known by its time, which is that of a bounce's arrival; who was imported as bounced stays out.
    """
    told = sa.exists().where(
        event.c.address_hash == hashed,
        event.c.kind.in_([EventKind.BOUNCED, EventKind.DROPPED]),
        event.c.received_at == suppression.c.at,
    )
    ours = sa.delete(suppression).where(
        suppression.c.address_hash == hashed, suppression.c.reason == SuppressionReason.BOUNCED, told
    )
    since = connection.scalar(ours.returning(suppression.c.at))
    if since is None:
        return False
    theirs = sa.select(subscriber.c.id).where(subscriber.c.address_hash == hashed)
    connection.execute(
        sa.update(subscription)
        .where(
            subscription.c.subscriber_id.in_(theirs),
            subscription.c.status == SubscriptionStatus.BOUNCED,
            subscription.c.changed_at == since,
        )
        .values(status=SubscriptionStatus.ACTIVE)
    )
    return True


def complain(connection: sa.Connection, person: int | None, hashed: bytes | None, *, now: datetime) -> None:
    """Take somebody off all lists who marked a message as spam, and never mail the address again (item 83)."""
    if hashed is not None:
        reason = _reason(connection, hashed)
        values = {"reason": SuppressionReason.COMPLAINED, "at": now}
        if reason is None:
            connection.execute(sa.insert(suppression).values(address_hash=hashed, **values))
        elif reason == SuppressionReason.BOUNCED:
            connection.execute(sa.update(suppression).where(suppression.c.address_hash == hashed).values(values))
    if person is None:
        return
    _withdraw(connection, person, None, Consent(COMPLAINED, ConsentMethod.WITHDRAW, now))
    connection.execute(
        sa.update(subscription)
        .where(subscription.c.subscriber_id == person, subscription.c.status != SubscriptionStatus.COMPLAINED)
        .values(status=SubscriptionStatus.COMPLAINED, changed_at=now)
    )


def leave(connection: sa.Connection, person: int, mailing_id: int | None, *, now: datetime) -> list[int]:
    """Take somebody off the list of a mailing, or off all where it is not known, as they told their mail provider.

    Returns:
        The lists that they were on until now.
    """
    lists: set[int] | None = None
    if mailing_id is not None:
        lists = set(connection.scalars(sa.select(mailing.c.list_id).where(mailing.c.id == mailing_id)))
    _withdraw(connection, person, lists, Consent(UNSUBSCRIBED, ConsentMethod.WITHDRAW, now))
    change = sa.update(subscription).where(
        subscription.c.subscriber_id == person, subscription.c.status.in_(_MAY_LEAVE), _on(lists)
    )
    left = change.values(status=SubscriptionStatus.UNSUBSCRIBED, changed_at=now).returning(subscription.c.list_id)
    return sorted(connection.scalars(left))


def readmit(connection: sa.Connection, email: str, *, secret: bytes, now: datetime) -> Change:
    """Mail an address again of which somebody of the team knows that it works, whatever came back before.

    Who complained, left or was erased, and an address that was suppressed on demand, are not brought back.

    Args:
        connection: A writing transaction.
        email: The address.
        secret: The project's secret key.
        now: When; what came back before does not count any more.

    Returns:
        `UNCHANGED` if it was mailed all the time.

    Raises:
        AddressError: That is no address.
        SubscriberNotFoundError: Nobody has it.
        AudienceError: It must never be mailed for another reason.
    """
    hashed = read_address(email).hashed(secret)
    reason = _reason(connection, hashed)
    if reason not in {None, SuppressionReason.BOUNCED}:
        raise AudienceError(f"{email} must never be mailed again ({reason}): only mail that came back can be forgiven.")
    lifted = connection.execute(sa.delete(suppression).where(suppression.c.address_hash == hashed)).rowcount
    try:
        person = find_subscriber(connection, email)
    except SubscriberNotFoundError:
        if lifted:
            return Change.UPDATED
        raise
    bounced = (subscription.c.subscriber_id == person.id, subscription.c.status == SubscriptionStatus.BOUNCED)
    back = sa.update(subscription).where(*bounced).values(status=SubscriptionStatus.ACTIVE, changed_at=now)
    lists = sorted(connection.scalars(back.returning(subscription.c.list_id)))
    if not lifted and not lists:
        return Change.UNCHANGED
    for list_id in lists:
        add_record(connection, person.id, list_id, Consent(READMITTED, ConsentMethod.COMMAND, now))
    said = Event(
        provider=TEAM,
        key=f"readmitted {person.id} {(now - _EPOCH) // timedelta(microseconds=1)}",
        kind=EventKind.RETURNED,
        at=now,
        subscriber=person.id,
        address_hash=hashed,
    )
    record(connection, said, now=now)
    return Change.UPDATED


def _reason(connection: sa.Connection, hashed: bytes) -> str | None:
    """Why an address must never be mailed, if so."""
    found: str | None = connection.scalar(sa.select(suppression.c.reason).where(suppression.c.address_hash == hashed))
    return found


def _on(lists: Collection[int] | None) -> sa.ColumnElement[bool]:
    return sa.true() if lists is None else subscription.c.list_id.in_(lists)


def _withdraw(connection: sa.Connection, person: int, lists: Collection[int] | None, consent: Consent) -> None:
    """Write down for each list that somebody took their word back, also where they are off it already."""
    theirs = sa.select(subscription.c.list_id).where(subscription.c.subscriber_id == person, _on(lists))
    for list_id in connection.scalars(theirs.order_by(subscription.c.list_id)).all():
        add_record(connection, person, list_id, consent)
