"""What every sender can be asked, and what it answers, so that the mailing need not know who carries the message.

A sender is honest before all else: `ACCEPTED` only where it has proof, `UNKNOWN` where it cannot tell. The ledger
believes what it says. What a sender cannot do raises `UnsupportedFeatureError`; nothing is dropped in silence.
Another package adds a sender through the entry-point group `newsletter.senders`: a class with `open(project)`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal, Protocol


class Verdict(StrEnum):
    """What became of a message."""

    ACCEPTED = "accepted"
    """The world took it; it must never be sent again."""
    REFUSED = "refused"
    """The world said no, for good: it was not delivered and will not be."""
    DEFERRED = "deferred"
    """The world said not now: it was not delivered, and may be sent again later."""
    UNSENT = "unsent"
    """It provably never left, through no fault of its own: it may be sent again at once."""
    UNKNOWN = "unknown"
    """It may have been delivered or not."""


class Message(Protocol):
    """The finished message for one reader; `sending/message.py` writes it."""

    @property
    def content(self) -> bytes:
        """The whole message as it travels, lines ended by CRLF."""
        ...

    @property
    def sender(self) -> str:
        """The envelope's sender, an address."""
        ...

    @property
    def recipient(self) -> str:
        """The envelope's recipient, an address."""
        ...

    @property
    def message_id(self) -> str:
        """The Message-ID."""
        ...

    @property
    def smtputf8(self) -> bool:
        """Whether only servers with SMTPUTF8 (RFC 6531) can carry it."""
        ...


@dataclass(frozen=True, slots=True)
class Origin:
    """The mailing that messages belong to, or what they are instead.

    Attributes:
        mailing: Its id.
        edition: The edition's slug.
        created_at: When the mailing was made; tells it apart from one with the same id in another database.
        test: Whether this is no mailing, but a test send (`sending/testing.py`): its ids are in no ledger, so that what
            comes back about its messages concerns nobody.
        letter: Whether this is no mailing, but a letter (`newsletter/letters/`): one message to one person, whose row
            stands in place of the delivery's; `edition` says its kind.
    """

    mailing: int
    edition: str
    created_at: datetime
    test: bool = False
    letter: bool = False

    @property
    def in_ledger(self) -> bool:
        """Whether each of the messages is a delivery of the ledger."""
        return not (self.test or self.letter)


@dataclass(frozen=True, slots=True)
class Handover:
    """One message on its way out.

    Attributes:
        delivery: The id of its row in the ledger, never used twice.
        origin: The mailing it belongs to; of a letter, `delivery` is the letter's row.
        message: What to deliver.
    """

    delivery: int
    origin: Origin
    message: Message


@dataclass(frozen=True, slots=True)
class Unknown:
    """A message of which nobody knows whether it left.

    Attributes:
        delivery: The id of its row in the ledger.
        origin: The mailing it belongs to.
        recipient: The subscriber's address, where it is still known.
        attempt: What the sender gave as `Outcome.message_id` when it did not know, if it said anything.
    """

    delivery: int
    origin: Origin
    recipient: str | None = None
    attempt: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one delivery.

    Attributes:
        delivery: The id of its row in the ledger.
        verdict: How it ended.
        reason: Why, in one sentence, for all but `ACCEPTED`.
        message_id: Under which its receiver knows it.
        status: The enhanced status code (RFC 3463), for example `4.7.1`; says when to try again.
    """

    delivery: int
    verdict: Verdict
    reason: str | None = None
    message_id: str | None = None
    status: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a sender can do.

    Attributes:
        batch: The most messages that one call of `deliver` takes.
        settles: Whether `settle` finds out afterwards what became of a message.
        smtputf8: Whether it reaches addresses beyond ASCII before the @ (RFC 6531).
        parallel: How many calls of `deliver` may run at once, each in a thread of its own.
        form: What it is handed: finished bytes, or a text for all with substitutions for each reader.
    """

    batch: int
    settles: bool
    smtputf8: bool
    parallel: int = 1
    form: Literal["bytes", "substitutions"] = "bytes"


class Sender(Protocol):
    """Hands messages to the world."""

    @property
    def kind(self) -> str:
        """Its name in `[sender] kind` of newsletter.toml."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What it can do; never changes."""
        ...

    def deliver(self, batch: Sequence[Handover]) -> list[Outcome]:
        """Hand messages over, and say for each what became of it.

        Whatever goes wrong for a message is its outcome. Any exception that is not named here means that nothing is
        known about any of them.

        Raises:
            UnsupportedFeatureError: The batch asks for what the sender cannot do; nothing has left.
            SenderUnavailableError: The sender as a whole does not work now; nothing of the batch has left.
        """
        ...

    def settle(self, unknowns: Sequence[Unknown]) -> list[Outcome]:
        """Find evidence of what became of messages whose worker is gone; `UNKNOWN` where there is none.

        Raises:
            UnsupportedFeatureError: The sender has no way to find out.
        """
        ...

    def close(self) -> None:
        """Let go of connections and files; more than once does no harm."""
        ...
