"""The SMTP sender with a server that others wrote: aiosmtpd; Postfix's smtp-sink is met in `benchmarks/smtp.py`."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from newsletter.sending.senders.protocol import Verdict
from newsletter.sending.senders.smtp import MailServer as Destination
from newsletter.sending.senders.smtp import SmtpSender
from tests.senders.certificates import make_authority
from tests.senders.contract import SenderContract
from tests.senders.posting import PATIENT, Raw, letter_of, post


class Mailbox:
    """What aiosmtpd hands over."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 its name
        self.envelopes.append(envelope)
        return "250 2.0.0 Taken"


def sender_for(controller: Controller, **more: Any) -> SmtpSender:
    context = more.pop("context", None)
    destination = Destination(host="127.0.0.1", port=controller.port, name="example.org", **more)
    return SmtpSender(destination, timeouts=PATIENT, context=context)


@pytest.fixture
def controller() -> Iterator[Controller]:
    controller = Controller(Mailbox(), hostname="127.0.0.1", port=free_port(), enable_SMTPUTF8=True)
    controller.start()
    yield controller
    controller.stop()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class TestAiosmtpdContract(SenderContract):
    @pytest.fixture(autouse=True)
    def _running(self, controller: Controller) -> None:
        self.controller = controller

    def make(self, directory: Path) -> SmtpSender:
        return sender_for(self.controller, security="none")

    def delivered(self, directory: Path) -> list[bytes]:
        return [bytes(envelope.original_content or b"") for envelope in self.controller.handler.envelopes]


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_encrypted_and_logged_in_at_aiosmtpd(tmp_path: Path, security: str) -> None:
    """Logged in with STARTTLS only: of a connection encrypted from the start it does not know that it is."""
    authority = make_authority(tmp_path)
    good = authority.context()

    def judge(server: SMTP, session: Session, envelope: Envelope, kind: str, login: Any) -> AuthResult:
        return AuthResult(success=login == LoginPassword(b"news", b"s3cret"))

    theirs: dict[str, Any] = {"ssl_context": good}
    ours: dict[str, Any] = {}
    if security == "starttls":
        theirs = {"tls_context": good, "require_starttls": True, "authenticator": judge, "auth_required": True}
        ours = {"username": "news", "password": "s3cret"}
    controller = Controller(Mailbox(), hostname="127.0.0.1", port=free_port(), **theirs)
    controller.start()
    sender = sender_for(controller, security=security, context=authority.trusted(), **ours)
    assert post(sender, Raw(letter_of(100_000))).verdict is Verdict.ACCEPTED
    sender.close()
    controller.stop()
    (envelope,) = controller.handler.envelopes
    assert envelope.original_content == letter_of(100_000)
