"""Rehearses a mailing: the whole of it, by the real engine at full speed, into a catcher on this machine.

The people are copied into a database that lasts as long as the rehearsal; the ledger that is written is that one's. The
project's own is only read, and nothing leaves the machine. Links in the messages are test links (`testing.py`).
"""

import contextlib
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import sqlalchemy as sa

from newsletter.audience.lists import PAGE, find_list, mailable, narrowed
from newsletter.database.connection import Database, open_database
from newsletter.database.schema import DeliveryState, delivery, list_, subscriber, subscriber_tag, subscription
from newsletter.errors import AudienceError
from newsletter.expressions import Expression
from newsletter.rendering.composition import Composition
from newsletter.sending.catching import HOST, Catcher, Caught, catching
from newsletter.sending.mailing import Order, send
from newsletter.sending.mailings import Mailing
from newsletter.sending.message import Reader
from newsletter.sending.run import Progress, Run, Writer
from newsletter.sending.senders.protocol import Message, Sender

_NAMED: Final = 5
"""People named for each reason why there is no message for somebody."""


@dataclass(frozen=True, slots=True)
class Unwritten:
    """Why some people would get no message.

    Attributes:
        reason: In a sentence.
        people: How many.
        some: The addresses of a few.
    """

    reason: str
    people: int
    some: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """What a rehearsal showed.

    Attributes:
        edition: The edition's slug.
        title: The edition's title.
        digest: Of the composition.
        list_slug: To whom.
        people: How many would be mailed.
        caught: What arrived at the catcher.
        seconds: How long the mailing took, from the first claim to the last answer.
        variants: For each set of conditions that hold for somebody, for how many.
        unwritten: Who would get no message, and why.
        rate: Messages a second that the project allows; None for as many as the sender takes.
        stopped: Whether somebody stopped it before its end.
        kept: Where the largest messages are, if they were kept.
    """

    edition: str
    title: str
    digest: str
    list_slug: str
    people: int
    caught: Caught
    seconds: float
    variants: tuple[tuple[tuple[str, ...], int], ...]
    unwritten: tuple[Unwritten, ...]
    rate: float | None
    stopped: bool
    kept: tuple[Path, ...] = ()

    @property
    def throughput(self) -> float:
        """Messages a second, between the first and the last that arrived."""
        if self.caught.seconds > 0:
            return (self.caught.messages - 1) / self.caught.seconds
        return self.caught.messages / self.seconds if self.seconds else 0.0

    @property
    def at_rate(self) -> timedelta:
        """How long the mailing would take at the project's rate, or else at the speed of the rehearsal."""
        speed = self.throughput if self.rate is None else min(self.rate, self.throughput or self.rate)
        return timedelta(seconds=self.people / speed if speed else 0)


@dataclass(frozen=True, kw_only=True)
class Rehearsal:
    """What is rehearsed, and with what.

    Attributes:
        source: The project's database; only read.
        composition: The edition, rendered.
        list_slug: To whom.
        where: Leaves out those for whom it does not hold.
        limit: The most people; None for all.
        chunk: Deliveries reserved at a time.
        rate: Messages a second that the project allows.
        writer_for: Makes the writer of test messages for a mailing.
        sender_to: Makes the sender that delivers to a host and port of this machine.
        clock: Tells the time, with its zone.
        stop: Whether to stop at the next chance.
        progress: Told how far it is, often.
    """

    source: Database
    composition: Composition
    list_slug: str
    where: Expression | None = None
    limit: int | None = None
    chunk: int = 500
    rate: float | None = None
    writer_for: Callable[[Mailing], Writer]
    sender_to: Callable[[str, int], Sender]
    clock: Callable[[], datetime]
    stop: Callable[[], bool] = lambda: False
    progress: Callable[[Progress], None] = lambda _: None

    def hold(self, keep: Path | None = None) -> Rehearsed:
        """Do it, and say what it showed.

        Args:
            keep: A folder for the largest messages; None to forget them.

        Raises:
            AudienceError: Nobody is chosen.
            ListNotFoundError: There is no such list.
            NewsletterError: As for a mailing.
        """
        with TemporaryDirectory(prefix="rehearsal-") as directory, contextlib.ExitStack() as stack:
            folder = Path(directory)
            database = stack.enter_context(open_database(f"sqlite:///{folder / 'rehearsal.db'}"))
            people = self._copy(database)
            catcher = stack.enter_context(catching(folder))
            counting = _Counting()
            begun = time.monotonic()
            report = self._send(database, catcher, counting) if people else None
            seconds = time.monotonic() - begun
            caught = catcher.finish()
            with database.read() as connection:
                unwritten = _unwritten(connection)
            kept = tuple(_keep(each.file, keep) for each in caught.worst) if keep is not None else ()
        planned = 0 if report is None else report[DeliveryState.PLANNED] + report[DeliveryState.DEFERRED]
        return Rehearsed(
            edition=self.composition.slug,
            title=self.composition.title,
            digest=self.composition.digest,
            list_slug=self.list_slug,
            people=people,
            caught=caught,
            seconds=seconds,
            variants=_named(counting.variants, self.composition.conditions),
            unwritten=unwritten,
            rate=self.rate,
            stopped=self.stop() or bool(planned),
            kept=kept,
        )

    def _send(self, database: Database, catcher: Catcher, counting: "_Counting") -> Mapping[DeliveryState, int]:
        sender = self.sender_to(HOST, catcher.port)
        order = Order(
            edition=self.composition.slug,
            title=self.composition.title,
            digest=self.composition.digest,
            composition=self.composition.dump(),
            list_slug=self.list_slug,
        )

        def writer_for(mailing: Mailing, _: bytes) -> Writer:
            counting.writer, counting.composition = self.writer_for(mailing), self.composition
            return counting

        run = Run(
            database=database,
            sender=sender,
            writer_for=writer_for,
            worker=uuid.uuid4().hex,
            clock=self.clock,
            chunk=self.chunk,
            stop=self.stop,
            progress=self.progress,
        )
        try:
            return send(run, order).counts
        finally:
            sender.close()

    def _copy(self, database: Database) -> int:
        """Copy those who would be mailed into the rehearsal's database, page by page; says how many."""
        copied = last = 0
        with self.source.read() as connection:
            list_id = find_list(connection, self.list_slug)
            with database.write() as target:
                target.execute(sa.insert(list_), {"id": list_id, "slug": self.list_slug})
            who = narrowed(connection, mailable(list_id), self.where)
            key = who.selected_columns[0]
            while not self.stop():
                wanted = PAGE if self.limit is None else min(PAGE, self.limit - copied)
                page = list(connection.scalars(who.where(key > last).order_by(key).limit(wanted))) if wanted else []
                if not page:
                    break
                last = page[-1]
                copied += len(page)
                with database.write() as target:
                    _copy_page(connection, target, page, list_id)
        if not copied and not self.stop():
            raise AudienceError(
                f"There is nobody to rehearse with: nobody chosen on the list «{self.list_slug}» may be mailed. "
                f"Bring people in:  newsletter subscribers import FILE --list {self.list_slug}"
            )
        return copied


@dataclass
class _Counting:
    """Writes as another writer does, and counts who sees which variant."""

    writer: Writer | None = None
    composition: Composition | None = None
    variants: Counter[tuple[bool, ...]] = field(default_factory=Counter)

    def write(self, reader: Reader, now: datetime) -> Message:
        """The message for one reader."""
        assert self.writer is not None and self.composition is not None  # noqa: S101, PT018 - set before the first
        message = self.writer.write(reader, now)
        self.variants[self.composition.key_for(reader.person)] += 1
        return message


def _copy_page(source: sa.Connection, target: sa.Connection, page: list[int], list_id: int) -> None:
    queries = {
        subscriber: sa.select(subscriber).where(subscriber.c.id.in_(page)),
        subscriber_tag: sa.select(subscriber_tag).where(subscriber_tag.c.subscriber_id.in_(page)),
        subscription: sa.select(subscription).where(
            subscription.c.subscriber_id.in_(page), subscription.c.list_id == list_id
        ),
    }
    for table, query in queries.items():
        rows = [dict(row) for row in source.execute(query).mappings()]
        if rows:
            target.execute(sa.insert(table), rows)


def _unwritten(connection: sa.Connection) -> tuple[Unwritten, ...]:
    """Why deliveries were left out, the most frequent reason first."""
    left_out = delivery.c.state.in_([DeliveryState.SKIPPED, DeliveryState.REFUSED, DeliveryState.UNKNOWN])
    number = sa.func.count()
    reasons = connection.execute(
        sa.select(delivery.c.reason, number)
        .where(left_out)
        .group_by(delivery.c.reason)
        .order_by(number.desc(), delivery.c.reason)
        .limit(20)
    ).all()
    some = (
        sa.select(subscriber.c.email)
        .join(delivery, delivery.c.subscriber_id == subscriber.c.id)
        .where(left_out)
        .order_by(subscriber.c.id)
        .limit(_NAMED)
    )
    return tuple(
        Unwritten(
            reason=reason or "no reason was said",
            people=people,
            some=tuple(connection.scalars(some.where(delivery.c.reason.is_not_distinct_from(reason)))),
        )
        for reason, people in reasons
    )


def _named(
    variants: Mapping[tuple[bool, ...], int], conditions: tuple[str, ...]
) -> tuple[tuple[tuple[str, ...], int], ...]:
    """The variants by the conditions that hold in them, the most frequent first."""
    named = [
        (tuple(condition for condition, holds in zip(conditions, key, strict=True) if holds), people)
        for key, people in variants.items()
    ]
    return tuple(sorted(named, key=lambda each: (-each[1], each[0])))


def _keep(file: Path, folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    kept = folder / file.name
    kept.write_bytes(file.read_bytes())
    return kept
