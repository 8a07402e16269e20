"""Whatever a sender does, every letter is accounted for; what is left of one goes in time, or with its reader."""

import datetime as dt
from collections.abc import Callable, Sequence

import pytest
import sqlalchemy as sa

from newsletter.database.outside import letter
from newsletter.errors import SenderUnavailableError
from newsletter.letters.delivering import Delivered, Delivery
from newsletter.letters.queue import may_have
from newsletter.letters.stationery import Stationery
from newsletter.sending.senders.outbox import OutboxSender
from newsletter.sending.senders.protocol import Capabilities, Handover, Origin, Outcome, Verdict
from tests.letters.correspondence import NOW, LetterKind, Post

WAIT = dt.timedelta(minutes=2)
"""Longer than the first wait after a failure."""

MORE = "[sending]\nbounces = 'bounces@news.example.org'\n"


class Strange:
    """A sender of another package that does what the test says."""

    kind = "strange"

    def __init__(self, does: Callable[[Sequence[Handover]], list[Outcome]], batch: int = 2) -> None:
        self.capabilities = Capabilities(batch=batch, settles=False, smtputf8=False)
        self.does = does
        self.closed = 0
        self.got: list[int] = []

    def deliver(self, batch: Sequence[Handover]) -> list[Outcome]:
        self.got += [handover.delivery for handover in batch]
        return self.does(batch)

    def settle(self, unknowns: object) -> list[Outcome]:
        raise NotImplementedError

    def close(self) -> None:
        self.closed += 1


def delivered(post: Post, sender: Strange, stop: Callable[[], bool] = lambda: False) -> Delivered:
    with post.newsletter.database() as database:
        stationery = Stationery(post.newsletter.project, post.signer)
        return Delivery(database, stationery, post.signer, lambda: sender, clock=post.clock, stop=stop).run()


def accept(batch: Sequence[Handover]) -> list[Outcome]:
    return [Outcome(handover.delivery, Verdict.ACCEPTED) for handover in batch]


def fail(batch: Sequence[Handover]) -> list[Outcome]:
    raise RuntimeError("ana@example.com")


def be_away(batch: Sequence[Handover]) -> list[Outcome]:
    raise SenderUnavailableError("Nothing works.")


@pytest.mark.parametrize(
    ("does", "done"),
    [
        (accept, Delivered(sent=5)),
        (fail, Delivered(waiting=5)),
        (be_away, Delivered(waiting=5, problem="Nothing works.")),
        (lambda batch: accept(batch[:1]), Delivered(sent=3, waiting=2)),
        (lambda _: [], Delivered(waiting=5)),
    ],
)
def test_every_letter_is_accounted_for(
    post: Post, does: Callable[[Sequence[Handover]], list[Outcome]], done: Delivered
) -> None:
    post.write_many(5)
    sender = Strange(does)
    assert delivered(post, sender) == done
    assert sender.closed == 1
    assert "leaving" not in post.states()
    with post.newsletter.database() as database, database.read() as connection:
        assert not [reason for reason in connection.scalars(sa.select(letter.c.reason)) if reason and "@" in reason]
    post.clock.pass_(minutes=30)
    assert delivered(post, Strange(accept)).sent == 5 - done.sent


def test_no_sender_is_opened_while_nothing_is_due(post: Post) -> None:
    sender = Strange(accept)
    assert delivered(post, sender) == Delivered()
    assert sender.closed == 0


def test_a_stop_finishes_what_is_in_flight_and_puts_the_rest_back(post: Post) -> None:
    post.write_many(6)
    sender = Strange(accept)
    assert delivered(post, sender, stop=lambda: len(sender.got) >= 2) == Delivered(sent=2, waiting=4)
    assert delivered(post, sender).sent == 4
    assert sorted(sender.got) == [1, 2, 3, 4, 5, 6]


def test_an_address_that_the_sender_cannot_reach_is_told(post: Post) -> None:
    number = post.write(LetterKind.ACCESS, email="ü@example.com")
    assert delivered(post, Strange(accept)) == Delivered(failed=1)
    assert "cannot reach" in post.row(number).reason


# Kept short


def test_what_is_left_of_letters_goes_after_35_days_and_limits_hold_until_then(post: Post) -> None:
    number = post.write(LetterKind.ACCESS)
    post.letters.deliver_due()
    hashed = post.row(number).address_hash
    post.clock.pass_(days=35)
    post.letters.expire()
    assert post.states() == ["sent"]
    post.clock.pass_(seconds=1)
    post.letters.expire()
    assert post.states() == []
    with post.newsletter.database() as database, database.read() as connection:
        assert may_have(connection, hashed, now=post.clock.now)


@pytest.mark.parametrize("leave_first", [True, False])
def test_an_erased_person_is_in_no_letter_and_in_no_file_of_one(post: Post, leave_first: bool) -> None:
    person = post.person("ana@example.com")
    post.write(LetterKind.ACCESS, email="ana@example.com", person=person)
    post.write(LetterKind.ENTRY, details={"entry": post.entry(email="ana@example.com", news="I am Ana.")})
    post.write(LetterKind.ACCESS, email="ben@example.com")
    if leave_first:
        assert post.letters.deliver_due().sent == 3
    erased = post.newsletter.erase_person("Ana@example.com")
    assert len(erased.removed) == (2 if leave_first else 0)
    post.letters.deliver_due()
    everything = b"".join(path.read_bytes() for path in post.root.parent.rglob("*") if path.is_file())
    assert b"ana@example.com" not in everything.replace(b"=\r\n", b"")
    assert b"ben@example.com" in everything
    folder = OutboxSender.open(post.newsletter.project).folder(Origin(0, "access", NOW, letter=True))
    assert len(list(folder.glob("*.eml"))) == 1


def test_a_person_sees_the_letters_that_they_got(post: Post) -> None:
    person = post.person("ana@example.com")
    post.write(LetterKind.ACCESS, email="ana@example.com", person=person)
    post.letters.deliver_due()
    (told,) = post.newsletter.export_person("ana@example.com")["letters"]  # type: ignore[misc]
    assert told["about"] == "access"
    assert told["state"] == "sent"
