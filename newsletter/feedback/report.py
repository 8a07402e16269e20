"""Counts what became of one mailing, in numbers that add up: taken, refused, came back, complained, left, and when.

Nobody is named, and nobody can be guessed: a domain of which fewer than three people came back is not told. Opens and
clicks are not in it since nobody is followed.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from newsletter.database.outside import EventKind, event
from newsletter.database.schema import DeliveryState, SuppressionReason, delivery, mailing, suppression
from newsletter.feedback.figures import POLICY, UNSAID, Figures, MailingReport, Share, Stretch, in_words
from newsletter.feedback.weighing import REFUSAL, blankets
from newsletter.sending.ledger import counts, one_line
from newsletter.sending.mailings import Mailing, read_mailing
from newsletter.sending.reasons import WORDS

CROWD: Final = 3
"""People of a domain who came back, for the domain to be told."""
OTHER_DOMAINS: Final = "other domains"

EARLIER: Final = 5
"""Mailings of the same list that are compared."""
_HOURS, _DAYS = 24, 30

_ADDRESS: Final = re.compile(r"[^\s<>()\[\]\"',;:]*@[^\s<>()\[\]\"',;:]+")
_LEFT_OUT: Final[Mapping[str, str]] = {
    **WORDS,
    "erased": "was erased since",
    "cancelled": "the mailing was cancelled",
    "merged": "is somebody else on the list, too",
}

_Row = sa.Row[tuple[Any, ...]]
_COUNTED: Final = (EventKind.BOUNCED, EventKind.COMPLAINED, EventKind.UNSUBSCRIBED, EventKind.RETURNED)


def report(connection: sa.Connection, mailing_id: int, *, now: datetime) -> MailingReport:
    """Count what became of a mailing.

    Args:
        connection: A transaction.
        mailing_id: The mailing.
        now: When.

    Raises:
        MailingNotFoundError: There is none with that id.
    """
    about = read_mailing(connection, mailing_id)
    states = counts(connection, mailing_id)
    people = _people(connection, mailing_id)
    bounced = people[EventKind.BOUNCED]
    weights = Counter(_weight(row) for row in bounced.values())
    policy_rows = [row for row in bounced.values() if _weight(row) == "policy"]
    domains = {row.domain for row in bounced.values() if row.domain}
    whole = blankets(connection, {(mailing_id, domain) for domain in domains})
    return MailingReport(
        mailing=about,
        made_at=now,
        audience=about.audience or 0,
        states=states,
        refused=_grouped(connection, mailing_id, DeliveryState.REFUSED, in_words),
        left_out=_grouped(
            connection, mailing_id, DeliveryState.SKIPPED, lambda said: _LEFT_OUT.get(said or "", UNSAID)
        ),
        delivered=_count_told(connection, mailing_id, EventKind.DELIVERED),
        dropped=_dropped(connection, mailing_id),
        hard=weights["hard"],
        soft=weights["soft"],
        policy=weights["policy"],
        bounced_why=_shares(in_words(row.status) for row in bounced.values()),
        bounced_domains=_by_domain([row.domain for row in bounced.values()]),
        policy_says=_examples(row.reason for row in policy_rows),
        excused=_ranked(Counter({domain: came for (_, domain), came in whole.items() if came >= CROWD})),
        given_up=_given_up(connection, mailing_id),
        complained=len(people[EventKind.COMPLAINED]),
        unsubscribed=len(people[EventKind.UNSUBSCRIBED]),
        returned=len(people[EventKind.RETURNED].keys() & people[EventKind.UNSUBSCRIBED].keys()),
        over_time=_over_time(connection, about, people),
        earlier=_earlier(connection, about),
    )


def _people(connection: sa.Connection, mailing_id: int) -> dict[EventKind, dict[object, _Row]]:
    """Of each kind of event the first one of each person, the gravest where two of them bounced."""
    query = (
        sa.select(event)
        .where(event.c.mailing_id == mailing_id, event.c.kind.in_(_COUNTED), event.c.provider != REFUSAL)
        .order_by(event.c.at, event.c.id)
    )
    found: dict[EventKind, dict[object, _Row]] = {kind: {} for kind in _COUNTED}
    for row in connection.execute(query):
        named = next(
            (("person", each) if each is row.subscriber_id else ("message", each))
            for each in (row.subscriber_id, row.delivery_id, row.address_hash, row.id)
            if each is not None
        )
        mine = found[EventKind(row.kind)]
        if named not in mine or (row.hard and not mine[named].hard):
            mine[named] = row
    return found


def _weight(row: _Row) -> str:
    if row.hard:
        return "hard"
    return "policy" if in_words(row.status) == POLICY else "soft"


def _grouped(
    connection: sa.Connection, mailing_id: int, state: DeliveryState, words: Callable[[str | None], str]
) -> tuple[Share, ...]:
    """Why deliveries are in a state; what others said is put into our words, since it may name somebody."""
    query = (
        sa.select(delivery.c.reason, sa.func.count())
        .where(delivery.c.mailing_id == mailing_id, delivery.c.state == state)
        .group_by(delivery.c.reason)
    )
    found: Counter[str] = Counter()
    for reason, number in connection.execute(query):
        found[words(reason)] += number
    return _ranked(found)


def _dropped(connection: sa.Connection, mailing_id: int) -> tuple[Share, ...]:
    """Why the provider did not try; its words are a few, and the same for all."""
    query = (
        sa.select(event.c.reason, sa.func.count(sa.distinct(event.c.delivery_id)))
        .where(event.c.mailing_id == mailing_id, event.c.kind == EventKind.DROPPED)
        .group_by(event.c.reason)
    )
    found: Counter[str] = Counter()
    for reason, number in connection.execute(query):
        found[_without_addresses(reason or UNSAID)] += number
    return _ranked(found)


def _count_told(connection: sa.Connection, mailing_id: int, kind: EventKind) -> int:
    told = sa.select(sa.func.count(sa.distinct(event.c.delivery_id)))
    return connection.execute(told.where(event.c.mailing_id == mailing_id, event.c.kind == kind)).scalar_one()


def _given_up(connection: sa.Connection, mailing_id: int) -> int:
    """How many addresses are suppressed since the moment at which something came back by this mailing."""
    query = (
        sa.select(sa.func.count(sa.distinct(event.c.address_hash)))
        .join(suppression, suppression.c.address_hash == event.c.address_hash)
        .where(
            event.c.mailing_id == mailing_id,
            event.c.kind.in_([EventKind.BOUNCED, EventKind.DROPPED]),
            event.c.received_at == suppression.c.at,
            suppression.c.reason == SuppressionReason.BOUNCED,
        )
    )
    return connection.execute(query).scalar_one()


def _by_domain(domains: Sequence[str | None]) -> tuple[Share, ...]:
    """How many of each domain; those of a few people are told together."""
    found = Counter(domain or OTHER_DOMAINS for domain in domains)
    told = Counter({domain: number for domain, number in found.items() if number >= CROWD})
    rest = sum(number for domain, number in found.items() if domain not in told)
    ranked = [each for each in _ranked(told) if each.what != OTHER_DOMAINS]
    rest += told.get(OTHER_DOMAINS, 0)
    return (*ranked, Share(OTHER_DOMAINS, rest)) if rest else tuple(ranked)


def _shares(words: Iterable[str]) -> tuple[Share, ...]:
    return _ranked(Counter(words))


def _ranked(found: Counter[str]) -> tuple[Share, ...]:
    """The most frequent first."""
    ranked = sorted(found.items(), key=lambda each: (-each[1], each[0]))
    return tuple(Share(what, number) for what, number in ranked if number)


def _examples(said: Iterable[str | None]) -> tuple[str, ...]:
    """Up to three things that mail servers said, without addresses, the most frequent first."""
    found = Counter(_without_addresses(each) for each in said if each)
    return tuple(each.what for each in _ranked(found)[:3])


def _without_addresses(said: str) -> str:
    return _ADDRESS.sub("…@…", one_line(said) or UNSAID)[:200]


def _over_time(
    connection: sa.Connection, about: Mailing, people: Mapping[EventKind, Mapping[object, _Row]]
) -> tuple[Stretch, ...]:
    """What happened in each hour of the first day, and in each day after it."""
    begun = about.started_at or about.created_at
    taken = (
        sa.select(delivery.c.answered_at, sa.func.count())
        .where(delivery.c.mailing_id == about.id, delivery.c.state == DeliveryState.ACCEPTED)
        .group_by(delivery.c.answered_at)
    )
    found: Counter[tuple[str, int]] = Counter()
    for at, number in connection.execute(taken):
        found["accepted", _place(at, begun)] += number
    for kind in (EventKind.BOUNCED, EventKind.COMPLAINED, EventKind.UNSUBSCRIBED):
        for row in people[kind].values():
            found[str(kind), _place(row.at, begun)] += 1
    last = max((place for _, place in found), default=-1)
    return tuple(
        Stretch(
            what=_named(place),
            accepted=found["accepted", place],
            bounced=found["bounced", place],
            complained=found["complained", place],
            unsubscribed=found["unsubscribed", place],
        )
        for place in range(last + 1)
    )


def _place(at: datetime | None, begun: datetime) -> int:
    """Which stretch a moment lies in; what is later than the last is in the last."""
    passed = max(timedelta(0), (at or begun) - begun)
    hour = passed // timedelta(hours=1)
    return hour if hour < _HOURS else min(_HOURS + passed // timedelta(days=1) - 1, _HOURS + _DAYS - 2)


def _named(place: int) -> str:
    if place < _HOURS:
        return f"hour {place + 1}"
    return f"day {place - _HOURS + 2}" if place < _HOURS + _DAYS - 2 else f"day {_DAYS} and later"


def _earlier(connection: sa.Connection, about: Mailing) -> tuple[Figures, ...]:
    """The mailings of the same list before this one, each on one line."""
    query = (
        sa.select(mailing.c.id)
        .where(mailing.c.list_id == about.list_id, mailing.c.id < about.id, mailing.c.started_at.is_not(None))
        .order_by(mailing.c.id.desc())
        .limit(EARLIER)
    )
    found = []
    for number in connection.scalars(query).all():
        one = read_mailing(connection, number)
        people = _people(connection, number)
        found.append(
            Figures(
                mailing=number,
                title=one.title,
                at=one.started_at or one.created_at,
                accepted=counts(connection, number)[DeliveryState.ACCEPTED],
                bounced=len(people[EventKind.BOUNCED]),
                complained=len(people[EventKind.COMPLAINED]),
                unsubscribed=len(people[EventKind.UNSUBSCRIBED]),
            )
        )
    return tuple(found)
