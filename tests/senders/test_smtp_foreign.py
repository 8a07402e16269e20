"""The SMTP sender with servers that others wrote: aiosmtpd in Python, and Postfix's smtp-sink in C."""

import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from newsletter.errors import SenderUnavailableError
from newsletter.sending.senders.protocol import Verdict
from newsletter.sending.senders.smtp import MailServer as Destination
from newsletter.sending.senders.smtp import SmtpSender
from tests.senders.certificates import make_authority
from tests.senders.contract import SenderContract
from tests.senders.posting import PATIENT, Raw, letter_of, post

SINK = shutil.which("smtp-sink") or shutil.which("smtp-sink", path="/usr/sbin:/usr/local/sbin")


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


@pytest.mark.skipif(SINK is None, reason="smtp-sink of Postfix is not installed")
def test_a_thousand_messages_over_four_connections_arrive_at_postfix() -> None:
    port = free_port()
    as_whom = ["-u", "nobody"] if os.geteuid() == 0 else []
    command = [str(SINK), *as_whom, "-M", "1000", f"127.0.0.1:{port}", "100"]  # ends once it has so many
    with subprocess.Popen(command) as sink:
        try:
            sender = SmtpSender(
                Destination(host="127.0.0.1", port=port, security="none", name="example.org"), timeouts=PATIENT
            )
            verdicts = [post_once_it_listens(sender)]

            def work(count: int) -> None:
                verdicts.extend(post(sender, Raw(letter_of(45_000))).verdict for _ in range(count))

            threads = [threading.Thread(target=work, args=(count,)) for count in (249, 250, 250, 250)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            sender.close()
            assert sink.wait(timeout=20) == 0
        finally:
            sink.kill()
    # It ends with the last message in its hands, and does not say so: nobody can know more.
    assert sorted(verdicts) == [Verdict.ACCEPTED] * 999 + [Verdict.UNKNOWN]


def post_once_it_listens(sender: SmtpSender) -> Verdict:
    deadline = time.monotonic() + 20
    while True:
        try:
            return post(sender).verdict
        except SenderUnavailableError:
            if time.monotonic() > deadline:
                raise
