"""How the letters stand, for whoever looks after the program: what waits, what was given up and why, what left."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from newsletter.audience.subscribers import masked
from newsletter.database.outside import LetterState, letter
from newsletter.database.schema import list_


@dataclass(frozen=True, slots=True)
class Open:
    """A letter that has not left.

    Attributes:
        id: Its row.
        kind: What it is about.
        state: `queued`, `leaving` or `failed`.
        to: The address, masked; empty once it is given up.
        list_slug: The list that it is about.
        created_at: When it was written.
        tries: How often it was begun.
        next_try: When it is due; None once it is given up.
        reason: Why it has not left.
    """

    id: int
    kind: str
    state: str
    to: str
    list_slug: str | None
    created_at: datetime
    tries: int
    next_try: datetime | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Standing:
    """How the letters of the last 35 days stand.

    Attributes:
        counts: How many there are in each state.
        open: Those that have not left, oldest first.
    """

    counts: dict[str, int]
    open: tuple[Open, ...]


def read_standing(connection: sa.Connection) -> Standing:
    """How the letters stand."""
    counted = sa.select(letter.c.state, sa.func.count().label("number")).group_by(letter.c.state)
    counts = dict.fromkeys(map(str, LetterState), 0)
    counts |= {row.state: row.number for row in connection.execute(counted)}
    query = (
        sa.select(letter, list_.c.slug)
        .outerjoin(list_, list_.c.id == letter.c.list_id)
        .where(letter.c.state != LetterState.SENT)
        .order_by(letter.c.id)
    )
    return Standing(counts, tuple(_open(row) for row in connection.execute(query)))


def _open(row: "sa.Row[tuple[object, ...]]") -> Open:
    return Open(
        id=row.id,
        kind=row.kind,
        state=row.state,
        to=masked(row.email) if row.email else "",
        list_slug=row.slug,
        created_at=row.created_at,
        tries=row.tries,
        next_try=None if row.state == LetterState.FAILED else row.next_try,
        reason=row.reason,
    )
