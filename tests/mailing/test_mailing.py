"""Sending an edition: once, to everybody it was planned for, and to nobody who must not get it."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
import sqlalchemy as sa

from newsletter.audience.lists import unsubscribe
from newsletter.audience.subscribers import suppress
from newsletter.database.connection import Database
from newsletter.database.schema import DeliveryState, MailingState, SuppressionReason, delivery, subscriber
from newsletter.errors import (
    AlreadySentError,
    AudienceError,
    ExpressionError,
    ListNotFoundError,
    MailingNotFoundError,
    MessageError,
    SenderError,
    SendError,
    SenderUnavailableError,
)
from newsletter.sending import mailings
from newsletter.sending.mailing import Report, cancel, count_chosen, report, resume, send
from newsletter.sending.run import Progress
from newsletter.sending.senders.outbox import OutboxSender
from newsletter.sending.senders.protocol import Handover, Verdict
from tests.database.opened import NOW, SECRET, add_people
from tests.mailing.arranging import ORDER, Clock, MemorySender, PlainWriter, outbox_files, run_with


def everybody(count: int) -> list[str]:
    return [f"reader{number}@example.com" for number in range(1, count + 1)]


def standing(about: Report) -> dict[str, int]:
    """The states that somebody is in, checked to add up to the frozen audience."""
    assert sum(about.counts.values()) == about.mailing.audience
    return {str(state): count for state, count in about.counts.items() if count}


@pytest.fixture
def thirty(database: Database) -> Database:
    """The database, with thirty people on `community`."""
    with database.write() as connection:
        add_people(connection, 30)
    return database


def test_everybody_gets_one_message_and_the_report_says_so(thirty: Database, tmp_path: Path) -> None:
    outbox = OutboxSender(tmp_path / "outbox")
    done = send(run_with(thirty, outbox), ORDER)
    outbox.close()
    assert done.mailing.state is MailingState.SENT
    assert standing(done) == {"accepted": 30}
    assert (done.mailing.started_at, done.mailing.finished_at) == (NOW, NOW)
    contents = [path.read_bytes() for path in outbox_files(tmp_path)]
    assert sorted(content.split(b"\r\n")[1] for content in contents) == sorted(
        f"To: {a}".encode() for a in everybody(30)
    )
    assert b"30" in next(tmp_path.rglob("index.html")).read_bytes()
    with thirty.read() as connection:
        assert set(connection.scalars(sa.select(delivery.c.message_id))) == {f"<{n}@example.org>" for n in range(1, 31)}


def test_sending_again_reaches_nobody_twice_and_newcomers_once(thirty: Database) -> None:
    sender = MemorySender()
    send(run_with(thirty, sender), ORDER)
    with pytest.raises(AlreadySentError, match=r"Everybody chosen \(30\) has this edition already"):
        send(run_with(thirty, sender), ORDER)
    with thirty.write() as connection:
        add_people(connection, 2)
    assert count_chosen(thirty, ORDER) == (2, 30)
    again = send(run_with(thirty, sender), replace(ORDER, digest="e" * 64, composition=b"corrected"))
    assert standing(again) == {"accepted": 2}
    assert sender.addresses == everybody(32)


def test_the_choice_decides_who_gets_it(thirty: Database) -> None:
    with thirty.write() as connection:
        connection.execute(sa.update(subscriber).where(subscriber.c.id.in_([3, 7])).values(country="KE"))
    sender = MemorySender()
    kenya = replace(ORDER, where='country == "KE"')
    assert count_chosen(thirty, kenya) == (2, 0)
    assert standing(send(run_with(thirty, sender), kenya)) == {"accepted": 2}
    assert sender.addresses == ["reader3@example.com", "reader7@example.com"]
    with pytest.raises(AlreadySentError):
        send(run_with(thirty, sender), kenya)
    assert standing(send(run_with(thirty, sender), ORDER)) == {"accepted": 28}
    assert sorted(sender.addresses) == sorted(everybody(30))


@pytest.mark.parametrize(
    ("order", "error", "sentence"),
    [
        (replace(ORDER, list_slug="donors"), AudienceError, "nobody on the list «donors» who may be mailed"),
        (replace(ORDER, where='country == "XX"'), AudienceError, "for whom the condition holds"),
        (replace(ORDER, list_slug="comunity"), ListNotFoundError, "Did you mean «community»"),
        (replace(ORDER, where="contry == 1"), ExpressionError, "contry"),
    ],
)
def test_an_order_for_nobody_leaves_no_trace(
    thirty: Database, order: object, error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        send(run_with(thirty, MemorySender()), order)  # type: ignore[arg-type]
    with thirty.read() as connection:
        assert mailings.list_mailings(connection) == []


def test_an_audience_of_one_and_of_nobody_end_as_any_other(database: Database) -> None:
    with database.write() as connection:
        add_people(connection, 1)
    assert standing(send(run_with(database, MemorySender()), ORDER)) == {"accepted": 1}
    run = run_with(database, MemorySender())

    def leave(progress: Progress) -> None:
        with database.write() as connection:
            unsubscribe(connection, 1, "community", now=NOW)

    held = replace(ORDER, edition="another", hold=timedelta(seconds=1))
    done = send(replace(run, progress=leave), held)
    assert (done.mailing.state, done.mailing.audience, standing(done)) == (MailingState.SENT, 0, {})


def test_a_mailing_leaves_when_its_hold_is_over_and_not_before(thirty: Database) -> None:
    clock = Clock()
    left: list[timedelta] = []

    def look(progress: Progress) -> None:
        if progress.held_for:
            left.append(progress.held_for)
            assert not sender.handed

    sender = MemorySender()
    run = run_with(thirty, sender, clock=clock, sleep=clock.sleep, progress=look)
    done = send(run, replace(ORDER, hold=timedelta(seconds=60)))
    assert done.mailing.started_at == NOW + timedelta(seconds=60)
    assert left[0] == timedelta(seconds=60)
    assert all(later < earlier for earlier, later in pairwise(left))
    assert len(sender.handed) == 30


def test_stopping_during_the_hold_undoes_it(thirty: Database) -> None:
    sender = MemorySender()
    order = replace(ORDER, hold=timedelta(seconds=60))
    done = send(run_with(thirty, sender, stop=lambda: True), order)
    assert (done.mailing.state, done.mailing.audience) == (MailingState.CANCELLED, None)
    assert not sender.handed
    assert standing(send(run_with(thirty, sender), ORDER)) == {"accepted": 30}


def test_stopped_between_two_batches_it_is_paused_and_the_same_command_goes_on(thirty: Database) -> None:
    sender = MemorySender()
    stopped = send(run_with(thirty, sender, stop=lambda: len(sender.handed) >= 9), ORDER)
    assert stopped.mailing.state is MailingState.PAUSED
    assert standing(stopped) == {"accepted": 12, "planned": 18}
    assert count_chosen(thirty, ORDER) == (18, 12)
    done = send(run_with(thirty, sender), ORDER)
    assert (done.mailing.id, done.mailing.state) == (stopped.mailing.id, MailingState.SENT)
    assert sender.addresses == everybody(30)


def test_the_rest_of_a_mailing_is_written_from_the_frozen_composition(thirty: Database) -> None:
    sender = MemorySender()
    stopped = send(run_with(thirty, sender, stop=lambda: bool(sender.handed)), ORDER)
    changed = replace(ORDER, digest="e" * 64, composition=b"second")
    with pytest.raises(SendError, match=r"the edition has changed since.*\n.*mailings cancel 1"):
        send(run_with(thirty, sender), changed)
    resume(run_with(thirty, sender), stopped.mailing.id)
    assert {handover.message.subject for handover in sender.handed} == {"first"}  # type: ignore[attr-defined]
    assert sender.addresses == everybody(30)


def test_the_changed_edition_goes_to_the_rest_once_the_first_is_cancelled(thirty: Database) -> None:
    sender = MemorySender()
    stopped = send(run_with(thirty, sender, stop=lambda: bool(sender.handed)), ORDER)
    cancelled = cancel(thirty, stopped.mailing.id, now=NOW)
    assert standing(cancelled) == {"accepted": 4, "skipped": 26}
    assert cancelled.reasons == [(DeliveryState.SKIPPED, "cancelled", 26)]
    done = send(run_with(thirty, sender), replace(ORDER, digest="e" * 64, composition=b"second"))
    assert standing(done) == {"accepted": 26}
    assert sender.addresses == everybody(30)
    with pytest.raises(SendError, match="nothing of it is left to send"):
        resume(run_with(thirty, sender), stopped.mailing.id)


def test_cancelling_reaches_a_mailing_under_way(thirty: Database) -> None:
    sender = MemorySender()

    def change_my_mind(progress: Progress) -> None:
        cancel(thirty, progress.mailing, now=NOW)

    done = send(run_with(thirty, sender, progress=change_my_mind), ORDER)
    assert done.mailing.state is MailingState.CANCELLED
    assert standing(done) == {"accepted": 4, "skipped": 26}
    assert len(sender.handed) == 4


def test_pausing_reaches_a_mailing_under_way(thirty: Database) -> None:
    sender = MemorySender()

    def pause(progress: Progress) -> None:
        with thirty.write() as connection:
            mailings.change_state(connection, progress.mailing, MailingState.PAUSED)

    done = send(run_with(thirty, sender, progress=pause), ORDER)
    assert (done.mailing.state, standing(done)) == (MailingState.PAUSED, {"accepted": 4, "planned": 26})
    assert standing(send(run_with(thirty, sender), ORDER)) == {"accepted": 30}
    assert sender.addresses == everybody(30)


def test_a_sent_mailing_cannot_be_cancelled_nor_one_that_is_not_there(thirty: Database) -> None:
    done = send(run_with(thirty, MemorySender()), ORDER)
    with pytest.raises(SendError, match="is sent"):
        cancel(thirty, done.mailing.id, now=NOW)
    with pytest.raises(MailingNotFoundError, match="newsletter mailings"):
        cancel(thirty, 99, now=NOW)
    with pytest.raises(MailingNotFoundError):
        report(thirty, 99)


def test_who_leaves_while_it_is_sent_gets_nothing(thirty: Database) -> None:
    sender = MemorySender()

    def leave(progress: Progress) -> None:
        with thirty.write() as connection:
            unsubscribe(connection, 29, "community", now=NOW)
            suppress(connection, "reader30@example.com", SuppressionReason.COMPLAINED, secret=SECRET, now=NOW)
            connection.execute(sa.delete(subscriber).where(subscriber.c.id == 28))

    done = send(run_with(thirty, sender, progress=leave), ORDER)
    assert standing(done) == {"accepted": 27, "skipped": 3}
    assert {reason for _, reason, _ in done.reasons} == {"unsubscribed", "suppressed", "erased"}
    assert sender.addresses == everybody(27)


@pytest.mark.parametrize("error", [MessageError("the subject is empty."), KeyError("x"), RecursionError()])
def test_whoever_no_message_can_be_written_for_is_skipped_and_the_others_go_on(
    thirty: Database, error: Exception
) -> None:
    sender = MemorySender()
    writer = PlainWriter(lambda reader: error if reader.email == "reader7@example.com" else None)
    done = send(run_with(thirty, sender, writer), ORDER)
    assert standing(done) == {"accepted": 29, "skipped": 1}
    ((_, reason, _),) = done.reasons
    assert reason.startswith("The message could not be written")
    assert standing(send(run_with(thirty, sender), ORDER)) == {"accepted": 1}, "put right, they get it"
    assert sorted(sender.addresses) == sorted(everybody(30))


def test_an_address_that_the_sender_cannot_reach_is_skipped_with_the_reason(database: Database) -> None:
    with database.write() as connection:
        add_people(connection, 2)
        connection.execute(sa.update(subscriber).where(subscriber.c.id == 1).values(email="مريم@example.com"))
    done = send(run_with(database, MemorySender(smtputf8=False)), ORDER)
    assert standing(done) == {"accepted": 1, "skipped": 1}
    assert "cannot reach such an address" in done.reasons[0][1]


def test_the_refused_are_told_with_their_reason_and_can_be_tried_again(thirty: Database) -> None:
    refusing = MemorySender(lambda handover: Verdict.REFUSED if handover.delivery in {2, 5} else Verdict.ACCEPTED)
    done = send(run_with(thirty, refusing), ORDER)
    assert (done.mailing.state, standing(done)) == (MailingState.SENT, {"accepted": 28, "refused": 2})
    assert done.reasons == [(DeliveryState.REFUSED, "It was refused.", 2)]
    assert standing(send(run_with(thirty, MemorySender()), ORDER)) == {"accepted": 2}


def test_the_deferred_wait_in_a_paused_mailing_and_get_it_the_next_time(thirty: Database) -> None:
    busy = MemorySender(lambda handover: Verdict.DEFERRED if handover.delivery % 5 == 0 else Verdict.ACCEPTED)
    paused = send(run_with(thirty, busy), ORDER)
    assert (paused.mailing.state, standing(paused)) == (MailingState.PAUSED, {"accepted": 24, "deferred": 6})
    sender = MemorySender()
    assert standing(send(run_with(thirty, sender), ORDER)) == {"accepted": 30}
    assert sorted(busy.addresses + sender.addresses) == sorted(everybody(30))


def test_a_sender_that_takes_nothing_pauses_the_mailing_at_once(thirty: Database) -> None:
    def full(handover: Handover) -> Verdict:
        if handover.delivery > 8:
            raise SenderUnavailableError("The password is wrong.", lasting=True)
        return Verdict.ACCEPTED

    with pytest.raises(SenderError, match=r"takes no messages: The password is wrong\. The mailing is paused"):
        send(run_with(thirty, MemorySender(full)), ORDER)
    now = report(thirty, 1)
    assert (now.mailing.state, standing(now)) == (MailingState.PAUSED, {"accepted": 8, "planned": 22})
    assert "The password is wrong." in str(now.mailing.paused_because)
    assert standing(send(run_with(thirty, MemorySender()), ORDER)) == {"accepted": 30}


def test_what_never_left_is_sent_in_the_same_run(thirty: Database) -> None:
    tried: set[int] = set()

    def second_time(handover: Handover) -> Verdict:
        if handover.delivery in tried:
            return Verdict.ACCEPTED
        tried.add(handover.delivery)
        return Verdict.UNSENT

    sender = MemorySender(second_time)
    assert standing(send(run_with(thirty, sender), ORDER)) == {"accepted": 30}
    assert sender.addresses == everybody(30)


def failing_at(number: int) -> MemorySender:
    """A sender that breaks while it delivers, after some of the batch has left."""

    def answer(handover: Handover) -> Verdict:
        if handover.delivery == number:
            raise ConnectionError("the line went dead")
        return Verdict.ACCEPTED

    return MemorySender(answer)


def test_a_sender_that_breaks_leaves_its_batch_unknown_and_nothing_is_sent_twice(thirty: Database) -> None:
    broken = failing_at(11)
    with pytest.raises(SenderError, match="the line went dead"):
        send(run_with(thirty, broken), ORDER)
    now = report(thirty, 1)
    assert (now.mailing.state, standing(now)) == (MailingState.PAUSED, {"accepted": 8, "unknown": 4, "planned": 18})
    sender = MemorySender()
    done = send(run_with(thirty, sender), ORDER)
    assert (done.mailing.state, standing(done)) == (MailingState.SENT, {"accepted": 26, "unknown": 4})
    assert not set(broken.addresses) & set(sender.addresses)
    with pytest.raises(AlreadySentError):
        send(run_with(thirty, sender), ORDER)


def test_a_sender_that_can_settle_leaves_nothing_unknown(thirty: Database) -> None:
    broken = failing_at(12)
    with pytest.raises(SenderError):
        send(run_with(thirty, broken), ORDER)
    sender = MemorySender(settles=True)
    sender.handed = list(broken.handed)
    assert standing(send(run_with(thirty, sender), ORDER)) == {"accepted": 30}
    assert sorted(sender.addresses) == sorted(everybody(30))


def test_a_sender_that_forgets_to_answer_is_not_believed(thirty: Database) -> None:
    sender = MemorySender(lambda handover: None if handover.delivery == 3 else Verdict.ACCEPTED)
    done = send(run_with(thirty, sender), ORDER)
    assert (done.mailing.state, standing(done)) == (MailingState.SENT, {"accepted": 29, "unknown": 1})
    assert len(sender.handed) == 30


def test_a_mailing_is_not_finished_through_another_sender(thirty: Database, tmp_path: Path) -> None:
    sender = MemorySender()
    send(run_with(thirty, sender, stop=lambda: bool(sender.handed)), ORDER)
    with pytest.raises(SendError, match="begun through «memory», not «outbox»"):
        send(run_with(thirty, OutboxSender(tmp_path / "outbox")), ORDER)
    with pytest.raises(SendError, match="begun through «memory», not «outbox»"):
        resume(run_with(thirty, OutboxSender(tmp_path / "outbox")), 1)
    assert not (tmp_path / "outbox").exists()


def test_progress_only_grows_and_ends_at_the_audience(thirty: Database) -> None:
    seen: list[Progress] = []
    send(run_with(thirty, MemorySender(), progress=seen.append), ORDER)
    assert [progress.done for progress in seen] == [4, 8, 12, 16, 20, 24, 28, 30]
    assert {progress.audience for progress in seen} == {30}


def test_a_database_that_cannot_be_written_loses_no_answer_that_matters(
    thirty: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files are there, the ledger does not know it yet: the next run finds them."""
    outbox = OutboxSender(tmp_path / "outbox")
    run = run_with(thirty, outbox)

    def full(*_: object) -> None:
        if outbox_files(tmp_path):
            raise sa.exc.OperationalError("COMMIT", None, Exception("database or disk is full"))

    sa.event.listen(thirty.engine, "commit", full)
    with pytest.raises(Exception, match="disk is full"):
        send(run, ORDER)
    sa.event.remove(thirty.engine, "commit", full)
    assert standing(report(thirty, 1))["claimed"] > 0
    assert standing(send(run_with(thirty, outbox), ORDER)) == {"accepted": 30}
    assert len(outbox_files(tmp_path)) == 30
