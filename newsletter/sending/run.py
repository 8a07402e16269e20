"""What one run of the program brings to a mailing, and the lock that keeps a second run away."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

import sqlalchemy as sa
from filelock import FileLock, Timeout

from newsletter.database.connection import Database
from newsletter.errors import MailingBusyError
from newsletter.sending.mailings import Mailing
from newsletter.sending.message import Reader
from newsletter.sending.senders.protocol import Message, Sender

_SENDERS_TURN: Final = 0x73656E64  # "send": the advisory lock of whoever sends; of this database only
_BUSY: Final = (
    "Another process is sending from this database right now. Wait until it is done, or stop it; "
    "then run the same command again."
)


class Writer(Protocol):
    """Writes the messages of one mailing; `sending/message.py` has it."""

    def write(self, reader: Reader, now: datetime) -> Message:
        """The message for one reader; an exception means that there is none for them, and the others go on."""
        ...


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a mailing is.

    Attributes:
        mailing: Its id.
        audience: How many people it is for; 0 while it is held.
        done: For how many of them nothing is left to do.
        held_for: Time that is left to undo it.
    """

    mailing: int
    audience: int
    done: int
    held_for: timedelta = timedelta()


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one run of the program brings to a mailing.

    Attributes:
        database: Open, and closed by whoever opened it.
        sender: Likewise.
        writer_for: Makes the writer for a mailing from its frozen composition.
        worker: A name that no other run has or had.
        clock: Tells the time, with its zone.
        chunk: Deliveries reserved at a time.
        stop: Whether to stop at the next chance.
        sleep: Waits some seconds.
        progress: Told how far the mailing is, often.
    """

    database: Database
    sender: Sender
    writer_for: Callable[[Mailing, bytes], Writer]
    worker: str
    clock: Callable[[], datetime]
    chunk: int = 500
    stop: Callable[[], bool] = lambda: False
    sleep: Callable[[float], None] = time.sleep
    progress: Callable[[Progress], None] = lambda _: None


@contextlib.contextmanager
def one_sender(database: Database) -> Iterator[None]:
    """Keep every other process from sending from the same database; a process that is killed keeps nobody.

    Raises:
        MailingBusyError: Another process does it now.
    """
    if database.engine.dialect.name == "postgresql":
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            # The lock belongs to the connection, so it ends with the process however that ends.
            if not connection.scalar(sa.select(sa.func.pg_try_advisory_lock(_SENDERS_TURN))):
                raise MailingBusyError(_BUSY)
            try:
                yield
            finally:
                connection.execute(sa.select(sa.func.pg_advisory_unlock(_SENDERS_TURN)))
        return
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
