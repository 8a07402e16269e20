"""Finds people: of a list, with a status, by part of address or name, for whom a condition holds.

Pages are found by where the last one ended, never by counting off, so the first page takes the same time in a list of
a thousand and of a million.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from newsletter.audience.casing import in_cases
from newsletter.audience.lists import count, find_list, mailable, narrowed, walk
from newsletter.audience.subscribers import Subscriber, find_subscriber, read_subscribers
from newsletter.database.schema import SubscriptionStatus, subscriber, subscription
from newsletter.expressions import Expression


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Who is looked for; what is not said leaves nobody out.

    Attributes:
        list_slug: Only those on this list who would be mailed, or whose status is said.
        status: Only those who stand so to the list; None for those who would be mailed.
        any_status: All of the list, however they stand to it.
        where: Only those for whom this holds.
        text: Only those with this in their address or name, whatever the case of its letters.
    """

    list_slug: str | None = None
    status: SubscriptionStatus | None = None
    any_status: bool = False
    where: Expression | None = None
    text: str | None = None


def find_people(
    connection: sa.Connection, search: Search, *, after: str | int | None = None, limit: int = 50
) -> list[Subscriber]:
    """One page of people, in the order in which they came.

    Args:
        connection: A transaction.
        search: Who.
        after: The address, or the number, of the last one of the page before.
        limit: How many at most.

    Raises:
        ListNotFoundError: There is no such list.
        SubscriberNotFoundError: Nobody has the address `after`.
    """
    query = narrowed(connection, _query(connection, search), search.where)
    key = query.selected_columns[0]
    if after is not None:
        last = after if isinstance(after, int) else find_subscriber(connection, after).id
        query = query.where(key > last)
    return list(read_subscribers(connection, connection.scalars(query.order_by(key).limit(limit))).values())


def walk_people(connection: sa.Connection, search: Search) -> Iterator[Subscriber]:
    """Everybody who is looked for, in bounded memory.

    Raises:
        ListNotFoundError: There is no such list.
    """
    return walk(connection, _query(connection, search), search.where)


def count_found(connection: sa.Connection, search: Search) -> int:
    """How many there are, counted by the database.

    Raises:
        ListNotFoundError: There is no such list.
    """
    return count(connection, _query(connection, search), search.where)


def _query(connection: sa.Connection, search: Search) -> sa.Select[int]:
    """The ids of those who are looked for, the condition apart."""
    query: sa.Select[int]
    if search.list_slug is None:
        query = sa.select(subscriber.c.id)
    elif search.status is None and not search.any_status:
        query = mailable(find_list(connection, search.list_slug))
    else:
        query = sa.select(subscription.c.subscriber_id).join(
            subscriber, subscriber.c.id == subscription.c.subscriber_id
        )
        query = query.where(subscription.c.list_id == find_list(connection, search.list_slug))
        if search.status is not None:
            query = query.where(subscription.c.status == search.status)
    if search.text:
        query = query.where(_has(search.text, connection.dialect.name))
    return query


def _has(text: str, dialect: str) -> sa.ColumnElement[bool]:
    """The condition that each word of a text stands in the address or the name."""
    return sa.and_(*(_has_word(word, dialect) for word in text.split()))


def _has_word(word: str, dialect: str) -> sa.ColumnElement[bool]:
    columns = (subscriber.c.email, subscriber.c.first_name, subscriber.c.last_name)
    if word.isascii():  # both databases know the cases of ASCII by themselves
        return sa.or_(*(column.icontains(word, autoescape=True) for column in columns))
    return sa.or_(*(in_cases(["lower"], column, dialect).contains(word.lower(), autoescape=True) for column in columns))
