"""Writes into the ledger what became of deliveries: what the sender answered, what evidence says, who died in between.

The arrows are those of `ledger.TRANSITIONS`. A late answer is welcome: it settles what was thought unknown. What is
settled already stays as it is.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from newsletter.database.schema import DeliveryState, MailingState, UtcTime, delivery, mailing
from newsletter.sending.ledger import move, one_line
from newsletter.sending.pacing import MOST_TRIES, wait_after
from newsletter.sending.senders.protocol import Outcome, Verdict

_SETTLED: Final = {
    Verdict.ACCEPTED: DeliveryState.ACCEPTED,
    Verdict.REFUSED: DeliveryState.REFUSED,
    Verdict.UNKNOWN: DeliveryState.UNKNOWN,
}

_AT_ONCE: Final = 3
"""Times that what never left is planned again at once; after that it waits as what was told «not now»."""

_SAID: Final = sa.values(
    sa.column("row", sa.BigInteger),
    sa.column("why", sa.Text),
    sa.column("known_as", sa.Text),
    sa.column("tried", sa.Integer),
    sa.column("due", UtcTime),
    name="said",
)
"""Answers as a table, so that one statement writes them all down: a worker that is cut off among many small ones would
hold what it has changed for as long as the server believes in it."""

_AT_A_TIME: Final = 500
"""Answers in one statement; databases take so many values at least."""

_OPEN: Final = (MailingState.SENDING, MailingState.PAUSED)


def record(connection: sa.Connection, worker: str, outcomes: Iterable[Outcome], *, now: datetime) -> None:
    """Write down what became of deliveries that this worker claimed."""
    _write_down(connection, list(outcomes), now, delivery.c.worker == worker)


def settle(connection: sa.Connection, outcomes: Iterable[Outcome], *, now: datetime) -> None:
    """Write down what evidence says about deliveries that were unknown; whatever is not unknown stays as it is."""
    _write_down(connection, list(outcomes), now, delivery.c.state == DeliveryState.UNKNOWN)


def put_back(connection: sa.Connection, worker: str, rows: Collection[int]) -> None:
    """Plan again what this worker claimed and then did not hand over, through no fault of the messages."""
    if rows:
        back = move(DeliveryState.PLANNED, delivery.c.id.in_(rows), delivery.c.worker == worker)
        connection.execute(back.values(worker=None))


def bury(connection: sa.Connection, workers: Collection[str], *, now: datetime) -> int:
    """Put right what workers left open that are gone: their reservations are free again, their claims unknown.

    Returns:
        How many deliveries became unknown.
    """
    if not workers:
        return 0
    theirs = delivery.c.worker.in_(workers)
    connection.execute(sa.update(delivery).where(_reserved(), theirs).values(worker=None))
    lost = move(DeliveryState.UNKNOWN, delivery.c.state == DeliveryState.CLAIMED, _of_any_mailing(), theirs)
    return connection.execute(lost.values(reason="The program ended before the answer came.", answered_at=now)).rowcount


def workers_named(connection: sa.Connection) -> set[str]:
    """The workers that have reserved or claimed anything."""
    claimed = (delivery.c.state == DeliveryState.CLAIMED, _of_any_mailing())
    found: set[str] = set()
    for conditions in ((_reserved(),), claimed):
        query = sa.select(delivery.c.worker).where(*conditions, delivery.c.worker.is_not(None)).distinct()
        found.update(name for name in connection.scalars(query) if name is not None)
    return found


def retry_due(connection: sa.Connection, mailing_id: int, *, now: datetime | None = None) -> int:
    """Plan again what was deferred until now.

    Args:
        connection: A writing transaction.
        mailing_id: The mailing.
        now: The time; None to plan all that was deferred, whatever its time.

    Returns:
        How many there were.
    """
    waiting = [delivery.c.mailing_id == mailing_id, delivery.c.state == DeliveryState.DEFERRED]
    if now is not None:
        waiting.append(sa.or_(delivery.c.next_try.is_(None), delivery.c.next_try <= now))
    return connection.execute(move(DeliveryState.PLANNED, *waiting).values(worker=None)).rowcount


def next_try(connection: sa.Connection, mailing_id: int) -> datetime | None:
    """When the next of what was deferred is due; None if nothing was."""
    waiting = (delivery.c.mailing_id == mailing_id, delivery.c.state == DeliveryState.DEFERRED)
    found: datetime | None = connection.scalar(sa.select(sa.func.min(delivery.c.next_try)).where(*waiting))
    return found


def _reserved() -> sa.ColumnElement[bool]:
    """The condition that a delivery is planned, of a mailing that is not over, and somebody's; by way of the index."""
    still_open = sa.select(mailing.c.id).where(mailing.c.state.in_(_OPEN))
    planned = delivery.c.state == DeliveryState.PLANNED
    return sa.and_(delivery.c.mailing_id.in_(still_open), planned, delivery.c.worker.is_not(None))


def _of_any_mailing() -> sa.ColumnElement[bool]:
    """Holds always; said so that the index of mailing and state is of use."""
    return delivery.c.mailing_id.in_(sa.select(mailing.c.id))


def _write_down(
    connection: sa.Connection, outcomes: list[Outcome], now: datetime, condition: sa.ColumnElement[bool]
) -> None:
    """Change each delivery that fits the condition to what its outcome means."""
    outcomes = list({outcome.delivery: outcome for outcome in reversed(outcomes)}.values())  # of two the first counts
    moves: dict[DeliveryState, list[tuple[object, ...]]] = {}
    unsettled = _standings(connection, [each.delivery for each in outcomes if each.verdict not in _SETTLED])
    for outcome in outcomes:
        to, why = _SETTLED.get(outcome.verdict), outcome.reason
        again: tuple[int, datetime | None] = (0, None)
        if to is None:
            tries, is_open = unsettled.get(outcome.delivery, (0, False))
            to, why, again = _again(outcome, tries + 1, now, is_open=is_open)
        moves.setdefault(to, []).append((outcome.delivery, one_line(why), outcome.message_id, *again))
    for to, rows in moves.items():
        for start in range(0, len(rows), _AT_A_TIME):
            said = _SAID.data(rows[start : start + _AT_A_TIME]).cte("said")
            names = sa.func.coalesce(said.c.known_as, delivery.c.message_id)
            change = {"reason": said.c.why, "message_id": names, "answered_at": now}
            if to in {DeliveryState.PLANNED, DeliveryState.DEFERRED}:
                due = said.c.due if to is DeliveryState.DEFERRED else None
                change |= {"worker": None, "tries": said.c.tried, "next_try": due}
            connection.execute(move(to, delivery.c.id == said.c.row, condition).values(change))


def _standings(connection: sa.Connection, rows: list[int]) -> dict[int, tuple[int, bool]]:
    """Of each delivery how often it was tried, and whether its mailing is not over."""
    if not rows:
        return {}
    query = sa.select(delivery.c.id, delivery.c.tries, mailing.c.state).join(mailing).where(delivery.c.id.in_(rows))
    return {row.id: (row.tries, row.state in _OPEN) for row in connection.execute(query)}


def _again(
    outcome: Outcome, tries: int, now: datetime, *, is_open: bool
) -> tuple[DeliveryState, str | None, tuple[int, datetime | None]]:
    """What becomes of a delivery that did not leave, and may: the state, why, its tries and when the next is due."""
    why = outcome.reason or ""
    if not is_open:
        return DeliveryState.REFUSED, f"It did not leave before the mailing was over. {why}", (tries, None)
    if outcome.verdict is Verdict.UNSENT and tries <= _AT_ONCE:
        return DeliveryState.PLANNED, why, (tries, None)
    if tries >= MOST_TRIES:
        return DeliveryState.REFUSED, f"Given up after {tries} tries. {why}", (tries, None)
    return DeliveryState.DEFERRED, why, (tries, now + wait_after(outcome.status, tries, outcome.delivery))
