"""The ledger: one row for each delivery, and the only truth about who got what.

A delivery moves by the arrows of `TRANSITIONS` and by no others; `move` is the one place where a state changes; what
the world answered is written down by `answers.py`. Every function works inside the transaction it is given and is one
step: it happened or it did not. At every instant the deliveries of a mailing add up to its frozen audience, whatever
their states.

How a message leaves at most once: a worker *reserves* planned deliveries, then *claims* those whose bytes leave next,
in a transaction that is on the disk before the first byte leaves. A claim gets only what the worker still has reserved,
and only while the mailing is sending: of two workers, or of a worker and its ghost, one gets the row. What was claimed
by a worker that is gone becomes `unknown`, and is never sent again without evidence that it did not leave.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from newsletter.audience.lists import mailable, narrowed
from newsletter.audience.pausing import PAUSED, is_paused
from newsletter.audience.subscribers import Subscriber, read_subscribers
from newsletter.database.schema import (
    NEVER_GOT_IT,
    DeliveryState,
    MailingState,
    SubscriptionStatus,
    delivery,
    mailing,
    subscriber,
    subscription,
    suppression,
)
from newsletter.expressions import Expression

TRANSITIONS: Final[Mapping[DeliveryState, frozenset[DeliveryState]]] = {
    DeliveryState.PLANNED: frozenset({DeliveryState.CLAIMED, DeliveryState.SKIPPED}),
    DeliveryState.CLAIMED: frozenset(
        {
            DeliveryState.ACCEPTED,
            DeliveryState.REFUSED,
            DeliveryState.DEFERRED,
            DeliveryState.UNKNOWN,
            DeliveryState.PLANNED,  # the sender proved that it never left
        }
    ),
    DeliveryState.UNKNOWN: frozenset(  # by evidence only
        {DeliveryState.ACCEPTED, DeliveryState.REFUSED, DeliveryState.DEFERRED, DeliveryState.PLANNED}
    ),
    DeliveryState.DEFERRED: frozenset({DeliveryState.PLANNED, DeliveryState.SKIPPED}),
    DeliveryState.ACCEPTED: frozenset(),
    DeliveryState.REFUSED: frozenset(),
    DeliveryState.SKIPPED: frozenset(),
}
"""Where a delivery can go from each state."""

_LONGEST_REASON: Final = 500


@dataclass(frozen=True, slots=True)
class Reserved:
    """A delivery that a worker has set aside for itself.

    Attributes:
        delivery: The id of its row.
        subscriber: Whom it is for.
    """

    delivery: int
    subscriber: Subscriber


def move(to: DeliveryState, *conditions: sa.ColumnElement[bool]) -> sa.Update:
    """The change of state of all deliveries that fit the conditions and may go there."""
    # Written out as `=` … `OR`: a list in `IN` cannot be bound in a statement that runs for many rows.
    may = sa.or_(*(delivery.c.state == state for state, ways in TRANSITIONS.items() if to in ways))
    return sa.update(delivery).where(may, *conditions).values(state=to)


def reachable(edition: str, list_id: int, had: tuple[int, str] | None = None) -> sa.Select[int]:
    """The ids of those on a list who may be mailed, and neither have this edition nor are about to get it.

    Args:
        edition: The edition's slug.
        list_id: The list's row.
        had: For a correction, the mailing that they must have had, and the state of their delivery in it.
    """
    who = mailable(list_id).where(holding(edition).is_(None))
    if had is None:
        return who
    earlier = delivery.alias("earlier")
    mailing_id, state = had
    before = sa.exists().where(
        earlier.c.subscriber_id == subscriber.c.id, earlier.c.mailing_id == mailing_id, earlier.c.state == state
    )
    return who.where(before.correlate(subscriber))


def holding(edition: str) -> sa.ScalarSelect[str]:
    """The state of the delivery by which a subscriber has an edition, or is about to get it; NULL without one."""
    return (
        sa.select(delivery.c.state)
        .where(
            delivery.c.subscriber_id == subscriber.c.id,
            delivery.c.edition == edition,
            delivery.c.state.not_in(NEVER_GOT_IT),
        )
        .correlate(subscriber)
        .scalar_subquery()
    )


def plan(connection: sa.Connection, mailing_id: int, where: Expression | None = None) -> int:
    """Freeze the audience of a mailing: one planned delivery for everybody it can reach now.

    The database does it by itself, whatever the size of the audience.

    Returns:
        How many there are.
    """
    columns = (mailing.c.edition, mailing.c.list_id, mailing.c.recipients_of, mailing.c.recipients_state)
    row = connection.execute(sa.select(*columns).where(mailing.c.id == mailing_id)).one()
    had = None if row.recipients_of is None else (row.recipients_of, row.recipients_state)
    who = narrowed(connection, reachable(row.edition, row.list_id, had), where)
    constant = (sa.literal(mailing_id), sa.literal(row.edition), sa.literal(str(DeliveryState.PLANNED)))
    rows = who.order_by(subscription.c.subscriber_id).add_columns(*constant)
    connection.execute(sa.insert(delivery).from_select(["subscriber_id", "mailing_id", "edition", "state"], rows))
    return sum(counts(connection, mailing_id).values())  # drivers do not agree on what they say about such an insert


def reserve(connection: sa.Connection, mailing_id: int, worker: str, limit: int) -> list[Reserved]:
    """Set planned deliveries aside for a worker, so that others prepare others; nothing has left yet.

    Returns:
        At most `limit` deliveries, in the order of planning; none if nothing is planned or the mailing is not sending.
    """
    free = (
        sa.select(delivery.c.id)
        .where(
            delivery.c.mailing_id == mailing_id,
            delivery.c.state == DeliveryState.PLANNED,
            delivery.c.worker.is_(None),
            _is_sending(mailing_id),
        )
        .order_by(delivery.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    take = sa.update(delivery).where(delivery.c.id.in_(free)).values(worker=worker)
    while taken := sorted(connection.execute(take.returning(delivery.c.id, delivery.c.subscriber_id))):
        known = read_subscribers(connection, [person for _, person in taken if person is not None])
        skip(connection, worker, {row: "erased" for row, person in taken if person not in known})
        if known:
            return [Reserved(row, known[person]) for row, person in taken if person in known]
    return []


def release(connection: sa.Connection, mailing_id: int, worker: str | None = None) -> None:
    """Put back what was reserved and not claimed.

    Args:
        connection: A writing transaction.
        mailing_id: The mailing.
        worker: Whose reservations; None for everybody's, where all workers are known to be gone.
    """
    whose = delivery.c.worker.is_not(None) if worker is None else delivery.c.worker == worker
    reserved = (delivery.c.mailing_id == mailing_id, delivery.c.state == DeliveryState.PLANNED, whose)
    connection.execute(sa.update(delivery).where(*reserved).values(worker=None))


def skip(connection: sa.Connection, worker: str, reasons: Mapping[int, str]) -> None:
    """Leave out deliveries that the worker has reserved, each with its reason; they are free for another mailing."""
    by_reason: dict[str | None, list[int]] = {}
    for row, reason in reasons.items():
        by_reason.setdefault(one_line(reason), []).append(row)
    for why, rows in by_reason.items():
        leave = move(DeliveryState.SKIPPED, delivery.c.id.in_(rows), delivery.c.worker == worker)
        connection.execute(leave.values(reason=why))


def claim(  # noqa: PLR0913 what is claimed by whom, and when
    connection: sa.Connection, mailing_id: int, worker: str, rows: Sequence[int], *, now: datetime, again: bool = False
) -> frozenset[int]:
    """Claim reserved deliveries whose bytes leave next; commit before the first byte does.

    Those who have left the list, asked for a pause, must not be mailed any more, or were erased since the planning, are
    skipped here.

    Args:
        connection: A writing transaction.
        mailing_id: The mailing.
        worker: Who has reserved them.
        rows: The deliveries, none of which this worker has ever handed over.
        now: The time.
        again: Whether the same claim was tried before, and it is not known whether that one was written.

    Returns:
        The deliveries that this worker, and nobody else, now sends; empty if the mailing is not sending any more.
    """
    mine = (delivery.c.id.in_(rows), delivery.c.worker == worker, _is_sending(mailing_id))
    status = (
        sa.select(subscription.c.status)
        .join(mailing, mailing.c.list_id == subscription.c.list_id)
        .where(mailing.c.id == mailing_id, subscription.c.subscriber_id == delivery.c.subscriber_id)
        .scalar_subquery()
    )
    suppressed = (
        sa.exists()
        .where(subscriber.c.id == delivery.c.subscriber_id)
        .where(suppression.c.address_hash == subscriber.c.address_hash)
    )
    paused = sa.exists().where(subscriber.c.id == delivery.c.subscriber_id, is_paused())
    why = sa.case(
        (delivery.c.subscriber_id.is_(None), "erased"),
        (suppressed, "suppressed"),
        (status.is_(None), str(SubscriptionStatus.UNSUBSCRIBED)),
        (status != SubscriptionStatus.ACTIVE, status),
        (paused, PAUSED),
        else_=None,
    )
    hashed = sa.select(subscriber.c.address_hash).where(subscriber.c.id == delivery.c.subscriber_id).scalar_subquery()
    leaves = why.is_(None)
    change = {
        "state": sa.case((leaves, str(DeliveryState.CLAIMED)), else_=str(DeliveryState.SKIPPED)),
        "reason": why,
        "claimed_at": sa.case((leaves, sa.literal(now, delivery.c.claimed_at.type)), else_=delivery.c.claimed_at),
        "address_hash": hashed,
    }
    moved = move(DeliveryState.CLAIMED, *mine).values(change).returning(delivery.c.id, delivery.c.state)
    mine_now = frozenset(row.id for row in connection.execute(moved) if row.state == DeliveryState.CLAIMED)
    if not again:
        return mine_now
    had = (delivery.c.id.in_(rows), delivery.c.worker == worker, delivery.c.state == DeliveryState.CLAIMED)
    return mine_now | frozenset(connection.scalars(sa.select(delivery.c.id).where(*had)))


def unknowns(connection: sa.Connection, mailing_id: int, *, after: int = 0, limit: int = 1000) -> list[int]:
    """Deliveries of a mailing of which nobody knows whether they left, a page at a time, by id."""
    query = sa.select(delivery.c.id).where(
        delivery.c.mailing_id == mailing_id, delivery.c.state == DeliveryState.UNKNOWN, delivery.c.id > after
    )
    return list(connection.scalars(query.order_by(delivery.c.id).limit(limit)))


def traces(connection: sa.Connection, rows: Sequence[int]) -> dict[int, tuple[str | None, str | None]]:
    """Of deliveries the address that they were for, and under which id the sender had them, where these are known."""
    query = (
        sa.select(delivery.c.id, subscriber.c.email, delivery.c.message_id)
        .outerjoin(subscriber, subscriber.c.id == delivery.c.subscriber_id)
        .where(delivery.c.id.in_(rows))
    )
    return {row.id: (row.email, row.message_id) for row in connection.execute(query)}


def leave_out_the_rest(connection: sa.Connection, mailing_id: int) -> int:
    """Skip everything that is not sent yet, because the mailing was cancelled; what is in flight is not touched.

    Returns:
        How many there were.
    """
    rest = move(DeliveryState.SKIPPED, delivery.c.mailing_id == mailing_id)
    return connection.execute(rest.values(reason=str(MailingState.CANCELLED), worker=None)).rowcount


def leave_out(connection: sa.Connection, *conditions: sa.ColumnElement[bool], reason: str) -> int:
    """Skip deliveries that have not left; says how many."""
    leave = move(DeliveryState.SKIPPED, *conditions).values(reason=one_line(reason), worker=None)
    return connection.execute(leave).rowcount


def counts(connection: sa.Connection, mailing_id: int) -> dict[DeliveryState, int]:
    """How many deliveries of a mailing are in each state; together, its frozen audience."""
    found = connection.execute(
        sa.select(delivery.c.state, sa.func.count())
        .where(delivery.c.mailing_id == mailing_id)
        .group_by(delivery.c.state)
    )
    return dict.fromkeys(DeliveryState, 0) | {DeliveryState(state): count for state, count in found}


def is_anything_left(connection: sa.Connection, mailing_id: int) -> bool:
    """Whether any delivery of a mailing is to leave yet, or may be leaving right now."""
    open_ = (DeliveryState.PLANNED, DeliveryState.CLAIMED, DeliveryState.DEFERRED)
    query = sa.exists().where(delivery.c.mailing_id == mailing_id, delivery.c.state.in_(open_))
    return bool(connection.scalar(sa.select(query)))


def reasons(connection: sa.Connection, mailing_id: int, *, limit: int = 20) -> list[tuple[DeliveryState, str, int]]:
    """Why deliveries of a mailing did not arrive, with how many each, the most frequent first."""
    number = sa.func.count()
    found = connection.execute(
        sa.select(delivery.c.state, delivery.c.reason, number)
        .where(delivery.c.mailing_id == mailing_id, delivery.c.reason.is_not(None))
        .group_by(delivery.c.state, delivery.c.reason)
        .order_by(number.desc(), delivery.c.reason)
        .limit(limit)
    )
    return [(DeliveryState(state), reason, count) for state, reason, count in found if reason is not None]


def _is_sending(mailing_id: int) -> sa.Exists:
    """The condition that a mailing is under way: the fence that pausing and cancelling put up."""
    return sa.exists().where(mailing.c.id == mailing_id, mailing.c.state == MailingState.SENDING)


def one_line(reason: str | None) -> str | None:
    """A reason on one line, of a length that can be shown."""
    line = " ".join((reason or "").split())[:_LONGEST_REASON]
    # PostgreSQL keeps no NUL, and no terminal should be told what a mail server likes to tell it.
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line) or None
