"""The SMTP sender with a server that fails: at every step the right verdict, and never two copies of a message."""

import dataclasses
import socket
import threading
from collections.abc import Iterator

import pytest

from newsletter.errors import SenderUnavailableError
from newsletter.sending.senders.protocol import Verdict
from newsletter.sending.senders.smtp import MailServer as Destination
from newsletter.sending.senders.smtp import SmtpSender, Timeouts
from newsletter.sending.senders.smtp.connection import Connection
from newsletter.sending.senders.smtp.features import Features
from newsletter.sending.senders.smtp.letter import make_letter
from newsletter.sending.senders.smtp.line import Line
from tests.senders.mailserver import OFFERS, MailServer
from tests.senders.posting import PATIENT, Raw, letter_of, post, send_to, sender_to

_WAITS = {"connect": "greeting", "data": "data", "content": "block", "dot": "final"}
ENVELOPE = ["mail", "rcpt", "data"]


def waiting(step: str, actions: tuple[str, ...]) -> Timeouts:
    """Patient, but where the server will say nothing: else a busy machine looks like a server that fails."""
    if not {"hang", "wait 60", "raw 250-endless"} & set(actions) and not step.startswith("trickling"):
        return PATIENT
    return dataclasses.replace(PATIENT, **{_WAITS.get(step, "command"): 0.3})


@pytest.fixture(params=["pipelined", "one by one"])
def server(request: pytest.FixtureRequest) -> Iterator[MailServer]:
    offers = [offer for offer in OFFERS if request.param == "pipelined" or offer != "PIPELINING"]
    with MailServer(offers=offers) as server:
        yield server
        assert not server.violations


@pytest.mark.parametrize("step", [*ENVELOPE, "dot"])
def test_not_now_is_deferred_with_its_status(server: MailServer, step: str) -> None:
    server.at(step, "451 4.7.1 Greylisted,\n4.7.1 come again")
    outcome = send_to(server)
    assert (outcome.verdict, outcome.status) == (Verdict.DEFERRED, "4.7.1")
    assert str(outcome.reason).endswith(" now: 451 4.7.1 Greylisted, come again")
    assert not server.mails


@pytest.mark.parametrize("step", ["rcpt", "data", "dot"])
def test_never_is_refused_with_code_status_and_text(server: MailServer, step: str) -> None:
    server.at(step, "550 5.1.1 <ada@example.com>: no such\n5.1.1 user")
    outcome = send_to(server)
    assert (outcome.verdict, outcome.status) == (Verdict.REFUSED, "5.1.1")
    assert str(outcome.reason).endswith(": 550 5.1.1 <ada@example.com>: no such user")
    assert not server.mails


@pytest.mark.parametrize(
    ("step", "reply"),
    [("mail", "550 5.7.1 Your network is blocked"), ("rcpt", "530 5.7.0 Log in first"), ("mail", "530 Log in")],
)
def test_a_no_to_us_pauses_the_mailing_and_refuses_no_reader(server: MailServer, step: str, reply: str) -> None:
    server.at(step, reply)
    with pytest.raises(SenderUnavailableError, match="to every message") as told:
        send_to(server)
    assert told.value.lasting
    assert reply in str(told.value)


@pytest.mark.parametrize(
    ("step", "reply", "verdict"),
    [
        ("mail", "552 5.3.4 Too large", Verdict.REFUSED),
        ("mail", "452 4.3.1 Not enough room", Verdict.DEFERRED),
        ("dot", "552 5.3.4 Too large", Verdict.REFUSED),
        ("rcpt", "452 4.2.2 Mailbox full", Verdict.DEFERRED),
        ("rcpt", "552 5.2.2 Mailbox full", Verdict.REFUSED),
        ("mail", "553 5.6.7 No such addresses here", Verdict.REFUSED),
    ],
)
def test_what_is_about_this_message_is_told_of_it_alone(
    server: MailServer, step: str, reply: str, verdict: Verdict
) -> None:
    server.at(step, reply, times=1)
    sender = sender_to(server)
    outcome = post(sender)
    assert (outcome.verdict, outcome.status) == (verdict, reply.split()[1])
    assert post(sender).verdict is Verdict.ACCEPTED
    sender.close()


@pytest.mark.parametrize("step", ["rcpt", "data", "dot"])
@pytest.mark.parametrize("reply", ["550 5.1.1 Nobody", "450 4.2.0 Busy"])
@pytest.mark.parametrize("polite", [True, False])
def test_after_a_refusal_the_same_connection_serves_the_next(
    server: MailServer, step: str, reply: str, polite: bool
) -> None:
    """Also when the server takes DATA although it has just refused the only reader (RFC 2920 section 3.1)."""
    server.polite = polite
    server.at(step, reply, times=1)
    sender = sender_to(server)
    assert post(sender).verdict in {Verdict.REFUSED, Verdict.DEFERRED}
    assert post(sender, Raw(recipient="bea@example.com")).verdict is Verdict.ACCEPTED
    sender.close()
    assert [mail.recipient for mail in server.mails] == [b"bea@example.com"]
    assert server.connections == 1


def test_no_empty_message_when_the_sender_was_refused_and_data_was_not() -> None:
    with MailServer(polite=False) as server:
        server.at("mail", "552 5.3.4 Too large", times=1)
        sender = sender_to(server)
        assert post(sender).verdict is Verdict.REFUSED
        assert post(sender).verdict is Verdict.ACCEPTED
        sender.close()
        assert [mail.content for mail in server.mails] == [Raw().content]
        assert server.connections == 2, "in doubt another connection"


@pytest.mark.parametrize("actions", [("drop",), ("reset",), ("hang",), ("raw not smtp\\r\\n",), ("raw 250-endless",)])
@pytest.mark.parametrize("step", ENVELOPE)
def test_a_connection_lost_before_the_message_leaves_it_unsent(
    server: MailServer, step: str, actions: tuple[str, ...]
) -> None:
    server.at(step, *actions)
    outcome = send_to(server, timeouts=waiting(step, actions))
    assert outcome.verdict is Verdict.UNSENT
    assert "lost before the message" in str(outcome.reason)
    assert not server.mails


@pytest.mark.parametrize("step", ENVELOPE)
def test_goodbye_before_the_message_defers_it(server: MailServer, step: str) -> None:
    server.at(step, "421 4.3.2 Shutting down", "drop")
    outcome = send_to(server)
    assert (outcome.verdict, outcome.status) == (Verdict.DEFERRED, "4.3.2")


@pytest.mark.parametrize("reply", ["250 Already?", "221 Bye", "354 Go on"])
@pytest.mark.parametrize("step", ["mail", "rcpt", "data", "dot"])
def test_an_answer_that_means_nothing_is_never_taken_for_a_yes(server: MailServer, step: str, reply: str) -> None:
    usual = {"mail": "250", "rcpt": "250", "data": "354", "dot": "250"}[step]
    if reply.startswith(usual) or (step != "data" and reply.startswith("2")):
        return  # any 2xx is a yes (RFC 5321 section 4.2.1)
    server.at(step, reply)
    sender = sender_to(server)
    assert post(sender).verdict is (Verdict.UNKNOWN if step == "dot" else Verdict.UNSENT)
    sender.close()
    assert not server.mails


@pytest.mark.parametrize("action", ["drop", "reset", "wait 60"])
def test_lost_in_the_middle_of_a_large_message_is_unsent(server: MailServer, action: str) -> None:
    """More than all buffers on the way hold, so that its end cannot have left."""
    server.at("content", action)
    outcome = send_to(server, Raw(letter_of(30_000_000)), timeouts=waiting("content", (action,)))
    assert outcome.verdict is Verdict.UNSENT
    assert "in the middle" in str(outcome.reason)
    assert not server.mails


@pytest.mark.parametrize("size", [50, 45_000])
def test_lost_in_the_middle_of_a_small_message_is_at_worst_unknown(server: MailServer, size: int) -> None:
    """The kernel takes it whole, so the sender cannot always see that the server did not."""
    server.at("content", "reset")
    outcome = send_to(server, Raw(letter_of(size)))
    assert outcome.verdict in {Verdict.UNSENT, Verdict.UNKNOWN}
    assert not server.mails


def test_a_server_that_hangs_up_after_asking_for_the_message_leaves_it_unsent(server: MailServer) -> None:
    """Its last part is not written once nobody is there to read it."""
    server.at("data", "354 Go on", "drop")
    outcome = send_to(server, Raw(letter_of(30_000_000)))
    assert outcome.verdict is Verdict.UNSENT


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [("552 5.3.4 Enough", Verdict.REFUSED), ("421 4.3.2 Shutting down", Verdict.DEFERRED)],
)
@pytest.mark.parametrize("then", [("hang",), ("drop",)])
def test_a_server_that_interrupts_the_message_with_a_no_is_believed(
    server: MailServer, reply: str, verdict: Verdict, then: tuple[str, ...]
) -> None:
    server.at("content", reply, *then)
    outcome = send_to(server, Raw(letter_of(30_000_000)))
    assert (outcome.verdict, outcome.status) == (verdict, reply.split()[1])
    assert not server.mails


@pytest.mark.parametrize("actions", [("drop",), ("reset",), ("hang",), ("raw \\0\\1\\2\\r\\n",), ("raw 250-endless",)])
@pytest.mark.parametrize("taken", [True, False])
def test_no_answer_after_the_end_is_unknown_and_never_sent_again(
    server: MailServer, actions: tuple[str, ...], taken: bool
) -> None:
    server.at("dot", *(["take"] if taken else []), *actions, times=1)
    outcome = send_to(server, timeouts=waiting("dot", actions))
    assert outcome.verdict is Verdict.UNKNOWN
    assert "did not say" in str(outcome.reason)
    assert len(server.mails) == taken


def test_on_a_used_connection_too_what_was_sent_whole_is_not_sent_again(server: MailServer) -> None:
    sender = sender_to(server)
    post(sender)
    server.at("dot", "take", "drop", times=1)
    assert post(sender).verdict is Verdict.UNKNOWN
    assert post(sender).verdict is Verdict.ACCEPTED
    sender.close()
    assert len(server.mails) == 3


@pytest.mark.parametrize(
    "early", [r"354 Go on\r\n250 2.0.0 Taken\r\n", r"354 Go on\r\n250 2.0", r"354 Go on\r\n221-a\r\n"]
)
def test_a_yes_before_the_end_of_the_message_is_not_taken_for_one_after_it(server: MailServer, early: str) -> None:
    server.at("data", f"raw {early}")
    assert send_to(server).verdict is Verdict.UNSENT
    assert not server.mails


@pytest.mark.parametrize("words", [b"250 2.0.0 And by the way\r\n", b"421 4.4"])
def test_a_server_that_speaks_while_nobody_asked_is_not_used_again(words: bytes) -> None:
    with MailServer() as server:
        server.at("dot", f"raw 250 2.0.0 Taken\\r\\n{words.decode().encode('unicode_escape').decode()}", times=1)
        sender = sender_to(server)
        assert post(sender).verdict is Verdict.ACCEPTED
        assert post(sender).verdict is Verdict.ACCEPTED
        sender.close()
        assert server.connections == 2


def test_a_late_yes_is_a_yes(server: MailServer) -> None:
    for step in (*ENVELOPE, "dot"):
        server.at(step, "wait 0.05")
    assert send_to(server).verdict is Verdict.ACCEPTED


def test_a_server_that_trickles_its_answer_for_ever_is_given_up(server: MailServer) -> None:
    server.at("mail", *(f"raw 250-{number}\\r\\n" if number % 2 else "wait 0.1" for number in range(40)))
    assert send_to(server, timeouts=waiting("trickling", ())).verdict is Verdict.UNSENT


@pytest.mark.parametrize(
    ("step", "actions", "lasting"),
    [
        ("connect", ("421 4.3.2 Too busy", "drop"), False),
        ("connect", ("450 Later", "drop"), False),
        ("connect", ("554 5.7.1 No service for you", "drop"), True),
        ("connect", ("drop",), False),
        ("connect", ("reset",), False),
        ("connect", ("hang",), False),
        ("connect", ("raw HTTP/1.1 400 Bad Request\\r\\n",), False),
        ("ehlo", ("550 5.7.1 Who are you?",), True),
        ("ehlo", ("421 4.3.2 Shutting down",), False),
        ("ehlo", ("drop",), False),
        ("ehlo", ("hang",), False),
    ],
)
def test_a_server_that_serves_nobody_makes_the_mailing_wait_or_pause(
    server: MailServer, step: str, actions: tuple[str, ...], lasting: bool
) -> None:
    server.at(step, *actions)
    with pytest.raises(SenderUnavailableError) as told:
        send_to(server, timeouts=waiting(step, actions))
    assert told.value.lasting is lasting
    assert f"he mail server 127.0.0.1, port {server.port}" in str(told.value)
    assert not server.mails


@pytest.mark.parametrize("host", ["127.0.0.1", "nobody.invalid", "a" * 70 + ".example.org", "..", "x" * 300])
def test_a_server_that_is_not_there_is_told_with_what_to_look_at(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    sender = SmtpSender(Destination(host=host, port=port, security="none", name="example.org"), timeouts=PATIENT)
    with pytest.raises(SenderUnavailableError, match=r"cannot be reached: .* \[sender\.smtp\]") as told:
        post(sender)
    assert not told.value.lasting
    sender.close()


def test_when_all_connections_fail_at_once_every_thread_hears_of_its_own(server: MailServer) -> None:
    server.at("dot", "take", "drop", every=2)
    sender = sender_to(server, connections=4)
    verdicts: list[Verdict] = []

    def work() -> None:
        verdicts.extend(post(sender).verdict for _ in range(10))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sender.close()
    assert sorted(verdicts) == [Verdict.ACCEPTED] * 20 + [Verdict.UNKNOWN] * 20
    assert len(server.mails) == 40


@pytest.mark.parametrize(
    "message",
    [
        Raw(b"Subject: x\r\n\r\nhello\n.\nMAIL FROM:<a@example.org>\r\n"),
        Raw(b"Subject: x\r\n\r\nhello\n.\r\nMAIL FROM:<a@example.org>\r\n"),
        Raw(b"Subject: x\r\n\r\nhello\r.\r\r\n"),
        Raw(b"Subject: x\r\n\r\nhello\r\n\r.\r\n"),
        Raw(b"Subject: x\r\n\r\nno end"),
        Raw(b""),
        Raw(b"Subject: x\r\n\r\n" + b"x" * 999 + b"\r\n"),
        Raw(b"Subject: x\r\n\r\n" + b"x" * 5_000 + b"\r\n"),
        Raw(recipient="a@example.com>\r\nRCPT TO:<b@example.com"),
        Raw(recipient="a@example.com\nRCPT TO:<b@example.com>"),
        Raw(recipient="a@example.com> SIZE=1"),
        Raw(recipient="a b@example.com"),
        Raw(recipient="a@b@example.com"),
        Raw(recipient="@example.com"),
        Raw(recipient="ada"),
        Raw(recipient=""),
        Raw(recipient="a" * 300 + "@example.com"),
        Raw(recipient="a\x00@example.com"),
        Raw(sender="news@example.org>\r\nDATA"),
    ],
    ids=repr,
)
def test_nothing_that_could_be_taken_for_a_command_gets_near_the_server(server: MailServer, message: Raw) -> None:
    outcome = send_to(server, message)
    assert outcome.verdict is Verdict.REFUSED
    assert "cannot be sent" in str(outcome.reason)
    assert not server.connections


@pytest.mark.parametrize(
    "recipient", ['"a b"@example.com', '"a\\"b"@example.com', "a@[127.0.0.1]", "a/b=c@example.com"]
)
def test_odd_addresses_that_are_allowed_are_sent_as_they_are(server: MailServer, recipient: str) -> None:
    assert send_to(server, Raw(recipient=recipient)).verdict is Verdict.ACCEPTED
    assert server.mails[0].recipient == recipient.encode()


def test_a_line_of_998_bytes_is_sent(server: MailServer) -> None:
    content = b"Subject: x\r\n\r\n" + (b"x" * 998 + b"\r\n") * 3 + b"." * 998 + b"\r\n"
    assert send_to(server, Raw(content)).verdict is Verdict.ACCEPTED
    assert server.mails[0].content == content


@pytest.mark.parametrize(
    ("left", "verdict"), [(1, Verdict.UNKNOWN), (2, Verdict.UNKNOWN), (3, Verdict.UNSENT), (40, Verdict.UNSENT)]
)
def test_a_message_is_unknown_from_the_first_byte_of_its_end_on(left: int, verdict: Verdict) -> None:
    """The kernel takes the last write whole nearly always; here it takes all but some bytes."""

    class Choking(Line):
        def write(self, data: bytes, timeout: float) -> None:
            if data.endswith(b"\r\n.\r\n"):
                super().write(data[:-left], timeout)
                raise BrokenPipeError(32, "Broken pipe")
            super().write(data, timeout)

    with MailServer() as server:
        line = Choking(socket.create_connection(("127.0.0.1", server.port)))
        assert line.reply(20).code == 220
        letter = make_letter(Raw(), None)
        assert Connection(line, Features(pipelining=True), PATIENT).send(letter).verdict is verdict
        assert not server.mails
