"""Runs, orders, writers and senders for tests of mailings."""

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from newsletter.database.connection import Database
from newsletter.sending.mailing import Order, Run
from newsletter.sending.mailings import Mailing
from newsletter.sending.message import Reader
from newsletter.sending.senders.outbox import OutboxSender
from newsletter.sending.senders.protocol import Capabilities, Handover, Outcome, Sender, Unknown, Verdict
from tests.database.opened import NOW
from tests.senders.contract import Letter

ORDER = Order(
    edition="data-sharing", title="Data Sharing", digest="d" * 64, composition=b"first", list_slug="community"
)


@dataclass
class PlainWriter:
    """Writes letters; whom it cannot write to is said by `fails`."""

    fails: Callable[[Reader], Exception | None] = lambda reader: None
    subject: str = ""
    written: list[str] = field(default_factory=list)

    def write(self, reader: Reader, now: datetime) -> Letter:
        if error := self.fails(reader):
            raise error
        self.written.append(reader.email)
        return Letter(reader.email, self.subject, message_id=f"<{reader.delivery_id}@example.org>")


class MemorySender:
    """Keeps what it was handed, and answers as it is told to."""

    kind = "memory"

    def __init__(
        self,
        answer: Callable[[Handover], Verdict | None] = lambda _: Verdict.ACCEPTED,
        *,
        settles: bool = False,
        smtputf8: bool = True,
        batch: int = 4,
        parallel: int = 1,
    ) -> None:
        self.capabilities = Capabilities(batch=batch, settles=settles, smtputf8=smtputf8, parallel=parallel)
        self.answer = answer
        self.handed: list[Handover] = []

    @property
    def addresses(self) -> list[str]:
        return [handover.message.recipient for handover in self.handed]

    def deliver(self, batch: Sequence[Handover]) -> list[Outcome]:
        outcomes = []
        for handover in batch:
            verdict = self.answer(handover)
            if verdict not in {Verdict.REFUSED, Verdict.DEFERRED, Verdict.UNSENT}:
                self.handed.append(handover)
            if verdict is not None:
                reason = None if verdict is Verdict.ACCEPTED else f"It was {verdict}."
                outcomes.append(Outcome(handover.delivery, verdict, reason, handover.message.message_id))
        return outcomes

    def settle(self, unknowns: Sequence[Unknown]) -> list[Outcome]:
        there = {handover.delivery for handover in self.handed}
        return [
            Outcome(unknown.delivery, Verdict.ACCEPTED if unknown.delivery in there else Verdict.UNSENT)
            for unknown in unknowns
        ]

    def close(self) -> None:
        pass


@dataclass
class Clock:
    """Goes on only when somebody sleeps."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def run_with(database: Database, sender: Sender, writer: PlainWriter | None = None, **more: object) -> Run:
    """A run that writes plain letters, whose clock stands still unless it sleeps."""

    def writer_for(mailing: Mailing, composition: bytes) -> PlainWriter:
        made = writer or PlainWriter()
        made.subject = composition.decode()
        return made

    clock = Clock()
    about = {"clock": clock, "sleep": clock.sleep, "worker": uuid.uuid4().hex, "chunk": 6} | more
    return Run(database=database, sender=sender, writer_for=writer_for, **about)  # type: ignore[arg-type]


def real_time() -> dict[str, object]:
    """The clock and the sleep of a real run, for processes that others wait for."""
    return {"clock": lambda: datetime.now(UTC), "sleep": time.sleep}


def outbox_files(directory: Path) -> list[Path]:
    return sorted(directory.rglob("*.eml"))


class SmallBatches(OutboxSender):
    """The outbox, with more claims for fewer messages."""

    capabilities = Capabilities(batch=10, settles=True, smtputf8=True)
