"""The front door to imports: bring in a file, see what became of it, take it back; wiring only, like `app.py`."""

import datetime as dt
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from newsletter.door import Door
from newsletter.project import Project

if TYPE_CHECKING:
    from newsletter.audience.importing import Imported, ImportOrder, RowOutcome
    from newsletter.audience.receipts import Receipt
    from newsletter.audience.undoing import Undone
    from newsletter.database.connection import Database


class Imports(Door):
    """The imports of one project.

    Args:
        project: Whose lists and key are used.
        database: Opens its database.
        clock: Tells the time.
        find_list: Says no to a list that the project does not have.
    """

    def __init__(
        self,
        project: Project,
        database: "Callable[[], AbstractContextManager[Database]]",
        clock: Callable[[], dt.datetime],
        find_list: Callable[[str], object],
    ) -> None:
        super().__init__(project, database, clock)
        self._find_list = find_list

    def run(
        self,
        path: Path,
        order: "ImportOrder",
        *,
        dry_run: bool = False,
        on_outcome: "Callable[[RowOutcome], None]" = lambda _: None,
        on_progress: Callable[[float], None] = lambda _: None,
    ) -> "Imported":
        """Bring in the people of a file; each row for itself, the file as a whole.

        Args:
            path: CSV in any of its forms, or an Excel workbook.
            order: Where they go, and by whose word.
            dry_run: Do all of it, and then give it up: nothing is changed.
            on_outcome: Called with what became of the rows, in order.
            on_progress: Called now and then with how much is done, from 0 to 1.

        Raises:
            AudienceError: The file cannot be read; nothing was imported.
            ListNotFoundError: There is no such list.
        """
        from newsletter.audience.importing import Import, import_file, try_import
        from newsletter.audience.privacy import expire_pending

        if order.to_list is not None:
            self._find_list(order.to_list)
        job = Import(
            path=path,
            order=order,
            secret=self._project.secret_key(),
            clock=self._clock,
            on_outcome=on_outcome,
            on_progress=on_progress,
        )
        with self._database() as database:
            if dry_run:
                return try_import(database, job)
            expire_pending(database, now=self._clock())
            return import_file(database, job)

    def undo(self, receipt: int) -> "Undone":
        """Bring back the state before an import, and leave alone what happened since.

        Raises:
            AudienceError: There is no such receipt, or it is undone already.
        """
        from newsletter.audience.undoing import undo_import

        with self._database() as database, database.write() as connection:
            return undo_import(connection, receipt, now=self._clock())

    def receipts(self, limit: int | None = None) -> "list[Receipt]":
        """What the imports did, newest first."""
        from newsletter.audience.receipts import list_receipts

        with self._database() as database, database.read() as connection:
            return list_receipts(connection, limit)

    def receipt(self, receipt: int) -> "Receipt":
        """What one import did.

        Raises:
            AudienceError: There is no such receipt.
        """
        from newsletter.audience.receipts import find_receipt

        with self._database() as database, database.read() as connection:
            return find_receipt(connection, receipt)

    def write_outcomes(self, receipt: int, path: Path) -> int:
        """Write what became of each row of an import as CSV; says how many rows.

        Raises:
            AudienceError: There is no such receipt.
        """
        from newsletter.audience.receipts import write_outcomes

        with (
            self._database() as database,
            database.read() as connection,
            path.open("w", encoding="utf-8", newline="") as file,
        ):
            return write_outcomes(connection, receipt, file)
