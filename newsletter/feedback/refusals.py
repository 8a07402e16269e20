"""Lets what mail servers refused while we sent count as what comes back afterwards does (item 81).

An address that does not exist is given up, whether its server says so at the door or in a message later.
"""

from datetime import datetime
from typing import Final

import sqlalchemy as sa

from newsletter.config.pages import FeedbackTable
from newsletter.database.outside import EventKind, event
from newsletter.database.schema import DeliveryState, delivery, mailing
from newsletter.feedback.bounces.phrases import judge
from newsletter.feedback.events import Event
from newsletter.feedback.policy import Followed, follow
from newsletter.feedback.weighing import REFUSAL

RECENT: Final = 100
"""Mailings, the newest, that are looked through."""
_MOST: Final = 5_000
"""Refusals that are taken in one transaction; the rest comes next time."""
_OF_READER: Final = ("The mail server refused the address:", "The mail server refused the message:")
_NOT_NOW: Final = ("The mail server did not take the address now:", "The mail server did not take the message now:")


def follow_refusals(connection: sa.Connection, *, settings: FeedbackTable, now: datetime) -> Followed:
    """Take the refusals of the newest mailings that left by SMTP, each once.

    Args:
        connection: A writing transaction of its own.
        settings: [feedback] of the settings.
        now: When.
    """
    newest = sa.select(mailing.c.id).where(mailing.c.sender == "smtp").order_by(mailing.c.id.desc()).limit(RECENT)
    known = sa.exists().where(event.c.delivery_id == delivery.c.id, event.c.provider == REFUSAL)
    about_reader = sa.or_(*(delivery.c.reason.contains(said) for said in (*_OF_READER, *_NOT_NOW)))
    query = (
        sa.select(delivery.c.id, delivery.c.reason, delivery.c.answered_at)
        .where(
            delivery.c.mailing_id.in_(list(connection.scalars(newest))),
            delivery.c.state == DeliveryState.REFUSED,
            about_reader,
            ~known,
        )
        .order_by(delivery.c.id)
        .limit(_MOST)
    )
    told = [_event(row.id, row.reason, row.answered_at or now) for row in connection.execute(query)]
    return follow(connection, told, settings=settings, now=now)


def _event(row: int, reason: str, at: datetime) -> Event:
    what, _, said = reason.partition(": ")
    judgement = judge(said, around="RCPT TO" if "the address" in what else "end of DATA")
    return Event(
        provider=REFUSAL,
        key=str(row),
        kind=EventKind.BOUNCED,
        at=at,
        delivery=row,
        status=judgement.status or None,
        hard=judgement.hard,
        reason=said,
    )
