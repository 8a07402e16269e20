"""Decides from all that came back about an address whether it will not work again, in whatever order it was told.

The decision is a function of the events on record and of the ledger, and of nothing else: what is told late, or twice,
ends where it would have ended in the order in which it happened. So it can also turn out that an address was given up
too early: that more than a fifth of a domain came back, say, which is the domain's trouble and not the reader's.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

import sqlalchemy as sa

from newsletter.config.pages import FeedbackTable
from newsletter.database.outside import EventKind, event
from newsletter.database.schema import DeliveryState, delivery, mailing, subscriber

TEAM: Final = "team"
"""The provider of what the team itself said: that an address, whatever came back before, works (`RETURNED`)."""
REFUSAL: Final = "refusal"
"""The provider of what was refused while we sent; the ledger tells how many these are, so reports count them there."""

BLANKET_SHARE: Final = 0.2
"""Of a domain's people in one mailing: if more came back, it is the domain's trouble, or ours (item 82)."""
BLANKET_PEOPLE: Final = 5
"""Who must have come back at least for that: of two colleagues one may really have left."""
POLICY_SHARE: Final = 0.01
"""Of a domain's people in one mailing: if so many were refused by its policy (5.7.x), the rest of what it says about
this mailing is not believed either. Of a hundred people one is enough; of a mail provider's thousands it is not."""

_HARD: Final = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10"})  # item 79; 5.1.10 is a null MX (RFC 7505)
_SOFT: Final = re.compile(r"4\.\d{1,3}\.\d{1,3}|5\.2\.[23]|5\.3\.\d{1,3}", re.ASCII)
_POLICY: Final = re.compile(r"[245]\.7\.\d{1,3}", re.ASCII)
_PAGE: Final = 500
"""Addresses in one question to the database."""


class Weight(StrEnum):
    """What a bounce says about the address."""

    HARD = "hard"
    """It does not work, and will not."""
    SOFT = "soft"
    """It did not work this time."""
    POLICY = "policy"
    """Nothing: the mail server did not want it from us (x.7.x). The sender must see to it."""


def weight_of(status: str | None, hard: bool | None) -> Weight:  # noqa: FBT001 - a column's value
    """What a bounce says about the address.

    Whoever read the bounce may know better than the status code that an address still works; that it does not is
    believed only where the code does not say otherwise.

    Args:
        status: The enhanced status code (RFC 3463), if there was one.
        hard: What whoever read it makes of its words; None for no opinion.
    """
    code = status or ""
    if _POLICY.fullmatch(code):
        return Weight.POLICY
    if hard is False or _SOFT.fullmatch(code):
        return Weight.SOFT
    return Weight.HARD if hard or code in _HARD else Weight.SOFT


Pair = tuple[int, str]
"""A mailing, and a domain among its readers."""


def blankets(connection: sa.Connection, pairs: Collection[Pair]) -> dict[Pair, int]:
    """Those of these mailings and domains of which so much came back that it says nothing about single readers.

    Returns:
        For each of them how many people came back.
    """
    if not pairs:
        return {}
    policy = sa.func.sum(sa.case((event.c.status.like("5.7.%"), 1), else_=0))
    people = sa.func.count(sa.distinct(event.c.delivery_id))
    counted = (
        sa.select(event.c.mailing_id, event.c.domain, people.label("people"), policy.label("policy"))
        .where(
            event.c.mailing_id.in_({number for number, _ in pairs}),
            event.c.kind == EventKind.BOUNCED,
            event.c.domain.in_({domain for _, domain in pairs}),
        )
        .group_by(event.c.mailing_id, event.c.domain)
    )
    suspects = {
        (row.mailing_id, row.domain): row
        for row in connection.execute(counted)
        if (row.mailing_id, row.domain) in pairs and (row.people >= BLANKET_PEOPLE or row.policy)
    }
    found: dict[Pair, int] = {}
    for number in {each for each, _ in suspects}:
        domains = sorted(domain for each, domain in suspects if each == number)
        for domain, mailed in _mailed(connection, number, domains).items():
            told = suspects[number, domain]
            share = told.people >= BLANKET_PEOPLE and told.people > BLANKET_SHARE * mailed
            if share or told.policy >= max(1, POLICY_SHARE * mailed):
                found[number, domain] = told.people
    return found


def _mailed(connection: sa.Connection, mailing_id: int, domains: Sequence[str]) -> dict[str, int]:
    """How many people of each domain a mailing was for, without those who were left out; one walk for all."""
    columns = [
        sa.func.count(sa.case((subscriber.c.email_key.endswith(f"@{domain}", autoescape=True), 1)))
        for domain in domains
    ]
    counted = (
        sa.select(*columns)
        .select_from(delivery.join(subscriber, subscriber.c.id == delivery.c.subscriber_id))
        .where(delivery.c.mailing_id == mailing_id, delivery.c.state != DeliveryState.SKIPPED)
    )
    return dict(zip(domains, connection.execute(counted).one(), strict=True))


@dataclass(slots=True)
class _Told:
    """What was told about one address."""

    works_since: datetime | None = None
    bounces: list[sa.Row[tuple[object, ...]]] = field(default_factory=list)
    delivered: list[tuple[datetime, int | None]] = field(default_factory=list)


def given_up(connection: sa.Connection, addresses: Iterable[bytes], settings: FeedbackTable) -> dict[bytes, bool]:
    """Of addresses of which anything ever came back: whether they will not work again.

    Args:
        connection: A transaction.
        addresses: Keyed hashes of addresses; those of which nothing came back are left out.
        settings: The limits for soft bounces.
    """
    told: dict[bytes, _Told] = {}
    for page in _pages(sorted(set(addresses))):
        came_back = (event.c.address_hash.in_(page), event.c.kind.in_([EventKind.BOUNCED, EventKind.DROPPED]))
        some = list(connection.scalars(sa.select(event.c.address_hash).where(*came_back).distinct()))
        kinds = (EventKind.BOUNCED, EventKind.DROPPED, EventKind.DELIVERED, EventKind.RETURNED)
        query = (
            sa.select(event, mailing.c.edition)
            .outerjoin(mailing, mailing.c.id == event.c.mailing_id)
            .where(event.c.address_hash.in_(some), event.c.kind.in_(kinds))
        )
        for row in connection.execute(query) if some else ():
            _note(told.setdefault(row.address_hash, _Told()), row)
    weighed = {hashed: _since(each) for hashed, each in told.items()}
    pairs = {(row.mailing_id, row.domain) for each in weighed.values() for row in each.bounces if row.mailing_id}
    excused = blankets(connection, pairs)
    for each in weighed.values():
        each.bounces = [row for row in each.bounces if (row.mailing_id, row.domain) not in excused]
    return {hashed: _is_given_up(connection, each, settings) for hashed, each in weighed.items()}


def _note(told: _Told, row: sa.Row[tuple[object, ...]]) -> None:
    if row.kind == EventKind.RETURNED:
        if row.provider == TEAM:
            told.works_since = max(row.at, told.works_since or row.at)
    elif row.kind == EventKind.DELIVERED:
        told.delivered.append((row.at, row.delivery_id))
    elif row.kind == EventKind.BOUNCED or row.hard:  # what is dropped for any other reason says nothing
        told.bounces.append(row)


def _since(told: _Told) -> _Told:
    """What was told since somebody of the team said that the address works; oldest first."""
    if told.works_since is not None:
        told.bounces = [row for row in told.bounces if row.at > told.works_since]
    told.bounces.sort(key=lambda row: (row.at, row.id))
    return told


def _is_given_up(connection: sa.Connection, told: _Told, settings: FeedbackTable) -> bool:
    came_back = {row.delivery_id for row in told.bounces if row.delivery_id is not None}
    arrived = [at for at, row in told.delivered if row not in came_back]
    last = max(arrived, default=None)
    if any(row.hard and (last is None or row.at >= last) for row in told.bounces):
        return True
    soft = [row for row in told.bounces if not row.hard and not _POLICY.fullmatch(row.status or "")]
    if len(soft) < settings.soft_limit:
        return False
    arrived += _silent(connection, soft)
    last = max(arrived, default=None)
    soft = [row for row in soft if last is None or row.at > last]
    editions = {row.edition for row in soft if row.edition is not None}
    return (
        len(soft) >= settings.soft_limit
        and len(editions) >= settings.soft_editions
        and soft[-1].at - soft[0].at >= settings.soft_span
    )


def _silent(connection: sa.Connection, soft: list[sa.Row[tuple[object, ...]]]) -> Iterator[datetime]:
    """When messages left, between two that came back, that were taken and of which nothing came back: they arrived."""
    failed = sa.exists().where(
        event.c.delivery_id == delivery.c.id, event.c.kind.in_([EventKind.BOUNCED, EventKind.DROPPED])
    )
    query = sa.select(delivery.c.claimed_at).where(
        delivery.c.subscriber_id.in_({row.subscriber_id for row in soft} - {None}),
        delivery.c.address_hash == soft[0].address_hash,
        delivery.c.state == DeliveryState.ACCEPTED,
        delivery.c.claimed_at.between(soft[0].at, soft[-1].at),
        ~failed,
    )
    yield from (at for at in connection.scalars(query) if at is not None)


def _pages(rows: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(rows), _PAGE):
        yield rows[start : start + _PAGE]
