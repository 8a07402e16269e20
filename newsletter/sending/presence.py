"""Who sends from a database right now: one process from an SQLite file, any number of workers from PostgreSQL.

An SQLite file has one sender at a time, by a lock of the operating system beside the file; a kill frees it. On
PostgreSQL every worker says a few times a minute that it is alive. Of a worker that is gone, `reap` puts the
reservations back, and turns what it had claimed into `unknown`. A worker that was only thought gone does no harm when
it wakes: its claims no longer fit, and its late answers are welcome.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from filelock import FileLock, Timeout

from newsletter.database.clock import database_time
from newsletter.database.connection import Database
from newsletter.database.schema import worker
from newsletter.errors import DatabaseError, MailingBusyError
from newsletter.sending.answers import bury, workers_named

LEASE: Final = 30.0
"""Seconds without a sign of life after which a worker on PostgreSQL is thought gone."""

_BEATS: Final = 4
"""Signs of life in one lease."""

_SENDERS_TURN: Final = 0x73656E64  # "send": shared by all who send, and taken alone by whoever replaces the database
_BUSY: Final = (
    "Another process is sending from this database right now. Wait until it is done, or stop it; "
    "then run the same command again."
)


def on_server(database: Database) -> bool:
    """Whether several workers can send from it at once."""
    return database.engine.dialect.name == "postgresql"


@contextlib.contextmanager
def alone(database: Database) -> Iterator[None]:
    """Keep everybody from sending from a database; a process that is killed keeps nobody.

    Raises:
        MailingBusyError: Somebody does it now.
    """
    if on_server(database):
        with _lock_on_server(database, "pg_try_advisory_lock"):
            if somebody_sends(database):  # a worker whose lock ended with a restart of the server
                raise MailingBusyError(_BUSY)
            yield
        return
    with _lock_of_file(database):
        yield


@contextlib.contextmanager
def present(database: Database, name: str, clock: Callable[[], datetime], *, lease: float = LEASE) -> Iterator[None]:
    """Be one who may send from a database, until the end of the block or of the process.

    Args:
        database: From where.
        name: The worker's, that no other has or had.
        clock: Tells the time, for the ledger.
        lease: Seconds after which other workers are thought gone.

    Raises:
        MailingBusyError: It is an SQLite file, and another process sends from it; or its content is being replaced.
    """
    if not on_server(database):
        with _lock_of_file(database):
            with database.write() as connection:
                bury(connection, workers_named(connection) - {name}, now=clock())
            yield
        return
    with _lock_on_server(database, "pg_try_advisory_lock_shared"):
        _beat(database, name)
        over = threading.Event()
        beating = threading.Thread(target=_keep_beating, args=(database, name, lease / _BEATS, over), daemon=True)
        beating.start()
        try:
            with database.write(shared=True) as connection:
                lost = workers_named(connection) - _alive(connection, lease)
                bury(connection, lost, now=clock())
            yield
        finally:
            over.set()
            beating.join()
            with contextlib.suppress(DatabaseError), database.write(shared=True) as connection:
                bury(connection, {name}, now=clock())  # what is in flight after a second Ctrl-C
                connection.execute(sa.delete(worker).where(worker.c.id == name))


def reap(database: Database, *, now: datetime, lease: float = LEASE) -> None:
    """Put right what workers left open that are gone by now; on SQLite `present` has done it."""
    if not on_server(database):
        return
    with database.read() as connection:
        gone = set(connection.scalars(sa.select(worker.c.id))) - _alive(connection, lease)
    if not gone:
        return
    with database.write(shared=True) as connection:
        gone -= _alive(connection, lease)  # one of them may have said so meanwhile
        bury(connection, gone, now=now)
        connection.execute(sa.delete(worker).where(worker.c.id.in_(gone)))


def somebody_sends(database: Database, *, lease: float = LEASE) -> bool:
    """Whether a process is there that sends what is due."""
    if on_server(database):
        with database.read() as connection:
            return bool(_alive(connection, lease))
    try:
        with _lock_of_file(database):
            return False
    except MailingBusyError:
        return True


def _alive(connection: sa.Connection, lease: float) -> set[str]:
    return set(connection.scalars(sa.select(worker.c.id).where(worker.c.seen > database_time(connection) - lease)))


def _beat(database: Database, name: str) -> None:
    """Say that a worker is alive."""
    with database.write(shared=True) as connection:
        seen = database_time(connection)
        if not connection.execute(sa.update(worker).where(worker.c.id == name).values(seen=seen)).rowcount:
            connection.execute(sa.insert(worker).values(id=name, seen=seen))


def _keep_beating(database: Database, name: str, seconds: float, over: threading.Event) -> None:
    while not over.wait(seconds):
        with contextlib.suppress(DatabaseError):  # away for now: the next one may reach it
            _beat(database, name)


@contextlib.contextmanager
def _lock_of_file(database: Database) -> Iterator[None]:
    if database.path is None:  # in memory: there is no other process
        yield
        return
    lock = FileLock(database.path.with_name(f"{database.path.name}.sending.lock"), mode=0o600)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise MailingBusyError(_BUSY) from error
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def _lock_on_server(database: Database, function: str) -> Iterator[None]:
    """Hold an advisory lock of a session; it ends with the process, however that ends."""
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not connection.scalar(sa.select(getattr(sa.func, function)(_SENDERS_TURN))):
            raise MailingBusyError(_BUSY)
        try:
            yield
        finally:
            with contextlib.suppress(sa.exc.DBAPIError):  # the server is gone, and the lock with it
                unlock = "pg_advisory_unlock_shared" if function.endswith("_shared") else "pg_advisory_unlock"
                connection.execute(sa.select(getattr(sa.func, unlock)(_SENDERS_TURN)))
