"""What people and machines do to a mailing under way: a second command, a pause, an unsubscription, a full disk."""

import signal
import time

import pytest
import sqlalchemy as sa

from newsletter.database.schema import DeliveryState, MailingState, SubscriptionStatus, delivery, subscription
from newsletter.errors import AudienceError
from newsletter.sending.mailing import pause
from tests.chaos.arena import SECONDS, Arena

pytestmark = pytest.mark.slow

CONNECTIONS = 2
SLOWLY = ("--connections", str(CONNECTIONS), "--lease", "2")


def test_two_commands_for_the_same_edition_at_once(arena: Arena) -> None:
    arena.mails.at("dot", "wait 0.01")
    with arena.watched(in_flight=CONNECTIONS * 2):
        arena.finish(arena.start(*SLOWLY), arena.start(*SLOWLY), end="sent")
    assert arena.report().mailing.id == 1
    arena.assert_everybody_once(unknown_at_most=0)


def test_a_second_command_takes_over_from_one_that_is_killed(arena: Arena) -> None:
    arena.mails.at("dot", "wait 0.02")
    first = arena.start(*SLOWLY)
    arena.mails.wait_for(5)
    second = arena.start(*SLOWLY)
    arena.mails.wait_for(5)
    first.kill()
    arena.finish(second, end="sent")
    arena.assert_everybody_once(unknown_at_most=CONNECTIONS)


@pytest.mark.parametrize("crowd", [150])
def test_a_pause_is_answered_at_once_and_only_what_is_in_flight_still_leaves(arena: Arena) -> None:
    process = arena.start(*SLOWLY)
    arena.mails.wait_for(8)
    arena.mails.gate.clear()
    for _ in range(CONNECTIONS):
        assert arena.mails.at_gate.acquire(timeout=SECONDS)
    taken = len(arena.mails.mails)
    before = time.monotonic()
    assert pause(arena.database, 1).mailing.state is MailingState.PAUSED
    assert time.monotonic() - before < 2
    arena.mails.gate.set()
    arena.finish(process, end="paused")
    assert len(arena.mails.mails) == taken + CONNECTIONS
    assert arena.counts() == {"accepted": taken + CONNECTIONS, "planned": arena.people - taken - CONNECTIONS}
    arena.finish(arena.start(*SLOWLY), end="sent")
    arena.assert_everybody_once(unknown_at_most=0)


def test_who_unsubscribes_while_it_is_sent_gets_none(arena: Arena) -> None:
    arena.mails.at("dot", "wait 0.02")
    process = arena.start(*SLOWLY, "--chunk", "60")
    arena.mails.wait_for(5)
    leaving = sa.select(delivery.c.subscriber_id).where(
        delivery.c.state == DeliveryState.PLANNED, delivery.c.id > arena.people - 10
    )
    with arena.database.write() as connection:
        gone = list(connection.scalars(leaving))
        status = sa.update(subscription).where(subscription.c.subscriber_id.in_(gone))
        connection.execute(status.values(status=SubscriptionStatus.UNSUBSCRIBED))
    arena.finish(process, end="sent")
    assert gone
    assert not {f"reader{person}@example.com" for person in gone} & arena.mails.copies.keys()
    arena.assert_everybody_once(unknown_at_most=0, without=len(gone))


@pytest.mark.parametrize("crowd", [150])
def test_asked_to_stop_it_finishes_what_is_in_flight(arena: Arena) -> None:
    arena.mails.at("dot", "wait 0.05")
    process = arena.start(*SLOWLY)
    arena.mails.wait_for(8)
    process.send_signal(signal.SIGTERM)
    arena.finish(process, end="paused")
    assert arena.counts().get("accepted") == len(arena.mails.mails)
    arena.finish(arena.start(*SLOWLY), end="sent")
    arena.assert_everybody_once(unknown_at_most=0)


@pytest.mark.parametrize("crowd", [400])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_full_disk_loses_nothing(arena: Arena) -> None:
    """SQLite is told that the file may not grow, which it answers as it does when the disk is full."""
    process = arena.start("--pages", "4", "--patience", "1", "--chunk", "30", "--connections", str(CONNECTIONS))
    arena.until(process.is_over)
    assert process.said.endswith("DatabaseUnavailableError"), process.said
    assert "disk is full" in process.said
    counts = arena.counts()
    assert sum(counts.values()) in {0, arena.people}
    assert counts.get("accepted", 0) < arena.people
    arena.finish(arena.start(), end="sent")
    arena.assert_everybody_once(unknown_at_most=CONNECTIONS)


@pytest.mark.parametrize("crowd", [1])
def test_an_audience_of_one(arena: Arena) -> None:
    arena.finish(arena.start(), end="sent")
    arena.assert_everybody_once(unknown_at_most=0)
    assert arena.report().mailing.audience == 1


@pytest.mark.parametrize("crowd", [0])
def test_an_audience_of_nobody_is_told(arena: Arena) -> None:
    process = arena.start()
    arena.until(process.is_over)
    assert process.said.endswith(AudienceError.__name__)


@pytest.mark.parametrize("crowd", [1])
def test_an_audience_that_leaves_while_the_mailing_is_held(arena: Arena) -> None:
    arena.order()
    with arena.database.write() as connection:
        connection.execute(sa.update(subscription).values(status=SubscriptionStatus.UNSUBSCRIBED))
    arena.finish(arena.start("--work"), end="drained")
    now = arena.report()
    assert (now.mailing.state, now.mailing.audience, sum(now.counts.values())) == (MailingState.SENT, 0, 0)
    assert not arena.mails.mails
