"""How test messages are handed to a sender, of this program or of another package, and what its answers become."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from newsletter.errors import MessageError, SenderUnavailableError
from newsletter.sending.message import Message, Reader
from newsletter.sending.senders.protocol import Capabilities, Handover, Origin, Outcome, Verdict
from newsletter.sending.testing import Addressee, Tried, View, is_test, send_tests, trial_number
from tests.trials.looking import EVERYDAY, Recording

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
VIEW = View(name="somebody", person=EVERYDAY)


@dataclass(frozen=True)
class Plain:
    """Writes a message without any edition."""

    mark: str

    def subject_for(self, reader: Reader) -> str:
        return f"{self.mark}Hello"

    def write(self, reader: Reader, now: datetime) -> Message:
        if reader.person["first_name"] is None:
            raise MessageError("The subject is empty for this reader.")
        return Message(
            b"Hello\r\n",
            "news@example.org",
            reader.email,
            f"<{reader.delivery_id}@example.org>",
            not reader.email.isascii(),
        )


def send(sender: Recording, *addresses: str, views: Sequence[View] = (VIEW,)) -> list[Tried]:
    origin = Origin(trial_number(NOW), "welcome", NOW, test=True)
    addressees = [Addressee(address, address) for address in addresses]
    return send_tests(sender, Plain, views, addressees, origin, now=NOW)


def verdicts(tried: Sequence[Tried]) -> dict[str, Verdict]:
    return {each.to: each.verdict for each in tried}


def test_each_message_is_a_call_of_its_own_though_the_sender_takes_batches() -> None:
    sender = Recording()
    tried = send(sender, *(f"reader{number}@example.org" for number in range(5)))
    assert [len(call) for call in sender.calls] == [1] * 5
    assert {call[0].delivery for call in sender.calls} == {1, 2, 3, 4, 5}
    assert all(call[0].origin.test and is_test(call[0].origin.mailing) for call in sender.calls)
    assert set(verdicts(tried).values()) == {Verdict.ACCEPTED}


def test_each_view_goes_to_each_address_under_its_own_mark() -> None:
    views = [
        View(name="one", person=EVERYDAY, mark="[Test 1/2] "),
        View(name="two", person=EVERYDAY, mark="[Test 2/2] "),
    ]
    tried = send(Recording(), "a@example.org", "b@example.org", views=views)
    assert [(each.to, each.view.name, each.subject) for each in tried] == [
        ("a@example.org", "one", "[Test 1/2] Hello"),
        ("a@example.org", "two", "[Test 2/2] Hello"),
        ("b@example.org", "one", "[Test 1/2] Hello"),
        ("b@example.org", "two", "[Test 2/2] Hello"),
    ]


@pytest.mark.parametrize("verdict", [Verdict.REFUSED, Verdict.DEFERRED, Verdict.UNKNOWN])
def test_what_the_sender_says_is_told_and_not_tried_again(verdict: Verdict) -> None:
    sender = Recording({"b@example.org": [verdict, Verdict.ACCEPTED]})
    tried = send(sender, "a@example.org", "b@example.org", "c@example.org")
    assert [each.verdict for each in tried] == [Verdict.ACCEPTED, verdict, Verdict.ACCEPTED]
    assert tried[1].reason == "because"
    assert len(sender.calls) == 3


def test_what_provably_never_left_is_handed_over_three_times() -> None:
    sender = Recording({"a@example.org": [Verdict.UNSENT, Verdict.UNSENT, Verdict.ACCEPTED]})
    assert verdicts(send(sender, "a@example.org")) == {"a@example.org": Verdict.ACCEPTED}
    sender = Recording({"a@example.org": [Verdict.UNSENT] * 9})
    assert verdicts(send(sender, "a@example.org")) == {"a@example.org": Verdict.UNSENT}
    assert len(sender.calls) == 3


def test_a_sender_that_breaks_leaves_its_message_unknown_and_the_others_are_sent() -> None:
    sender = Recording({"a@example.org": [RuntimeError("lost")]})
    tried = send(sender, "a@example.org", "b@example.org")
    assert [each.verdict for each in tried] == [Verdict.UNKNOWN, Verdict.ACCEPTED]
    assert "failed (RuntimeError: lost)" in str(tried[0].reason)


def test_a_sender_that_forgets_to_answer_leaves_its_message_unknown() -> None:
    class Silent(Recording):
        def deliver(self, batch: Sequence[Handover]) -> list[Outcome]:
            return []

    assert verdicts(send(Silent(), "a@example.org")) == {"a@example.org": Verdict.UNKNOWN}


def test_a_sender_that_does_not_work_is_one_sentence_when_nothing_has_left() -> None:
    sender = Recording({"a@example.org": [SenderUnavailableError("mail.example.org does not answer.")]})
    with pytest.raises(SenderUnavailableError, match="does not answer"):
        send(sender, "a@example.org", "b@example.org")
    assert len(sender.calls) == 1


def test_a_sender_that_stops_working_is_left_alone_and_the_rest_is_told() -> None:
    sender = Recording({"b@example.org": [SenderUnavailableError("mail.example.org says 421.")]})
    tried = send(sender, "a@example.org", "b@example.org", "c@example.org")
    assert [each.verdict for each in tried] == [Verdict.ACCEPTED, Verdict.UNSENT, Verdict.UNSENT]
    assert [each.reason for each in tried[1:]] == ["mail.example.org says 421."] * 2
    assert len(sender.calls) == 2


def test_an_address_beyond_the_senders_reach_is_told_and_never_handed_over() -> None:
    sender = Recording(capabilities=Capabilities(batch=1, settles=False, smtputf8=False))
    tried = send(sender, "مريم@example.org", "a@example.org")
    assert [each.verdict for each in tried] == [Verdict.UNSENT, Verdict.ACCEPTED]
    assert len(sender.calls) == 1


def test_a_message_that_cannot_be_written_is_told_with_the_reason() -> None:
    nameless = View(name="nameless", person={**EVERYDAY, "first_name": None}, mark="[Test 2/2] ")
    tried = send(Recording(), "a@example.org", views=[VIEW, nameless])
    assert [each.verdict for each in tried] == [Verdict.ACCEPTED, Verdict.UNSENT]
    assert tried[1].reason == "The message could not be written: The subject is empty for this reader."


def test_the_number_of_a_test_is_no_mailings() -> None:
    assert is_test(trial_number(NOW))
    assert not is_test(2**31)
    assert trial_number(NOW) == 1795426200000000
