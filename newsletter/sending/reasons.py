"""Says why a person gets an edition or not, from the conditions that plan the deliveries, and counts every reason.

`reason` is one expression of SQL with one answer for everybody on a list; `ledger.reachable` and the segment choose
exactly those for whom it says `INCLUDED`. So the reasons of a list always add up to it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from newsletter.audience.lists import find_list, is_suppressed
from newsletter.audience.pausing import PAUSED, is_paused
from newsletter.audience.segments import condition, surely
from newsletter.database.schema import DeliveryState, SubscriptionStatus, delivery, subscriber, subscription
from newsletter.expressions import Expression
from newsletter.sending.ledger import holding

INCLUDED: Final = "included"
"""The reason of those who get it."""

NOT_ON_LIST: Final = "not on the list"
NOT_CHOSEN: Final = "not chosen"
SUPPRESSED: Final = "suppressed"

WORDS: Final[Mapping[str, str]] = {
    INCLUDED: "on the list and chosen, and does not have it yet",
    NOT_ON_LIST: "is not on the list",
    SUPPRESSED: "the address must never be mailed",
    SubscriptionStatus.PENDING: "asked to be on the list, and has not confirmed it yet",
    SubscriptionStatus.UNSUBSCRIBED: "left the list",
    SubscriptionStatus.BOUNCED: "mail to the address came back",
    SubscriptionStatus.COMPLAINED: "marked a message as spam",
    PAUSED: "asked for no mail until a day that is yet to come",
    NOT_CHOSEN: "the condition does not hold",
    DeliveryState.PLANNED: "is about to get it by a mailing that is under way",
    DeliveryState.CLAIMED: "is getting it right now",
    DeliveryState.ACCEPTED: "has this edition already",
    DeliveryState.DEFERRED: "gets it by another mailing, which tries again later",
    DeliveryState.UNKNOWN: "may have this edition already: nobody knows, so it is not sent again",
}
"""Every reason in plain words."""


@dataclass(frozen=True, slots=True)
class Why:
    """What becomes of one person.

    Attributes:
        included: Whether they get it, or were planned for it.
        reason: A key of `WORDS`, or the state of a delivery.
        words: The same for people.
    """

    included: bool
    reason: str
    words: str


def reason(where: Expression | None, edition: str | None, dialect: str) -> sa.ColumnElement[str]:
    """The answer for one row of `subscription` joined with `subscriber`.

    Args:
        where: Who is chosen; None for everybody.
        edition: The edition's slug; None to leave out who has it already.
        dialect: The database's name for SQLAlchemy.
    """
    left_out: list[tuple[sa.ColumnElement[bool], sa.ColumnElement[str]]] = [
        (is_suppressed(), sa.literal(SUPPRESSED)),
        (subscription.c.status != SubscriptionStatus.ACTIVE, subscription.c.status),
        (is_paused(), sa.literal(PAUSED)),
    ]
    if where is not None:
        left_out.append((sa.not_(surely(condition(where, dialect))), sa.literal(NOT_CHOSEN)))
    if edition is not None:
        left_out.append((holding(edition).is_not(None), holding(edition)))
    return sa.case(*left_out, else_=sa.literal(INCLUDED))


def count_reasons(
    connection: sa.Connection, list_slug: str, where: Expression | None, edition: str | None
) -> dict[str, int]:
    """How many of a list have each reason, `INCLUDED` first; together, the list.

    Raises:
        ListNotFoundError: There is no such list.
    """
    answer = reason(where, edition, connection.dialect.name).label("reason")
    answers = (
        sa.select(answer)
        .select_from(subscription.join(subscriber))
        .where(subscription.c.list_id == find_list(connection, list_slug))
        .subquery()
    )
    number = sa.func.count()
    query = sa.select(answers.c.reason, number).group_by(answers.c.reason).order_by(number.desc(), answers.c.reason)
    return {INCLUDED: 0} | {row.reason: row[1] for row in connection.execute(query)}


def explain(
    connection: sa.Connection, person: int, list_slug: str, where: Expression | None, edition: str | None
) -> Why:
    """Whether a person gets an edition, and why or why not.

    Raises:
        ListNotFoundError: There is no such list.
    """
    list_id = find_list(connection, list_slug)
    query = (
        sa.select(reason(where, edition, connection.dialect.name))
        .select_from(subscription.join(subscriber))
        .where(subscription.c.list_id == list_id, subscriber.c.id == person)
    )
    why = connection.scalar(query)
    why = NOT_ON_LIST if why is None else why
    words = WORDS[why]
    if why == PAUSED:
        until = connection.execute(sa.select(subscriber.c.paused_until).where(subscriber.c.id == person)).scalar_one()
        words = f"asked for no mail until {until:%Y-%m-%d %H:%M} UTC"
    return Why(why == INCLUDED, why, words)


def explain_delivery(connection: sa.Connection, person: int, mailing_id: int) -> Why:
    """What became of a person in a mailing that was frozen."""
    found = connection.execute(
        sa.select(delivery.c.state, delivery.c.reason)
        .where(delivery.c.mailing_id == mailing_id, delivery.c.subscriber_id == person)
        .order_by(delivery.c.id.desc())
    ).first()
    if found is None:
        return Why(included=False, reason="not planned", words="was not among those whom the mailing was planned for")
    words = _DELIVERED[DeliveryState(found.state)]
    return Why(included=True, reason=found.state, words=f"{words} ({found.reason})" if found.reason else words)


_DELIVERED: Final[Mapping[DeliveryState, str]] = {
    DeliveryState.PLANNED: "was planned for it, and it has not left yet",
    DeliveryState.CLAIMED: "is getting it right now",
    DeliveryState.ACCEPTED: "got it",
    DeliveryState.REFUSED: "was planned for it, and their mail server refused it for good",
    DeliveryState.DEFERRED: "was planned for it, and it is tried again later",
    DeliveryState.UNKNOWN: "was planned for it, and nobody knows whether it left; it is not sent again by itself",
    DeliveryState.SKIPPED: "was planned for it, and then left out",
}
