"""The SMTP sender with a server that does everything right: what arrives, on which connections, for whom."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from newsletter.errors import SenderUnavailableError, UnsupportedFeatureError
from newsletter.sending.senders.protocol import Outcome, Unknown, Verdict
from newsletter.sending.senders.smtp import SmtpSender, Timeouts
from tests.senders.contract import ORIGIN, SenderContract, handover
from tests.senders.mailserver import OFFERS, MailServer
from tests.senders.posting import Raw, letter_of, post, send_to, sender_to


@pytest.fixture
def server() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server
        assert not server.violations


class TestSmtpContract(SenderContract):
    @pytest.fixture(autouse=True)
    def _running(self, server: MailServer) -> None:
        self.server = server

    def make(self, directory: Path) -> SmtpSender:
        return sender_to(self.server)

    def delivered(self, directory: Path) -> list[bytes]:
        return [mail.content for mail in self.server.mails]


@pytest.mark.parametrize("pipelining", [True, False])
def test_envelope_and_content_arrive_as_they_are(pipelining: bool) -> None:
    offers = [offer for offer in OFFERS if pipelining or offer != "PIPELINING"]
    message = Raw(b"Subject: Dots\r\n\r\n.\r\n..\r\n.a\r\n a.\r\n\r\n.\r\n", "a+1@example.org", "-n@example.com")
    with MailServer(offers=offers) as server:
        assert send_to(server, message) == Outcome(1, Verdict.ACCEPTED, message_id="<1@example.org>")
        (mail,) = server.mails
        assert (mail.sender, mail.recipient, mail.content) == (b"a+1@example.org", b"-n@example.com", message.content)
        assert mail.parameters == f"SIZE={len(message.content)}".encode()
        assert not server.violations
        commands = [[line.split(b":")[0] for line in group] for group in server.groups]
    envelope = [[b"MAIL FROM", b"RCPT TO", b"DATA"]] if pipelining else [[b"MAIL FROM"], [b"RCPT TO"], [b"DATA"]]
    assert commands == [[b"EHLO example.org"], *envelope, [b"QUIT"]]


@pytest.mark.parametrize("size", [0, 1, 16_384, 16_385, 3 * 16_384, 5_000_000])
def test_a_message_of_any_size_arrives_whole(server: MailServer, size: int) -> None:
    body = (b"." + b"x" * 70 + b"\r\n") * (size // 73) + b"x" * (size % 73)
    message = Raw(b"Message-ID: <1@example.org>\r\n\r\n" + body + b"\r\n")
    assert send_to(server, message).verdict is Verdict.ACCEPTED
    assert server.mails[0].content == message.content


def test_connections_are_used_again_and_at_last_told_goodbye(server: MailServer) -> None:
    sender = sender_to(server)
    for number in range(5):
        assert post(sender, delivery=number).verdict is Verdict.ACCEPTED
    sender.close()
    server.wait_for_no_connection()
    assert {mail.connection for mail in server.mails} == {1}
    assert server.groups[-1] == [b"QUIT"]


def test_a_connection_is_replaced_after_so_many_messages(server: MailServer) -> None:
    sender = sender_to(server, per_connection=2)
    for number in range(5):
        post(sender, delivery=number)
    sender.close()
    assert [mail.connection for mail in server.mails] == [1, 1, 2, 2, 3]


def test_a_connection_that_was_idle_too_long_is_replaced(server: MailServer) -> None:
    sender = sender_to(server, most_idle=0)
    post(sender)
    post(sender)
    sender.close()
    assert [mail.connection for mail in server.mails] == [1, 2]


@pytest.mark.parametrize("goodbye", [b"", b"421 4.4.2 Idle too long\r\n"])
def test_a_connection_that_the_server_closed_meanwhile_is_replaced_unnoticed(
    server: MailServer, goodbye: bytes
) -> None:
    sender = sender_to(server)
    post(sender)
    server.hang_up(goodbye)
    server.wait_for_no_connection()
    assert post(sender).verdict is Verdict.ACCEPTED
    sender.close()
    assert [mail.connection for mail in server.mails] == [1, 2]


@pytest.mark.parametrize("step", ["mail", "rcpt", "data"])
@pytest.mark.parametrize("actions", [("drop",), ("421 4.4.2 Closing", "drop"), ("reset",)])
def test_a_used_connection_that_ends_before_the_message_is_replaced_unnoticed(
    server: MailServer, step: str, actions: tuple[str, ...]
) -> None:
    """Nothing of the message had left, so nobody can get it twice."""
    sender = sender_to(server)
    post(sender)
    server.at(step, *actions, times=1)
    assert post(sender).verdict is Verdict.ACCEPTED
    sender.close()
    assert [mail.connection for mail in server.mails] == [1, 2]


def test_as_many_threads_as_connections_send_at_once_and_no_more(server: MailServer) -> None:
    sender = sender_to(server, connections=3)
    assert sender.capabilities.parallel == 3
    verdicts: list[Verdict] = []

    def work(first: int) -> None:
        for number in range(first, first + 20):
            (outcome,) = sender.deliver([handover(number)])
            verdicts.append(outcome.verdict)

    threads = [threading.Thread(target=work, args=(first,)) for first in range(0, 160, 20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sender.close()
    assert verdicts == [Verdict.ACCEPTED] * 160
    assert len({mail.recipient for mail in server.mails}) == len(server.mails) == 160
    assert server.most_at_once <= 3


def test_the_signature_goes_in_front_and_covers_what_is_sent(server: MailServer) -> None:
    seen: list[bytes] = []

    def sign(content: bytes) -> bytes:
        seen.append(content)
        return b"DKIM-Signature: v=1\r\n"

    send_to(server, Raw(), sign=sign)
    assert seen == [Raw().content]
    assert server.mails[0].content == b"DKIM-Signature: v=1\r\n" + Raw().content
    assert server.mails[0].parameters == f"SIZE={len(server.mails[0].content)}".encode()


def test_when_signing_fails_nothing_leaves_and_the_mailing_pauses(server: MailServer) -> None:
    def sign(content: bytes) -> bytes:
        raise TypeError("no key")

    with pytest.raises(SenderUnavailableError, match="made ready") as told:
        send_to(server, sign=sign)
    assert told.value.lasting
    assert not server.connections


@pytest.mark.parametrize("offered", [True, False])
def test_addresses_beyond_ascii_need_smtputf8(offered: bool) -> None:
    offers = OFFERS if offered else ("PIPELINING", "8BITMIME")
    message = Raw(recipient="δοκιμή@example.com", smtputf8=True)
    with MailServer(offers=offers) as server:
        sender = sender_to(server)
        outcome = post(sender, message)
        assert post(sender).verdict is Verdict.ACCEPTED, "others can be reached"
        sender.close()
        if offered:
            assert outcome.verdict is Verdict.ACCEPTED
            assert server.mails[0].recipient == "δοκιμή@example.com".encode()
            assert b" SMTPUTF8" in b" " + server.mails[0].parameters
            assert b"SMTPUTF8" not in server.mails[1].parameters
        else:
            assert (outcome.verdict, outcome.status) == (Verdict.REFUSED, "5.6.7")
            assert "lacks SMTPUTF8" in str(outcome.reason)


@pytest.mark.parametrize("offered", [True, False])
def test_bytes_beyond_ascii_need_8bitmime(offered: bool) -> None:
    message = Raw("Subject: x\r\n\r\n☃\r\n".encode())
    with MailServer(offers=OFFERS if offered else ("PIPELINING",)) as server:
        outcome = send_to(server, message)
        if offered:
            assert outcome.verdict is Verdict.ACCEPTED
            assert b"BODY=8BITMIME" in server.mails[0].parameters
        else:
            assert (outcome.verdict, outcome.status) == (Verdict.REFUSED, "5.6.3")
            assert not server.mails


def test_a_message_too_large_for_the_server_is_not_even_begun() -> None:
    with MailServer(offers=("PIPELINING", "SIZE 1000")) as server:
        outcome = send_to(server, Raw(letter_of(2_000)))
        assert (outcome.verdict, outcome.status) == (Verdict.REFUSED, "5.3.4")
        assert "at most 1,000" in str(outcome.reason)
        assert not any(line.startswith(b"MAIL") for group in server.groups for line in group)


@pytest.mark.parametrize("size", ["SIZE", "SIZE 0"])
def test_a_server_that_names_no_largest_size_takes_any(size: str) -> None:
    with MailServer(offers=(size,)) as server:
        assert send_to(server, Raw(letter_of(2_000))).verdict is Verdict.ACCEPTED


def test_a_server_of_before_ehlo_is_spoken_to_as_it_knows() -> None:
    with MailServer() as server:
        server.at("ehlo", "502 5.5.1 Not implemented")
        assert send_to(server).verdict is Verdict.ACCEPTED
        assert server.mails[0].parameters == b""


def test_answers_that_come_byte_by_byte_are_understood(server: MailServer) -> None:
    for step in ("connect", "ehlo", "mail", "rcpt", "data", "dot"):
        server.at(step, "slowly")
    assert send_to(server).verdict is Verdict.ACCEPTED


def test_a_mail_server_cannot_be_asked_afterwards(server: MailServer) -> None:
    sender = sender_to(server)
    assert not sender.capabilities.settles
    with pytest.raises(UnsupportedFeatureError, match="newsletter mailings"):
        sender.settle([Unknown(1, ORIGIN)])


def test_closing_cuts_off_what_another_thread_waits_for(server: MailServer) -> None:
    """So that a second Ctrl-C need not wait for a server that hangs; what was sent is honestly unknown."""
    server.at("dot", "take", "hang")
    sender = sender_to(server, timeouts=Timeouts(final=600))
    outcomes: list[Outcome] = []
    thread = threading.Thread(target=lambda: outcomes.append(post(sender)))
    thread.start()
    server.taken.acquire()
    sender.close()
    thread.join(timeout=20)
    assert [outcome.verdict for outcome in outcomes] == [Verdict.UNKNOWN]


def test_a_server_that_does_not_answer_the_goodbye_keeps_nobody_waiting(server: MailServer) -> None:
    server.at("quit", "hang")
    server.at("dot", "wait 0.1")  # so that every thread opens a connection
    sender = sender_to(server, connections=4, timeouts=Timeouts(goodbye=0.1))
    threads = [threading.Thread(target=post, args=(sender,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sender.close()
    server.wait_for_no_connection()
    assert len(server.mails) == 4
    assert server.groups.count([b"QUIT"]) <= 2
