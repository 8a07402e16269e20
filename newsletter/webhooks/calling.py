"""Calls the webhooks that are due: each call claimed first, tried again with growing gaps, given up after three days.

A claim is a change of the row that only one process can make, and holds for some minutes, far longer than a try may
take: nobody calls at the same time. A process that dies between the call and writing down its answer leaves a claim
that runs out; the call is made again then, under the same name, by which who is called can tell.
"""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from newsletter.database.connection import Database
from newsletter.database.outside import CallState, webhook, webhook_call
from newsletter.webhooks.announcing import TRIAL, announce_trial
from newsletter.webhooks.keeping import LoggedCall, read_call, see_webhook
from newsletter.webhooks.posting import Answer, post
from newsletter.webhooks.reaching import Reach
from newsletter.webhooks.signing import call_name, key_of, signed_headers

GAPS: Final = (
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(minutes=30),
    timedelta(hours=1),
    timedelta(hours=2),
    timedelta(hours=4),
    timedelta(hours=8),
    timedelta(hours=12),
)
"""From one try to the next; the last of them again and again."""

TRIED_FOR: Final = timedelta(days=3)
"""After that long a call is given up."""

FAILING_FOR: Final = timedelta(days=5)
"""A webhook that took nothing for so long is switched off."""

CLAIMED_FOR: Final = timedelta(minutes=3)
"""How long a claim holds; looking the name up and a try together take far less."""

_LANES: Final = 8
"""Webhooks that are called side by side."""

_AT_ONCE: Final = 50
"""Calls of one webhook that are looked at together."""

_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """A call that is due."""

    id: int
    webhook: int
    url: str
    body: str
    tries: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Caller:
    """Calls webhooks.

    Attributes:
        database: Open.
        secret: The project's secret key.
        clock: Tells the time.
        reach: How machines are reached.
    """

    database: Database
    secret: bytes
    clock: Callable[[], datetime]
    reach: Reach

    def call_due(self, *, stop: Callable[[], bool] = lambda: False) -> None:
        """Make all calls that are due, those of one webhook one after the other.

        Raises:
            DatabaseError: The database cannot be used.
        """
        while not stop():
            with self.database.read() as connection:
                lanes = _due(connection, self.clock())
            if not lanes:
                return
            with ThreadPoolExecutor(max_workers=min(len(lanes), _LANES), thread_name_prefix="webhook") as pool:
                done = list(pool.map(lambda calls: self._call_in_order(calls, stop), lanes))
            if not any(done):
                return

    def try_out(self, webhook_id: int) -> LoggedCall:
        """Call a webhook once, now, with nothing but a test; one that was switched off and takes it is on again.

        Raises:
            UsageError: There is no such webhook.
        """
        now = self.clock()
        with self.database.write() as connection:
            see_webhook(connection, webhook_id)
            number = announce_trial(connection, webhook_id, now=now)
            call = next(each for each in _calls(connection, webhook_call.c.id == number))
            _claim(connection, call, now)
        answer = self._post(call)
        with self.database.write() as connection:
            _write_answer(connection, call, answer, now=self.clock(), last=True)
            if answer.is_taken:
                on = sa.update(webhook).where(webhook.c.id == webhook_id, webhook.c.disabled_at.is_not(None))
                connection.execute(on.values(disabled_at=None))
            return read_call(connection, number)

    def _call_in_order(self, calls: list[_Call], stop: Callable[[], bool]) -> bool:
        """Make calls of one webhook until one is not taken; says whether there may be more to do at once."""
        for call in calls:
            if stop():
                return False
            with self.database.write(shared=True) as connection:
                if not _claim(connection, call, self.clock()):
                    continue  # another process has it
            answer = self._post(call)
            with self.database.write(shared=True) as connection:
                now = self.clock()
                given_up = _write_answer(connection, call, answer, now=now)
                if given_up and _is_failing(connection, call.webhook, now):
                    _switch_off(connection, call.webhook, now)
                    _LOG.warning(
                        "Webhook %s answered nothing for %s days and is switched off. When it works again: "
                        "newsletter webhooks test %s",
                        call.webhook,
                        FAILING_FOR.days,
                        call.webhook,
                    )
            if not answer.is_taken:
                return False
        return len(calls) == _AT_ONCE

    def _post(self, call: _Call) -> Answer:
        body = call.body.encode("ascii")
        name = call_name(call.id, call.created_at)
        headers = signed_headers(name, body, key_of(call.webhook, self.secret), now=self.clock())
        return post(call.url, body, headers, self.reach)


def next_try(tries: int, *, created_at: datetime, now: datetime) -> datetime | None:
    """When a call is tried again; None when it is given up.

    Args:
        tries: How often it was tried.
        created_at: When it happened.
        now: When the last try ended.
    """
    moment = now + GAPS[min(max(tries, 1), len(GAPS)) - 1]
    return None if moment > created_at + TRIED_FOR else moment


def _calls(connection: sa.Connection, *conditions: sa.ColumnElement[bool]) -> list[_Call]:
    query = (
        sa.select(webhook_call, webhook.c.url)
        .join(webhook, webhook.c.id == webhook_call.c.webhook_id)
        .where(*conditions)
        .order_by(webhook_call.c.next_try, webhook_call.c.id)
        .limit(_AT_ONCE)
    )
    return [
        _Call(
            id=row.id,
            webhook=row.webhook_id,
            url=row.url,
            body=row.body,
            tries=row.tries,
            created_at=row.created_at,
        )
        for row in connection.execute(query)
    ]


def _due(connection: sa.Connection, now: datetime) -> list[list[_Call]]:
    """The calls that are due, by webhook: one that does not answer keeps no other waiting."""
    is_due = (webhook_call.c.state == CallState.WAITING, webhook_call.c.next_try <= now)
    whose = (
        sa.select(webhook_call.c.webhook_id)
        .join(webhook, webhook.c.id == webhook_call.c.webhook_id)
        .where(*is_due, webhook.c.disabled_at.is_(None))
        .distinct()
    )
    return [_calls(connection, *is_due, webhook_call.c.webhook_id == each) for each in connection.scalars(whose).all()]


def _claim(connection: sa.Connection, call: _Call, now: datetime) -> bool:
    """Take a call for this process, unless another has it or has made it; says whether it is ours."""
    free = sa.update(webhook_call).where(
        webhook_call.c.id == call.id,
        webhook_call.c.state == CallState.WAITING,
        webhook_call.c.tries == call.tries,
        webhook_call.c.next_try <= now,
    )
    taken = connection.execute(free.values(tries=call.tries + 1, next_try=now + CLAIMED_FOR))
    return taken.rowcount == 1


def _write_answer(connection: sa.Connection, call: _Call, answer: Answer, *, now: datetime, last: bool = False) -> bool:
    """Write down what came of a try; says whether the call is given up with it."""
    again = None if last else next_try(call.tries + 1, created_at=call.created_at, now=now)
    values: dict[str, object] = {"status": answer.status, "answer": answer.text, "answered_at": now}
    if answer.is_taken:
        values["state"] = CallState.DONE
    elif again is None:
        values["state"] = CallState.GIVEN_UP
    else:
        values["next_try"] = again
    ours = sa.update(webhook_call).where(
        webhook_call.c.id == call.id,
        webhook_call.c.state == CallState.WAITING,
        webhook_call.c.tries == call.tries + 1,
    )
    written = connection.execute(ours.values(values)).rowcount == 1  # not if the person was erased meanwhile
    return written and values.get("state") == CallState.GIVEN_UP


def _is_failing(connection: sa.Connection, webhook_id: int, now: datetime) -> bool:
    """Whether a webhook has taken nothing since a call that happened long ago."""
    own = webhook_call.c.webhook_id == webhook_id
    taken = connection.scalar(
        sa.select(sa.func.max(webhook_call.c.answered_at)).where(own, webhook_call.c.state == CallState.DONE)
    )
    failed = sa.select(sa.func.min(webhook_call.c.created_at)).where(
        own, webhook_call.c.state == CallState.GIVEN_UP, webhook_call.c.kind != TRIAL
    )
    first = connection.scalar(failed if taken is None else failed.where(webhook_call.c.answered_at > taken))
    return first is not None and first <= now - FAILING_FOR


def _switch_off(connection: sa.Connection, webhook_id: int, now: datetime) -> None:
    """Call a webhook no more, and give up what waits for it."""
    connection.execute(sa.update(webhook).where(webhook.c.id == webhook_id).values(disabled_at=now))
    waiting = sa.update(webhook_call).where(
        webhook_call.c.webhook_id == webhook_id, webhook_call.c.state == CallState.WAITING
    )
    connection.execute(waiting.values(state=CallState.GIVEN_UP, answer="The webhook was switched off."))
