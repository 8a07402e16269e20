"""An import from beginning to end: open the file, understand its columns, take its rows, write the receipt.

A dry run is the same, in a transaction that is given up. While one batch is written, the next one is read.
"""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from pathlib import Path

import sqlalchemy as sa

from newsletter.audience.importing.addresses import AddressReader
from newsletter.audience.importing.columns import Columns, read_columns
from newsletter.audience.importing.files import TableFile, open_table
from newsletter.audience.importing.loading import Loader
from newsletter.audience.importing.outcomes import Imported, ImportOrder, RowOutcome
from newsletter.audience.importing.people import Person, PersonReader, Refusal
from newsletter.audience.importing.stores import open_store
from newsletter.audience.lists import find_list
from newsletter.audience.subscribers import Details, checked_details
from newsletter.database.connection import Database
from newsletter.database.schema import import_receipt
from newsletter.errors import AudienceError

BATCH = 8_000
"""Rows taken at a time."""

Batch = list[Person | Refusal]


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """A file on its way into a database.

    Attributes:
        path: CSV in any of its forms, or an Excel workbook.
        order: Where its people go.
        secret: The project's secret key.
        clock: Tells the time.
        on_outcome: Called with what became of the rows, in order.
        on_progress: Called now and then with how much is done, from 0 to 1.
    """

    path: Path
    order: ImportOrder
    secret: bytes
    clock: Callable[[], datetime]
    on_outcome: Callable[[RowOutcome], None] = lambda _: None
    on_progress: Callable[[float], None] = lambda _: None

    def run(self, connection: sa.Connection) -> Imported:
        """Bring in everybody; memory stays the same however long the file is.

        Args:
            connection: A writing transaction; the import happens when it is committed, and not at all when it is not.

        Raises:
            AudienceError: The file cannot be read, its columns cannot be understood, or a tag cannot be.
            ListNotFoundError: There is no such list.
        """
        begun = self.clock()
        to_list = (
            None if self.order.to_list is None else (find_list(connection, self.order.to_list), self.order.to_list)
        )
        tags = checked_details(Details(email="", tags=self.order.tags)).tags
        with open_table(self.path) as table:
            line, names = next(table.rows, (1, "The file is empty."))
            if isinstance(names, str):
                raise AudienceError(
                    f"«{self.path.name}» cannot be imported: {names} Its first row must name the columns."
                )
            columns = read_columns(self.path.name, line, names, self.order.columns)
            reader = PersonReader(columns, tags, AddressReader(self.secret))
            receipt = self._begin_receipt(connection, table, columns, to_list, begun)
            loader = Loader(
                connection,
                store := open_store(connection),
                receipt=receipt,
                to_list=to_list,
                wording=self.order.consent or f"imported from {self.path.name}",
                now=begun,
                on_outcome=self.on_outcome,
            )
            try:
                for batch in _ahead(reader.read(number, cells) for number, cells in table.rows):
                    loader.take(batch)
                    self.on_progress(table.progress())
                loader.finish()
            finally:
                store.close()
        counts = loader.counts
        values = {name: getattr(counts, name) for name in ("new", "updated", "unchanged", "refused")}
        connection.execute(
            sa.update(import_receipt)
            .where(import_receipt.c.id == receipt)
            .values(**values, seconds=(self.clock() - begun).total_seconds())
        )
        return Imported(receipt=receipt, counts=counts, notes=table.notes + columns.notes)

    def _begin_receipt(
        self,
        connection: sa.Connection,
        table: TableFile,
        columns: Columns,
        to_list: tuple[int, str] | None,
        now: datetime,
    ) -> int:
        options = {
            "form": table.form,
            "list": self.order.to_list,
            "consent": self.order.consent,
            "tags": list(self.order.tags),
            "columns": {name: target or "" for name, target in zip(columns.names, columns.targets, strict=True)},
        }
        made: int = connection.scalars(
            sa.insert(import_receipt).returning(import_receipt.c.id),
            [
                {
                    "at": now,
                    "seconds": 0.0,
                    "file_name": self.path.name,
                    "digest": table.digest,
                    "options": options,
                    "list_id": to_list[0] if to_list else None,
                    **dict.fromkeys(("new", "updated", "unchanged", "refused"), 0),
                }
            ],
        ).one()
        return made


class _OnlyTriedError(Exception):
    """Gives a transaction up."""


def import_file(database: Database, job: Import) -> Imported:
    """Do an import.

    Raises:
        AudienceError: The file cannot be read, or its columns cannot be understood; nothing was imported.
        ListNotFoundError: There is no such list.
        DatabaseError: Another process kept the database busy; nothing was imported.
    """
    with database.write() as connection:
        return job.run(connection)


def try_import(database: Database, job: Import) -> Imported:
    """Do all of an import, and then give it up: nothing is changed.

    Raises:
        AudienceError: As for `import_file`.
        ListNotFoundError: There is no such list.
        DatabaseError: Another process kept the database busy.
    """
    tried: list[Imported] = []
    with contextlib.suppress(_OnlyTriedError), database.write() as connection:
        tried.append(job.run(connection))
        raise _OnlyTriedError
    return replace(tried[0], receipt=None)


def _ahead(rows: Iterator[Person | Refusal]) -> Iterator[Batch]:
    """Batches of rows, each read in another thread while the one before is worked on."""

    def read() -> Batch:
        return list(islice(rows, BATCH))

    with ThreadPoolExecutor(1, "newsletter-import") as pool:
        coming = pool.submit(read)
        while batch := coming.result():
            coming = pool.submit(read)
            yield batch
