"""What came back by mail lately, for people: when, about whom in masked form, why, and what followed."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from newsletter.audience.subscribers import masked
from newsletter.database.outside import EventKind, event
from newsletter.database.schema import subscriber, suppression
from newsletter.feedback.bounces.taking import PROVIDER


@dataclass(frozen=True, slots=True)
class Returned:
    """Something that came back.

    Attributes:
        at: When.
        who: The address in masked form; empty if nobody is known any more.
        kind: What it is.
        hard: Of a bounce, whether it says that the address will not work again.
        status: The enhanced status code; may be empty.
        reason: Why; may be empty, since words are not kept for long.
        mailing: Of which mailing, if that is known.
        suppressed: Why the address is mailed no more; None if it is.
    """

    at: datetime
    who: str
    kind: EventKind
    hard: bool | None
    status: str
    reason: str
    mailing: int | None
    suppressed: str | None

    def as_json(self) -> dict[str, object]:
        """The same as plain values."""
        return {
            "at": self.at.isoformat(),
            "who": self.who,
            "kind": self.kind.value,
            "hard": self.hard,
            "status": self.status,
            "reason": self.reason,
            "mailing": self.mailing,
            "suppressed": self.suppressed,
        }


def list_returned(connection: sa.Connection, most: int) -> list[Returned]:
    """The newest that came back by mail, newest first."""
    query = (
        sa.select(event, subscriber.c.email, suppression.c.reason.label("suppressed"))
        .outerjoin(subscriber, subscriber.c.id == event.c.subscriber_id)
        .outerjoin(suppression, suppression.c.address_hash == event.c.address_hash)
        .where(event.c.provider == PROVIDER)
        .order_by(event.c.id.desc())
    )
    return [
        Returned(
            at=row.at,
            who=masked(row.email) if row.email else "",
            kind=EventKind(row.kind),
            hard=row.hard,
            status=row.status or "",
            reason=row.reason or "",
            mailing=row.mailing_id,
            suppressed=row.suppressed,
        )
        for row in connection.execute(query.limit(most))
    ]
