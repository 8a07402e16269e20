"""Brings batches of people into the database: each batch is looked up, thought through in memory, and written at once.

The order of the rows counts: who comes twice in a file is new at the first row and updated, or unchanged, at the next.
"""

import json
import sys
from array import array
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

import sqlalchemy as sa

from newsletter.audience.importing.outcomes import ImportCounts, Outcome, RowOutcome
from newsletter.audience.importing.people import Person, Refusal
from newsletter.audience.importing.standing import Known, mark, mark_of
from newsletter.audience.importing.stores import Store
from newsletter.database.schema import (
    ConsentMethod,
    SubscriptionStatus,
    consent_record,
    import_arrival,
    import_change,
    import_row,
    subscriber,
    subscription,
    suppression,
)

_COLUMNS = (
    *("id", "email", "email_key", "address_hash", "first_name", "last_name", "language", "country", "joined"),
    "attributes",
)
_TOLD = ("first_name", "last_name", "language", "country", "joined")
_STAYS_OUT = {SubscriptionStatus.UNSUBSCRIBED, SubscriptionStatus.BOUNCED, SubscriptionStatus.COMPLAINED}


class Loader:
    """Takes the batches of one import.

    Args:
        connection: A writing transaction.
        store: The same, for what must be quick.
        receipt: The import's.
        to_list: The list's id and slug, if there is one.
        wording: What the people agreed to.
        now: When they came.
        on_outcome: Called with what became of the rows, in order.
    """

    def __init__(  # noqa: PLR0913 what makes an import
        self,
        connection: sa.Connection,
        store: Store,
        *,
        receipt: int,
        to_list: tuple[int, str] | None,
        wording: str,
        now: datetime,
        on_outcome: Callable[[RowOutcome], None],
    ) -> None:
        self._connection = connection
        self._store = store
        self._receipt = receipt
        self._list = to_list
        self._wording = wording
        self._now = now
        self._today = now.astimezone(UTC).date().isoformat()
        self._on_outcome = on_outcome
        self._any_suppressed = connection.scalar(sa.select(suppression.c.address_hash).limit(1)) is not None
        self._came: list[range] = []
        self._counts = dict.fromkeys(Outcome, 0)

    @property
    def counts(self) -> ImportCounts:
        """How many rows came to which end by now."""
        return ImportCounts(**{str(outcome): number for outcome, number in self._counts.items()})

    def take(self, batch: Sequence[Person | Refusal]) -> None:
        """Bring a batch in."""
        keys: list[str] = []
        hashes: list[bytes] = []
        for row in batch:
            if isinstance(row, Person):
                keys.append(row.key)
                hashes.append(row.hashed)
        known: dict[str, Known | Person] = dict(self._look_up(keys))
        suppressed = self._suppressed(hashes)
        told = _Telling(self._receipt, self._on_outcome)
        new = 0
        for row in batch:
            # Most rows of most imports bring somebody new, of whom nothing is to be thought.
            if isinstance(row, Person) and row.key not in known and row.hashed not in suppressed:
                known[row.key] = row
                told.hear(row.line, Outcome.NEW, "", "")
                new += 1
                continue
            outcome, reason, value = self._apply(row, known, suppressed)
            self._counts[outcome] += 1
            told.hear(row.line, outcome, reason, value)
        self._counts[Outcome.NEW] += new
        told.end()
        self._connection.execute(sa.insert(import_row), told.kept)
        fresh = [one for one in known.values() if isinstance(one, Person)]
        changed = [one for one in known.values() if isinstance(one, Known) and one.changes]
        if fresh:
            self._write_new(fresh)
        if changed:
            self._write_changes(changed)
        if sum(map(len, self._came)) >= self._store.subscribed_at_once:
            self.finish()

    def finish(self) -> None:
        """Put everybody who came, and is not on the list yet, on it."""
        whole: list[range] = []
        for came in self._came:
            if whole and whole[-1].stop == came.start:
                whole[-1] = range(whole[-1].start, came.stop)
            else:
                whole.append(came)
        for came in whole:
            self._subscribe(subscriber.c.id.between(came.start, came.stop - 1))
        self._came.clear()

    def _look_up(self, keys: list[str]) -> dict[str, Known]:
        """Those of a batch who are here already."""
        if not keys:
            return {}
        rows = self._store.among(f"SELECT email_key, {', '.join(_COLUMNS)} FROM subscriber WHERE email_key", keys)  # noqa: S608
        known = {row[0]: Known.stored(row[1:]) for row in rows}
        if known:
            by_id = {one.id: one for one in known.values()}
            ids = list(by_id)
            for person, tag in self._store.among(
                "SELECT subscriber_id, tag FROM subscriber_tag WHERE subscriber_id", ids
            ):
                by_id[person].tags.add(tag)
            if self._list is not None:
                query = (
                    f"SELECT subscriber_id, status, changed_at FROM subscription WHERE list_id = {self._list[0]} AND "  # noqa: S608
                )
                for person, status, changed in self._store.among(f"{query} subscriber_id", ids):
                    by_id[person].status = (status, str(changed)[:10])
                for one in known.values():
                    if any(one.id in came for came in self._came):  # they are put on the list at the end
                        one.status = (SubscriptionStatus.ACTIVE, self._today)
        return known

    def _suppressed(self, hashes: list[bytes]) -> dict[bytes, str]:
        """Which of these addresses must never be mailed, and why."""
        if not hashes or not self._any_suppressed:
            return {}
        rows = self._store.among("SELECT address_hash, reason FROM suppression WHERE address_hash", hashes)
        return {bytes(hashed): reason for hashed, reason in rows}

    def _apply(
        self, row: Person | Refusal, known: dict[str, Known | Person], suppressed: dict[bytes, str]
    ) -> tuple[Outcome, str, str]:
        """Think one row through."""
        if isinstance(row, Refusal):
            return Outcome.REFUSED, row.reason, row.value
        if why := suppressed.get(row.hashed):
            return Outcome.REFUSED, f"This address must never be mailed again ({why}), and was not added.", row.email
        one = known[row.key]
        if isinstance(one, Person):
            both = one.with_more(row)
            known[row.key] = both
            return (Outcome.UNCHANGED if both == one else Outcome.UPDATED), "", ""
        if one.status is not None and one.status[0] in _STAYS_OUT and self._list is not None:
            status, day = one.status
            return (
                Outcome.REFUSED,
                (
                    f"This person left the list «{self._list[1]}» on {day} ({status}). "
                    "Only they themselves can come back, through the sign-up form."
                ),
                row.email,
            )
        changed = one.update(row)
        if self._list is not None and one.status is None:
            one.join(SubscriptionStatus.ACTIVE)
            changed = True
        return (Outcome.UPDATED if changed else Outcome.UNCHANGED), "", ""

    def _write_new(self, fresh: list[Person]) -> None:
        ids = self._store.ids(len(fresh))
        rows = []
        tags = []
        marks = array("I")
        for person, one in zip(ids, fresh, strict=True):
            _, email, key, hashed, first, last, language, country, joined, tagged, attributes = one
            joined = joined or self._today
            rows.append(
                (
                    person,
                    email,
                    key,
                    hashed,
                    first,
                    last,
                    language,
                    country,
                    joined,
                    json.dumps(attributes) if attributes else "{}",
                )
            )
            if tagged:
                tags += [(person, tag) for tag in tagged]
            marks.append(mark_of((email, first, last, language, country, joined), tagged, attributes))
        self._store.insert("subscriber", _COLUMNS, rows)
        if tags:
            self._store.insert("subscriber_tag", ("subscriber_id", "tag"), tags)
        if sys.byteorder == "little":
            marks.byteswap()
        kept = marks.tobytes()
        arrivals = []
        for run in _runs(ids):
            self._came.append(range(ids[run.start], ids[run.stop - 1] + 1))
            arrivals.append(
                {
                    "receipt_id": self._receipt,
                    "first_id": ids[run.start],
                    "people": len(run),
                    "marks": kept[run.start * 4 : run.stop * 4],
                }
            )
        self._connection.execute(sa.insert(import_arrival), arrivals)

    def _write_changes(self, changed: list[Known]) -> None:
        told = [one for one in changed if one.changes.keys() - {"tags", "list"}]
        if told:
            update = sa.update(subscriber).where(subscriber.c.id == sa.bindparam("person"))
            self._connection.execute(
                update,
                [
                    {
                        "person": one.id,
                        **{name: getattr(one, name) for name in _TOLD},
                        "joined": datetime.fromisoformat(one.joined).date(),
                        "attributes": one.attributes,
                    }
                    for one in told
                ],
            )
        tags = [(one.id, tag) for one in changed for tag in one.changes.get("tags", ())]
        if tags:
            self._store.insert("subscriber_tag", ("subscriber_id", "tag"), tags)
        joined = [one.id for one in changed if "list" in one.changes]
        for start in range(0, len(joined), 500):
            self._subscribe(subscriber.c.id.in_(joined[start : start + 500]))
        self._keep_changes(changed)

    def _keep_changes(self, changed: list[Known]) -> None:
        """Add to the receipt what was there before, and was put there; once for each person."""
        rows = self._store.among(
            f"SELECT subscriber_id, changes FROM import_change WHERE receipt_id = {self._receipt} AND subscriber_id",  # noqa: S608
            [one.id for one in changed],
        )
        before = {person: json.loads(kept) if isinstance(kept, str) else kept for person, kept in rows}
        again = [one for one in changed if one.id in before]
        first = [one for one in changed if one.id not in before and not self._arrived(one)]
        for one in again:
            self._connection.execute(
                sa.update(import_change)
                .where(import_change.c.receipt_id == self._receipt, import_change.c.subscriber_id == one.id)
                .values(changes=_merged(before[one.id], one.changes))
            )
        if first:
            self._connection.execute(
                sa.insert(import_change),
                [{"receipt_id": self._receipt, "subscriber_id": one.id, "changes": one.changes} for one in first],
            )

    def _arrived(self, one: Known) -> bool:
        """Whether somebody came with this import, in an earlier batch; if so, their mark is made anew."""
        row = self._connection.execute(
            sa.select(import_arrival.c.first_id, import_arrival.c.marks)
            .where(import_arrival.c.receipt_id == self._receipt, import_arrival.c.first_id <= one.id)
            .order_by(import_arrival.c.first_id.desc())
            .limit(1)
        ).first()
        if row is None or one.id - row.first_id >= len(row.marks) // 4:
            return False
        place = (one.id - row.first_id) * 4
        marks = row.marks[:place] + mark(one).to_bytes(4, "big") + row.marks[place + 4 :]
        self._connection.execute(
            sa.update(import_arrival)
            .where(import_arrival.c.receipt_id == self._receipt, import_arrival.c.first_id == row.first_id)
            .values(marks=marks)
        )
        return True

    def _subscribe(self, who: sa.ColumnElement[bool]) -> None:
        """Put people on the list, with the proof of it."""
        if self._list is None:
            return
        to_list = sa.literal(self._list[0])
        now = sa.literal(self._now, subscription.c.created_at.type)
        self._connection.execute(
            sa.insert(subscription).from_select(
                ["subscriber_id", "list_id", "status", "created_at", "changed_at"],
                sa.select(subscriber.c.id, to_list, sa.literal(str(SubscriptionStatus.ACTIVE)), now, now).where(who),
            )
        )
        self._connection.execute(
            sa.insert(consent_record).from_select(
                ["subscriber_id", "address_hash", "list_id", "wording", "method", "at"],
                sa.select(
                    subscriber.c.id,
                    subscriber.c.address_hash,
                    to_list,
                    sa.literal(self._wording),
                    sa.literal(str(ConsentMethod.IMPORT)),
                    now,
                )
                .where(who)
                .order_by(self._store.subscribed_in_order),
            )
        )


class _Telling:
    """What became of the rows of a batch; equal ends on following lines are told, and kept, in one."""

    def __init__(self, receipt: int, on_outcome: Callable[[RowOutcome], None]) -> None:
        self.kept: list[dict[str, object]] = []
        self._receipt = receipt
        self._on_outcome = on_outcome
        self._end: tuple[Outcome, str, str] | None = None
        self._line = self._next = 0

    def hear(self, line: int, outcome: Outcome, reason: str, value: str) -> None:
        """Take what became of one row."""
        if line == self._next and self._end == (outcome, reason, value):
            self._next += 1
            return
        self.end()
        self._line, self._next, self._end = line, line + 1, (outcome, reason, value)

    def end(self) -> None:
        """Tell what is not told yet."""
        if self._end is None:
            return
        outcome, reason, value = self._end
        rows = self._next - self._line
        self._on_outcome(RowOutcome(self._line, outcome, reason, value, rows))
        self.kept.append(
            {"receipt_id": self._receipt, "line": self._line, "rows": rows, "outcome": outcome, "reason": reason}
        )


def _merged(earlier: dict[str, list[object]], later: dict[str, list[object]]) -> dict[str, list[object]]:
    """Two changes of one person as one: what was there before the first, what is there after the second."""
    merged = dict(earlier)
    for name, change in later.items():
        if name == "tags":
            merged[name] = [*merged.get(name, []), *change]
        else:
            merged[name] = [merged[name][0], change[1]] if name in merged else change
    return merged


def _runs(ids: Sequence[int]) -> Iterator[range]:
    """The places of ids that follow each other without a gap."""
    start = 0
    for place in range(1, len(ids) + 1):
        if place == len(ids) or ids[place] != ids[place - 1] + 1:
            yield range(start, place)
            start = place
