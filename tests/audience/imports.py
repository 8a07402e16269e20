"""What the tests of importing share: a file made of text or bytes, imported; the whole list as an export shows it."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from newsletter.audience.importing import Import, Imported, ImportOrder, RowOutcome, import_file
from newsletter.database.connection import Database
from newsletter.database.schema import subscriber, subscriber_tag, subscription, suppression
from tests.database.opened import NOW, SECRET

ImportBytes = Callable[..., tuple[Imported, list[RowOutcome]]]


@pytest.fixture
def import_bytes(database: Database, tmp_path: Path) -> ImportBytes:
    """Imports text or bytes under a file name of its own; gives what it did, and each outcome."""

    def run(
        content: str | bytes, name: str = "people.csv", at: datetime = NOW, **order: object
    ) -> tuple[Imported, list[RowOutcome]]:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return run_import(database, path, at=at, **order)

    return run


@pytest.fixture
def import_sqlite(sqlite_database: Database, tmp_path: Path) -> ImportBytes:
    """The same on SQLite alone, for what only the file decides."""

    def run(
        content: str | bytes, name: str = "people.csv", at: datetime = NOW, **order: object
    ) -> tuple[Imported, list[RowOutcome]]:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return run_import(sqlite_database, path, at=at, **order)

    return run


def run_import(
    database: Database, path: Path, at: datetime = NOW, **order: object
) -> tuple[Imported, list[RowOutcome]]:
    """An import of a file, onto the list `community` where nothing else is said."""
    outcomes: list[RowOutcome] = []
    return import_file(database, prepare(path, at, outcomes, **order)), outcomes


def prepare(path: Path, at: datetime, outcomes: list[RowOutcome], **order: object) -> Import:
    """The same, ready to run."""
    wanted = ImportOrder(**{"to_list": "community", **order})  # type: ignore[arg-type]
    return Import(path=path, order=wanted, secret=SECRET, clock=lambda: at, on_outcome=outcomes.append)


def told(outcomes: list[RowOutcome]) -> list[tuple[int, str]]:
    """Each row's line and outcome."""
    return [(line, str(one.outcome)) for one in outcomes for line in range(one.line, one.line + one.rows)]


def export(database: Database) -> list[object]:
    """Everything about people, as an export would show it; the proofs of consent only ever grow, and are not in it."""
    with database.read() as connection:
        return export_of(connection)


def export_of(connection: sa.Connection) -> list[object]:
    """The same, within a transaction."""
    tables = (subscriber, subscriber_tag, subscription, suppression)
    return [connection.execute(sa.select(table).order_by(*table.primary_key)).all() for table in tables]


def addresses(database: Database) -> list[str]:
    """All addresses, in the order in which they came."""
    with database.read() as connection:
        return list(connection.scalars(sa.select(subscriber.c.email).order_by(subscriber.c.id)))
