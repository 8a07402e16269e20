"""What every sender must pass: inherit from `SenderContract`, say how to make one and how to see what it delivered."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from newsletter.errors import UnsupportedFeatureError
from newsletter.sending.senders.protocol import Handover, Origin, Sender, Unknown, Verdict

ORIGIN = Origin(mailing=7, edition="data-sharing", created_at=datetime(2026, 11, 22, 9, 30, tzinfo=UTC))


@dataclass(frozen=True)
class Letter:
    """A message as senders see one."""

    recipient: str = "ada@example.com"
    subject: str = "Data Sharing"
    sender: str = "news@example.org"
    message_id: str = "<1@example.org>"

    @property
    def content(self) -> bytes:
        lines = [
            f"From: {self.sender}",
            f"To: {self.recipient}",
            f"Subject: {self.subject}",
            f"Message-ID: {self.message_id}",
            "",
            "Dear friend,",
            ".a line with a dot",
            "end \N{SNOWMAN}",
            "",
        ]
        return "\r\n".join(lines).encode()

    @property
    def smtputf8(self) -> bool:
        return not self.recipient.isascii()


def handover(delivery: int, letter: Letter | None = None, origin: Origin = ORIGIN) -> Handover:
    return Handover(
        delivery, origin, letter or Letter(f"reader{delivery}@example.com", message_id=f"<{delivery}@example.org>")
    )


class SenderContract(ABC):
    """The promises that the ledger relies on."""

    @abstractmethod
    def make(self, directory: Path) -> Sender:
        """A new sender to the same world as any other made with this directory."""

    @abstractmethod
    def delivered(self, directory: Path) -> list[bytes]:
        """Every message that reached this sender's world, whole."""

    def handover(self, delivery: int, letter: Letter | None = None) -> Handover:
        """A message in the form that the sender takes; its `content` is what `delivered` must show."""
        return handover(delivery, letter)

    def test_an_empty_batch_is_nothing(self, tmp_path: Path) -> None:
        sender = self.make(tmp_path)
        assert sender.deliver([]) == []
        sender.close()
        assert self.delivered(tmp_path) == []

    def test_every_delivery_gets_its_own_outcome(self, tmp_path: Path) -> None:
        sender = self.make(tmp_path)
        count = min(3, sender.capabilities.batch)
        outcomes = sender.deliver([self.handover(number) for number in range(1, count + 1)])
        sender.close()
        assert {outcome.delivery: outcome.verdict for outcome in outcomes} == dict.fromkeys(
            range(1, count + 1), Verdict.ACCEPTED
        )

    def test_what_is_accepted_arrived_byte_for_byte(self, tmp_path: Path) -> None:
        sender = self.make(tmp_path)
        (outcome,) = sender.deliver([self.handover(1)])
        sender.close()
        assert outcome.verdict is Verdict.ACCEPTED
        assert self.delivered(tmp_path) == [self.handover(1).message.content]

    def test_a_batch_that_is_too_large_is_refused_and_nothing_of_it_leaves(self, tmp_path: Path) -> None:
        sender = self.make(tmp_path)
        with pytest.raises(UnsupportedFeatureError):
            sender.deliver([self.handover(number) for number in range(sender.capabilities.batch + 1)])
        sender.close()
        assert self.delivered(tmp_path) == []

    def test_an_address_beyond_ascii_is_reached_or_its_capability_is_missing(self, tmp_path: Path) -> None:
        sender = self.make(tmp_path)
        if sender.capabilities.smtputf8:
            (outcome,) = sender.deliver([self.handover(1, Letter("مريم@example.com"))])
            assert outcome.verdict is Verdict.ACCEPTED
        sender.close()

    def test_settling_tells_what_arrived_from_what_did_not_or_raises(self, tmp_path: Path) -> None:
        """Asked by another instance, as after a crash."""
        first = self.make(tmp_path)
        first.deliver([self.handover(1)])
        second = self.make(tmp_path)
        unknowns = [Unknown(1, ORIGIN), Unknown(2, ORIGIN)]
        if second.capabilities.settles:
            found = {outcome.delivery: outcome.verdict for outcome in second.settle(unknowns)}
            assert found[1] in {Verdict.ACCEPTED, Verdict.UNKNOWN}
            assert found[2] in {Verdict.UNSENT, Verdict.UNKNOWN}
        else:
            with pytest.raises(UnsupportedFeatureError):
                second.settle(unknowns)
        first.close()
        second.close()
        assert len(self.delivered(tmp_path)) == 1

    def test_a_test_send_is_kept_apart_from_a_mailing_with_the_same_ids(self, tmp_path: Path) -> None:
        sender = self.make(tmp_path)
        real, test = self.handover(1), replace(self.handover(1), origin=replace(ORIGIN, test=True))
        outcomes = [*sender.deliver([real]), *sender.deliver([test])]
        sender.close()
        assert [outcome.verdict for outcome in outcomes] == [Verdict.ACCEPTED, Verdict.ACCEPTED]
        assert len(self.delivered(tmp_path)) == 2

    def test_closing_twice_does_no_harm(self, tmp_path: Path) -> None:
        sender = self.make(tmp_path)
        sender.deliver([self.handover(1)])
        sender.close()
        sender.close()

    def test_capabilities_do_not_change_and_the_kind_is_a_word(self, tmp_path: Path) -> None:
        sender = self.make(tmp_path)
        assert sender.capabilities == self.make(tmp_path).capabilities
        assert sender.capabilities.batch >= 1
        assert sender.kind.isidentifier()
        sender.close()
