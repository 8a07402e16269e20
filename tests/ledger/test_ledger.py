"""The ledger's steps, one by one: who is planned, who gets a row, and what can never happen."""

import threading
import tracemalloc

import pytest
import sqlalchemy as sa

from newsletter.audience.lists import unsubscribe
from newsletter.audience.subscribers import suppress
from newsletter.database.connection import Database
from newsletter.database.schema import DeliveryState, MailingState, SuppressionReason, delivery, subscriber
from newsletter.expressions import parse_expression
from newsletter.sending import answers, ledger, mailings
from newsletter.sending.senders.protocol import Outcome, Verdict
from tests.database.opened import NOW, SECRET, add_people
from tests.ledger.books import new_mailing, planned_mailing, said, standing, take


def row(connection: sa.Connection, number: int) -> sa.Row[tuple[object, ...]]:
    return connection.execute(sa.select(delivery).where(delivery.c.id == number)).one()


def test_planning_takes_everybody_who_may_be_mailed_once(database: Database) -> None:
    with database.write() as connection:
        add_people(connection, 5)
        add_people(connection, 2, "donors")
        unsubscribe(connection, 2, "community", now=NOW)
        suppress(connection, "reader3@example.com", SuppressionReason.BOUNCED, secret=SECRET, now=NOW)
        made = planned_mailing(connection)
        people = connection.scalars(sa.select(delivery.c.subscriber_id).order_by(delivery.c.id)).all()
        assert standing(connection, made) == {"planned": 3}
    assert people == [1, 4, 5]


def test_planning_with_a_condition_takes_those_for_whom_it_holds(database: Database) -> None:
    with database.write() as connection:
        add_people(connection, 20)
        connection.execute(sa.update(subscriber).where(subscriber.c.id % 2 == 0).values(country="KE"))
        made = new_mailing(connection)
        assert ledger.plan(connection, made, parse_expression('country == "KE"')) == 10
        people = connection.scalars(sa.select(delivery.c.subscriber_id).order_by(delivery.c.id)).all()
    assert people == list(range(2, 21, 2))


@pytest.mark.parametrize("where", [None, 'email != ""'])
def test_a_second_mailing_reaches_only_who_never_got_it(database: Database, where: str | None) -> None:
    with database.write() as connection:
        add_people(connection, 7)
        first = planned_mailing(connection)
        rows = take(connection, first, "w", 5)
        kinds = [Verdict.ACCEPTED, Verdict.UNKNOWN, Verdict.REFUSED, Verdict.DEFERRED]
        answers.record(connection, "w", [Outcome(*pair) for pair in zip(rows, kinds, strict=False)], now=NOW)
        reserved = ledger.reserve(connection, first, "w", 1)
        ledger.skip(connection, "w", {reserved[0].delivery: "no message"})
        before = {"accepted": 1, "unknown": 1, "refused": 1, "deferred": 1, "claimed": 1, "skipped": 1, "planned": 1}
        assert standing(connection, first) == before
        second = new_mailing(connection)
        condition = None if where is None else parse_expression(where)
        assert ledger.plan(connection, second, condition) == 2
        people = connection.scalars(sa.select(delivery.c.subscriber_id).where(delivery.c.mailing_id == second)).all()
    assert people == [3, 6], "the refused one and the skipped one"


def test_another_edition_reaches_everybody(database: Database) -> None:
    with database.write() as connection:
        add_people(connection, 3)
        planned_mailing(connection)
        assert standing(connection, planned_mailing(connection, edition="collection-and-use")) == {"planned": 3}


def test_reserving_hands_each_delivery_to_one_worker(database: Database) -> None:
    with database.write() as connection:
        add_people(connection, 5)
        made = planned_mailing(connection)
        one = ledger.reserve(connection, made, "one", 2)
        other = ledger.reserve(connection, made, "other", 100)
        assert [reserved.subscriber.id for reserved in one + other] == [1, 2, 3, 4, 5]
        assert ledger.reserve(connection, made, "third", 100) == []
        ledger.release(connection, made, "one")
        assert [reserved.subscriber.id for reserved in ledger.reserve(connection, made, "third", 100)] == [1, 2]


def test_a_claim_takes_only_what_is_reserved_by_that_worker(database: Database) -> None:
    with database.write() as connection:
        add_people(connection, 3)
        made = planned_mailing(connection)
        rows = [reserved.delivery for reserved in ledger.reserve(connection, made, "one", 2)]
        assert ledger.claim(connection, made, "ghost", [1, 2, 3], now=NOW) == frozenset()
        assert ledger.claim(connection, made, "one", [1, 2, 3], now=NOW) == frozenset(rows)
        assert ledger.claim(connection, made, "one", [1, 2, 3], now=NOW) == frozenset(), "not a second time"


@pytest.mark.parametrize("state", [MailingState.PAUSED, MailingState.CANCELLED])
def test_nothing_is_reserved_or_claimed_once_the_mailing_is_not_sending(
    database: Database, state: MailingState
) -> None:
    with database.write() as connection:
        add_people(connection, 3)
        made = planned_mailing(connection)
        rows = [reserved.delivery for reserved in ledger.reserve(connection, made, "w", 2)]
        assert mailings.change_state(connection, made, state)
        assert ledger.claim(connection, made, "w", rows, now=NOW) == frozenset()
        assert ledger.reserve(connection, made, "w", 2) == []
        assert standing(connection, made) == {"planned": 3}


def test_who_left_since_the_planning_is_skipped_with_the_reason(database: Database) -> None:
    with database.write() as connection:
        add_people(connection, 5)
        made = planned_mailing(connection)
        rows = [reserved.delivery for reserved in ledger.reserve(connection, made, "w", 5)]
        unsubscribe(connection, 1, "community", now=NOW)
        suppress(connection, "reader2@example.com", SuppressionReason.COMPLAINED, secret=SECRET, now=NOW)
        connection.execute(sa.delete(subscriber).where(subscriber.c.id == 3))
        connection.exec_driver_sql("UPDATE subscription SET status = 'bounced' WHERE subscriber_id = 4")
        assert ledger.claim(connection, made, "w", rows, now=NOW) == {rows[4]}
        assert standing(connection, made) == {"skipped": 4, "claimed": 1}
        assert [row(connection, number).reason for number in rows] == [
            "unsubscribed",
            "suppressed",
            "erased",
            "bounced",
            None,
        ]


def test_people_erased_before_they_are_reserved_do_not_end_the_mailing(database: Database) -> None:
    with database.write() as connection:
        add_people(connection, 5)
        made = planned_mailing(connection)
        connection.execute(sa.delete(subscriber).where(subscriber.c.id < 5))
        assert [reserved.subscriber.id for reserved in ledger.reserve(connection, made, "w", 2)] == [5]
        assert standing(connection, made) == {"skipped": 4, "planned": 1}


def test_answers_are_written_down_with_time_reason_and_message_id(database: Database) -> None:
    with database.write() as connection:
        add_people(connection, 2)
        made = planned_mailing(connection)
        first, second = take(connection, made, "w")
        said = [
            Outcome(first, Verdict.ACCEPTED, message_id="<1@example.org>"),
            Outcome(second, Verdict.REFUSED, "No such\r\n mailbox. " + "x" * 1000),
        ]
        answers.record(connection, "w", said, now=NOW)
        good, bad = row(connection, first), row(connection, second)
        assert (good.state, good.message_id, good.reason, good.answered_at) == (
            "accepted",
            "<1@example.org>",
            None,
            NOW,
        )
        assert (bad.state, bad.answered_at, len(bad.reason)) == ("refused", NOW, 500)
        assert bad.reason.startswith("No such mailbox. x")
        assert ledger.reasons(connection, made) == [(DeliveryState.REFUSED, bad.reason, 1)]


def test_answers_of_another_worker_change_nothing(database: Database) -> None:
    with database.write() as connection:
        add_people(connection, 1)
        made = planned_mailing(connection)
        rows = take(connection, made, "w")
        answers.record(connection, "ghost", said(rows, Verdict.REFUSED), now=NOW)
        assert standing(connection, made) == {"claimed": 1}


def test_a_late_answer_settles_what_was_thought_unknown(database: Database) -> None:
    with database.write() as connection:
        add_people(connection, 1)
        made = planned_mailing(connection)
        rows = take(connection, made, "w")
        assert answers.bury(connection, {"w"}, now=NOW) == 1
        assert standing(connection, made) == {"unknown": 1}
        answers.record(connection, "w", said(rows, Verdict.ACCEPTED), now=NOW)
        assert standing(connection, made) == {"accepted": 1}


@pytest.mark.parametrize("first", [Verdict.ACCEPTED, Verdict.REFUSED])
@pytest.mark.parametrize("second", list(Verdict))
def test_what_is_settled_stays_settled(database: Database, first: Verdict, second: Verdict) -> None:
    with database.write() as connection:
        add_people(connection, 1)
        made = planned_mailing(connection)
        rows = take(connection, made, "w")
        answers.record(connection, "w", said(rows, first), now=NOW)
        before = standing(connection, made)
        answers.record(connection, "w", said(rows, second), now=NOW)
        answers.settle(connection, said(rows, second), now=NOW)
        assert answers.bury(connection, {"w"}, now=NOW) == 0
        assert standing(connection, made) == before


def test_settling_does_not_touch_what_a_living_worker_has_claimed(database: Database) -> None:
    with database.write() as connection:
        add_people(connection, 1)
        made = planned_mailing(connection)
        rows = take(connection, made, "w")
        answers.settle(connection, said(rows, Verdict.UNSENT), now=NOW)
        assert standing(connection, made) == {"claimed": 1}


def test_deferred_and_unsent_deliveries_can_be_taken_again(database: Database) -> None:
    with database.write() as connection:
        add_people(connection, 2)
        made = planned_mailing(connection)
        first, second = take(connection, made, "w")
        answers.record(
            connection, "w", [Outcome(first, Verdict.DEFERRED, "later"), Outcome(second, Verdict.UNSENT)], now=NOW
        )
        assert standing(connection, made) == {"deferred": 1, "planned": 1}
        assert take(connection, made, "other") == [second]
        assert answers.retry_due(connection, made) == 1
        assert take(connection, made, "other") == [first]
        assert row(connection, first).reason is None


def test_cancelling_leaves_out_the_rest_and_not_what_is_in_flight(database: Database) -> None:
    with database.write() as connection:
        add_people(connection, 6)
        made = planned_mailing(connection)
        rows = take(connection, made, "w", 3)
        answers.record(
            connection, "w", [Outcome(rows[0], Verdict.ACCEPTED), Outcome(rows[1], Verdict.DEFERRED)], now=NOW
        )
        assert ledger.leave_out_the_rest(connection, made) == 4
        assert standing(connection, made) == {"accepted": 1, "claimed": 1, "skipped": 4}
        answers.record(connection, "w", said(rows[2:], Verdict.ACCEPTED), now=NOW)
        assert standing(connection, made) == {"accepted": 2, "skipped": 4}


def test_unknowns_are_found_page_by_page(database: Database) -> None:
    with database.write() as connection:
        add_people(connection, 5)
        made = planned_mailing(connection)
        rows = take(connection, made, "w")
        answers.bury(connection, {"w"}, now=NOW)
        assert ledger.unknowns(connection, made, limit=3) == rows[:3]
        assert ledger.unknowns(connection, made, after=rows[2], limit=3) == rows[3:]


def test_workers_at_once_never_claim_the_same(database: Database) -> None:
    with database.write() as connection:
        add_people(connection, 300)
        made = planned_mailing(connection)
    claimed: dict[str, list[int]] = {f"worker {number}": [] for number in range(4)}

    def work(worker: str) -> None:
        while True:
            with database.write() as connection:
                rows = take(connection, made, worker, 7)
            if not rows:
                return
            claimed[worker] += rows
            with database.write() as connection:
                answers.record(connection, worker, said(rows, Verdict.ACCEPTED), now=NOW)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in claimed]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    everything = [row for rows in claimed.values() for row in rows]
    assert len(everything) == len(set(everything)) == 300
    with database.read() as connection:
        assert standing(connection, made) == {"accepted": 300}


def test_finding_the_next_deliveries_does_not_depend_on_how_many_there_are(sqlite_database: Database) -> None:
    with sqlite_database.write() as connection:
        add_people(connection, 200)
        made = planned_mailing(connection)
        connection.exec_driver_sql("ANALYZE")
        seen: list[tuple[str, object]] = []
        sa.event.listen(connection, "before_cursor_execute", lambda *about: seen.append((about[2], about[3])))
        ledger.reserve(connection, made, "w", 10)
        statement, values = next((text, values) for text, values in seen if text.startswith("UPDATE delivery"))
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
    steps = [step[3] for step in plan]
    assert any("ix_delivery_mailing_id_state_id" in step for step in steps)
    assert not any("SCAN delivery" in step or "TEMP B-TREE" in step for step in steps), steps


@pytest.mark.parametrize("where", [None, 'email != ""'])
def test_planning_holds_few_people_in_memory_at_a_time(database: Database, where: str | None) -> None:
    condition = None if where is None else parse_expression(where)
    peaks = []
    for count in (1000, 3000):
        with database.write() as connection:
            add_people(connection, count)
            made = new_mailing(connection, edition=f"edition-{count}")
            tracemalloc.start()
            planned = ledger.plan(connection, made, condition)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        assert planned >= count
    assert peaks[1] < peaks[0] * 1.5 + 300_000
