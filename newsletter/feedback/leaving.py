"""Readers who leave by the links in their messages, and come back: done, and written down where reports count them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from newsletter.audience.leaving import Leaving, Left, Undo, come_back, leave
from newsletter.audience.merged import become
from newsletter.database.outside import EventKind
from newsletter.database.schema import mailing, subscriber
from newsletter.feedback.events import Event, record_all
from newsletter.sending.links import ReaderLink
from newsletter.webhooks.announcing import announce_all

_PROVIDER: Final = "page"


def leave_by_links(
    connection: sa.Connection, wishes: Sequence[tuple[ReaderLink, str]], *, now: datetime
) -> list[Left | None]:
    """Take readers off the lists that their links name; it takes the same few statements for one and for hundreds.

    Args:
        connection: A writing transaction of its own.
        wishes: The links, each with how its reader said so, for the record. Those of tests do nothing.
        now: When.

    Returns:
        For each link how its reader left; None for those who were not on the list. The same wish twice is one, and both
        get the same answer.
    """
    others = become(connection, (link.subscriber for link, _ in wishes if not link.test))
    places = [None if link.test else (others.get(link.subscriber, link.subscriber), link.list_id) for link, _ in wishes]
    real = [(place, link, wording) for place, (link, wording) in zip(places, wishes, strict=True) if place is not None]
    left = leave_lists(
        connection,
        [Leaving(*place, wording) for place, _, wording in real],
        mailings={place: link.mailing for place, link, _ in real},
        now=now,
    )
    by_place = {(each.subscriber, each.list_id): each for each in left}
    return [None if place is None else by_place.get(place) for place in places]


def leave_lists(
    connection: sa.Connection, leaving: Sequence[Leaving], *, mailings: Mapping[tuple[int, int], int], now: datetime
) -> list[Left]:
    """Take people off lists, with an event and a call for other programs for each who was on one.

    Args:
        connection: A writing transaction of its own.
        leaving: Who wants to leave what.
        mailings: For a person and a list the mailing whose message made them leave, where one did.
        now: When.

    Returns:
        Those who were on a list, or had asked to be.
    """
    left = leave(connection, leaving, now=now)
    if not left:
        return []
    known = _known(connection, mailings.values())
    record_all(
        connection,
        [
            Event(
                provider=_PROVIDER,
                key=f"left-{each.record}",  # of the consent records there is one for each time
                kind=EventKind.UNSUBSCRIBED,
                at=now,
                subscriber=each.subscriber,
                address_hash=each.address_hash,
                mailing=known.get(mailings.get((each.subscriber, each.list_id), 0)),
                domain=_domain(each.email),
            )
            for each in left
        ],
        now=now,
    )
    told = [({"subscriber": each.subscriber, "list": each.list_slug, "how": "link"}, each.subscriber) for each in left]
    announce_all(connection, "subscriber.unsubscribed", told, now=now)
    return left


def take_back(connection: sa.Connection, undo: Undo, *, mailing_id: int | None, now: datetime, wording: str) -> bool:
    """Take one leaving back, with its event; whether anything changed.

    Args:
        connection: A writing transaction.
        undo: Who takes what back.
        mailing_id: The mailing whose message had made them leave, if one did.
        now: When.
        wording: What they agreed to, for the record.
    """
    made = come_back(connection, undo, now=now, wording=wording)
    if made is None:
        return False
    who = connection.execute(
        sa.select(subscriber.c.email, subscriber.c.address_hash).where(subscriber.c.id == undo.subscriber)
    ).one()
    event = Event(
        provider=_PROVIDER,
        key=f"returned-{made}",
        kind=EventKind.RETURNED,
        at=now,
        subscriber=undo.subscriber,
        address_hash=who.address_hash,
        mailing=_known(connection, [mailing_id]).get(mailing_id) if mailing_id else None,
        domain=_domain(who.email),
    )
    record_all(connection, [event], now=now)
    return True


def _known(connection: sa.Connection, mailings: Iterable[int]) -> dict[int, int]:
    """Those of these mailings that are in this database, which may have been brought back from an older backup."""
    named = set(mailings)
    if not named:
        return {}
    return {number: number for number in connection.scalars(sa.select(mailing.c.id).where(mailing.c.id.in_(named)))}


def _domain(email: str) -> str:
    return email.rpartition("@")[2].lower()
