"""The lane under load and in trouble: many calls at once, a sender or a database that is away, a rate."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
import sqlalchemy as sa

from newsletter.database.connection import Database
from newsletter.database.schema import MailingState, delivery
from newsletter.errors import DatabaseUnavailableError, SenderError, SenderUnavailableError, UnsupportedFeatureError
from newsletter.sending import ledger, mailings, pacing
from newsletter.sending.couriers import Couriers
from newsletter.sending.mailing import Report, report, send, work
from newsletter.sending.orders import place
from newsletter.sending.run import Progress
from newsletter.sending.senders.protocol import Handover, Origin, Outcome, Verdict
from tests.database.opened import NOW, add_people
from tests.mailing.arranging import ORDER, Clock, MemorySender, run_with
from tests.senders.contract import Letter


def everybody(count: int) -> list[str]:
    return sorted(f"reader{number}@example.com" for number in range(1, count + 1))


def standing(about: Report) -> dict[str, int]:
    """The states that somebody is in, checked to add up to the frozen audience."""
    assert sum(about.counts.values()) == about.mailing.audience
    return {str(state): count for state, count in about.counts.items() if count}


@pytest.fixture
def thirty_two(database: Database) -> Database:
    with database.write() as connection:
        add_people(connection, 32)
    return database


class BusySender(MemorySender):
    """Counts how many of its calls run at once; the first ones wait for each other."""

    def __init__(self, database: Database, *, batch: int, parallel: int) -> None:
        super().__init__(batch=batch, parallel=parallel)
        self.sizes: list[int] = []
        self.most_calls = self.most_claimed = self._calls = 0
        self._database = database
        self._together = threading.Barrier(parallel)
        self._lock = threading.Lock()

    def deliver(self, batch: Sequence[Handover]) -> list[Outcome]:
        with self._lock:
            self._calls += 1
            self.most_calls = max(self.most_calls, self._calls)
            self.sizes.append(len(batch))
            first = len(self.sizes) <= self._together.parties
        if first:
            self._together.wait(30)  # a lane with fewer calls at once does not get past this
        with self._database.read() as connection:
            claimed = ledger.counts(connection, batch[0].origin.mailing)["claimed"]  # type: ignore[index]
        try:
            return super().deliver(batch)
        finally:
            with self._lock:
                self.most_claimed = max(self.most_claimed, claimed)
                self._calls -= 1


@pytest.mark.parametrize(("batch", "parallel"), [(1, 4), (4, 2)])
def test_as_many_calls_run_at_once_as_the_sender_takes_and_no_more_is_claimed_than_they_carry(
    thirty_two: Database, batch: int, parallel: int
) -> None:
    sender = BusySender(thirty_two, batch=batch, parallel=parallel)
    done = send(run_with(thirty_two, sender), ORDER)
    assert standing(done) == {"accepted": 32}
    assert sorted(sender.addresses) == everybody(32)
    assert sender.most_calls == parallel
    assert max(sender.sizes) == batch
    assert sender.most_claimed <= batch * parallel


def test_what_is_handed_over_waits_for_a_thread_and_no_more_are_made_than_the_sender_takes_calls() -> None:
    go_on = threading.Event()
    sender = MemorySender(lambda _: Verdict.ACCEPTED if go_on.wait(30) else None, batch=1, parallel=2)
    couriers, before = Couriers(sender), threading.active_count()
    origin = Origin(1, "data-sharing", NOW)
    for row in range(5):
        couriers.dispatch([Handover(row, origin, Letter("reader@example.com", "", message_id="<1@example.org>"))])
    assert (threading.active_count() - before, couriers.under_way) == (2, 5)
    assert couriers.collect(0) == []
    go_on.set()
    returns = couriers.collect(30, least=5)
    while couriers.under_way:
        returns += couriers.collect(30)
    assert sorted(each.batch[0].delivery for each in returns) == [0, 1, 2, 3, 4]
    couriers.close()


def test_a_call_that_breaks_does_not_lose_the_answers_of_the_others(thirty_two: Database) -> None:
    """Three answers are on their way when the fourth call breaks: all three are written down before it ends."""
    together = threading.Barrier(4)

    def answer(handover: Handover) -> Verdict:
        if handover.delivery <= 4:
            together.wait(60)
        if handover.delivery == 2:
            raise ConnectionError("the line went dead")
        return Verdict.ACCEPTED

    sender = MemorySender(answer, batch=1, parallel=4)
    with pytest.raises(SenderError, match=r"the line went dead\. The mailing is paused; of one message nobody knows"):
        send(run_with(thirty_two, sender), ORDER)
    now = report(thirty_two, 1)
    assert now.mailing.state is MailingState.PAUSED
    assert now.counts["unknown"] == 1  # type: ignore[index]
    assert now.counts["accepted"] == len(sender.handed) >= 3  # type: ignore[index]
    assert now.counts["claimed"] == 0  # type: ignore[index]
    assert sum(now.counts.values()) == 32


def test_what_a_sender_cannot_do_puts_everything_back_and_is_told(thirty_two: Database) -> None:
    def answer(handover: Handover) -> Verdict:
        raise UnsupportedFeatureError("It takes no attachments.")

    with pytest.raises(UnsupportedFeatureError, match="no attachments"):
        send(run_with(thirty_two, MemorySender(answer, parallel=2)), ORDER)
    now = report(thirty_two, 1)
    assert (now.mailing.state, standing(now)) == (MailingState.PAUSED, {"planned": 32})
    assert standing(send(run_with(thirty_two, MemorySender()), ORDER)) == {"accepted": 32}


class Unavailable:
    """An answer of a sender that does not work at all until a time; remembers when it was asked."""

    def __init__(self, clock: Clock, works_after: timedelta, error: SenderUnavailableError) -> None:
        self.asked: list[datetime] = []
        self._clock, self._works_at, self._error = clock, clock.now + works_after, error

    def __call__(self, handover: Handover) -> Verdict:
        if self._clock.now < self._works_at:
            self.asked.append(self._clock.now)
            raise self._error
        return Verdict.ACCEPTED


CANNOT_CONNECT = SenderUnavailableError("The mail server does not answer.")


def test_a_sender_that_is_away_is_asked_less_and_less_often_and_it_costs_nobody_a_try(thirty_two: Database) -> None:
    clock = Clock()
    answer = Unavailable(clock, timedelta(seconds=60), CANNOT_CONNECT)
    seen: list[Progress] = []
    run = run_with(thirty_two, MemorySender(answer), clock=clock, sleep=clock.sleep, progress=seen.append)
    assert standing(send(run, ORDER)) == {"accepted": 32}
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(answer.asked)]
    assert gaps == pytest.approx([1, 2, 4, 8, 16], abs=0.3)
    with thirty_two.read() as connection:
        assert set(connection.scalars(sa.select(delivery.c.tries))) == {0}
    assert "The mail server does not answer." in {progress.waiting for progress in seen}
    assert seen[-1].waiting == ""


def test_a_sender_that_stays_away_pauses_the_mailing_when_patience_ends(thirty_two: Database) -> None:
    clock = Clock()
    answer = Unavailable(clock, timedelta(days=1), CANNOT_CONNECT)
    run = run_with(thirty_two, MemorySender(answer, batch=1, parallel=4), clock=clock, sleep=clock.sleep)
    with pytest.raises(SenderError) as told:
        send(run, ORDER)
    sentence = "The sender «memory» takes no messages: The mail server does not answer. The mailing is paused, and"
    assert str(told.value).startswith(sentence)
    now = report(thirty_two, 1)
    assert (now.mailing.state, standing(now)) == (MailingState.PAUSED, {"planned": 32})
    assert now.mailing.paused_because == str(told.value)
    assert run.patience <= clock.now - NOW <= 2 * run.patience
    assert standing(send(run_with(thirty_two, MemorySender()), ORDER)) == {"accepted": 32}
    assert report(thirty_two, 1).mailing.paused_because is None


def test_a_worker_takes_a_mailing_up_again_that_its_sender_had_ended(thirty_two: Database) -> None:
    """What was wrong then says nothing about now."""
    wrong = True
    said: list[str] = []

    def answer(handover: Handover) -> Verdict:
        if wrong:
            raise SenderUnavailableError("The password is wrong.", lasting=True)
        return Verdict.ACCEPTED

    def notice(sentence: str) -> None:
        nonlocal wrong
        said.append(sentence)
        if wrong:
            wrong = False
            assert report(thirty_two, 1).mailing.state is MailingState.PAUSED
            with thirty_two.write() as connection:
                mailings.change_state(connection, 1, MailingState.SENDING)

    place(thirty_two, ORDER, sender="memory", now=NOW)
    clock = Clock()
    run = run_with(thirty_two, MemorySender(answer), clock=clock, sleep=clock.sleep, notice=notice, waits=None)
    work(replace(run, stop=lambda: len(said) > 1 or clock.now - NOW > timedelta(minutes=5)), drain=False)
    assert "The password is wrong." in said[0]
    assert said[1:] == ["Mailing 1, «Data Sharing»: sent."]
    assert standing(report(thirty_two, 1)) == {"accepted": 32}


def test_many_not_now_in_a_row_are_taken_for_a_sender_that_rests(thirty_two: Database) -> None:
    clock = Clock()
    asked: list[datetime] = []

    def answer(handover: Handover) -> Verdict:
        asked.append(clock.now)
        return Verdict.DEFERRED

    run = run_with(thirty_two, MemorySender(answer, batch=1), clock=clock, sleep=clock.sleep)
    now = send(replace(run, stop=lambda: len(asked) == 26), ORDER)
    assert (now.mailing.state, standing(now)) == (MailingState.PAUSED, {"deferred": 26, "planned": 6})
    waited = [(each - NOW).total_seconds() for each in asked]
    assert waited[:20] == [0] * 20
    gaps = [later - earlier for earlier, later in pairwise(waited[19:])]
    assert gaps == pytest.approx([1, 2, 4, 8, 16, 32], abs=0.3)


def test_not_now_for_some_does_not_keep_the_others(thirty_two: Database) -> None:
    clock = Clock()

    def answer(handover: Handover) -> Verdict:
        return Verdict.ACCEPTED if handover.delivery % 16 == 0 else Verdict.DEFERRED

    run = run_with(thirty_two, MemorySender(answer, batch=1), clock=clock, sleep=clock.sleep, waits=timedelta())
    assert standing(send(run, ORDER)) == {"accepted": 2, "deferred": 30}
    assert clock.now == NOW


@contextmanager
def failing_commits(database: Database, fails: Callable[[], bool], *, after: bool) -> Iterator[None]:
    """Lose the connection at commits: before anything of them happened, or after all of it did."""

    def commit(connection: sa.Connection) -> None:
        if fails():
            if after:
                raw = connection.connection.dbapi_connection
                raw.execute("COMMIT") if connection.dialect.name == "sqlite" else raw.commit()  # type: ignore[union-attr]
            raise sa.exc.OperationalError("COMMIT", None, Exception("server closed the connection unexpectedly"))

    sa.event.listen(database.engine, "commit", commit)
    try:
        yield
    finally:
        sa.event.remove(database.engine, "commit", commit)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("every", [1, 3])
def test_a_database_that_is_away_for_a_while_loses_and_doubles_nobody(
    thirty_two: Database, after: bool, every: int
) -> None:
    sender = MemorySender(lambda handover: Verdict.REFUSED if handover.delivery == 9 else Verdict.ACCEPTED)
    main, commits, failures = threading.current_thread(), 0, 0

    def fails() -> bool:
        nonlocal commits, failures
        if threading.current_thread() is not main or not sender.handed or failures == 12:
            return False
        commits += 1
        failures += commits % every == 0
        return commits % every == 0

    clock = Clock()
    run = run_with(thirty_two, sender, clock=clock, sleep=clock.sleep)
    with failing_commits(thirty_two, fails, after=after):
        done = send(replace(run, stop=lambda: clock.now - NOW > timedelta(minutes=5)), ORDER)
    assert failures == 12
    assert (done.mailing.state, standing(done)) == (MailingState.SENT, {"accepted": 31, "refused": 1})
    assert sorted(sender.addresses) == sorted(set(everybody(32)) - {"reader9@example.com"})


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_database_that_stays_away_ends_the_run_when_patience_ends_and_loses_nobody(
    thirty_two: Database, after: bool
) -> None:
    clock, sender = Clock(), MemorySender()
    run = run_with(thirty_two, sender, clock=clock, sleep=clock.sleep, patience=timedelta(seconds=5))
    with (
        failing_commits(thirty_two, lambda: bool(sender.handed), after=after),
        pytest.raises(DatabaseUnavailableError),
    ):
        send(run, ORDER)
    assert run.patience <= clock.now - NOW <= 3 * run.patience
    with thirty_two.write() as connection:  # its sign of life is old by now
        connection.exec_driver_sql("DELETE FROM worker")
    later = MemorySender()
    done = send(run_with(thirty_two, later), ORDER)
    assert set(standing(done)) == {"accepted", "unknown"}
    assert standing(done)["unknown"] == 4, "one batch: sent and not written down, or the other way round"
    assert not set(sender.addresses) & set(later.addresses)
    assert len(sender.addresses) + len(later.addresses) == 32 - 4 * after


def test_a_worker_that_is_asked_to_stop_does_not_wait_for_a_database_that_is_away(thirty_two: Database) -> None:
    """It would wait much longer by itself."""
    clock = Clock()
    sender = MemorySender()
    place(thirty_two, ORDER, sender="memory", now=NOW)
    run = run_with(
        thirty_two,
        sender,
        clock=clock,
        sleep=clock.sleep,
        stop=lambda: bool(sender.handed),
        waits=None,
        patience=timedelta(minutes=2),
    )
    with failing_commits(thirty_two, lambda: bool(sender.handed), after=False):
        work(run, drain=False)
    assert timedelta(seconds=5) < clock.now - NOW < timedelta(minutes=1)


def test_messages_leave_no_faster_than_the_rate_and_not_much_slower(
    thirty_two: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(pacing, "database_time", lambda _: sa.literal(clock.now.timestamp(), sa.Float))
    left: list[float] = []

    def answer(handover: Handover) -> Verdict:
        left.append((clock.now - NOW).total_seconds())
        return Verdict.ACCEPTED

    sender = MemorySender(answer, batch=1, parallel=4)
    done = send(run_with(thirty_two, sender, clock=clock, sleep=clock.sleep, rate=10.0), ORDER)
    assert standing(done) == {"accepted": 32}
    for number, moment in enumerate(sorted(left)):
        assert number < 10 * moment + 2.001, "two at once at most: a quarter of a second's"
    assert max(left) == pytest.approx(3.0, rel=0.1)
