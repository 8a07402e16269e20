"""Figures about the project for those who watch over it: counts alone, nothing about anybody."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from newsletter.database.outside import CallState, event, letter, webhook, webhook_call
from newsletter.database.schema import MailingState, delivery, list_, mailing, subscription, suppression

RECENT: Final = timedelta(hours=24)
"""How far back events are counted."""

_MOST_EVENTS: Final = 100_000
"""Events that are looked at, the newest; more in a day are not counted, so that asking stays cheap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """How things stand.

    Attributes:
        subscriptions: How many people stand how to which list: (list, status) and the number.
        suppressed: How many addresses must never be mailed.
        mailings: How many mailings are in each state.
        deliveries: How many deliveries of mailings that are not over are in each state.
        letters: How many letters are in each state.
        calls: How many calls of webhooks are in each state.
        webhooks_off: How many webhooks are switched off.
        events: How many events of each kind came in lately.
    """

    subscriptions: dict[tuple[str, str], int]
    suppressed: int
    mailings: dict[str, int]
    deliveries: dict[str, int]
    letters: dict[str, int]
    calls: dict[str, int]
    webhooks_off: int
    events: dict[str, int]


def read_figures(connection: sa.Connection, *, now: datetime) -> Figures:
    """Count."""
    many = sa.func.count()
    people = (
        sa.select(list_.c.slug, subscription.c.status, many)
        .join(list_, list_.c.id == subscription.c.list_id)
        .group_by(list_.c.slug, subscription.c.status)
    )
    open_ = (MailingState.HELD, MailingState.SENDING, MailingState.PAUSED)
    going_on = (
        sa.select(delivery.c.state, many)
        .join(mailing, mailing.c.id == delivery.c.mailing_id)
        .where(mailing.c.state.in_(open_))
        .group_by(delivery.c.state)
    )
    newest = sa.select(event.c.kind, event.c.received_at).order_by(event.c.id.desc()).limit(_MOST_EVENTS).subquery()
    recent = sa.select(newest.c.kind, many).where(newest.c.received_at > now - RECENT).group_by(newest.c.kind)

    def by_state(query: sa.Select[Any]) -> dict[str, int]:
        return {row[0]: int(row[1]) for row in connection.execute(query)}

    return Figures(
        subscriptions={(slug, status): int(number) for slug, status, number in connection.execute(people)},
        suppressed=connection.execute(sa.select(many).select_from(suppression)).scalar_one(),
        mailings=by_state(sa.select(mailing.c.state, many).group_by(mailing.c.state)),
        deliveries=by_state(going_on),
        letters=by_state(sa.select(letter.c.state, many).group_by(letter.c.state)),
        calls={str(state): 0 for state in CallState}
        | by_state(sa.select(webhook_call.c.state, many).group_by(webhook_call.c.state)),
        webhooks_off=connection.execute(
            sa.select(many).select_from(webhook).where(webhook.c.disabled_at.is_not(None))
        ).scalar_one(),
        events=by_state(recent),
    )
