"""The rows of mailings: which there are, in which state, and the frozen edition that each one sends."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from newsletter.database.schema import MailingState, composition, list_, mailing
from newsletter.errors import MailingNotFoundError

TRANSITIONS: Final[Mapping[MailingState, frozenset[MailingState]]] = {
    MailingState.HELD: frozenset({MailingState.SENDING, MailingState.CANCELLED}),
    MailingState.SENDING: frozenset({MailingState.PAUSED, MailingState.SENT, MailingState.CANCELLED}),
    MailingState.PAUSED: frozenset({MailingState.SENDING, MailingState.CANCELLED}),
    MailingState.SENT: frozenset(),
    MailingState.CANCELLED: frozenset(),
}
"""Where a mailing can go from each state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailing:
    """One sending of one frozen edition to one frozen audience.

    Attributes:
        id: Never used twice in a database.
        edition: The edition's slug.
        title: The edition's title.
        list_id: The list's row.
        list_slug: The list's name in newsletter.toml.
        where: The expression that chose among the list, as written; None for everybody.
        digest: Of the frozen composition.
        sender: The kind of sender that carries it.
        state: Where it is.
        audience: How many people it was planned for; None before the freeze.
        created_at: When it was asked for.
        holds_until: When it may leave.
        started_at: When the audience was frozen.
        finished_at: When nothing was left to send.
        recipients_of: For a correction, the mailing whose recipients get it.
        recipients_state: For a correction, the state that their deliveries were in.
        paused_because: Why it is paused, if somebody has to put something right.
    """

    id: int
    edition: str
    title: str
    list_id: int
    list_slug: str
    where: str | None
    digest: str
    sender: str
    state: MailingState
    audience: int | None
    created_at: datetime
    holds_until: datetime
    started_at: datetime | None
    finished_at: datetime | None
    recipients_of: int | None = None
    recipients_state: str | None = None
    paused_because: str | None = None


def _mailings(*conditions: sa.ColumnElement[bool]) -> sa.Select[tuple[object, ...]]:
    """The mailings that fit, newest first."""
    columns = [*mailing.c, list_.c.slug]
    return sa.select(*columns).join(list_).where(*conditions).order_by(mailing.c.id.desc())


def _mailing(row: sa.RowMapping) -> Mailing:
    return Mailing(
        id=row["id"],
        edition=row["edition"],
        title=row["title"],
        list_id=row["list_id"],
        list_slug=row["slug"],
        where=row["where_source"],
        digest=row["digest"],
        sender=row["sender"],
        state=MailingState(row["state"]),
        audience=row["audience"],
        created_at=row["created_at"],
        holds_until=row["holds_until"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        recipients_of=row["recipients_of"],
        recipients_state=row["recipients_state"],
        paused_because=row["paused_because"],
    )


def read_mailing(connection: sa.Connection, mailing_id: int) -> Mailing:
    """One mailing.

    Raises:
        MailingNotFoundError: There is none with that id.
    """
    row = connection.execute(_mailings(mailing.c.id == mailing_id)).mappings().first()
    if row is None:
        raise MailingNotFoundError(f"There is no mailing {mailing_id}. See those there are:  newsletter mailings")
    return _mailing(row)


def list_mailings(connection: sa.Connection, *, limit: int = 100) -> list[Mailing]:
    """The newest mailings, newest first."""
    return [_mailing(row) for row in connection.execute(_mailings().limit(limit)).mappings()]


def unfinished(connection: sa.Connection, edition: str) -> list[Mailing]:
    """The mailings of an edition that are neither sent nor cancelled, newest first."""
    open_ = [state for state, ways in TRANSITIONS.items() if ways]
    query = _mailings(mailing.c.edition == edition, mailing.c.state.in_(open_))
    return [_mailing(row) for row in connection.execute(query).mappings()]


def under_way(connection: sa.Connection) -> list[Mailing]:
    """The mailings that are held or sending, oldest first."""
    query = _mailings(mailing.c.state.in_([MailingState.HELD, MailingState.SENDING])).order_by(None)
    return [_mailing(row) for row in connection.execute(query.order_by(mailing.c.id)).mappings()]


def is_sending(connection: sa.Connection, mailing_id: int) -> bool:
    """Whether messages of a mailing may leave now."""
    state = connection.scalar(sa.select(mailing.c.state).where(mailing.c.id == mailing_id))
    return state == MailingState.SENDING


def create_mailing(connection: sa.Connection, fields: Mapping[str, object], data: bytes) -> int:
    """Add a mailing in state `held`, with the composition that it freezes.

    Args:
        connection: A writing transaction.
        fields: The columns of `mailing` without `id` and `state`.
        data: The composition; kept once for all mailings with the same digest.

    Returns:
        The mailing's id.
    """
    _keep(connection, fields["digest"], data)
    added = sa.insert(mailing).values(**fields, state=MailingState.HELD).returning(mailing.c.id)
    made: int = connection.execute(added).scalar_one()
    return made


def _keep(connection: sa.Connection, digest: object, data: bytes) -> None:
    """See that a composition is there."""
    if connection.scalar(sa.select(composition.c.digest).where(composition.c.digest == digest)) is None:
        connection.execute(sa.insert(composition).values(digest=digest, data=data))


def read_composition(connection: sa.Connection, digest: str) -> bytes:
    """The frozen composition of that digest, as it was stored."""
    data: bytes = connection.execute(sa.select(composition.c.data).where(composition.c.digest == digest)).scalar_one()
    return data


def change_order(connection: sa.Connection, mailing_id: int, fields: Mapping[str, object], data: bytes) -> None:
    """Let a mailing that is held send something else than was ordered first; one that is not stays as it is."""
    _keep(connection, fields["digest"], data)
    held = (mailing.c.id == mailing_id, mailing.c.state == MailingState.HELD)
    connection.execute(sa.update(mailing).where(*held).values(**fields))


def change_state(
    connection: sa.Connection,
    mailing_id: int,
    to: MailingState,
    *,
    only_from: MailingState | None = None,
    **also: object,
) -> bool:
    """Move a mailing by an arrow of `TRANSITIONS`; from elsewhere it stays where it is.

    Args:
        connection: A writing transaction.
        mailing_id: The mailing.
        to: The new state.
        only_from: The only state to move from; None for any that has an arrow there.
        also: Other columns to set at the same time.

    Returns:
        Whether it moved.
    """
    may = [state for state, ways in TRANSITIONS.items() if to in ways and only_from in {None, state}]
    if to is not MailingState.PAUSED:
        also["paused_because"] = None
    move = sa.update(mailing).where(mailing.c.id == mailing_id, mailing.c.state.in_(may)).values(state=to, **also)
    return connection.execute(move).rowcount == 1


def set_audience(connection: sa.Connection, mailing_id: int, audience: int) -> None:
    """Write down how many people a mailing was frozen for."""
    connection.execute(sa.update(mailing).where(mailing.c.id == mailing_id).values(audience=audience))
