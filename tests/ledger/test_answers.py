"""What did not leave is tried again, later and later, until it is given up; what comes late is still heard."""

from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from newsletter.database.connection import Database
from newsletter.database.schema import MailingState, delivery
from newsletter.sending import answers, ledger, mailings
from newsletter.sending.pacing import MOST_TRIES, wait_after
from newsletter.sending.senders.protocol import Outcome, Verdict
from tests.database.opened import NOW, add_people
from tests.ledger.books import planned_mailing, said, standing, take


def row(connection: sa.Connection, number: int) -> sa.Row[tuple[object, ...]]:
    return connection.execute(sa.select(delivery).where(delivery.c.id == number)).one()


def answer(connection: sa.Connection, made: int, *outcomes: Outcome, now: datetime = NOW) -> None:
    """Let somebody take what is planned, and get these answers."""
    take(connection, made, "w")
    answers.record(connection, "w", outcomes, now=now)


def test_what_never_left_is_planned_again_at_once_three_times_and_then_waits(database: Database) -> None:
    with database.write() as connection:
        (one,) = add_people(connection, 1)
        made = planned_mailing(connection)
        for tries in (1, 2, 3):
            answer(connection, made, Outcome(one, Verdict.UNSENT, "The line broke."))
            now = row(connection, one)
            assert (now.state, now.tries, now.next_try, now.worker) == ("planned", tries, None, None)
        answer(connection, made, Outcome(one, Verdict.UNSENT, "The line broke."))
        now = row(connection, one)
        assert (now.state, now.tries, now.reason) == ("deferred", 4, "The line broke.")
        assert now.next_try == NOW + wait_after(None, 4, one)


@pytest.mark.parametrize("status", ["4.2.2", "4.7.1", "4.3.1", "4.4.7", None])
def test_what_was_told_not_now_waits_as_its_status_code_says(database: Database, status: str | None) -> None:
    with database.write() as connection:
        (one,) = add_people(connection, 1)
        made = planned_mailing(connection)
        assert answers.next_try(connection, made) is None
        for tries in (1, 2):
            answer(connection, made, Outcome(one, Verdict.DEFERRED, "Not now.", status=status))
            due = NOW + wait_after(status, tries, one)
            assert (row(connection, one).tries, row(connection, one).next_try) == (tries, due)
            assert answers.next_try(connection, made) == due
            assert answers.retry_due(connection, made) == 1


def test_the_soonest_retry_is_the_next_one(database: Database) -> None:
    with database.write() as connection:
        first, second = add_people(connection, 2)
        made = planned_mailing(connection)
        full = Outcome(first, Verdict.DEFERRED, "Full.", status="4.2.2")
        answer(connection, made, full, Outcome(second, Verdict.DEFERRED, "No way.", status="4.4.1"))
        assert answers.next_try(connection, made) == NOW + wait_after("4.4.1", 1, second)


def test_after_most_tries_it_is_given_up_and_says_what_was_last_said(database: Database) -> None:
    with database.write() as connection:
        (one,) = add_people(connection, 1)
        made = planned_mailing(connection)
        for tries in range(1, MOST_TRIES):
            answer(connection, made, Outcome(one, Verdict.DEFERRED, "Not now.", status="4.7.1"))
            assert row(connection, one).tries == tries
            assert answers.retry_due(connection, made) == 1
        answer(connection, made, Outcome(one, Verdict.DEFERRED, "Still not.", status="4.7.1"))
        assert (row(connection, one).state, row(connection, one).reason) == (
            "refused",
            f"Given up after {MOST_TRIES} tries. Still not.",
        )
        assert answers.retry_due(connection, made) == 0


def test_only_what_is_due_is_planned_again_and_without_a_time_everything(database: Database) -> None:
    with database.write() as connection:
        soon, later, old = add_people(connection, 3)
        made = planned_mailing(connection)
        other = planned_mailing(connection, edition="another")
        for mailing_id in (made, other):
            take(connection, mailing_id, "w")
        outcomes = [Outcome(soon, Verdict.DEFERRED, status="4.4.1"), Outcome(later, Verdict.DEFERRED, status="4.2.2")]
        answers.record(connection, "w", [*outcomes, *said([old, old + 1], Verdict.DEFERRED)], now=NOW)
        connection.execute(sa.update(delivery).where(delivery.c.id == old).values(next_try=None))
        due = row(connection, soon).next_try
        assert answers.retry_due(connection, made, now=due - timedelta(microseconds=1)) == 1, "it never had a time"
        assert row(connection, old).state == "planned"
        assert answers.retry_due(connection, made, now=due) == 1
        assert row(connection, soon).state == "planned"
        assert answers.retry_due(connection, made) == 1
        assert standing(connection, made) == {"planned": 3}
        assert standing(connection, other) == {"claimed": 2, "deferred": 1}, "another mailing's stay"


@pytest.mark.parametrize("verdict", [Verdict.UNSENT, Verdict.DEFERRED])
def test_what_did_not_leave_before_the_mailing_was_over_is_refused(database: Database, verdict: Verdict) -> None:
    """It must not be planned: nobody would ever send it, and the sums of a finished mailing would not be final."""
    with database.write() as connection:
        (one,) = add_people(connection, 1)
        made = planned_mailing(connection)
        take(connection, made, "w")
        assert mailings.change_state(connection, made, MailingState.CANCELLED)
        answers.record(connection, "w", [Outcome(one, verdict, "Too\nlate.")], now=NOW)
        assert (row(connection, one).state, row(connection, one).reason) == (
            "refused",
            "It did not leave before the mailing was over. Too late.",
        )
        assert standing(connection, planned_mailing(connection)) == {"planned": 1}, "another mailing reaches them"


@pytest.mark.parametrize("verdict", [Verdict.UNSENT, Verdict.DEFERRED])
def test_in_a_paused_mailing_it_waits_for_the_mailing_to_go_on(database: Database, verdict: Verdict) -> None:
    with database.write() as connection:
        (one,) = add_people(connection, 1)
        made = planned_mailing(connection)
        take(connection, made, "w")
        assert mailings.change_state(connection, made, MailingState.PAUSED)
        answers.record(connection, "w", [Outcome(one, verdict)], now=NOW)
        assert standing(connection, made) == {"planned" if verdict is Verdict.UNSENT else "deferred": 1}


def test_late_answers_of_a_mailing_that_is_over_settle_what_was_unknown(database: Database) -> None:
    with database.write() as connection:
        came, did_not = add_people(connection, 2)
        made = planned_mailing(connection)
        take(connection, made, "w")
        answers.bury(connection, {"w"}, now=NOW)
        assert mailings.change_state(connection, made, MailingState.SENT)
        late = [Outcome(came, Verdict.ACCEPTED, message_id="<late@example.org>"), Outcome(did_not, Verdict.UNSENT)]
        answers.record(connection, "w", late, now=NOW)
        assert standing(connection, made) == {"accepted": 1, "refused": 1}
        assert row(connection, came).message_id == "<late@example.org>"


def test_an_answer_without_a_message_id_keeps_the_one_that_is_known(database: Database) -> None:
    with database.write() as connection:
        (one,) = add_people(connection, 1)
        made = planned_mailing(connection)
        answer(connection, made, Outcome(one, Verdict.UNKNOWN, "No answer.", "<1@example.org>"))
        answers.settle(connection, [Outcome(one, Verdict.ACCEPTED)], now=NOW)
        assert (row(connection, one).state, row(connection, one).message_id) == ("accepted", "<1@example.org>")


def test_what_was_not_handed_over_is_put_back_without_a_try(database: Database) -> None:
    with database.write() as connection:
        first, second, third = add_people(connection, 3)
        made = planned_mailing(connection)
        take(connection, made, "w", 2)
        take(connection, made, "other")
        answers.put_back(connection, "w", [first, third])
        answers.put_back(connection, "w", [])
        assert standing(connection, made) == {"planned": 1, "claimed": 2}
        now = row(connection, first)
        assert (now.state, now.worker, now.tries, now.next_try) == ("planned", None, 0, None)
        assert row(connection, third).worker == "other"
        answers.record(connection, "w", said([second], Verdict.ACCEPTED), now=NOW)
        answers.put_back(connection, "w", [second])
        assert row(connection, second).state == "accepted", "what is settled stays so"


def test_only_the_named_workers_are_buried(database: Database) -> None:
    with database.write() as connection:
        add_people(connection, 8)
        made = planned_mailing(connection)
        for worker in ("dead", "gone", "alive"):
            take(connection, made, worker, 1)
            ledger.reserve(connection, made, worker, 1)
        assert answers.workers_named(connection) == {"dead", "gone", "alive"}
        assert answers.bury(connection, set(), now=NOW) == 0
        assert answers.bury(connection, {"dead", "gone", "never heard of"}, now=NOW) == 2
        assert answers.workers_named(connection) == {"alive"}
        assert standing(connection, made) == {"unknown": 2, "claimed": 1, "planned": 5}
        reserved = sa.select(delivery.c.worker).where(delivery.c.state == "planned", delivery.c.worker.is_not(None))
        assert connection.scalars(reserved).all() == ["alive"]
        lost = connection.execute(sa.select(delivery).where(delivery.c.state == "unknown")).all()
        assert {(each.reason, each.answered_at) for each in lost} == {
            ("The program ended before the answer came.", NOW)
        }


def test_claims_of_the_dead_are_found_in_mailings_that_are_over_too(database: Database) -> None:
    with database.write() as connection:
        add_people(connection, 2)
        made = planned_mailing(connection)
        take(connection, made, "dead", 1)
        assert mailings.change_state(connection, made, MailingState.CANCELLED)
        assert answers.workers_named(connection) == {"dead"}
        assert answers.bury(connection, {"dead"}, now=NOW) == 1
