"""Orders: one mailing whatever is asked in between; later, if wanted; corrections to just the right people."""

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from newsletter.audience.lists import unsubscribe
from newsletter.database.connection import Database
from newsletter.database.schema import DeliveryState, MailingState, delivery
from newsletter.errors import AlreadySentError, AudienceError, MailingNotFoundError, SendError
from newsletter.sending import ledger, mailings
from newsletter.sending.mailing import Report, cancel, count_chosen, pause, report, resume, send, work
from newsletter.sending.orders import place
from newsletter.sending.pacing import wait_after
from newsletter.sending.run import Progress, Writer
from newsletter.sending.senders.protocol import Handover, Verdict
from tests.database.opened import NOW, add_people
from tests.mailing.arranging import ORDER, Clock, MemorySender, run_with

CHANGED = replace(ORDER, digest="e" * 64, composition=b"second", title="Data Sharing, corrected")
CORRECTION = replace(ORDER, edition="data-sharing-correction", recipients_of=1)


def standing(about: Report) -> dict[str, int]:
    """The states that somebody is in, checked to add up to the frozen audience."""
    assert sum(about.counts.values()) == (about.mailing.audience or 0)
    return {str(state): count for state, count in about.counts.items() if count}


def answering(verdicts: dict[int, Verdict]) -> MemorySender:
    """A sender that answers so for these deliveries, and takes the others."""
    return MemorySender(lambda handover: verdicts.get(handover.delivery, Verdict.ACCEPTED))


@pytest.fixture
def ten(database: Database) -> Database:
    with database.write() as connection:
        add_people(connection, 10)
    return database


@pytest.fixture
def ten_in_file(sqlite_database: Database) -> Database:
    """The same, for what no other kind of database does otherwise."""
    with sqlite_database.write() as connection:
        add_people(connection, 10)
    return sqlite_database


def test_what_is_held_takes_the_newest_order(ten: Database) -> None:
    first = place(ten, replace(ORDER, hold=timedelta(hours=1)), sender="memory", now=NOW)
    later = NOW + timedelta(minutes=5)
    second = place(ten, replace(CHANGED, hold=timedelta(seconds=60)), sender="outbox", now=later)
    assert first == second
    held = report(ten, first).mailing
    assert (held.state, held.digest, held.title) == (MailingState.HELD, CHANGED.digest, CHANGED.title)
    assert (held.sender, held.created_at, held.holds_until) == ("outbox", later, later + timedelta(seconds=60))


def test_an_order_during_the_hold_is_what_is_sent(ten_in_file: Database) -> None:
    """The process that waits sends what was ordered last, and when that was to leave."""
    ordered: list[int] = []

    def order_anew(progress: Progress) -> None:
        if progress.held_for <= timedelta(seconds=2) and not ordered:
            ordered.append(
                place(ten_in_file, replace(CHANGED, hold=timedelta(seconds=30)), sender="memory", now=clock.now)
            )
            assert not sender.handed

    clock, sender = Clock(), MemorySender()
    run = run_with(ten_in_file, sender, clock=clock, sleep=clock.sleep, progress=order_anew)
    done = send(run, replace(ORDER, hold=timedelta(seconds=10)))
    assert ordered == [done.mailing.id]
    assert {handover.message.subject for handover in sender.handed} == {"second"}  # type: ignore[attr-defined]
    assert standing(done) == {"accepted": 10}
    assert done.mailing.started_at is not None
    assert done.mailing.started_at >= NOW + timedelta(seconds=38)


def test_an_order_at_the_last_moment_is_what_is_sent(ten_in_file: Database) -> None:
    """It comes while the writer is made for the one before."""
    sender = MemorySender()
    run = run_with(ten_in_file, sender)

    def writer_for(mailing: mailings.Mailing, composition: bytes) -> Writer:
        if mailing.digest == ORDER.digest:
            place(ten_in_file, CHANGED, sender="memory", now=NOW)
        return run.writer_for(mailing, composition)

    send(replace(run, writer_for=writer_for), ORDER)
    assert {handover.message.subject for handover in sender.handed} == {"second"}  # type: ignore[attr-defined]


def test_two_orders_at_once_are_one_mailing(ten: Database) -> None:
    together, made = threading.Barrier(4), list[int]()

    def order() -> None:
        together.wait(30)
        made.append(place(ten, replace(ORDER, hold=timedelta(seconds=60)), sender="memory", now=NOW))

    threads = [threading.Thread(target=order) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1, 1, 1, 1]
    with ten.read() as connection:
        assert len(mailings.list_mailings(connection)) == 1


def test_orders_to_other_people_are_mailings_of_their_own(ten: Database) -> None:
    with ten.write() as connection:
        add_people(connection, 3, "donors")
    hold = timedelta(seconds=60)
    orders = [replace(ORDER, hold=hold), replace(ORDER, hold=hold, where='country == "KE" or email != ""')]
    orders.append(replace(ORDER, hold=hold, list_slug="donors"))
    assert [place(ten, order, sender="memory", now=NOW) for order in orders] == [1, 2, 3]
    work(run_with(ten, MemorySender()), drain=True)
    assert [standing(report(ten, number)) for number in (1, 2, 3)] == [{"accepted": 10}, {}, {"accepted": 3}]


def test_what_is_ordered_for_later_is_held_until_then(ten_in_file: Database) -> None:
    at = NOW + timedelta(minutes=3)
    clock, sender = Clock(), MemorySender(lambda handover: left.append(clock.now) or Verdict.ACCEPTED)
    left: list[object] = []
    order = replace(ORDER, hold=timedelta(seconds=60), at=at)
    assert place(ten_in_file, order, sender="memory", now=NOW) == 1
    assert report(ten_in_file, 1).mailing.holds_until == at
    work(run_with(ten_in_file, sender, clock=clock, sleep=clock.sleep), drain=True)
    done = report(ten_in_file, 1)
    assert (done.mailing.started_at, standing(done)) == (at, {"accepted": 10})
    assert set(left) == {at}


def test_the_time_to_undo_is_not_cut_short_by_a_time_that_is_near(ten_in_file: Database) -> None:
    order = replace(ORDER, hold=timedelta(seconds=60), at=NOW + timedelta(seconds=5))
    assert report(
        ten_in_file, place(ten_in_file, order, sender="memory", now=NOW)
    ).mailing.holds_until == NOW + timedelta(seconds=60)


def test_a_correction_reaches_just_those_who_got_it_and_are_still_there(ten: Database) -> None:
    verdicts = {1: Verdict.REFUSED, 2: Verdict.UNKNOWN}
    send(run_with(ten, answering(verdicts)), ORDER)
    with ten.write() as connection:
        unsubscribe(connection, 3, "community", now=NOW)
        add_people(connection, 2)
    assert count_chosen(ten, CORRECTION) == (7, 0)
    sender = MemorySender()
    done = send(run_with(ten, sender), CORRECTION)
    assert sender.addresses == [f"reader{number}@example.com" for number in range(4, 11)]
    assert (done.mailing.recipients_of, done.mailing.recipients_state) == (1, "accepted")
    assert standing(done) == {"accepted": 7}


def test_a_correction_can_go_to_those_of_whom_nobody_knows(ten: Database) -> None:
    send(run_with(ten, answering({2: Verdict.UNKNOWN, 5: Verdict.UNKNOWN})), ORDER)
    sender = MemorySender()
    send(run_with(ten, sender), replace(CORRECTION, recipients_state="unknown"))
    assert sender.addresses == ["reader2@example.com", "reader5@example.com"]


def test_the_same_edition_can_go_to_those_whose_server_refused_it(ten_in_file: Database) -> None:
    send(run_with(ten_in_file, answering({4: Verdict.REFUSED})), ORDER)
    sender = MemorySender()
    send(run_with(ten_in_file, sender), replace(ORDER, recipients_of=1, recipients_state="refused"))
    assert sender.addresses == ["reader4@example.com"]


def test_a_correction_can_choose_among_them(ten_in_file: Database) -> None:
    send(run_with(ten_in_file, MemorySender()), ORDER)
    sender = MemorySender()
    send(run_with(ten_in_file, sender), replace(CORRECTION, where='email == "reader6@example.com"'))
    assert sender.addresses == ["reader6@example.com"]


def test_a_correction_goes_on_where_it_stopped(ten: Database) -> None:
    send(run_with(ten, MemorySender()), ORDER)
    sender = MemorySender()
    stopped = send(run_with(ten, sender, stop=lambda: bool(sender.handed)), CORRECTION)
    assert standing(stopped) == {"accepted": 4, "planned": 6}
    assert count_chosen(ten, CORRECTION)[0] == 6
    done = send(run_with(ten, sender), CORRECTION)
    assert (done.mailing.id, standing(done)) == (stopped.mailing.id, {"accepted": 10})


def test_a_correction_that_reaches_nobody_says_why(ten: Database) -> None:
    with pytest.raises(MailingNotFoundError, match="There is no mailing 1"):
        place(ten, CORRECTION, sender="memory", now=NOW)
    send(run_with(ten, MemorySender()), ORDER)
    with pytest.raises(AlreadySentError, match=r'an edition reaches nobody twice.*newsletter new "Correction" --from'):
        place(ten, replace(ORDER, recipients_of=1), sender="memory", now=NOW)
    with pytest.raises(AudienceError, match="Of mailing 1 no delivery is refused: there is nobody to write to"):
        place(ten, replace(CORRECTION, recipients_state="refused"), sender="memory", now=NOW)
    with ten.write() as connection:
        for person in range(1, 11):
            unsubscribe(connection, person, "community", now=NOW)
    with pytest.raises(AudienceError, match="Of the 10 of mailing 1 whose delivery is accepted, all have this edition"):
        place(ten, CORRECTION, sender="memory", now=NOW)
    with ten.read() as connection:
        assert len(mailings.list_mailings(connection)) == 1


def test_pausing_and_cancelling_in_each_state(ten: Database) -> None:
    place(ten, replace(ORDER, hold=timedelta(hours=1)), sender="memory", now=NOW)
    with pytest.raises(
        SendError, match=r"Nothing of mailing 1 has left yet\. To undo it:  newsletter mailings cancel 1"
    ):
        pause(ten, 1)
    assert report(ten, 1).mailing.state is MailingState.HELD
    undone = cancel(ten, 1, now=NOW)
    assert (undone.mailing.state, undone.mailing.finished_at) == (MailingState.CANCELLED, NOW)
    with pytest.raises(SendError, match="Mailing 1 is cancelled: there is nothing to pause"):
        pause(ten, 1)
    with pytest.raises(SendError, match="Mailing 1 is cancelled: nothing of it is left to send"):
        resume(run_with(ten, MemorySender()), 1)
    assert cancel(ten, 1, now=NOW).mailing.state is MailingState.CANCELLED, "once more does no harm"

    sender = MemorySender()

    def pause_it(progress: Progress) -> None:
        assert pause(ten, progress.mailing).mailing.state is MailingState.PAUSED

    paused = send(run_with(ten, sender, progress=pause_it), ORDER)
    assert (paused.mailing.state, standing(paused)) == (MailingState.PAUSED, {"accepted": 4, "planned": 6})
    assert pause(ten, 2).mailing.state is MailingState.PAUSED, "once more does no harm"
    done = resume(run_with(ten, sender), 2)
    assert (done.mailing.state, standing(done)) == (MailingState.SENT, {"accepted": 10})
    for wrong in (lambda: pause(ten, 2), lambda: resume(run_with(ten, sender), 2), lambda: cancel(ten, 2, now=NOW)):
        with pytest.raises(SendError, match="Mailing 2 is sent"):
            wrong()
    with pytest.raises(MailingNotFoundError):
        pause(ten, 99)


def test_resuming_what_is_held_waits_for_its_time(ten_in_file: Database) -> None:
    place(ten_in_file, replace(ORDER, hold=timedelta(seconds=30)), sender="memory", now=NOW)
    done = resume(run_with(ten_in_file, MemorySender()), 1)
    assert done.mailing.started_at == NOW + timedelta(seconds=30)


def test_what_was_told_not_now_is_sent_when_its_time_comes(ten_in_file: Database) -> None:
    clock, seen = Clock(), list[Progress]()
    first: set[int] = set()

    def greylisting(handover: Handover) -> Verdict:
        if handover.delivery % 5 or handover.delivery in first:
            return Verdict.ACCEPTED
        first.add(handover.delivery)
        return Verdict.DEFERRED

    sender = MemorySender(greylisting)
    run = run_with(ten_in_file, sender, clock=clock, sleep=clock.sleep, progress=seen.append)
    done = send(run, ORDER)
    assert standing(done) == {"accepted": 10}
    waited = max(wait_after(None, 1, row) for row in (5, 10))
    assert waited <= clock.now - NOW <= waited + timedelta(seconds=6)
    assert any(one.waiting.startswith("Not now, said 2 readers' mail servers; next try at 09:33") for one in seen)
    assert any(one.waiting.startswith("Not now, said one reader's mail server;") for one in seen)


def test_a_retry_that_is_too_far_off_pauses_the_mailing_and_says_who_can_go_on(ten: Database) -> None:
    clock = Clock()
    run = run_with(ten, answering({3: Verdict.DEFERRED}), clock=clock, sleep=clock.sleep, waits=timedelta(minutes=1))
    now = send(run, ORDER)
    assert (now.mailing.state, standing(now)) == (MailingState.PAUSED, {"accepted": 9, "deferred": 1})
    assert now.mailing.paused_because == (
        "Not now, said one reader's mail server. Go on later, or let a worker do it:  newsletter worker"
    )
    assert now.next_try == NOW + wait_after(None, 1, 3)
    assert clock.now - NOW < timedelta(minutes=1)
    done = resume(run_with(ten, MemorySender()), 1)
    assert (standing(done), done.next_try, done.mailing.paused_because) == ({"accepted": 10}, None, None)


def test_a_mailing_that_is_paused_while_it_waits_is_left_alone(ten_in_file: Database) -> None:
    def pause_it(progress: Progress) -> None:
        if progress.waiting:
            pause(ten_in_file, progress.mailing)

    sender = answering({3: Verdict.DEFERRED})
    now = send(run_with(ten_in_file, sender, progress=pause_it), ORDER)
    assert (now.mailing.state, standing(now)) == (MailingState.PAUSED, {"accepted": 9, "deferred": 1})


def test_a_worker_sends_all_that_is_due_and_held_and_ends_when_drained(ten: Database) -> None:
    clock, said = Clock(), list[str]()
    orders = {
        1: replace(ORDER, hold=timedelta(seconds=20)),
        2: replace(ORDER, edition="second"),
        3: replace(ORDER, edition="third", at=NOW + timedelta(minutes=2)),
    }
    assert [place(ten, order, sender="memory", now=NOW) for order in orders.values()] == [1, 2, 3]
    sender = MemorySender()
    run = run_with(ten, sender, clock=clock, sleep=clock.sleep, notice=said.append, waits=None)
    work(run, drain=True)
    begun = {number: report(ten, number).mailing.started_at for number in orders}
    assert begun == {1: NOW + timedelta(seconds=20), 2: NOW, 3: NOW + timedelta(minutes=2)}
    assert [standing(report(ten, number)) for number in orders] == [{"accepted": 10}] * 3
    assert said == [f"Mailing {number}, «Data Sharing»: sent." for number in (2, 1, 3)]
    assert len(sender.handed) == 30


def test_a_worker_waits_for_a_retry_however_far_off_it_is(ten_in_file: Database) -> None:
    clock, tried = Clock(), set[int]()

    def full_at_first(handover: Handover) -> Verdict:
        if handover.delivery in {*tried, 1, 2}:
            return Verdict.ACCEPTED
        tried.add(handover.delivery)
        return Verdict.DEFERRED

    def sleep(seconds: float) -> None:
        """Goes on faster than anybody waits."""
        clock.sleep(seconds * 50)

    place(ten_in_file, ORDER, sender="memory", now=NOW)
    with ten_in_file.write() as connection:  # as after many tries
        mailings.change_state(connection, 1, MailingState.SENDING, started_at=NOW)
        mailings.set_audience(connection, 1, ledger.plan(connection, 1))
        connection.execute(sa.update(delivery).values(tries=5))
    work(run_with(ten_in_file, MemorySender(full_at_first), clock=clock, sleep=sleep, waits=None), drain=True)
    assert standing(report(ten_in_file, 1)) == {"accepted": 10}
    assert clock.now - NOW >= min(wait_after(None, 6, row) for row in range(3, 11)) > timedelta(minutes=90)


def test_a_mailing_that_cannot_go_on_is_paused_with_the_reason_and_the_others_go_on(ten: Database) -> None:
    said: list[str] = []
    other = MemorySender()
    other.kind = "other"  # type: ignore[misc]
    send(run_with(ten, other, stop=lambda: bool(other.handed)), ORDER)
    with ten.write() as connection:
        mailings.change_state(connection, 1, MailingState.SENDING)
    place(ten, replace(ORDER, edition="second"), sender="memory", now=NOW)
    work(run_with(ten, MemorySender(), notice=said.append), drain=True)
    stuck = report(ten, 1)
    assert (stuck.mailing.state, standing(stuck)) == (MailingState.PAUSED, {"accepted": 4, "planned": 6})
    assert stuck.mailing.paused_because is not None
    assert "was begun through «other», not «memory»" in stuck.mailing.paused_because
    assert said == [f"Mailing 1: {stuck.mailing.paused_because}", "Mailing 2, «Data Sharing»: sent."]
    assert standing(report(ten, 2)) == {"accepted": 10}


def test_a_held_mailing_that_cannot_begin_is_told_once_and_stays_held(ten_in_file: Database) -> None:
    clock, said = Clock(), list[str]()
    place(ten_in_file, ORDER, sender="other", now=NOW)
    stop = NOW + timedelta(seconds=30)
    run = run_with(ten_in_file, MemorySender(), clock=clock, sleep=clock.sleep, notice=said.append)
    work(replace(run, stop=lambda: clock.now >= stop), drain=False)
    assert len(said) == 1
    assert "«other», not «memory»" in said[0]
    assert report(ten_in_file, 1).mailing.state is MailingState.HELD
    assert report(ten_in_file, 1).counts[DeliveryState.PLANNED] == 0


def test_a_worker_takes_up_what_is_ordered_while_it_runs(ten_in_file: Database) -> None:
    clock, said = Clock(), list[str]()
    ordered, limit = False, NOW + timedelta(minutes=5)

    def sleep(seconds: float) -> None:
        nonlocal ordered
        clock.sleep(seconds)
        if not ordered and clock.now >= NOW + timedelta(seconds=10):
            ordered = True
            place(ten_in_file, ORDER, sender="memory", now=clock.now)

    run = run_with(
        ten_in_file,
        MemorySender(),
        clock=clock,
        sleep=sleep,
        notice=said.append,
        stop=lambda: bool(said) or clock.now > limit,
    )
    work(run, drain=False)
    assert standing(report(ten_in_file, 1)) == {"accepted": 10}
    assert clock.now <= NOW + timedelta(seconds=13)
