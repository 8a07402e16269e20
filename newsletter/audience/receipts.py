"""Receipts: what every import did, told row by row for as long as anybody may ask, and cleaned when somebody is erased.

What is personal in a receipt: `import_change.changes` (what stood there before) and `import_arrival.marks` (a check
number over somebody's details). Reasons and outcomes repeat nothing that stood in the file.
"""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TextIO

import sqlalchemy as sa

from newsletter.audience.importing.outcomes import ImportCounts, Outcome, RowOutcome
from newsletter.database.schema import import_arrival, import_change, import_receipt, import_row
from newsletter.errors import AudienceError


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What one import did.

    Attributes:
        id: For `--undo`.
        file: The name of the file.
        digest: SHA-256 over its bytes, as hex.
        options: What was asked for, and how the file was read: form, list, consent, tags, columns.
        at: When.
        seconds: How long it took.
        counts: How many rows came to which end.
        undone_at: When it was undone.
    """

    id: int
    file: str
    digest: str
    options: Mapping[str, object]
    at: datetime
    seconds: float
    counts: ImportCounts
    undone_at: datetime | None

    def as_json(self) -> dict[str, object]:
        """The receipt as plain values, for other programs."""
        return {
            "receipt": self.id,
            "file": self.file,
            "sha256": self.digest,
            "options": dict(self.options),
            "at": self.at.isoformat(),
            "seconds": round(self.seconds, 3),
            "new": self.counts.new,
            "updated": self.counts.updated,
            "unchanged": self.counts.unchanged,
            "refused": self.counts.refused,
            "undone_at": None if self.undone_at is None else self.undone_at.isoformat(),
        }


def list_receipts(connection: sa.Connection, limit: int | None = None) -> list[Receipt]:
    """The receipts, newest first.

    Args:
        connection: A transaction.
        limit: How many at most.
    """
    rows = connection.execute(sa.select(import_receipt).order_by(import_receipt.c.id.desc()).limit(limit))
    return [_receipt(row) for row in rows]


def find_receipt(connection: sa.Connection, receipt: int) -> Receipt:
    """One receipt.

    Raises:
        AudienceError: There is none with that id.
    """
    row = connection.execute(sa.select(import_receipt).where(import_receipt.c.id == receipt)).first()
    if row is None:
        raise AudienceError(f"There is no receipt {receipt}. See which there are with: newsletter subscribers receipts")
    return _receipt(row)


def read_outcomes(connection: sa.Connection, receipt: int) -> Iterator[RowOutcome]:
    """What became of each row of an import, in order, in bounded memory."""
    query = sa.select(import_row).where(import_row.c.receipt_id == receipt).order_by(import_row.c.line)
    for row in connection.execute(query.execution_options(yield_per=1000)):
        for line in range(row.line, row.line + row.rows):
            yield RowOutcome(line, Outcome(row.outcome), row.reason)


def write_outcomes(connection: sa.Connection, receipt: int, file: TextIO) -> int:
    """Write what became of each row as CSV, with the columns line, outcome and reason; says how many rows.

    Raises:
        AudienceError: There is no such receipt.
    """
    find_receipt(connection, receipt)
    writer = csv.writer(file)
    writer.writerow(("line", "outcome", "reason"))
    number = 0
    for number, one in enumerate(read_outcomes(connection, receipt), 1):  # noqa: B007 - the last is how many
        writer.writerow((one.line, one.outcome, one.reason))
    return number


def erase_from_receipts(connection: sa.Connection, person: int) -> None:
    """Take everything personal about one person out of all receipts; the counts and outcomes stay.

    Args:
        connection: A writing transaction, in which the person is erased too.
        person: The subscriber's id.
    """
    connection.execute(sa.delete(import_change).where(import_change.c.subscriber_id == person))
    arrivals = connection.execute(
        sa.select(import_arrival.c.receipt_id, import_arrival.c.first_id, import_arrival.c.marks).where(
            import_arrival.c.first_id <= person, import_arrival.c.first_id + import_arrival.c.people > person
        )
    ).all()
    for row in arrivals:
        place = (person - row.first_id) * 4
        connection.execute(
            sa.update(import_arrival)
            .where(import_arrival.c.receipt_id == row.receipt_id, import_arrival.c.first_id == row.first_id)
            .values(marks=row.marks[:place] + bytes(4) + row.marks[place + 4 :])
        )


def _receipt(row: sa.Row[tuple[object, ...]]) -> Receipt:
    return Receipt(
        id=row.id,
        file=row.file_name,
        digest=row.digest,
        options=row.options,
        at=row.at,
        seconds=row.seconds,
        counts=ImportCounts(row.new, row.updated, row.unchanged, row.refused),
        undone_at=row.undone_at,
    )
