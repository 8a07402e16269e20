"""Who sends from a database: one from a file, many from a server, none while it is replaced; the dead hold nothing."""

import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from newsletter.audience.lists import ensure_lists
from newsletter.database.connection import Database, open_database
from newsletter.database.schema import delivery, worker
from newsletter.errors import MailingBusyError
from newsletter.sending import ledger
from newsletter.sending.presence import alone, on_server, present, reap, somebody_sends
from tests.database.opened import NOW, Server, add_people, create
from tests.ledger.books import planned_mailing, standing, take

ROOT = Path(__file__).parents[2]
LONG = 1000.0
"""A lease that does not end, and has no second beat, while a test runs."""


def clock() -> datetime:
    return NOW


@pytest.fixture
def on_postgresql(server: Server, template: str) -> Iterator[Database]:
    """A database from which several workers can send."""
    name = f"test_{uuid.uuid4().hex}"
    create(server, name, template)
    with open_database(server.url(name)) as opened:
        with opened.write() as connection:
            ensure_lists(connection, ["community"])
        yield opened


def seen(database: Database) -> set[str]:
    """The workers of which the server knows."""
    with database.read() as connection:
        return set(connection.scalars(sa.select(worker.c.id)))


def silent_for(database: Database, name: str, seconds: float) -> None:
    """As if a worker had not said for so long that it lives."""
    with database.write() as connection:
        connection.execute(sa.update(worker).where(worker.c.id == name).values(seen=worker.c.seen - seconds))


@contextmanager
def another_process(database: Database, what: str) -> Iterator[subprocess.Popen[str]]:
    """A process that is `present` or `alone`."""
    url = database.engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-m", "tests.mailing.holding", url, what]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "in\n"
            yield process
        finally:
            process.kill()


def test_a_second_one_is_refused_on_a_file(sqlite_database: Database) -> None:
    with present(sqlite_database, "first", clock):
        assert somebody_sends(sqlite_database)
        with (
            pytest.raises(MailingBusyError, match="Another process is sending from this database right now"),
            present(sqlite_database, "second", clock),
        ):
            pytest.fail("two send from one file")
    assert not somebody_sends(sqlite_database)
    with present(sqlite_database, "second", clock):
        pass


def test_several_are_in_on_a_server(on_postgresql: Database) -> None:
    with present(on_postgresql, "first", clock, lease=LONG):
        with present(on_postgresql, "second", clock, lease=LONG):
            assert seen(on_postgresql) == {"first", "second"}
            assert somebody_sends(on_postgresql)
        assert seen(on_postgresql) == {"first"}
    assert seen(on_postgresql) == set()
    assert not somebody_sends(on_postgresql)


def test_who_comes_first_puts_right_what_the_dead_left(database: Database) -> None:
    with database.write() as connection:
        add_people(connection, 4)
        made = planned_mailing(connection)
        take(connection, made, "dead", 1)
        ledger.reserve(connection, made, "dead", 1)
        take(connection, made, "me", 1)
    with present(database, "me", clock, lease=LONG), database.read() as connection:
        assert standing(connection, made) == {"unknown": 1, "claimed": 1, "planned": 2}
        assert connection.scalars(sa.select(delivery.c.worker).where(delivery.c.state == "planned")).all() == [None] * 2
        assert connection.scalars(sa.select(delivery.c.worker).where(delivery.c.state == "claimed")).all() == ["me"]


def test_of_workers_without_a_sign_of_life_the_claims_become_unknown_and_of_others_not(on_postgresql: Database) -> None:
    database = on_postgresql
    with database.write() as connection:
        add_people(connection, 5)
        made = planned_mailing(connection)
    with present(database, "stale", clock, lease=LONG), present(database, "live", clock, lease=LONG):
        with database.write() as connection:
            for name in ("stale", "live"):
                take(connection, made, name, 1)
                ledger.reserve(connection, made, name, 1)
        silent_for(database, "stale", LONG * 0.9)
        reap(database, now=NOW, lease=LONG)
        assert seen(database) == {"stale", "live"}, "its lease has not ended"
        silent_for(database, "stale", LONG * 0.2)
        assert somebody_sends(database, lease=LONG)
        reap(database, now=NOW, lease=LONG)
        assert seen(database) == {"live"}
        with database.read() as connection:
            assert standing(connection, made) == {"unknown": 1, "claimed": 1, "planned": 3}
            reserved = sa.select(delivery.c.worker).where(delivery.c.state == "planned", delivery.c.worker.is_not(None))
            assert connection.scalars(reserved).all() == ["live"]


def test_a_worker_that_was_thought_gone_says_again_that_it_lives(on_postgresql: Database) -> None:
    with present(on_postgresql, "sleeper", clock, lease=0.2):
        with on_postgresql.write() as connection:
            connection.execute(sa.delete(worker))
        until = time.monotonic() + 90  # a lease of 30 s, and a busy machine
        while not seen(on_postgresql) and time.monotonic() < until:
            pass
        assert seen(on_postgresql) == {"sleeper"}


def test_a_worker_goes_on_saying_that_it_lives(on_postgresql: Database) -> None:
    when = sa.select(worker.c.seen)
    with present(on_postgresql, "me", clock, lease=0.2):
        with on_postgresql.read() as connection:
            first = connection.scalar(when)
        until = time.monotonic() + 90  # a lease of 30 s, and a busy machine
        last = first
        while last == first and time.monotonic() < until:
            with on_postgresql.read() as connection:
                last = connection.scalar(when)
        assert last > first


def test_what_a_worker_leaves_in_flight_is_unknown_to_the_others_at_once(on_postgresql: Database) -> None:
    """It takes its name along, so nobody else could ever put that right, and the mailing would never end."""
    database = on_postgresql
    with database.write() as connection:
        add_people(connection, 2)
        made = planned_mailing(connection)

    def work_and_break_off() -> None:
        with present(database, "me", clock, lease=LONG):
            with database.write() as connection:
                take(connection, made, "me", 1)
            raise KeyboardInterrupt

    with present(database, "other", clock, lease=LONG):
        with pytest.raises(KeyboardInterrupt):
            work_and_break_off()
        with database.read() as connection:
            assert standing(connection, made) == {"unknown": 1, "planned": 1}


def test_nobody_replaces_a_database_while_somebody_sends_nor_the_other_way_round(database: Database) -> None:
    with present(database, "me", clock), pytest.raises(MailingBusyError), alone(database):
        pytest.fail("replaced while somebody sends")
    with alone(database):
        with pytest.raises(MailingBusyError), present(database, "me", clock):
            pytest.fail("sends while it is replaced")
        with pytest.raises(MailingBusyError), alone(database):
            pytest.fail("replaced by two at once")
    with present(database, "me", clock):
        pass


@pytest.mark.slow
@pytest.mark.parametrize("what", ["present", "alone"])
def test_a_process_keeps_others_out_until_it_is_killed(database: Database, what: str) -> None:
    with another_process(database, what) as process:
        with pytest.raises(MailingBusyError), alone(database):
            pytest.fail("not alone")
        if what == "alone":
            with pytest.raises(MailingBusyError), present(database, "me", clock):
                pytest.fail("sends while it is replaced")
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert enters_soon(database)


def enters_soon(database: Database) -> bool:
    """Whether the database is free; a server takes a moment to see that a process is gone."""
    until = time.monotonic() + 90  # a lease of 30 s, and a busy machine
    while time.monotonic() < until:
        try:
            with alone(database):
                return True
        except MailingBusyError:
            assert on_server(database), "the lock of a file is free at once"
    return False
