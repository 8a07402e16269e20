"""Senders to the tests' mail server, and messages in every shape."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from newsletter.sending.senders.protocol import Handover, Outcome
from newsletter.sending.senders.smtp import MailServer as Destination
from newsletter.sending.senders.smtp import SmtpSender, Timeouts
from tests.senders.contract import ORIGIN
from tests.senders.mailserver import MailServer

PATIENT = Timeouts(connect=20, greeting=20, command=20, data=20, block=20, final=20)
"""Nobody waits so long in a test that passes."""


@dataclass(frozen=True)
class Raw:
    """A message of any bytes."""

    content: bytes = b"Message-ID: <1@example.org>\r\n\r\nDear friend\r\n"
    sender: str = "news@example.org"
    recipient: str = "ada@example.com"
    message_id: str = "<1@example.org>"
    smtputf8: bool = False


def send_to(server: MailServer, message: Raw | None = None, **more: Any) -> Outcome:
    """One message, by a sender of its own."""
    sender = sender_to(server, **more)
    try:
        return post(sender, message)
    finally:
        sender.close()


def post(sender: SmtpSender, message: Raw | None = None, delivery: int = 1) -> Outcome:
    (outcome,) = sender.deliver([Handover(delivery, ORIGIN, message or Raw())])
    return outcome


def sender_to(
    server: MailServer,
    *,
    host: str = "127.0.0.1",
    security: Any = "none",
    username: str = "",
    password: str = "",
    login: Any = "auto",
    connections: int = 4,
    timeouts: Timeouts = PATIENT,
    sign: Callable[[bytes], bytes] | None = None,
    **more: Any,
) -> SmtpSender:
    destination = Destination(
        host=host,
        port=server.port,
        security=security,
        name="example.org",
        username=username,
        password=password,
        login=login,
    )
    return SmtpSender(destination, connections=connections, timeouts=timeouts, sign=sign, **more)


def letter_of(size: int) -> bytes:
    """A message of about so many bytes."""
    return b"Message-ID: <1@example.org>\r\n\r\n" + (b"x" * 70 + b"\r\n") * (size // 72)
