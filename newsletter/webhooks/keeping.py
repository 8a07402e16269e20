"""Which webhooks there are, and the log of their calls."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from newsletter.database.outside import CallState, webhook, webhook_call
from newsletter.errors import AccessError, UsageError
from newsletter.webhooks.announcing import KINDS
from newsletter.webhooks.reaching import read_target

LOG_LASTS: Final = timedelta(days=30)
"""How long it is kept what was told, and what came of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A program that is told what happens.

    Attributes:
        id: Never used twice; its secret is made of it.
        url: Where it is called.
        kinds: What it is told.
        created_at: When it was added.
        disabled_at: When it was switched off, because it did not answer for days.
        waiting: How many calls wait for it.
    """

    id: int
    url: str
    kinds: tuple[str, ...]
    created_at: datetime
    disabled_at: datetime | None
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedCall:
    """One call, and what came of it.

    Attributes:
        id: The call.
        webhook: Whom it is for.
        kind: What it tells.
        state: Where it is.
        created_at: When it happened.
        tries: How often it was tried.
        next_try: When it is tried again, if it waits.
        status: Of the newest answer (RFC 9110 section 15).
        answer: How that began, or why there was none.
        answered_at: When.
    """

    id: int
    webhook: int
    kind: str
    state: CallState
    created_at: datetime
    tries: int
    next_try: datetime
    status: int | None
    answer: str | None
    answered_at: datetime | None


def add_webhook(connection: sa.Connection, url: str, kinds: Collection[str], *, here: bool, now: datetime) -> int:
    """Add a webhook; its id.

    Args:
        connection: A writing transaction.
        url: Where to call.
        kinds: What to tell, of `KINDS`.
        here: Whether it may be on this machine.
        now: When.

    Raises:
        UsageError: The URL cannot be called, or there is no such kind.
    """
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown or not kinds:
        what = f"There is no event «{unknown[0][:60]}»." if unknown else "Say what it is told."
        raise UsageError(f"{what} There are: {', '.join(KINDS)}.")
    try:
        read_target(url, here=here)
    except AccessError as error:
        raise UsageError(str(error)) from None
    values = {"url": url, "kinds": [kind for kind in KINDS if kind in kinds], "created_at": now}
    made: int = connection.execute(sa.insert(webhook).values(values).returning(webhook.c.id)).scalar_one()
    return made


def list_webhooks(connection: sa.Connection) -> list[Webhook]:
    """All webhooks, oldest first."""
    counted = (
        sa.select(webhook_call.c.webhook_id, sa.func.count())
        .where(webhook_call.c.state == CallState.WAITING)
        .group_by(webhook_call.c.webhook_id)
    )
    waiting = {row[0]: int(row[1]) for row in connection.execute(counted)}
    return [
        Webhook(
            id=row.id,
            url=row.url,
            kinds=tuple(row.kinds),
            created_at=row.created_at,
            disabled_at=row.disabled_at,
            waiting=waiting.get(row.id, 0),
        )
        for row in connection.execute(sa.select(webhook).order_by(webhook.c.id))
    ]


def see_webhook(connection: sa.Connection, webhook_id: int) -> None:
    """See that there is such a webhook.

    Raises:
        UsageError: There is none.
    """
    if connection.scalar(sa.select(webhook.c.id).where(webhook.c.id == webhook_id)) is None:
        raise UsageError(f"There is no webhook {webhook_id}. See them:  newsletter webhooks list")


def remove_webhook(connection: sa.Connection, webhook_id: int) -> None:
    """Delete a webhook with its log; what waits for it is not told.

    Raises:
        UsageError: There is none.
    """
    see_webhook(connection, webhook_id)
    connection.execute(sa.delete(webhook).where(webhook.c.id == webhook_id))


def read_log(connection: sa.Connection, webhook_id: int | None, *, limit: int) -> list[LoggedCall]:
    """The newest calls first, of one webhook or of all.

    Raises:
        UsageError: There is no such webhook.
    """
    query = sa.select(webhook_call).order_by(webhook_call.c.id.desc()).limit(limit)
    if webhook_id is not None:
        see_webhook(connection, webhook_id)
        query = query.where(webhook_call.c.webhook_id == webhook_id)
    return [_logged(row) for row in connection.execute(query)]


def read_call(connection: sa.Connection, call_id: int) -> LoggedCall:
    """One call that is there."""
    return _logged(connection.execute(sa.select(webhook_call).where(webhook_call.c.id == call_id)).one())


def expire_log(connection: sa.Connection, *, now: datetime) -> int:
    """Delete what was told long ago; says how many calls."""
    old = sa.delete(webhook_call).where(
        webhook_call.c.state != CallState.WAITING, webhook_call.c.created_at < now - LOG_LASTS
    )
    return connection.execute(old).rowcount


def _logged(row: sa.Row[tuple[object, ...]]) -> LoggedCall:
    return LoggedCall(
        id=row.id,
        webhook=row.webhook_id,
        kind=row.kind,
        state=CallState(row.state),
        created_at=row.created_at,
        tries=row.tries,
        next_try=row.next_try,
        status=row.status,
        answer=row.answer,
        answered_at=row.answered_at,
    )
