"""Three workers on PostgreSQL, and what can happen to one of them, or to the server."""

import random
import shutil
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from newsletter.database.schema import DeliveryState, delivery, worker
from tests.chaos.arena import SECONDS, Arena, opened
from tests.chaos.nursery import Nursery
from tests.chaos.proxy import Proxy
from tests.database.opened import Server, create, postgresql_programs

pytestmark = pytest.mark.slow

CONNECTIONS = 2
WORKERS = 3
WORK = ("--work", "--connections", str(CONNECTIONS), "--lease", "2")


@pytest.fixture
def own_server(server: Server) -> Iterator[Server]:
    """A server that a test may stop."""
    programs = postgresql_programs()
    assert programs is not None
    made = Server(Path("/tmp") / f"newsletter-{uuid.uuid4().hex[:12]}", programs)
    try:
        yield made
    finally:
        made.stop()
        shutil.rmtree(made.folder, ignore_errors=True)


@pytest.fixture
def seed() -> int:
    """Another one each time; pytest shows it when a test fails."""
    return random.randrange(1_000_000)


@pytest.mark.parametrize("crowd", [240])
def test_random_kills_of_one_of_three_workers(postgresql_arena: Arena, seed: int) -> None:
    arena = postgresql_arena
    chance = random.Random(seed)
    arena.mails.at("dot", "wait 0.01")
    arena.order()
    kills = 6
    with arena.watched(in_flight=CONNECTIONS * (WORKERS + kills)):
        workers = [arena.start(*WORK) for _ in range(WORKERS)]
        for _ in range(kills):
            arena.mails.wait_for(chance.randrange(10, 25))
            victim = chance.randrange(WORKERS)
            workers[victim].kill()
            workers[victim] = arena.start(*WORK)
        arena.finish(*workers, end="drained")
    arena.assert_everybody_once(unknown_at_most=CONNECTIONS * kills)
    with arena.database.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(worker)) == 0


@pytest.mark.parametrize("crowd", [120])
def test_a_worker_that_was_stopped_for_longer_than_its_lease_sends_nothing_twice(postgresql_arena: Arena) -> None:
    arena = postgresql_arena
    arena.mails.at("dot", "wait 0.02")
    arena.order()
    with arena.watched(in_flight=CONNECTIONS * 2):
        zombie = arena.start(*WORK)
        arena.mails.wait_for(10)
        (name,) = alive(arena)
        zombie.send_signal(signal.SIGSTOP)
        other = arena.start(*WORK)
        arena.until(lambda: name not in alive(arena) and reaped(arena))
        zombie.send_signal(signal.SIGCONT)
        arena.finish(zombie, other, end="drained")
    arena.assert_everybody_once(unknown_at_most=0)  # late answers are welcome


def alive(arena: Arena) -> set[str]:
    """The workers that have a sign of life in the database."""
    with arena.database.read() as connection:
        return set(connection.scalars(sa.select(worker.c.id)))


@pytest.mark.parametrize("crowd", [120])
@pytest.mark.parametrize("words", [b"COMMIT", b"UPDATE delivery", b"BEGIN"])
def test_a_worker_cut_off_from_the_database_sends_nothing_twice(
    postgresql_arena: Arena, server: Server, words: bytes
) -> None:
    """Cut off inside a transaction, it must not keep the others from their work either."""
    arena = postgresql_arena
    folder = Path("/tmp") / f"newsletter-{uuid.uuid4().hex[:12]}"
    folder.mkdir(mode=0o700)
    arena.mails.at("dot", "wait 0.02")
    arena.order()
    with Proxy(server.folder, folder) as proxy, arena.watched(in_flight=CONNECTIONS * 2):
        lonely = arena.start(*WORK, url=arena.url.replace(str(server.folder), str(folder)))
        arena.mails.wait_for(10)
        proxy.cut_before(words)
        assert proxy.held.wait(SECONDS)
        (name,) = alive(arena)
        other = arena.start(*WORK)
        arena.until(lambda: name not in alive(arena) and reaped(arena))
        proxy.mend()
        arena.finish(other, lonely, end="drained")
    shutil.rmtree(folder)
    arena.assert_everybody_once(unknown_at_most=0)


def reaped(arena: Arena) -> bool:
    """Whether nothing is anybody's but the workers' that are thought alive."""
    with arena.database.read() as connection:
        query = sa.select(delivery.c.worker).where(
            delivery.c.state.in_([DeliveryState.PLANNED, DeliveryState.CLAIMED]), delivery.c.worker.is_not(None)
        )
        return set(connection.scalars(query.distinct())) <= alive(arena)


@pytest.mark.parametrize("crowd", [150])
def test_postgresql_stopped_at_once_and_back_after_a_while(own_server: Server, nursery: Nursery, crowd: int) -> None:
    create(own_server, "news")
    with opened(own_server.url("news"), crowd, nursery) as arena:
        arena.mails.at("dot", "wait 0.02")
        arena.order()
        workers = [arena.start(*WORK) for _ in range(WORKERS)]
        arena.mails.wait_for(30)
        own_server.stop()
        arena.mails.stopping.wait(3)
        own_server.start()
        arena.database.close()  # the connections that were open are of no use any more
        arena.finish(*workers, end="drained")
        arena.assert_everybody_once(unknown_at_most=CONNECTIONS * WORKERS)


@pytest.mark.parametrize("crowd", [300])
def test_the_rate_holds_over_three_workers(postgresql_arena: Arena) -> None:
    arena = postgresql_arena
    rate = 50.0
    arena.order()
    workers = [arena.start("--work", "--connections", "6", "--rate", str(rate)) for _ in range(WORKERS)]
    arena.finish(*workers, end="drained")
    arena.assert_everybody_once(unknown_at_most=0)
    moments = sorted(arena.mails.moments)[30:-30]  # while all three are at work
    assert (len(moments) - 1) / (moments[-1] - moments[0]) == pytest.approx(rate, rel=0.05)
