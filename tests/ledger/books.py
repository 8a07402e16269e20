"""Mailings for tests of the ledger."""

import sqlalchemy as sa

from newsletter.audience.lists import find_list
from newsletter.database.schema import MailingState
from newsletter.sending import ledger, mailings
from newsletter.sending.senders.protocol import Outcome, Verdict
from tests.database.opened import NOW

DIGEST = "d" * 64


def new_mailing(connection: sa.Connection, *, edition: str = "data-sharing", to_list: str = "community") -> int:
    """A mailing that is sending, and not planned."""
    fields = {"edition": edition, "title": "Data Sharing", "list_id": find_list(connection, to_list), "digest": DIGEST}
    fields |= {"where_source": None, "sender": "outbox", "created_at": NOW, "holds_until": NOW}
    made = mailings.create_mailing(connection, fields, b"{}")
    mailings.change_state(connection, made, MailingState.SENDING)
    return made


def planned_mailing(connection: sa.Connection, **about: str) -> int:
    """A mailing that is sending, to everybody it can reach."""
    made = new_mailing(connection, **about)
    mailings.set_audience(connection, made, ledger.plan(connection, made))
    return made


def take(connection: sa.Connection, mailing: int, worker: str, limit: int = 1000) -> list[int]:
    """Reserve and claim at once; the deliveries."""
    rows = [reserved.delivery for reserved in ledger.reserve(connection, mailing, worker, limit)]
    return sorted(ledger.claim(connection, mailing, worker, rows, now=NOW))


def said(rows: list[int], verdict: Verdict, reason: str | None = None) -> list[Outcome]:
    return [Outcome(row, verdict, reason) for row in rows]


def standing(connection: sa.Connection, mailing: int) -> dict[str, int]:
    """The states that somebody is in; checked to add up to the frozen audience."""
    counts = ledger.counts(connection, mailing)
    assert sum(counts.values()) == mailings.read_mailing(connection, mailing).audience
    return {str(state): count for state, count in counts.items() if count}
