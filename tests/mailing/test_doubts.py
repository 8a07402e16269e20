"""What nobody knew and a person found out: who got it stays settled, who did not can get it."""

from dataclasses import replace

import pytest
import sqlalchemy as sa

from newsletter.database.connection import Database
from newsletter.database.schema import MailingState, subscriber
from newsletter.errors import AlreadySentError, MailingNotFoundError, SubscriberNotFoundError
from newsletter.sending.doubts import Doubt, dispel, doubts
from newsletter.sending.mailing import Report, cancel, report, resume, send
from newsletter.sending.senders.protocol import Handover, Verdict
from tests.database.opened import NOW, add_people
from tests.mailing.arranging import ORDER, MemorySender, run_with

UNSURE = {2, 3, 5}


def standing(about: Report) -> dict[str, int]:
    """The states that somebody is in, checked to add up to the frozen audience."""
    assert sum(about.counts.values()) == about.mailing.audience
    return {str(state): count for state, count in about.counts.items() if count}


def unsure(handover: Handover) -> Verdict:
    return Verdict.UNKNOWN if handover.delivery in UNSURE else Verdict.ACCEPTED


@pytest.fixture
def six(database: Database) -> Database:
    with database.write() as connection:
        add_people(connection, 6)
    return database


@pytest.fixture
def finished(six: Database) -> Database:
    """A mailing that is sent, of which three deliveries are unknown."""
    assert standing(send(run_with(six, MemorySender(unsure)), ORDER)) == {"accepted": 3, "unknown": 3}
    return six


@pytest.fixture
def paused(six: Database) -> Database:
    """A mailing that is paused, with three unknown and the last still to come."""
    sender = MemorySender(unsure, batch=1)
    stopped = send(run_with(six, sender, stop=lambda: len(sender.handed) == 5), ORDER)
    assert standing(stopped) == {"accepted": 2, "unknown": 3, "planned": 1}
    return six


def listed(database: Database) -> list[Doubt]:
    with database.read() as connection:
        return list(doubts(connection, 1))


def test_they_are_listed_with_address_time_and_reason(finished: Database) -> None:
    with finished.write() as connection:
        connection.execute(sa.delete(subscriber).where(subscriber.c.id == 3))
    assert listed(finished) == [
        Doubt(2, "reader2@example.com", NOW, "It was unknown."),
        Doubt(3, None, NOW, "It was unknown."),
        Doubt(5, "reader5@example.com", NOW, "It was unknown."),
    ]


def test_those_who_got_it_are_never_sent_it_again(finished: Database) -> None:
    assert dispel(finished, 1, [], arrived=True, now=NOW) == 3
    assert (standing(report(finished, 1)), listed(finished)) == ({"accepted": 6}, [])
    with pytest.raises(AlreadySentError):
        send(run_with(finished, MemorySender()), ORDER)
    assert dispel(finished, 1, [], arrived=False, now=NOW) == 0, "what is settled stays settled"
    assert standing(report(finished, 1)) == {"accepted": 6}


def test_after_a_finished_mailing_those_who_did_not_get_it_are_reached_by_another(finished: Database) -> None:
    assert dispel(finished, 1, [], arrived=False, now=NOW) == 3
    now = report(finished, 1)
    assert (now.mailing.state, standing(now)) == (MailingState.SENT, {"accepted": 3, "refused": 3})
    assert now.reasons == [("refused", "A person found that it did not arrive.", 3)]
    sender = MemorySender()
    done = send(run_with(finished, sender), ORDER)
    assert (done.mailing.id, standing(done)) == (2, {"accepted": 3})
    assert sender.addresses == [f"reader{number}@example.com" for number in sorted(UNSURE)]


def test_after_a_cancelled_mailing_too(paused: Database) -> None:
    cancel(paused, 1, now=NOW)
    assert dispel(paused, 1, [], arrived=False, now=NOW) == 3
    assert standing(report(paused, 1)) == {"accepted": 2, "refused": 3, "skipped": 1}
    assert standing(send(run_with(paused, MemorySender()), ORDER)) == {"accepted": 4}


def test_in_an_open_mailing_those_who_did_not_get_it_are_planned_again(paused: Database) -> None:
    assert dispel(paused, 1, [], arrived=False, now=NOW) == 3
    assert standing(report(paused, 1)) == {"accepted": 2, "planned": 4}
    sender = MemorySender()
    done = resume(run_with(paused, sender), 1)
    assert standing(done) == {"accepted": 6}
    assert sorted(sender.addresses) == [f"reader{number}@example.com" for number in (2, 3, 5, 6)]


def test_in_an_open_mailing_those_who_got_it_do_not_get_another(paused: Database) -> None:
    assert dispel(paused, 1, [], arrived=True, now=NOW) == 3
    sender = MemorySender()
    assert standing(resume(run_with(paused, sender), 1)) == {"accepted": 6}
    assert sender.addresses == ["reader6@example.com"]


@pytest.mark.parametrize(("arrived", "state"), [(True, "accepted"), (False, "refused")])
def test_only_some_can_be_settled_however_their_address_is_written(
    finished: Database, arrived: bool, state: str
) -> None:
    assert dispel(finished, 1, ["READER3@Example.COM", "reader3@example.com"], arrived=arrived, now=NOW) == 1
    expected = {"accepted": 3, "unknown": 2}
    expected[state] = expected.get(state, 0) + 1
    assert standing(report(finished, 1)) == expected
    assert [each.delivery for each in listed(finished)] == [2, 5]


@pytest.mark.parametrize("email", ["reader1@example.com", "nobody@example.com"])
def test_an_address_of_which_nothing_is_unknown_changes_nothing(finished: Database, email: str) -> None:
    with pytest.raises(SubscriberNotFoundError, match=f"Of {email} nothing is unknown in mailing 1"):
        dispel(finished, 1, ["reader2@example.com", email], arrived=True, now=NOW)
    assert len(listed(finished)) == 3


def test_a_mailing_that_there_is_not(six: Database) -> None:
    with pytest.raises(MailingNotFoundError):
        dispel(six, 1, [], arrived=True, now=NOW)


def test_other_mailings_keep_their_doubts(finished: Database) -> None:
    send(run_with(finished, MemorySender(lambda _: Verdict.UNKNOWN)), replace(ORDER, edition="another"))
    assert dispel(finished, 1, [], arrived=True, now=NOW) == 3
    assert standing(report(finished, 2)) == {"unknown": 6}
