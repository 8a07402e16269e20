"""Waiting longer and longer, and one pace for all workers together."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa

from newsletter.database.connection import Database
from newsletter.sending import pacing
from newsletter.sending.pacing import MOST_TRIES, Pace, wait_after

FIRST = {"4.2.2": 30, "4.2.1": 3, "4.7.1": 5, "4.7.650": 5, "4.3.2": 2, "4.4.1": 1, "4.1.1": 3, None: 3, "": 3}


@pytest.mark.parametrize(("status", "minutes"), FIRST.items())
def test_the_first_wait_goes_by_the_status_code(status: str | None, minutes: int) -> None:
    waits = [wait_after(status, 1, delivery) for delivery in range(200)]
    assert min(waits) >= timedelta(minutes=minutes)
    assert max(waits) <= timedelta(minutes=minutes) * 1.25


@pytest.mark.parametrize("status", FIRST)
def test_each_wait_is_longer_up_to_a_limit(status: str | None) -> None:
    for delivery in range(50):
        waits = [wait_after(status, tries, delivery) for tries in range(1, MOST_TRIES + 1)]
        growing = [wait for wait in waits if wait < timedelta(hours=6)]
        assert growing == sorted(set(growing))
        assert all(timedelta(hours=6) <= wait <= timedelta(hours=7.5) for wait in waits[len(growing) :])
        assert len(growing) < len(waits)


def test_given_up_means_given_up_after_most_of_a_day() -> None:
    waits = [wait_after(None, tries, 1) for tries in range(1, MOST_TRIES)]
    assert timedelta(hours=16) < sum(waits, timedelta()) < timedelta(hours=24)


def test_the_same_delivery_always_waits_as_long_and_others_do_not_come_back_with_it() -> None:
    assert wait_after("4.7.1", 2, 77) == wait_after("4.7.1", 2, 77)
    assert len({wait_after("4.7.1", 1, delivery) for delivery in range(100)}) > 50
    assert len({wait_after("4.2.2", 5 + tries, 77) for tries in range(4)}) > 1, "drawn anew at each try"


@pytest.fixture
def stopped_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Stops the clock of the database, and sets it."""
    time = [1_800_000_000.0]
    monkeypatch.setattr(pacing, "database_time", lambda _: sa.literal(time[0], sa.Float))

    def forward(seconds: float) -> None:
        time[0] += seconds

    return forward


def test_places_follow_each_other_at_the_rate(database: Database, stopped_clock: Callable[[float], None]) -> None:
    pace = Pace(database, 40)
    assert pace.book(10) == (10, 0.0)
    assert pace.book(4) == (4, pytest.approx(0.25, abs=1e-3))
    assert pace.book(10) == (10, pytest.approx(0.35, abs=1e-3))
    stopped_clock(0.4)
    assert pace.book(1) == (1, pytest.approx(0.2, abs=1e-3))
    stopped_clock(3600)
    assert pace.book(10) == (10, 0.0)
    assert pace.book(10) == (10, pytest.approx(0.25, abs=1e-3)), "an hour of rest is not caught up with"


def test_one_booking_covers_a_quarter_of_a_second_at_most_and_one_message_at_least(database: Database) -> None:
    assert Pace(database, 100).book(1000)[0] == 25
    assert Pace(database, 100).book(7)[0] == 7
    assert Pace(database, 0.5).book(1000)[0] == 1


def test_less_than_one_message_a_second_waits_that_long(
    database: Database, stopped_clock: Callable[[float], None]
) -> None:
    pace = Pace(database, 0.25)
    assert [pace.book(5) for _ in range(3)] == [(1, 0.0), (1, pytest.approx(4)), (1, pytest.approx(8))]


@pytest.mark.usefixtures("stopped_clock")
def test_many_workers_at_once_keep_the_rate_together(database: Database) -> None:
    """Each books what it gets; over all of them no moment has more messages than the rate allows, nor much fewer."""
    rate, booked, lock = 200.0, list[tuple[float, int]](), threading.Lock()
    failures: list[BaseException] = []

    def work(wanted: int) -> None:
        try:
            pace = Pace(database, rate)
            for _ in range(10):
                places, wait = pace.book(wanted)
                with lock:
                    booked.append((wait, places))
        except BaseException as error:  # noqa: BLE001 - a thread must not fail in silence
            failures.append(error)

    threads = [threading.Thread(target=work, args=(wanted,)) for wanted in (50, 33, 7, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    ordered = sorted(booked)
    assert len(ordered) == 40
    sent = 0
    for wait, places in ordered:
        assert wait == pytest.approx(sent / rate, abs=0.01), "no gap, and no two at the same time"
        sent += places
    lasted = ordered[-1][0] + ordered[-1][1] / rate
    assert sent / lasted == pytest.approx(rate, rel=0.05)
