"""Opens the database, brings it up to date, and gives out transactions that either happened or did not.

SQLite is opened so that a crash loses nothing that was committed (`synchronous=FULL`: a claim must be on the disk
before its message leaves), readers never wait for a writer (WAL), and nobody else on the machine can read the list
(mode 0600). PostgreSQL keeps the same promises: one writer at a time, by an advisory lock of the transaction, and
readers that see one moment. Only what several workers do to the ledger at once (`shared`) goes without that lock.
"""

import contextlib
import os
import sqlite3
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.exc import DatabaseError as DriverError

from newsletter.database.complaints import explained, in_plain_words, sqlite_file
from newsletter.database.schema import VERSIONS
from newsletter.errors import DatabaseError, DatabaseUnavailableError

BUSY_SECONDS = 30
"""How long a write waits for another process to finish its own."""

IDLE_SECONDS, IDLE_ALONE_SECONDS = 5, 120
"""How long a writer among others, or alone, may say nothing half-way: then it is cut off or gone, and in the way."""

CONNECT_SECONDS = 10
"""How long a server may take to let us in."""

COPIES = 3
"""How many copies from before a migration are kept, the newest."""

_UNUSABLE = (
    "The database address in the settings cannot be used. "
    "Write it as sqlite:///subscribers/newsletter.db or postgresql://user@host/name (which needs "
    "pip install 'stayintheloop[postgres]'), or leave [database] url out."
)

_OLDEST_SQLITE = (3, 35)
"""The first that says which rows an UPDATE changed (RETURNING)."""

_WRITES, _SHARED, _ALONE = "newsletter_writes", "shared", "alone"

_WRITERS_TURN = 0x6E657773  # "news": the advisory lock of whoever writes; of this database only
_CLEANERS_TURN = 0x7761736D  # "wash": of whoever writes it anew after something was deleted


class Database:
    """An open, up-to-date database.

    Attributes:
        engine: SQLAlchemy's engine; use `read` and `write`.
        path: The SQLite file; None on PostgreSQL, or where SQLite works in memory.
    """

    def __init__(self, engine: sa.Engine, path: Path | None) -> None:
        self.engine = engine
        self.path = path
        self._turn = threading.Lock()

    @contextlib.contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A transaction that only reads: it sees one moment of the database, and waits for nobody.

        Raises:
            DatabaseError: The database is damaged or out of reach.
        """
        with in_plain_words(self.engine.url), self.engine.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def write(self, *, shared: bool = False) -> Iterator[sa.Connection]:
        """A transaction that writes: all of it is on the disk afterwards, or, after an exception, none of it.

        Args:
            shared: Whether others may write at the same time, where the database can: for changes of the ledger, each
                of which says in its own condition what must still be so.

        Raises:
            DatabaseUnavailableError: Another process kept the database busy for too long, or the disk is full.
            DatabaseError: As for `read`.
        """
        alone = not shared or self.engine.dialect.name == "sqlite"
        turn = self._in_turn() if alone else contextlib.nullcontext()
        with turn, in_plain_words(self.engine.url), self.engine.connect() as connection:
            connection.execution_options(**{_WRITES: _SHARED if shared else _ALONE})
            with connection.begin():
                yield connection

    @contextlib.contextmanager
    def _in_turn(self) -> Iterator[None]:
        """Let the threads of this process write one after the other.

        The database would see to it as well, but SQLite lets them sleep and look again, and on a server each would hold
        a connection while it waits.
        """
        if not self._turn.acquire(timeout=BUSY_SECONDS):
            raise DatabaseUnavailableError("The database is being written to without end. Try again in a minute.")
        try:
            yield
        finally:
            self._turn.release()

    def forget_deleted(self) -> bool:
        """Write the database anew, so that its files hold nothing that was deleted.

        SQLite overwrites what is deleted with zeros, but may have moved it before and left a copy in free space.

        Returns:
            Whether it is done; not if another process was in the way for too long.
        """
        if self.engine.dialect.name == "postgresql":
            with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                # Two at once would wait for one another for seconds at each table.
                connection.exec_driver_sql(f"SELECT pg_advisory_lock({_CLEANERS_TURN})")
                try:
                    connection.exec_driver_sql("VACUUM")
                finally:
                    connection.exec_driver_sql(f"SELECT pg_advisory_unlock({_CLEANERS_TURN})")
            return True
        if self.path is None:
            return True
        try:  # with a connection of its own, since neither works inside a transaction
            with contextlib.closing(sqlite3.connect(self.path, BUSY_SECONDS, isolation_level=None)) as alone:
                alone.execute("VACUUM")
                return not alone.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        except sqlite3.OperationalError:
            return False

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
        address = _with_driver(sa.make_url(url))
        path = sqlite_file(address)
        if path is not None:
            _make_private(path)
        if path is not None and sqlite3.sqlite_version_info < _OLDEST_SQLITE:
            raise DatabaseError(
                f"This Python comes with SQLite {sqlite3.sqlite_version}, and {'.'.join(map(str, _OLDEST_SQLITE))} or "
                "newer is needed. Use a newer Python."
            )
        # Values are people's: they stand in no log and in no error, whatever level somebody sets.
        engine = sa.create_engine(address, connect_args=_connecting(address), hide_parameters=True)
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise DatabaseError(_UNUSABLE) from error
    except OSError as error:
        raise DatabaseError(
            f"The database file «{path}» cannot be made: {error.strerror}. Check that its folder can be written to."
        ) from error
    if engine.dialect.name not in {"sqlite", "postgresql"}:
        raise DatabaseError(_UNUSABLE)
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _prepare_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
    else:
        sa.event.listen(engine, "begin", _begin_postgresql)
    database = Database(engine, path)
    try:
        _bring_up_to_date(database)
    except DatabaseError:
        database.close()
        raise
    except DriverError as error:
        database.close()
        raise explained(error, address) from error
    return database


def _connecting(address: sa.URL) -> dict[str, object]:
    """How to connect: a server that does not answer is given up before anybody thinks that the program hangs."""
    if address.get_backend_name() != "postgresql" or "connect_timeout" in address.query:
        return {}
    return {"connect_timeout": CONNECT_SECONDS}


def _with_driver(address: sa.URL) -> sa.URL:
    """The address as it is commonly written, with the driver that we use."""
    if address.drivername in {"postgresql", "postgres"}:
        return address.set(drivername="postgresql+psycopg")
    return address


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
    connection.create_function("newsletter_cased", 2, _cased, deterministic=True)  # SQLite's own know ASCII only
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout = {BUSY_SECONDS * 1000}",
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        "secure_delete = ON",  # what is deleted is overwritten with zeros
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _cased(value: object, cases: str) -> object:
    """A text in capital or small letters, as a function of SQL: `upper` or `lower`, or several with blanks between."""
    if not isinstance(value, str):
        return value
    for case in cases.split():
        value = value.upper() if case == "upper" else value.lower()
    return value


def _begin_sqlite(connection: sa.Connection) -> None:
    """Begin; a writer takes its place at once, since a reader that turns writer half-way can only fail."""
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql(f"PRAGMA query_only = {'OFF' if writes else 'ON'}")  # as strict as PostgreSQL is
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _begin_postgresql(connection: sa.Connection) -> None:
    """Give a reader one moment to look at, and a writer its turn, which ends with the transaction, and with a kill."""
    writes = connection.get_execution_options().get(_WRITES)
    if writes:
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{BUSY_SECONDS}s'")
        # What it holds would keep all others waiting until the network finds out, in hours.
        idle = IDLE_ALONE_SECONDS if writes == _ALONE else IDLE_SECONDS
        connection.exec_driver_sql(f"SET LOCAL idle_in_transaction_session_timeout = '{idle}s'")
        if writes == _ALONE:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITERS_TURN})")
    else:
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")


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
        if version is None:
            _refuse_other_encodings(connection)
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

            if database.path is not None and version is not None:
                _copy_aside(database.path, version)
            migrate(connection)


def _refuse_other_encodings(connection: sa.Connection) -> None:
    """See that the server can keep every name."""
    if connection.dialect.name == "postgresql":
        encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
        if encoding != "UTF8":
            raise DatabaseError(
                f"The database on the server keeps texts in {encoding}, which has no room for every name. "
                "Make one with: createdb --encoding=UTF8 --template=template0 NAME"
            )


def copies(path: Path) -> list[Path]:
    """The copies that were made beside an SQLite file before migrations, oldest first."""
    return sorted(path.parent.glob(f"{path.name}.version-*"))


def _copy_aside(path: Path, version: str) -> None:
    """Keep a copy of the file as it is before a migration, whole or not at all, for its owner only."""
    part = path.with_name(f".{path.name}.copying")
    try:
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        with contextlib.closing(sqlite3.connect(path)) as source, contextlib.closing(sqlite3.connect(part)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, with nothing beside it
        part.replace(path.with_name(f"{path.name}.version-{version}"))
    except (OSError, sqlite3.Error) as error:
        raise DatabaseError(
            f"No copy of the database «{path}» could be made before bringing it up to date, so it was left as it is. "
            "Make room on the disk, and see that its folder can be written to."
        ) from error
    for old in copies(path)[:-COPIES]:
        old.unlink(missing_ok=True)
