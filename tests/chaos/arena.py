"""Where senders are killed: a database, a mail server that records, processes that send, and an eye on the ledger."""

import contextlib
import dataclasses
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa

from newsletter.audience.lists import ensure_lists
from newsletter.database.connection import open_database
from newsletter.database.schema import DeliveryState, delivery, mailing, subscriber
from newsletter.errors import DatabaseError
from newsletter.sending import orders
from newsletter.sending.mailing import Report, report
from tests.chaos.nursery import Child, Nursery
from tests.database.opened import NOW, Server, add_people, create
from tests.mailing.arranging import ORDER
from tests.senders.mailserver import MailServer
from tests.senders.mailsession import Mail

SECONDS = 60.0
"""Nobody waits so long in a test that passes."""


@dataclasses.dataclass
class Recorder(MailServer):
    """The mail server, with a trap: at the n-th time of a step it does something else for ever, and says so."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.sprung = threading.Event()
        self._trap: tuple[str, int, tuple[str, ...]] | None = None
        self.moments: list[float] = []
        self.gate = threading.Event()
        self.gate.set()
        self.at_gate = threading.Semaphore(0)

    def set_trap(self, step: str, *actions: str, after: int = 0) -> None:
        """At a step, after so many that go well, do this instead."""
        self.sprung.clear()
        self._trap = (step, after, actions)

    def take_trap_away(self) -> None:
        self._trap = None

    def decide(self, step: str) -> tuple[str, ...]:
        if step == "dot" and not self.gate.is_set():  # whole messages wait here for their answer
            self.at_gate.release()
            self.gate.wait(SECONDS)
        with self._lock:
            if self._trap is not None and self._trap[0] == step:
                _, left, actions = self._trap
                if left == 0:
                    self.sprung.set()
                    return actions
                self._trap = (step, left - 1, actions)
        return super().decide(step)

    def take(self, mail: Mail) -> None:
        self.moments.append(time.monotonic())
        super().take(mail)

    def wait_for(self, more: int) -> None:
        """Wait until so many more messages have been taken."""
        for _ in range(more):
            assert self.taken.acquire(timeout=SECONDS), f"only {len(self.mails)} messages came"

    @property
    def copies(self) -> Counter[str]:
        """How many messages each address got."""
        return Counter(mail.recipient.decode() for mail in self.mails)


class Eye(threading.Thread):
    """Looks at the ledger all the time, from outside; keeps what it must never see."""

    def __init__(self, url: str, in_flight: int) -> None:
        super().__init__(daemon=True)
        self._database = open_database(url)
        self._in_flight = in_flight
        self._over = threading.Event()
        self.looks = 0
        self.wrong: list[str] = []

    def run(self) -> None:
        while not self._over.wait(0.01):
            with contextlib.suppress(DatabaseError):  # it is away for now
                self._look()

    def _look(self) -> None:
        with self._database.read() as connection:
            audience = connection.scalar(sa.select(mailing.c.audience).where(mailing.c.id == 1)) or 0
            states = sa.select(delivery.c.state, sa.func.count()).where(delivery.c.mailing_id == 1)
            counts = dict(connection.execute(states.group_by(delivery.c.state)).all())
        self.looks += 1
        if sum(counts.values()) != audience:
            self.wrong.append(f"{counts} is not {audience}")
        if counts.get(DeliveryState.CLAIMED, 0) > self._in_flight:
            self.wrong.append(f"{counts}: more claimed than can be in flight")

    def close(self) -> None:
        self._over.set()
        self.join()
        self._database.close()


class Arena:
    """One database with its people, and one mail server."""

    def __init__(self, url: str, mails: Recorder, people: int, nursery: Nursery) -> None:
        self.url = url
        self.mails = mails
        self.people = people
        self.database = open_database(url)
        self._nursery = nursery
        self._children: list[Child] = []
        with self.database.write() as connection:
            ensure_lists(connection, ["community", "donors"])
            add_people(connection, people)

    def start(self, *options: str, url: str | None = None) -> Child:
        """A process that sends."""
        child = self._nursery.start(url or self.url, str(self.mails.port), *options)
        self._children.append(child)
        return child

    def order(self) -> None:
        """Write the mailing down, for workers to find."""
        orders.place(self.database, ORDER, sender="smtp", now=NOW)

    def finish(self, *children: Child, end: str) -> None:
        """Wait for processes that end in this way."""
        for child in children:
            self.until(child.is_over)
            assert child.said == end

    @contextlib.contextmanager
    def watched(self, in_flight: int) -> Iterator[Eye]:
        """See to it that the sums hold at every instant."""
        eye = Eye(self.url, in_flight)
        eye.start()
        try:
            yield eye
        finally:
            eye.close()
        assert eye.looks > 3
        assert eye.wrong == []

    def report(self) -> Report:
        return report(self.database, 1)

    def counts(self) -> dict[str, int]:
        return {str(state): number for state, number in self.report().counts.items() if number}

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something can be seen."""
        end = time.monotonic() + SECONDS
        while not holds():
            assert time.monotonic() < end, self.counts()
            time.sleep(0.01)

    def assert_everybody_once(self, *, unknown_at_most: int, without: int = 0) -> None:
        """Nobody got two; everybody got one but those who are shown as unknown, and those left out on purpose."""
        counts, copies = self.counts(), self.mails.copies
        assert max(copies.values(), default=0) <= 1, [each for each in copies.items() if each[1] > 1]
        assert sum(counts.values()) == self.people
        unknown = counts.get("unknown", 0)
        assert unknown <= unknown_at_most
        assert counts.get("skipped", 0) == without
        assert counts.get("accepted", 0) == self.people - unknown - without, counts
        with self.database.read() as connection:
            query = sa.select(subscriber.c.email).join(delivery, delivery.c.subscriber_id == subscriber.c.id)
            accepted = set(connection.scalars(query.where(delivery.c.state == DeliveryState.ACCEPTED)))
        assert accepted <= copies.keys(), "accepted, and nobody got it"
        assert len(copies) <= self.people - without

    def close(self) -> None:
        for child in self._children:
            child.kill()
        self.database.close()


@contextlib.contextmanager
def opened(url: str, people: int, nursery: Nursery) -> Iterator[Arena]:
    with Recorder() as mails:
        made = Arena(url, mails, people, nursery)
        try:
            yield made
        finally:
            made.close()


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """What starts processes."""
    made = Nursery(tmp_path_factory.mktemp("nursery"))
    yield made
    made.close()


@pytest.fixture
def crowd() -> int:
    """How many people there are; a test may say another number."""
    return 60


@pytest.fixture
def arena(database_url: str, crowd: int, nursery: Nursery) -> Iterator[Arena]:
    """On each kind of database."""
    with opened(database_url, crowd, nursery) as made:
        yield made


@pytest.fixture
def postgresql_arena(server: Server, template: str, crowd: int, nursery: Nursery) -> Iterator[Arena]:
    """On PostgreSQL, where there can be several workers."""
    name = f"test_{uuid.uuid4().hex}"
    create(server, name, template)
    with opened(server.url(name), crowd, nursery) as made:
        yield made
