"""Lists: who is subscribed to which, with the proof of it, and who of a list is mailed.

The lists are defined in `newsletter.toml`; the database knows their slugs. `mailable` is the one place that says who
may be mailed: counting, choosing and planning all start from it.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from newsletter.audience.consent import Consent, add_record
from newsletter.audience.pausing import is_paused
from newsletter.audience.segments import condition
from newsletter.audience.subscribers import Change, Subscriber, read_subscribers
from newsletter.config.settings import MailingList
from newsletter.database.schema import (
    ConsentMethod,
    SubscriptionStatus,
    list_,
    subscriber,
    subscription,
    suppression,
)
from newsletter.errors import AudienceError, ListNotFoundError
from newsletter.expressions import Expression


@dataclass(frozen=True, slots=True)
class ListStanding:
    """A list, and how many are on it.

    Attributes:
        slug: Its name in newsletter.toml.
        title: Its name for people.
        mailable: How many would be mailed now.
        sign_up: Whether anybody may sign up on the public pages.
    """

    slug: str
    title: str
    mailable: int
    sign_up: bool


PAGE = 1000
"""People read at a time; what bounds the memory of walking through a list of any length."""


def ensure_lists(connection: sa.Connection, slugs: Iterable[str]) -> None:
    """Make the database know these lists; the others stay."""
    known = set(connection.scalars(sa.select(list_.c.slug)))
    missing = [{"slug": slug} for slug in dict.fromkeys(slugs) if slug not in known]
    if missing:
        connection.execute(sa.insert(list_), missing)


def lacks_lists(connection: sa.Connection, slugs: Iterable[str]) -> bool:
    """Whether the database does not know some of these lists."""
    return not set(slugs) <= set(connection.scalars(sa.select(list_.c.slug)))


def find_list(connection: sa.Connection, slug: str) -> int:
    """The id of a list.

    Raises:
        ListNotFoundError: There is none of that name; tells the nearest.
    """
    known = {row.slug: row.id for row in connection.execute(sa.select(list_))}
    if slug in known:
        return int(known[slug])
    near = difflib.get_close_matches(slug, known, n=1)
    hint = f"Did you mean «{near[0]}»?" if near else f"The lists are: {', '.join(sorted(known)) or 'none yet'}."
    raise ListNotFoundError(f"There is no list «{slug}». {hint} Lists are defined in newsletter.toml, [lists.<name>].")


def slug_of(connection: sa.Connection, list_id: int) -> str | None:
    """The name of a list in newsletter.toml, where it may stand no more; None if there is no such list."""
    slug: str | None = connection.scalar(sa.select(list_.c.slug).where(list_.c.id == list_id))
    return slug


def subscribe(
    connection: sa.Connection,
    person: int,
    slug: str,
    consent: Consent,
    status: SubscriptionStatus = SubscriptionStatus.ACTIVE,
) -> Change:
    """Put somebody on a list, and keep the proof that they agreed.

    Who is on it, or was asked to confirm, stays as they are. Who left is not brought back by us: only they can do that.

    Args:
        connection: A writing transaction.
        person: The subscriber's id.
        slug: The list.
        consent: Their agreement.
        status: `PENDING` for somebody who has yet to confirm it.

    Raises:
        ListNotFoundError: There is no such list.
        AudienceError: They left the list, or their address bounced or complained.
    """
    to_list = find_list(connection, slug)
    known = connection.execute(
        sa.select(subscription.c.status, subscription.c.changed_at).where(
            subscription.c.subscriber_id == person, subscription.c.list_id == to_list
        )
    ).first()
    if known is not None:
        if known.status in {SubscriptionStatus.ACTIVE, SubscriptionStatus.PENDING}:
            return Change.UNCHANGED
        raise AudienceError(
            f"This person left the list «{slug}» on {known.changed_at:%d %B %Y} ({known.status}). "
            "Only they themselves can come back, through the sign-up form."
        )
    connection.execute(
        sa.insert(subscription).values(
            subscriber_id=person,
            list_id=to_list,
            status=status,
            created_at=consent.at,
            changed_at=consent.at,
        )
    )
    add_record(connection, person, to_list, consent)
    return Change.NEW


def unsubscribe(
    connection: sa.Connection, person: int, slug: str, *, now: datetime, wording: str = "left the list"
) -> Change:
    """Take somebody off a list, at once and for as long as they wish, and write down that they took their word back.

    Raises:
        ListNotFoundError: There is no such list.
    """
    from_list = find_list(connection, slug)
    changed = connection.execute(
        sa.update(subscription)
        .where(
            subscription.c.subscriber_id == person,
            subscription.c.list_id == from_list,
            subscription.c.status.in_([SubscriptionStatus.ACTIVE, SubscriptionStatus.PENDING]),
        )
        .values(status=SubscriptionStatus.UNSUBSCRIBED, changed_at=now)
    )
    if not changed.rowcount:
        return Change.UNCHANGED
    add_record(connection, person, from_list, Consent(wording, ConsentMethod.WITHDRAW, now))
    return Change.UPDATED


def is_suppressed() -> sa.Exists:
    """The condition on `subscriber` that its address must never be mailed."""
    return sa.exists().where(suppression.c.address_hash == subscriber.c.address_hash)


def mailable(list_id: int) -> sa.Select[int]:
    """The ids of those on a list who may be mailed now: subscribed, not suppressed, and not pausing."""
    return (
        sa.select(subscription.c.subscriber_id)
        .join(subscriber, subscriber.c.id == subscription.c.subscriber_id)
        .where(subscription.c.list_id == list_id, subscription.c.status == SubscriptionStatus.ACTIVE)
        .where(~is_suppressed(), ~is_paused())
    )


def people(connection: sa.Connection, slug: str, where: Expression | None = None) -> Iterator[Subscriber]:
    """Everybody on a list who may be mailed, in the order in which they came, in bounded memory.

    Args:
        connection: A transaction.
        slug: The list.
        where: Leaves out those for whom it does not hold.

    Raises:
        ListNotFoundError: There is no such list.
    """
    return walk(connection, mailable(find_list(connection, slug)), where)


def walk(connection: sa.Connection, who: sa.Select[int], where: Expression | None = None) -> Iterator[Subscriber]:
    """The people of a query, page by page, so that rows may be written between two of them.

    Args:
        connection: A transaction.
        who: Chooses ids of subscribers, as `mailable` does, from an index in which they are sorted.
        where: Leaves out those for whom it does not hold.
    """
    key = who.selected_columns[0]
    query = narrowed(connection, who, where).order_by(key).limit(PAGE)
    last = 0
    while page := list(connection.scalars(query.where(key > last))):
        last = page[-1]
        yield from read_subscribers(connection, page).values()


def narrowed(connection: sa.Connection, who: sa.Select[int], where: Expression | None) -> sa.Select[int]:
    """The same query, which has `subscriber` in it, without those for whom the expression does not hold."""
    return who if where is None else who.where(condition(where, connection.dialect.name))


def count_people(connection: sa.Connection, slug: str, where: Expression | None = None) -> int:
    """How many of a list may be mailed.

    Raises:
        ListNotFoundError: There is no such list.
    """
    return count(connection, mailable(find_list(connection, slug)), where)


def count(connection: sa.Connection, who: sa.Select[int], where: Expression | None = None) -> int:
    """How many people a query has, counted by the database."""
    chosen = narrowed(connection, who, where).subquery()
    return connection.execute(sa.select(sa.func.count()).select_from(chosen)).scalar_one()


def standings(connection: sa.Connection, lists: Mapping[str, MailingList]) -> list[ListStanding]:
    """How the project's lists stand."""
    return [
        ListStanding(slug, kept.title, count_people(connection, slug), kept.sign_up) for slug, kept in lists.items()
    ]
