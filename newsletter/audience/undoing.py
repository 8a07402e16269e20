"""Undoes an import: what it brought goes, what it changed comes back, and what happened since stays as it is.

Whoever was edited, tagged, put on another list, unsubscribed or suppressed since the import is left alone, and told
with the reason. Who was mailed since is taken off the list and stays known, because the ledger names them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from newsletter.audience.importing.standing import mark_of
from newsletter.audience.receipts import Receipt, find_receipt
from newsletter.audience.subscribers import Subscriber, read_subscribers
from newsletter.database.schema import (
    ConsentMethod,
    SubscriptionStatus,
    consent_record,
    delivery,
    import_arrival,
    import_change,
    import_receipt,
    subscriber,
    subscriber_tag,
    subscription,
    suppression,
)
from newsletter.errors import AudienceError

_PAGE = 500
_SHOWN = {"first_name": "first name", "last_name": "last name", "joined": "day of joining"}


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """Somebody whom undoing an import did not, or not wholly, bring back to before.

    Attributes:
        email: Their address, None for somebody who is not known any more.
        reason: Why, one sentence.
    """

    email: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Undone:
    """What undoing an import did.

    Attributes:
        receipt: The import's.
        removed: People who came with it and are gone again.
        restored: People whom it changed, and who are as before.
        left_alone: People to whom something happened since.
    """

    receipt: int
    removed: int
    restored: int
    left_alone: tuple[LeftAlone, ...]


def undo_import(connection: sa.Connection, receipt: int, *, now: datetime) -> Undone:
    """Bring back the state before an import, and leave alone what happened since.

    Args:
        connection: A writing transaction.
        receipt: The import's id.
        now: When.

    Raises:
        AudienceError: There is no such receipt, or it is undone already.
    """
    known = find_receipt(connection, receipt)
    if known.undone_at is not None:
        raise AudienceError(f"The import {receipt} was undone on {known.undone_at:%d %B %Y} already.")
    undoing = _Undoing(connection, known, now)
    removed = sum(undoing.remove(page) for page in _arrivals(connection, receipt))
    restored = sum(undoing.restore(page) for page in _changes(connection, receipt))
    connection.execute(sa.update(import_receipt).where(import_receipt.c.id == receipt).values(undone_at=now))
    for kept in (import_arrival, import_change):  # needed for nothing else, and personal
        connection.execute(sa.delete(kept).where(kept.c.receipt_id == receipt))
    return Undone(receipt, removed, restored, tuple(undoing.left_alone))


def _arrivals(connection: sa.Connection, receipt: int) -> Iterator[dict[int, int]]:
    """The people who came with an import and are not erased, page by page: their ids and marks."""
    query = sa.select(import_arrival).where(import_arrival.c.receipt_id == receipt).order_by(import_arrival.c.first_id)
    for first in connection.scalars(query.with_only_columns(import_arrival.c.first_id)).all():
        row = connection.execute(query.where(import_arrival.c.first_id == first)).one()
        marks = {
            row.first_id + place: int.from_bytes(row.marks[place * 4 : place * 4 + 4], "big")
            for place in range(row.people)
        }
        people = [person for person, mark in marks.items() if mark]
        for start in range(0, len(people), _PAGE):
            yield {person: marks[person] for person in people[start : start + _PAGE]}


def _changes(connection: sa.Connection, receipt: int) -> Iterator[dict[int, dict[str, Any]]]:
    """The people whom an import changed, page by page: their ids and what changed."""
    last = 0
    query = sa.select(import_change.c.subscriber_id, import_change.c.changes)
    query = query.where(import_change.c.receipt_id == receipt).order_by(import_change.c.subscriber_id).limit(_PAGE)
    while page := connection.execute(query.where(import_change.c.subscriber_id > last)).all():
        last = page[-1].subscriber_id
        yield {row.subscriber_id: row.changes for row in page}


class _Undoing:
    """One import on its way back."""

    def __init__(self, connection: sa.Connection, receipt: Receipt, now: datetime) -> None:
        self._connection = connection
        self._receipt = receipt.id
        self._at = receipt.at
        self._now = now
        self._list = connection.scalar(sa.select(import_receipt.c.list_id).where(import_receipt.c.id == receipt.id))
        self.left_alone: list[LeftAlone] = []

    def remove(self, marks: Mapping[int, int]) -> int:
        """Take out those of a page who came with the import; says how many."""
        people = read_subscribers(self._connection, marks)
        self._tell_gone(len(marks) - len(people))
        since = self._since(list(people), arrived=True)
        mailed = self._mailed(list(people))
        gone, kept = [], []
        for person, one in people.items():
            if person in since:
                self._tell(one, since[person])
            elif _mark(one) != marks[person]:
                self._tell(one, "Their details or tags were changed since.")
            elif person in mailed:
                self._tell(one, "They were mailed since: they are off the list again, and stay known to the ledger.")
                kept.append(person)
            else:
                gone.append(person)
        self._take_off([*gone, *kept])
        self._connection.execute(sa.delete(subscriber_tag).where(subscriber_tag.c.subscriber_id.in_(gone)))
        self._connection.execute(sa.delete(subscriber).where(subscriber.c.id.in_(gone)))
        return len(gone)

    def restore(self, changes: Mapping[int, Mapping[str, Any]]) -> int:
        """Bring those of a page back whom the import changed; says how many are wholly as before."""
        people = read_subscribers(self._connection, changes)
        self._tell_gone(len(changes) - len(people))
        joined = [person for person in people if "list" in changes[person]]
        since = self._since(joined, arrived=False)
        whole = 0
        for person, one in people.items():
            stays = self._restore_details(one, changes[person])
            if person in since:
                stays.append(since[person])
            elif person in joined:
                self._take_off([person])
            if stays:
                self._tell(one, " ".join(stays))
            else:
                whole += 1
        return whole

    def _restore_details(self, one: Subscriber, changes: Mapping[str, Any]) -> list[str]:
        """Bring back each field that still is as the import left it; says of the others why not."""
        stays = []
        values: dict[str, Any] = {}
        attributes = dict(one.attributes)
        for name, change in changes.items():
            family, _, attribute = name.partition(".")
            if name == "list":
                continue
            if name == "tags":
                missing = sorted(set(change) - set(one.tags))
                if missing:
                    stays.append(f"These tags were taken away since: {', '.join(missing)}.")
                tagged = (subscriber_tag.c.subscriber_id == one.id) & subscriber_tag.c.tag.in_(change)
                self._connection.execute(sa.delete(subscriber_tag).where(tagged))
                continue
            before, after = change
            is_now = attributes.get(attribute) if family == "attributes" else getattr(one, name)
            if (is_now.isoformat() if isinstance(is_now, date) else is_now) != after:
                stays.append(f"Their {_SHOWN.get(name, name)} was changed since.")
            elif family != "attributes":
                values[name] = date.fromisoformat(before) if name == "joined" else before
            elif before is None:
                del attributes[attribute]
            else:
                attributes[attribute] = before
        if attributes != dict(one.attributes):
            values["attributes"] = attributes
        if values:
            self._connection.execute(sa.update(subscriber).where(subscriber.c.id == one.id).values(values))
        return stays

    def _since(self, people: Sequence[int], *, arrived: bool) -> dict[int, str]:
        """Those to whom something happened on a list, or with their address, after the import put them there.

        Args:
            people: Their ids.
            arrived: Whether the import brought them, so that any list they are on is news.
        """
        if not people:
            return {}
        since: dict[int, str] = {}
        suppressed = (
            sa.select(subscriber.c.id)
            .join(suppression, suppression.c.address_hash == subscriber.c.address_hash)
            .where(subscriber.c.id.in_(people))
        )
        for person in self._connection.scalars(suppressed):
            since[person] = "Their address was suppressed since."
        here = self._look_at_lists(people, since, arrived=arrived)
        agreed = sa.select(consent_record.c.subscriber_id).where(
            consent_record.c.subscriber_id.in_(people),
            consent_record.c.at > self._at,
            consent_record.c.method != ConsentMethod.WITHDRAW,
            ~_taken_back(),
        )
        if self._list is not None and not arrived:
            agreed = agreed.where(consent_record.c.list_id == self._list)
        for person in self._connection.scalars(agreed):
            since.setdefault(person or 0, "They agreed anew since.")
        for person in people:
            if self._list is not None and person not in here:
                since.setdefault(person, "Their subscription was changed since.")
        return since

    def _look_at_lists(self, people: Sequence[int], since: dict[int, str], *, arrived: bool) -> set[int]:
        """Add those whose subscriptions changed; gives those who are on the list just as the import put them there."""
        here = set()
        for row in self._connection.execute(sa.select(subscription).where(subscription.c.subscriber_id.in_(people))):
            if row.list_id != self._list:
                if arrived:
                    since.setdefault(row.subscriber_id, "They are on another list since.")
            elif row.status != SubscriptionStatus.ACTIVE:
                since.setdefault(row.subscriber_id, f"They are {row.status} since.")
            elif (row.created_at, row.changed_at) == (self._at, self._at):
                here.add(row.subscriber_id)
        return here

    def _mailed(self, people: Sequence[int]) -> set[int]:
        query = sa.select(delivery.c.subscriber_id).where(delivery.c.subscriber_id.in_(people)).distinct()
        return {person for person in self._connection.scalars(query) if person is not None}

    def _take_off(self, people: Sequence[int]) -> None:
        """Undo that the import put people on its list; the proof of it stays, with the proof that it was taken back."""
        if self._list is None or not people:
            return
        self._connection.execute(
            sa.insert(consent_record).from_select(
                ["subscriber_id", "address_hash", "list_id", "wording", "method", "at"],
                sa.select(
                    subscriber.c.id,
                    subscriber.c.address_hash,
                    sa.literal(self._list),
                    sa.literal(f"import {self._receipt} was undone"),
                    sa.literal(str(ConsentMethod.WITHDRAW)),
                    sa.literal(self._now, consent_record.c.at.type),
                ).where(subscriber.c.id.in_(people)),
            )
        )
        self._connection.execute(
            sa.delete(subscription).where(
                subscription.c.subscriber_id.in_(people), subscription.c.list_id == self._list
            )
        )

    def _tell(self, one: Subscriber, reason: str) -> None:
        self.left_alone.append(LeftAlone(one.email, reason))

    def _tell_gone(self, number: int) -> None:
        self.left_alone += [LeftAlone(None, "They are not known any more.")] * number


def _taken_back() -> sa.Exists:
    """The condition on a consent record that the same address took its word back later, or an undone import did."""
    later = consent_record.alias()
    return sa.exists().where(
        later.c.subscriber_id == consent_record.c.subscriber_id,
        later.c.address_hash == consent_record.c.address_hash,
        later.c.list_id == consent_record.c.list_id,
        later.c.method == ConsentMethod.WITHDRAW,
        later.c.id > consent_record.c.id,
    )


def _mark(one: Subscriber) -> int:
    details = (one.email, one.first_name, one.last_name, one.language, one.country, one.joined.isoformat())
    return mark_of(details, set(one.tags), one.attributes)
