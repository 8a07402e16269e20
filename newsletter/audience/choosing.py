"""What readers choose for themselves, and how they have chosen until now."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from newsletter.audience.changing import details_from
from newsletter.audience.consent import Consent, add_record
from newsletter.audience.lists import find_list
from newsletter.audience.subscribers import checked_details
from newsletter.database.schema import (
    SubscriptionStatus,
    SuppressionReason,
    list_,
    subscriber,
    subscription,
    suppression,
)
from newsletter.errors import AudienceError

_MAY_JOIN = (SubscriptionStatus.UNSUBSCRIBED, SubscriptionStatus.PENDING)
"""Who stands so to a list comes onto it by their own wish; an address that bounced or complained does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """How somebody has chosen until now.

    Attributes:
        subscriber: Who.
        email: Their address.
        first_name: What they are called.
        last_name: And by their family.
        language: In which language they read.
        paused_until: Until when they asked for no mail; may have passed.
        suppressed: Why their address must never be mailed; None if it may.
        standings: How they stand to each list, by its name in newsletter.toml.
    """

    subscriber: int
    email: str
    first_name: str | None
    last_name: str | None
    language: str | None
    paused_until: datetime | None
    suppressed: SuppressionReason | None
    standings: Mapping[str, SubscriptionStatus]


def read_chosen(connection: sa.Connection, person: int) -> Chosen | None:
    """How somebody has chosen; None if there is nobody, such as after erasure."""
    row = connection.execute(
        sa.select(subscriber, suppression.c.reason)
        .outerjoin(suppression, suppression.c.address_hash == subscriber.c.address_hash)
        .where(subscriber.c.id == person)
    ).first()
    if row is None:
        return None
    standings = connection.execute(
        sa.select(list_.c.slug, subscription.c.status)
        .join(list_, list_.c.id == subscription.c.list_id)
        .where(subscription.c.subscriber_id == person)
        .order_by(list_.c.id)
    )
    return Chosen(
        subscriber=row.id,
        email=row.email,
        first_name=row.first_name,
        last_name=row.last_name,
        language=row.language,
        paused_until=row.paused_until,
        suppressed=None if row.reason is None else SuppressionReason(row.reason),
        standings={slug: SubscriptionStatus(status) for slug, status in standings},
    )


def join(connection: sa.Connection, person: int, slug: str, consent: Consent) -> bool:
    """Put somebody on a list because they say so, by a link that reached them; whether they were not on it.

    Unlike `lists.subscribe` this brings back those who left, since it is their own wish; not those whose address
    bounced, complained, or must never be mailed.

    Raises:
        ListNotFoundError: There is no such list.
    """
    to_list = find_list(connection, slug)
    known = read_chosen(connection, person)
    if known is None or known.suppressed is not None:
        return False
    status = known.standings.get(slug)
    values = {"status": SubscriptionStatus.ACTIVE, "changed_at": consent.at}
    if status is None:
        place = {"subscriber_id": person, "list_id": to_list, "created_at": consent.at}
        connection.execute(sa.insert(subscription).values(**place, **values))
    elif status in _MAY_JOIN:
        here = (subscription.c.subscriber_id == person, subscription.c.list_id == to_list)
        connection.execute(sa.update(subscription).where(*here).values(values))
    else:
        return False
    add_record(connection, person, to_list, consent)
    return True


def is_right(name: str, value: str) -> bool:
    """Whether somebody may say this of themselves."""
    try:
        checked_details(details_from("", {name: value}))
    except AudienceError:
        return False
    return True
