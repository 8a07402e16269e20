"""Lets a person settle what the program cannot know: whether a message whose answer was lost arrived."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from newsletter.audience.subscribers import read_address
from newsletter.database.connection import Database
from newsletter.database.schema import DeliveryState, MailingState, delivery, subscriber
from newsletter.errors import SubscriberNotFoundError
from newsletter.sending import answers, mailings
from newsletter.sending.senders.protocol import Outcome, Verdict


@dataclass(frozen=True, slots=True)
class Doubt:
    """One delivery of which nobody knows whether it left.

    Attributes:
        delivery: Its row.
        email: Whom it was for; None if they were erased since.
        since: When it was claimed.
        reason: Why nobody knows.
    """

    delivery: int
    email: str | None
    since: datetime | None
    reason: str | None


def doubts(connection: sa.Connection, mailing_id: int) -> Iterator[Doubt]:
    """All deliveries of a mailing of which nobody knows whether they left, in the order of planning."""
    query = (
        sa.select(delivery.c.id, subscriber.c.email, delivery.c.claimed_at, delivery.c.reason)
        .outerjoin(subscriber, subscriber.c.id == delivery.c.subscriber_id)
        .where(delivery.c.mailing_id == mailing_id, delivery.c.state == DeliveryState.UNKNOWN)
        .order_by(delivery.c.id)
    )
    for row in connection.execute(query.execution_options(yield_per=1000)):
        yield Doubt(row.id, row.email, row.claimed_at, row.reason)


def dispel(database: Database, mailing_id: int, emails: Collection[str], *, arrived: bool, now: datetime) -> int:
    """Write down what a person found out.

    Args:
        database: Where the ledger is.
        mailing_id: The mailing.
        emails: Whose messages; all that are unknown if there are none.
        arrived: Whether they arrived. Those who got nothing are planned again, or, where the mailing is over, can be
            reached by another one.
        now: The time.

    Returns:
        How many deliveries were settled.

    Raises:
        MailingNotFoundError: There is no such mailing.
        SubscriberNotFoundError: With one of the addresses nothing is unknown.
    """
    with database.write() as connection:
        mailing = mailings.read_mailing(connection, mailing_id)
        found = list(doubts(connection, mailing_id))
        if emails:
            by_key = {read_address(each.email).key: each for each in found if each.email is not None}
            keys = {read_address(email).key: email for email in emails}
            for key, email in keys.items():
                if key not in by_key:
                    raise SubscriberNotFoundError(f"Of {email} nothing is unknown in mailing {mailing_id}.")
            found = [by_key[key] for key in keys]
        answers.settle(connection, [_outcome(each.delivery, mailing.state, arrived=arrived) for each in found], now=now)
    return len(found)


def _outcome(row: int, state: MailingState, *, arrived: bool) -> Outcome:
    if arrived:
        return Outcome(row, Verdict.ACCEPTED, "A person found that it arrived.")
    over = state not in {MailingState.SENDING, MailingState.PAUSED}
    return Outcome(row, Verdict.REFUSED if over else Verdict.UNSENT, "A person found that it did not arrive.")
