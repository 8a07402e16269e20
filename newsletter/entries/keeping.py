"""Keeps entries of forms in the database, and lets them go when their time has come."""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from newsletter.audience.subscribers import read_address
from newsletter.config.pages import FormTable
from newsletter.database.outside import form_entry
from newsletter.entries.answering import Answers, address_in
from newsletter.errors import EntryNotFoundError

AGAIN: Final = dt.timedelta(hours=1)
"""Same answers from the same network within this time are the same entry: a double click, a page loaded anew."""

_LOOKED_AT: Final = 20
"""Newest entries among which the same one is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What one visitor filled in.

    Attributes:
        id: Its number.
        form: The form's slug.
        at: When.
        answers: By the names of the questions, in their order.
        expires_at: When it is deleted.
    """

    id: int
    form: str
    at: dt.datetime
    answers: Answers
    expires_at: dt.datetime

    def as_json(self) -> dict[str, object]:
        """The entry as plain values."""
        times = {"at": self.at.isoformat(), "expires_at": self.expires_at.isoformat()}
        return {"entry": self.id, "form": self.form, **times, "answers": dict(self.answers)}


def keep_entry(  # noqa: PLR0913 whose it is, when, and where it came from
    connection: sa.Connection,
    slug: str,
    form: FormTable,
    answers: Answers,
    *,
    secret: bytes,
    now: dt.datetime,
    origin: bytes | None,
) -> tuple[int, bool]:
    """Write an entry down.

    Args:
        connection: A writing transaction.
        slug: The form's.
        form: Its table.
        answers: As `read_answers` read them.
        secret: The project's secret key.
        now: When.
        origin: The keyed hash of where it came from.

    Returns:
        Its number, and whether it is new: one that came twice is kept once.
    """
    if origin is not None and (known := _same(connection, slug, answers, now=now, origin=origin)) is not None:
        return known, False
    email = address_in(form, answers)
    values = {
        "form": slug,
        "at": now,
        "answers": dict(answers),
        "address_hash": None if email is None else read_address(email).hashed(secret),
        "origin": origin,
        "expires_at": now + form.keep,
    }
    made: int = connection.execute(sa.insert(form_entry).values(values).returning(form_entry.c.id)).scalar_one()
    return made, True


def read_entries(connection: sa.Connection, slug: str) -> Iterator[Entry]:
    """The entries of a form, oldest first."""
    for row in connection.execute(sa.select(form_entry).where(form_entry.c.form == slug).order_by(form_entry.c.id)):
        yield _entry(row)


def find_entry(connection: sa.Connection, slug: str, number: int) -> Entry:
    """One entry.

    Raises:
        EntryNotFoundError: The form has none with that number.
    """
    row = connection.execute(
        sa.select(form_entry).where(form_entry.c.form == slug, form_entry.c.id == number)
    ).one_or_none()
    if row is None:
        raise _no_entry(slug, number)
    return _entry(row)


def delete_entry(connection: sa.Connection, slug: str, number: int) -> None:
    """Delete one entry.

    Raises:
        EntryNotFoundError: The form has none with that number.
    """
    gone = sa.delete(form_entry).where(form_entry.c.form == slug, form_entry.c.id == number)
    if not connection.execute(gone).rowcount:
        raise _no_entry(slug, number)


def have_expired(connection: sa.Connection, *, now: dt.datetime) -> bool:
    """Whether there are entries whose time has come."""
    return (
        connection.execute(sa.select(form_entry.c.id).where(form_entry.c.expires_at <= now).limit(1)).first()
        is not None
    )


def expire_entries(connection: sa.Connection, *, now: dt.datetime) -> int:
    """Delete the entries whose time has come; says how many."""
    return connection.execute(sa.delete(form_entry).where(form_entry.c.expires_at <= now)).rowcount


def count_entries(connection: sa.Connection) -> Mapping[str, tuple[int, dt.datetime]]:
    """For each form with entries, how many there are, and when the newest came."""
    counted = sa.select(form_entry.c.form, sa.func.count(), sa.func.max(form_entry.c.at)).group_by(form_entry.c.form)
    return {slug: (number, newest) for slug, number, newest in connection.execute(counted)}


def _same(connection: sa.Connection, slug: str, answers: Answers, *, now: dt.datetime, origin: bytes) -> int | None:
    """The number of an entry that says the same, from the same network, a short while ago."""
    newest = (
        sa.select(form_entry.c.id, form_entry.c.answers, form_entry.c.origin)
        .where(form_entry.c.form == slug, form_entry.c.at > now - AGAIN)
        .order_by(form_entry.c.id.desc())
        .limit(_LOOKED_AT)
    )
    same = (row.id for row in connection.execute(newest) if row.origin == origin and row.answers == dict(answers))
    return next(same, None)


def _entry(row: sa.Row[tuple[object, ...]]) -> Entry:
    kept = row._mapping  # noqa: SLF001 - SQLAlchemy's public name for it
    return Entry(**{name: kept[name] for name in ("id", "form", "at", "answers", "expires_at")})


def _no_entry(slug: str, number: int) -> EntryNotFoundError:
    return EntryNotFoundError(f"The form «{slug}» has no entry {number}. See them:  newsletter forms entries {slug}")
