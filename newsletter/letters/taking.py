"""Takes letters out of the queue, in short transactions: each by one process at a time, and again if that one is lost.

`queued` and due becomes `leaving`, with a time by which it must have an answer; whoever finds it `leaving` after that
time takes it once more. So a letter is sent **at least once**: after a crash perhaps twice, with the same Message-ID. A
letter twice is a nuisance; a letter lost locks somebody out of their own data, or off the list that they asked for.
What a letter needs is read, and its link signed, in the same transaction: whoever left, was erased or must not be
mailed any more since it was written gets none.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from newsletter.audience.consent import PURPOSE, confirmation
from newsletter.database.outside import LetterState, form_entry, letter
from newsletter.database.schema import SubscriptionStatus, list_, subscriber, subscription, suppression
from newsletter.errors import AudienceError
from newsletter.letters.queue import LetterKind
from newsletter.sending.ledger import one_line
from newsletter.sending.pacing import wait_after
from newsletter.sending.senders.protocol import Outcome, Verdict
from newsletter.tokens import Signer

LOST_AFTER: Final = timedelta(minutes=10)
"""How long a letter may be leaving without an answer before it is taken to be lost; a sender gives up long before."""

GIVEN_UP_AFTER: Final = timedelta(hours=24)
"""How long a letter is tried again: nobody waits longer for a link."""

MOST_TRIES: Final = 20
"""Far more than fit into that time; who gets there made this program crash, each time."""

MOST_DOUBTS: Final = 3
"""Tries after which a letter of which nobody knows whether it left is given up: it probably arrived."""

KEPT: Final = timedelta(days=35)
"""How long what is left of a letter is kept; limits look back 30 days."""

PAGES: Final[Mapping[LetterKind, str]] = {
    LetterKind.CONFIRM: "confirm",
    LetterKind.ALREADY: "p",
    LetterKind.ACCESS: "me",
    LetterKind.ERASE: "erase",
}
"""The page that the link of a letter leads to."""

_LASTS: Final = {LetterKind.ACCESS: timedelta(minutes=30), LetterKind.ERASE: timedelta(hours=24)}
"""How long links work whose token holds the person and the letter; the kind is the token's purpose."""

_ADDRESS: Final = re.compile(r"<?[^\s<>«»\"]+@[^\s<>«»\",;:]+[^\s<>«»\",;:.]>?")

_NOT_SINCE: Final = "Nobody waits for it any more: they left, confirmed or were erased meanwhile."
_NOT_MAILED: Final = "The address must not be mailed any more."
_NO_ENTRY: Final = "The entry of the form is gone."
_TOO_OFTEN: Final = "It was begun too many times without an answer."


@dataclass(frozen=True, slots=True)
class FormEntry:
    """What somebody filled in.

    Attributes:
        form: The form's slug.
        at: When.
        answers: By the names of the questions.
    """

    form: str
    at: datetime
    answers: Mapping[str, object] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Taken:
    """A letter that is leaving.

    Attributes:
        id: Its row.
        kind: What it is about.
        email: To whom.
        language: The reader's, where it is known.
        lists: The slugs of the lists that it is about.
        created_at: When it was written.
        tries: How often it was begun, this time included.
        token: The end of its link; empty if it has none.
        entry: What it tells the team.
    """

    id: int
    kind: LetterKind
    email: str = field(repr=False)
    language: str | None
    lists: tuple[str, ...]
    created_at: datetime
    tries: int
    token: str = field(default="", repr=False)
    entry: FormEntry | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """How a try ended.

    Attributes:
        letter: The letter.
        state: `SENT`, `FAILED`, or `QUEUED` for another try.
        reason: Why, for all but `SENT`; without the address.
        next_try: When it is due again.
    """

    letter: Taken
    state: LetterState
    reason: str | None = None
    next_try: datetime | None = None


def any_due(connection: sa.Connection, *, now: datetime) -> bool:
    """Whether a letter is due."""
    return connection.scalar(sa.select(letter.c.id).where(*_due(now)).limit(1)) is not None


def take(connection: sa.Connection, *, now: datetime, worker: str, signer: Signer, most: int) -> list[Taken]:
    """Take letters that are due; those that should not leave any more are given up.

    Args:
        connection: A writing transaction; when it has ended, the letters may leave.
        now: When.
        worker: Who takes them.
        signer: Signs their links, which work from now on.
        most: How many.
    """
    oldest = sa.select(letter.c.id).where(*_due(now)).order_by(letter.c.next_try, letter.c.id).limit(most)
    begun = {"state": LetterState.LEAVING, "worker": worker, "tries": letter.c.tries + 1, "next_try": now + LOST_AFTER}
    mine = (
        sa.update(letter)
        .where(letter.c.id.in_(connection.scalars(oldest).all()), *_due(now))
        .values(begun)
        .returning(letter.c.id)
    )
    taken: list[Taken] = []
    for row in _rows(connection, connection.scalars(mine).all()):
        one, reason = _prepared(connection, row, signer, now)
        if reason is None:
            taken.append(one)
        else:
            record(connection, [Ending(one, LetterState.FAILED, reason)], worker=worker, now=now)
    return taken


def judge(one: Taken, outcome: Outcome, *, now: datetime) -> Ending:
    """What a sender's answer means for a letter."""
    reason = _without_addresses(outcome.reason or "The sender gave no reason.")
    if outcome.verdict is Verdict.ACCEPTED:
        return Ending(one, LetterState.SENT)
    doubtful = outcome.verdict is Verdict.UNKNOWN and one.tries >= MOST_DOUBTS
    if outcome.verdict is Verdict.REFUSED or doubtful or now - one.created_at >= GIVEN_UP_AFTER:
        return Ending(one, LetterState.FAILED, reason)
    # A letter is waited for: what has no status of its own is tried again as soon as a network that failed.
    wait = wait_after(outcome.status or "4.4.0", one.tries, one.id)
    return Ending(one, LetterState.QUEUED, reason, now + wait)


def record(connection: sa.Connection, endings: Sequence[Ending], *, worker: str, now: datetime) -> None:
    """Write down how tries ended, in a writing transaction; what another process has taken meanwhile is left to it."""
    mine = (letter.c.id == sa.bindparam("row"), letter.c.tries == sa.bindparam("try"), letter.c.worker == worker)
    ended = sa.update(letter).where(*mine, letter.c.state == LetterState.LEAVING)
    ended = ended.values(state=sa.bindparam("to"), reason=sa.bindparam("why"), answered_at=now, worker=None)
    for again in (True, False):
        rows: list[dict[str, Any]] = [
            {"row": each.letter.id, "try": each.letter.tries, "to": each.state, "why": each.reason}
            | ({"due": each.next_try or now} if again else {})
            for each in endings
            if (each.state is LetterState.QUEUED) is again
        ]
        if rows:  # of what will not leave any more the keyed hash of the address says enough
            change = ended.values(next_try=sa.bindparam("due")) if again else ended.values(email=None)
            connection.execute(change, rows)


def forget_old(connection: sa.Connection, *, now: datetime) -> int:
    """Delete what was kept long enough, in a writing transaction; says how many."""
    return connection.execute(sa.delete(letter).where(letter.c.created_at < now - KEPT)).rowcount


def any_old(connection: sa.Connection, *, now: datetime) -> bool:
    """Whether anything was kept long enough."""
    return connection.scalar(sa.select(letter.c.id).where(letter.c.created_at < now - KEPT).limit(1)) is not None


def _due(now: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    return letter.c.state.in_([LetterState.QUEUED, LetterState.LEAVING]), letter.c.next_try <= now


def _rows(connection: sa.Connection, ids: Sequence[int]) -> Sequence[sa.Row[Any]]:
    """The letters with all that is asked about each of them, in the order in which they were written."""
    query = (
        sa.select(
            letter,
            subscriber.c.address_hash.label("persons_hash"),
            sa.exists().where(suppression.c.address_hash == letter.c.address_hash).label("suppressed"),
        )
        .select_from(letter)
        .outerjoin(subscriber, subscriber.c.id == letter.c.subscriber_id)
        .where(letter.c.id.in_(ids))
        .order_by(letter.c.id)
    )
    return connection.execute(query).all()


def _prepared(connection: sa.Connection, row: sa.Row[Any], signer: Signer, now: datetime) -> tuple[Taken, str | None]:
    """A letter with all that it needs, or with the reason why it should not leave."""
    one = Taken(
        id=row.id,
        kind=LetterKind(row.kind),
        email=row.email or "",
        language=row.language,
        lists=(),
        created_at=row.created_at,
        tries=row.tries,
    )
    if row.email is None or row.tries > MOST_TRIES:
        return one, _TOO_OFTEN
    if row.suppressed:
        return one, _NOT_MAILED
    if one.kind is LetterKind.ENTRY:
        entry = _entry(connection, row.details)
        return replace(one, entry=entry), None if entry else _NO_ENTRY
    # Who has another address by now must not be reached, nor their data be opened, by a link to the old one.
    if row.persons_hash != row.address_hash:
        return one, _NOT_SINCE
    if one.kind in _LASTS:
        token = signer.sign(one.kind, row.subscriber_id, row.id, expires=now + _LASTS[one.kind])
        return replace(one, token=token), None
    return _about_lists(connection, one, row, signer, now)


def _about_lists(
    connection: sa.Connection, one: Taken, row: sa.Row[Any], signer: Signer, now: datetime
) -> tuple[Taken, str | None]:
    """A letter about lists, with those that it is still true of."""
    person, confirms = row.subscriber_id, one.kind is LetterKind.CONFIRM
    slugs = {each.id: each.slug for each in connection.execute(sa.select(list_.c.id, list_.c.slug))}
    told = [int(number) for number in str(row.details.get("lists") or row.list_id or "").split()]
    if confirms:
        try:
            token = confirmation(connection, person, told, signer, now=now)
        except AudienceError:
            return one, _NOT_SINCE
        lists = signer.read(PURPOSE, token, now=now)[1::2]  # those that still wait, each with the request for it
    else:
        lists = tuple(number for number in told if _is_on(connection, person, number))
        token = signer.sign("preferences", person, lists[0], 0) if lists else ""
    return replace(one, token=token, lists=tuple(slugs[number] for number in lists)), None if lists else _NOT_SINCE


def _is_on(connection: sa.Connection, person: int, list_id: int) -> bool:
    status = sa.select(subscription.c.status).where(
        subscription.c.subscriber_id == person, subscription.c.list_id == list_id
    )
    return connection.scalar(status) == SubscriptionStatus.ACTIVE


def _entry(connection: sa.Connection, details: Mapping[str, object]) -> FormEntry | None:
    found = connection.execute(sa.select(form_entry).where(form_entry.c.id == details.get("entry"))).first()
    return None if found is None else FormEntry(found.form, found.at, found.answers)


def _without_addresses(reason: str) -> str | None:
    """What a mail server said, on one line, without any address: they like to repeat the one that they refuse."""
    return one_line(_ADDRESS.sub("the address", reason))
