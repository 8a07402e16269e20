"""What follows from what came back, the same for all providers: who is mailed no more, who is told, what is settled.

Whoever reads what comes back (`sendgrid.py`, `bounces/`) says whom it is about and what was said; all else is here.
An event counts once, however often it is told, and a set of events ends in the same place in whatever order they come.
One thing depends on the order by its nature: a message of which nobody knew whether it left is settled by the first
sign of it, and what is settled stays (`sending/answers.py`).

    hard bounce           the address is suppressed, its subscriptions are `bounced`
    soft bounces          the same, after as many as [feedback] says with nothing delivered between
    refused by policy     nobody is touched: the mail server does not want it from us, so we must see to it
    a domain as a whole   nobody of it is touched, and who was is brought back (`weighing.blankets`)
    complaint             suppressed, and off all lists
    unsubscribed          off the list of that mailing, or off all
"""

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from newsletter.config.pages import FeedbackTable
from newsletter.database.outside import EventKind, event
from newsletter.database.schema import DeliveryState, delivery, list_, subscriber, suppression
from newsletter.feedback.events import Event, record_all
from newsletter.feedback.standing import complain, leave, lift, suppress_bounced
from newsletter.feedback.weighing import Weight, blankets, given_up, weight_of
from newsletter.sending import answers
from newsletter.sending.senders.protocol import Outcome, Verdict
from newsletter.webhooks.announcing import announce

_LOG: Final = logging.getLogger(__name__)

LATE: Final = timedelta(days=7)
"""How long after a message left what came back for its address may be about it, where nothing says which it was."""

_LEFT: Final = (DeliveryState.ACCEPTED, DeliveryState.UNKNOWN, DeliveryState.CLAIMED)
_PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Followed:
    """What became of events.

    Attributes:
        new: How many were told for the first time.
        known: How many had been told before.
        strange: How many are about nobody and nothing that this database knows.
        suppressed: How many addresses are mailed no more.
        lifted: How many are mailed again, since they had been given up for what was a whole domain's trouble.
        settled: How many deliveries were unknown until now.
    """

    new: int
    known: int
    strange: int
    suppressed: int
    lifted: int
    settled: int


def follow(connection: sa.Connection, told: Sequence[Event], *, settings: FeedbackTable, now: datetime) -> Followed:
    """Write events down, and do what follows from those that are new.

    Args:
        connection: A writing transaction of its own: all of it happens or nothing.
        told: Each with a delivery, or else the hash of an address; what the ledger knows beside that is filled in.
            Events of the kind `OTHER` may be about nobody.
        settings: [feedback] of the settings.
        now: When they reached us.
    """
    events = list(_completed(connection, told))
    new = record_all(connection, events, now=now)
    settled = settle_told(connection, {each.mailing for each in new if each.mailing is not None}, now=now)
    for each in new:
        _obey(connection, each, now)
    suppressed, lifted = _weigh(connection, new, settings, now)
    for each in new:
        if each.kind is EventKind.BOUNCED:
            about = {"status": each.status, "hard": each.hard, "suppressed": each.address_hash in suppressed}
            _announce(connection, "message.bounced", each, now, **about)
    return Followed(
        new=len(new),
        known=len(events) - len(new),
        strange=len(told) - len(events),
        suppressed=len(suppressed),
        lifted=lifted,
        settled=settled,
    )


def settle_told(connection: sa.Connection, mailings: Iterable[int], *, now: datetime) -> int:
    """Settle deliveries that are unknown and of which an event is on record, also one from before they became so.

    Returns:
        How many there were.
    """
    query = (
        sa.select(delivery.c.id, event.c.kind, event.c.reason)
        .join(event, event.c.delivery_id == delivery.c.id)
        .where(delivery.c.mailing_id.in_(sorted(mailings)), delivery.c.state == DeliveryState.UNKNOWN)
    )
    found: dict[int, Outcome] = {}
    for row in connection.execute(query):
        if row.kind == EventKind.DROPPED:
            found[row.id] = Outcome(row.id, Verdict.REFUSED, f"It was taken and dropped: {row.reason or 'no reason'}")
        else:
            found.setdefault(row.id, Outcome(row.id, Verdict.ACCEPTED, f"It came back that it was {row.kind}."))
    answers.settle(connection, found.values(), now=now)
    return len(found)


def _obey(connection: sa.Connection, told: Event, now: datetime) -> None:
    """Do what a reader told their provider."""
    meant = told.implies or told.kind
    if meant is EventKind.COMPLAINED:
        complain(connection, told.subscriber, told.address_hash, now=now)
        if told.kind is EventKind.COMPLAINED:
            _announce(connection, "message.complained", told, now)
    elif meant is EventKind.UNSUBSCRIBED and told.subscriber is not None:
        mailing = told.mailing if told.kind is EventKind.UNSUBSCRIBED else None
        left = leave(connection, told.subscriber, mailing, now=now)
        slugs = sa.select(list_.c.slug).where(list_.c.id.in_(left)).order_by(list_.c.slug)
        for slug in connection.scalars(slugs).all():
            about = {"subscriber": told.subscriber, "list": slug, "how": "provider"}
            announce(connection, "subscriber.unsubscribed", about, now=now, subscriber_id=told.subscriber)


def _weigh(
    connection: sa.Connection, new: Sequence[Event], settings: FeedbackTable, now: datetime
) -> tuple[set[bytes], int]:
    """Suppress the addresses that are to be given up, and lift it from those that are not; which, and how many."""
    kinds = (EventKind.BOUNCED, EventKind.DROPPED, EventKind.DELIVERED)
    addresses = {each.address_hash for each in new if each.address_hash is not None and each.kind in kinds}
    pairs = {
        (each.mailing, each.domain)
        for each in new
        if each.kind is EventKind.BOUNCED and each.mailing is not None and each.domain is not None
    }
    whole = blankets(connection, pairs)
    for (mailing, domain), people in sorted(whole.items()):
        addresses |= _suppressed_of(connection, mailing, domain)
        _LOG.warning(
            "Mailing %d: %d messages came back from one domain, so nobody there is given up. See which:  "
            "newsletter mailings report %d",
            *(mailing, people, mailing),
        )
    suppressed: set[bytes] = set()
    lifted = 0
    for hashed, is_given_up in given_up(connection, addresses, settings).items():
        if is_given_up:
            suppressed |= {hashed} if suppress_bounced(connection, hashed, now=now) else set()
        else:
            lifted += lift(connection, hashed)
    return suppressed, lifted


def _suppressed_of(connection: sa.Connection, mailing: int, domain: str) -> set[bytes]:
    """The addresses of a domain that are suppressed, and of which something came back in a mailing."""
    query = (
        sa.select(event.c.address_hash)
        .join(suppression, suppression.c.address_hash == event.c.address_hash)
        .where(event.c.mailing_id == mailing, event.c.kind == EventKind.BOUNCED, event.c.domain == domain)
    )
    return set(connection.scalars(query))


def _announce(connection: sa.Connection, kind: str, told: Event, now: datetime, **more: object) -> None:
    about = {"mailing": told.mailing, "subscriber": told.subscriber, **more}
    announce(connection, kind, about, now=now, subscriber_id=told.subscriber)


def _completed(connection: sa.Connection, told: Sequence[Event]) -> Iterator[Event]:
    """The events with all that the ledger knows about them; without those that it knows nothing about."""
    deliveries = _deliveries(connection, {each.delivery for each in told if each.delivery is not None})
    hashes = {each.address_hash for each in told if each.delivery is None and each.address_hash is not None}
    people = _people(connection, hashes)
    for each in told:
        if each.delivery is not None:
            row = deliveries.get(each.delivery)
            if row is None or each.mailing not in {None, row.mailing_id}:
                continue
            hashed = row.address_hash or row.now_hash
            full = replace(each, mailing=row.mailing_id, subscriber=row.subscriber_id, address_hash=hashed)
            yield _judged(full, row.email_key)
        elif each.address_hash is not None:
            person = people.get(each.address_hash)
            if person is None:
                continue
            known = each.mailing, each.delivery
            mailing, row_id = known if each.mailing is not None else _newest(connection, person.id, each)
            full = replace(each, subscriber=person.id, mailing=mailing, delivery=row_id)
            yield _judged(full, person.email_key)
        elif each.kind is EventKind.OTHER:
            yield each


def _judged(told: Event, email_key: str | None) -> Event:
    """An event with its domain and, of a bounce, what it says about the address; no words about who was erased."""
    if told.subscriber is None:
        told = replace(told, reason=None, raw=None)
    if told.domain is None and email_key is not None:
        told = replace(told, domain=email_key.rpartition("@")[2])
    if told.kind is EventKind.BOUNCED:
        told = replace(told, hard=weight_of(told.status, told.hard) is Weight.HARD)
    return told


def _deliveries(connection: sa.Connection, rows: Collection[int]) -> dict[int, sa.Row[tuple[object, ...]]]:
    wanted = sorted(row for row in rows if row < 1 << 63)
    found: dict[int, sa.Row[tuple[object, ...]]] = {}
    for start in range(0, len(wanted), _PAGE):
        query = (
            sa.select(
                delivery.c.id,
                delivery.c.mailing_id,
                delivery.c.subscriber_id,
                delivery.c.address_hash,
                subscriber.c.address_hash.label("now_hash"),
                subscriber.c.email_key,
            )
            .outerjoin(subscriber, subscriber.c.id == delivery.c.subscriber_id)
            .where(delivery.c.id.in_(wanted[start : start + _PAGE]))
        )
        found |= {row.id: row for row in connection.execute(query)}
    return found


def _people(connection: sa.Connection, hashes: Collection[bytes]) -> dict[bytes, sa.Row[tuple[object, ...]]]:
    wanted = sorted(hashes)
    found: dict[bytes, sa.Row[tuple[object, ...]]] = {}
    for start in range(0, len(wanted), _PAGE):
        columns = (subscriber.c.id, subscriber.c.address_hash, subscriber.c.email_key)
        query = sa.select(*columns).where(subscriber.c.address_hash.in_(wanted[start : start + _PAGE]))
        found |= {row.address_hash: row for row in connection.execute(query)}
    return found


def _newest(connection: sa.Connection, person: int, told: Event) -> tuple[int | None, int | None]:
    """The mailing and the delivery that something is probably about which names an address only."""
    query = (
        sa.select(delivery.c.mailing_id, delivery.c.id)
        .where(
            delivery.c.subscriber_id == person,
            delivery.c.address_hash == told.address_hash,
            delivery.c.state.in_(_LEFT),
            delivery.c.claimed_at.between(told.at - LATE, told.at),
        )
        .order_by(delivery.c.claimed_at.desc(), delivery.c.id.desc())
    )
    row = connection.execute(query.limit(1)).first()
    return (None, None) if row is None else (row.mailing_id, row.id)
