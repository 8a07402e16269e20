"""What one run of the program brings to a mailing."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from newsletter.database.connection import Database
from newsletter.sending.mailings import Mailing
from newsletter.sending.message import Reader
from newsletter.sending.presence import LEASE
from newsletter.sending.senders.protocol import Message, Sender


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
        waiting: What it waits for, in words; empty while messages leave.
    """

    mailing: int
    audience: int
    done: int
    held_for: timedelta = timedelta()
    waiting: str = ""


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
        rate: Messages a second, over all workers; None for as many as the sender takes.
        patience: How long to wait for a sender or a database that does not work, before giving up.
        waits: How long it stays for what was told «not now»; None for as long as it takes.
        lease: Seconds without a sign of life after which another worker is thought gone.
        stop: Whether to stop at the next chance.
        sleep: Waits some seconds.
        progress: Told how far the mailing is, often.
        notice: Told in a sentence what happens to mailings, seldom.
    """

    database: Database
    sender: Sender
    writer_for: Callable[[Mailing, bytes], Writer]
    worker: str
    clock: Callable[[], datetime]
    chunk: int = 500
    rate: float | None = None
    patience: timedelta = timedelta(minutes=2)
    waits: timedelta | None = timedelta(minutes=15)
    lease: float = LEASE
    stop: Callable[[], bool] = lambda: False
    sleep: Callable[[float], None] = time.sleep
    progress: Callable[[Progress], None] = lambda _: None
    notice: Callable[[str], None] = lambda _: None
