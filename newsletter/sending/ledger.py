"""The ledger: one row for each delivery, and the only truth about who got what.

A delivery moves by the arrows of `TRANSITIONS` and by no others; `_move` is the one place where a state changes. Every
function works inside the transaction it is given and is one step: it happened or it did not. At every instant the
deliveries of a mailing add up to its frozen audience, whatever their states.

How a message leaves at most once: a worker *reserves* planned deliveries, then *claims* those whose bytes leave next,
in a transaction that is on the disk before the first byte leaves. A claim gets only what the worker still has reserved,
and only while the mailing is sending: of two workers, or of a worker and its ghost, one gets the row. What was claimed
by a worker that is gone becomes `unknown`, and is never sent again without evidence that it did not leave.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from newsletter.audience.lists import mailable, narrowed
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
from newsletter.sending.senders.protocol import Outcome, Verdict

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

_AFTER: Final = {
    Verdict.ACCEPTED: DeliveryState.ACCEPTED,
    Verdict.REFUSED: DeliveryState.REFUSED,
    Verdict.DEFERRED: DeliveryState.DEFERRED,
    Verdict.UNKNOWN: DeliveryState.UNKNOWN,
    Verdict.UNSENT: DeliveryState.PLANNED,
}

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


def _move(to: DeliveryState, *conditions: sa.ColumnElement[bool]) -> sa.Update:
    """The change of state of all deliveries that fit the conditions and may go there."""
    # Written out as `=` … `OR`: a list in `IN` cannot be bound in a statement that runs for many rows.
    may = sa.or_(*(delivery.c.state == state for state, ways in TRANSITIONS.items() if to in ways))
    return sa.update(delivery).where(may, *conditions).values(state=to)


def reachable(edition: str, list_id: int) -> sa.Select[int]:
    """The ids of those on a list who may be mailed, and neither have this edition nor are about to get it."""
    return mailable(list_id).where(holding(edition).is_(None))


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
    row = connection.execute(sa.select(mailing.c.edition, mailing.c.list_id).where(mailing.c.id == mailing_id)).one()
    who = narrowed(connection, reachable(row.edition, row.list_id), where)
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
    if reasons:
        move = _move(DeliveryState.SKIPPED, delivery.c.id == sa.bindparam("row"), delivery.c.worker == worker)
        rows = [{"row": row, "why": _short(reason)} for row, reason in reasons.items()]
        connection.execute(move.values(reason=sa.bindparam("why")), rows)


def claim(
    connection: sa.Connection, mailing_id: int, worker: str, rows: Sequence[int], *, now: datetime
) -> frozenset[int]:
    """Claim reserved deliveries whose bytes leave next; commit before the first byte does.

    Those who have left the list, must not be mailed any more, or were erased since the planning, are skipped here.

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
    left_out = (
        (delivery.c.subscriber_id.is_(None), sa.literal("erased")),
        (suppressed, sa.literal("suppressed")),
        (status.is_distinct_from(SubscriptionStatus.ACTIVE), sa.func.coalesce(status, SubscriptionStatus.UNSUBSCRIBED)),
    )
    for condition, reason in left_out:
        connection.execute(_move(DeliveryState.SKIPPED, *mine, condition).values(reason=reason))
    claimed = _move(DeliveryState.CLAIMED, *mine).values(claimed_at=now, reason=None)
    return frozenset(connection.scalars(claimed.returning(delivery.c.id)))


def record(connection: sa.Connection, worker: str, outcomes: Iterable[Outcome], *, now: datetime) -> None:
    """Write down what became of deliveries that this worker claimed.

    A late answer is welcome: it settles what was thought unknown. What is settled already stays as it is.
    """
    _write_down(connection, outcomes, now, delivery.c.worker == worker)


def abandon(connection: sa.Connection, mailing_id: int, *, now: datetime) -> int:
    """Turn what was claimed and never answered into `unknown`, where all workers of the mailing are known to be gone.

    Returns:
        How many there were.
    """
    lost = _move(
        DeliveryState.UNKNOWN, delivery.c.mailing_id == mailing_id, delivery.c.state == DeliveryState.CLAIMED
    ).values(reason="The program ended before the answer came.", answered_at=now)
    return connection.execute(lost).rowcount


def unknowns(connection: sa.Connection, mailing_id: int, *, after: int = 0, limit: int = 1000) -> list[int]:
    """Deliveries of a mailing of which nobody knows whether they left, a page at a time, by id."""
    query = sa.select(delivery.c.id).where(
        delivery.c.mailing_id == mailing_id, delivery.c.state == DeliveryState.UNKNOWN, delivery.c.id > after
    )
    return list(connection.scalars(query.order_by(delivery.c.id).limit(limit)))


def settle(connection: sa.Connection, outcomes: Iterable[Outcome], *, now: datetime) -> None:
    """Write down what evidence says about deliveries that were unknown; whatever is not unknown stays as it is."""
    _write_down(connection, outcomes, now, delivery.c.state == DeliveryState.UNKNOWN)


def _write_down(
    connection: sa.Connection, outcomes: Iterable[Outcome], now: datetime, condition: sa.ColumnElement[bool]
) -> None:
    rows: dict[Verdict, list[dict[str, object]]] = {}
    for outcome in outcomes:
        said: dict[str, object] = {
            "row": outcome.delivery,
            "why": _short(outcome.reason),
            "known_as": outcome.message_id,
        }
        rows.setdefault(outcome.verdict, []).append(said)
    for verdict, answered in rows.items():
        to = _AFTER[verdict]
        move = _move(to, delivery.c.id == sa.bindparam("row"), condition).values(
            reason=sa.bindparam("why"),
            message_id=sa.func.coalesce(sa.bindparam("known_as", type_=sa.Text), delivery.c.message_id),
            answered_at=now,
        )
        if to in {DeliveryState.PLANNED, DeliveryState.DEFERRED}:
            move = move.values(worker=None)
        connection.execute(move, answered)


def retry_deferred(connection: sa.Connection, mailing_id: int) -> int:
    """Plan again what was deferred.

    Returns:
        How many there were.
    """
    waiting = (delivery.c.mailing_id == mailing_id, delivery.c.state == DeliveryState.DEFERRED)
    return connection.execute(_move(DeliveryState.PLANNED, *waiting).values(worker=None)).rowcount


def leave_out_the_rest(connection: sa.Connection, mailing_id: int) -> int:
    """Skip everything that is not sent yet, because the mailing was cancelled; what is in flight is not touched.

    Returns:
        How many there were.
    """
    rest = _move(DeliveryState.SKIPPED, delivery.c.mailing_id == mailing_id)
    return connection.execute(rest.values(reason=str(MailingState.CANCELLED), worker=None)).rowcount


def leave_out(connection: sa.Connection, *conditions: sa.ColumnElement[bool], reason: str) -> int:
    """Skip deliveries that have not left; says how many."""
    move = _move(DeliveryState.SKIPPED, *conditions).values(reason=_short(reason), worker=None)
    return connection.execute(move).rowcount


def counts(connection: sa.Connection, mailing_id: int) -> dict[DeliveryState, int]:
    """How many deliveries of a mailing are in each state; together, its frozen audience."""
    found = connection.execute(
        sa.select(delivery.c.state, sa.func.count())
        .where(delivery.c.mailing_id == mailing_id)
        .group_by(delivery.c.state)
    )
    return dict.fromkeys(DeliveryState, 0) | {DeliveryState(state): count for state, count in found}


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


def _short(reason: str | None) -> str | None:
    """A reason on one line, of a length that can be shown."""
    line = " ".join((reason or "").split())[:_LONGEST_REASON]
    # PostgreSQL keeps no NUL, and no terminal should be told what a mail server likes to tell it.
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line) or None
