"""Opens the database, brings it up to date, and gives out transactions that either happened or did not.

SQLite is opened so that a crash loses nothing that was committed (`synchronous=FULL`: a claim must be on the disk
before its message leaves), readers never wait for a writer (WAL), and nobody else on the machine can read the list
(mode 0600).
"""

import contextlib
import os
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.exc import DatabaseError as DriverError

from newsletter.database.schema import VERSIONS
from newsletter.errors import DatabaseError

BUSY_SECONDS = 30
"""How long a write waits for another process to finish its own."""

_OLDEST_SQLITE = (3, 35)
"""The first that says which rows an UPDATE changed (RETURNING)."""

_WRITES = "newsletter_writes"


class Database:
    """An open, up-to-date database.

    Attributes:
        engine: SQLAlchemy's engine; use `read` and `write`.
        path: The SQLite file; None on PostgreSQL, or where SQLite works in memory.
    """

    def __init__(self, engine: sa.Engine, path: Path | None) -> None:
        self.engine = engine
        self.path = path

    @contextlib.contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A transaction that only reads: it sees one moment of the database, and waits for nobody.

        Raises:
            DatabaseError: The database is damaged or out of reach.
        """
        with _in_plain_words(self.path), self.engine.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that writes: all of it is on the disk afterwards, or, after an exception, none of it.

        Raises:
            DatabaseError: Another process kept the database busy for too long, the disk is full, or as for `read`.
        """
        with _in_plain_words(self.path), self.engine.connect() as connection:
            connection.execution_options(**{_WRITES: True})
            with connection.begin():
                yield connection

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def open_database(url: str) -> Database:
    """Open the database at a URL, made and brought up to date where needed.

    Args:
        url: As SQLAlchemy knows it: `sqlite:///subscribers/newsletter.db`, `postgresql+psycopg://…`.

    Raises:
        DatabaseError: It cannot be opened, is not ours, or was made by a newer version of this program.
    """
    try:
        address = sa.make_url(url)
        path = _sqlite_file(address)
        if path is not None:
            _make_private(path)
        engine = sa.create_engine(address)
        if path is not None and sqlite3.sqlite_version_info < _OLDEST_SQLITE:
            raise DatabaseError(
                f"This Python comes with SQLite {sqlite3.sqlite_version}, and {'.'.join(map(str, _OLDEST_SQLITE))} or "
                "newer is needed. Use a newer Python."
            )
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise DatabaseError(
            "The database address in the settings cannot be used. "
            "Write it as sqlite:///subscribers/newsletter.db, or leave [database] url out."
        ) from error
    except OSError as error:
        raise DatabaseError(
            f"The database file «{path}» cannot be made: {error.strerror}. Check that its folder can be written to."
        ) from error
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _prepare_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
    database = Database(engine, path)
    try:
        _bring_up_to_date(database)
    except DatabaseError:
        database.close()
        raise
    return database


def _sqlite_file(address: sa.URL) -> Path | None:
    """The file of an SQLite address, if it has one."""
    if address.get_backend_name() != "sqlite" or address.database in {None, "", ":memory:"}:
        return None
    return Path(str(address.database))


def _make_private(path: Path) -> None:
    """See that only its owner can read the file, from before its first byte.

    SQLite gives `-wal` and `-shm` the mode of the file.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        return
    if path.is_file() and stat.S_IMODE(path.stat().st_mode) & 0o077:
        with contextlib.suppress(PermissionError):  # somebody else's file: opening it tells whether we may
            path.chmod(0o600)


def _prepare_sqlite(connection: Any, _record: object) -> None:
    """Set what SQLite forgets between connections."""
    connection.isolation_level = None  # the driver begins nothing by itself; `_begin_sqlite` does
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout = {BUSY_SECONDS * 1000}",
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    """Begin; a writer takes its place at once, since a reader that turns writer half-way can only fail."""
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _version(connection: sa.Connection) -> str | None:
    """The version of the tables that are there, None for an empty database.

    Raises:
        DatabaseError: There are tables, and they are not ours.
    """
    tables = sa.inspect(connection).get_table_names()
    if "alembic_version" in tables and "delivery" in tables:
        return str(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar())
    if not tables:
        return None
    raise DatabaseError(
        "The database in the settings belongs to something else, and was left alone. "
        "Choose another name in [database] url of newsletter.toml."
    )


def _bring_up_to_date(database: Database) -> None:
    """Run the migrations that are missing, all or none of them."""
    with database.read() as connection:
        version = _version(connection)
    if version == VERSIONS[-1]:
        return
    if version is not None and version not in VERSIONS:
        raise DatabaseError(
            "The database was made by a newer version of this program, and was left alone. "
            "Install the newest version: pip install --upgrade stayintheloop."
        )
    with database.write() as connection:
        if _version(connection) == version:  # nobody did it while we waited
            from newsletter.database.migrations import migrate  # noqa: PLC0415 - Alembic takes long to load

            migrate(connection)


@contextlib.contextmanager
def _in_plain_words(path: Path | None) -> Iterator[None]:
    """Turn what the driver says about the database as a whole into a sentence; what it says about a row stays."""
    try:
        yield
    except DriverError as error:
        if type(error) in {DriverError, sa.exc.OperationalError}:
            raise _explained(error, path) from error
        raise


def _explained(error: DriverError, path: Path | None) -> DatabaseError:
    """The driver's words as a sentence for the person at the keyboard."""
    words = str(error.orig).lower()
    name = f"The database «{path}»" if path else "The database"
    if "locked" in words or "busy" in words:
        return DatabaseError(f"{name} is being written by another process. Try again when that one is done.")
    if "not a database" in words or "malformed" in words:
        return DatabaseError(
            f"{name} is damaged or is not a database. Put a backup in its place, or choose another file."
        )
    if "full" in words:
        return DatabaseError(f"{name} cannot grow: the disk is full. Make room and run the same command again.")
    if "readonly" in words or "read-only" in words or "unable to open" in words:
        return DatabaseError(f"{name} cannot be opened for writing. Check who owns the file and its folder.")
    return DatabaseError(f"{name} cannot be used: {error.orig}. Check [database] url in newsletter.toml.")
