"""Delivers through a mail server: a pool of connections, one message on each at a time."""

import ssl
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Self

from newsletter.errors import ConfigError, MessageError, SenderUnavailableError, UnsupportedFeatureError
from newsletter.sending.addresses import parse_mailbox
from newsletter.sending.dkim import open_signer
from newsletter.sending.senders.protocol import Capabilities, Handover, Outcome, Unknown, Verdict
from newsletter.sending.senders.smtp.answers import Answer
from newsletter.sending.senders.smtp.connection import Connection, Timeouts
from newsletter.sending.senders.smtp.letter import Letter, make_letter
from newsletter.sending.senders.smtp.opening import MailServer, open_connection

if TYPE_CHECKING:
    from newsletter.project import Project

_DEFAULT_TIMEOUTS: Final = Timeouts()


class SmtpSender:
    """Hands messages to a mail server, from as many threads at once as it has connections.

    Args:
        server: Where messages go.
        connections: The most that are open at once.
        sign: Makes the header fields of a signature for a whole message, which are put in front of it.
        context: How to encrypt; by default with what the system trusts, checked, and nothing below TLS 1.2.
        timeouts: How long to wait for the server.
        per_connection: Messages on one connection before it is replaced; many servers want an end to it.
        most_idle: Seconds after which a connection that nobody used is replaced.
    """

    kind = "smtp"

    def __init__(  # noqa: PLR0913 what can be tuned, with good defaults
        self,
        server: MailServer,
        *,
        connections: int = 4,
        sign: Callable[[bytes], bytes] | None = None,
        context: ssl.SSLContext | None = None,
        timeouts: Timeouts = _DEFAULT_TIMEOUTS,
        per_connection: int = 1_000,
        most_idle: float = 60,
    ) -> None:
        self.capabilities = Capabilities(batch=1, settles=False, smtputf8=True, parallel=connections)
        self.server = server
        self._sign = sign
        self._context = context or _trusting_the_system()
        self._timeouts = timeouts
        self._per_connection = per_connection
        self._most_idle = most_idle
        self._turn = threading.BoundedSemaphore(connections)
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._busy: set[Connection] = set()

    @classmethod
    def open(cls, project: "Project") -> Self:
        """The mail server of a project.

        Raises:
            ConfigError: The user name or the password is missing.
        """
        smtp = project.settings.sender.smtp
        password = project.smtp_password
        if smtp.username and not password:
            raise ConfigError(
                "There is a user name for the mail server and no password. Set the variable NEWSLETTER_SMTP_PASSWORD."
            )
        if password and not smtp.username:
            raise ConfigError(
                "There is a password for the mail server and no user name. Set username in newsletter.toml, "
                "[sender.smtp], or take the variable NEWSLETTER_SMTP_PASSWORD away."
            )
        server = MailServer(
            host=smtp.host.strip("[]"),
            port=smtp.port_number,
            security=smtp.security,
            name=parse_mailbox(project.settings.identity.from_).domain,
            username=smtp.username,
            password=password or "",
            login=smtp.auth,
        )
        signer = open_signer(project)
        sign = None if signer is None else lambda content: signer.sign(content, datetime.now(UTC))
        return cls(server, connections=smtp.connections, sign=sign)

    def deliver(self, batch: Sequence[Handover]) -> list[Outcome]:
        """Send one message, on a connection of its own for that time.

        Raises:
            UnsupportedFeatureError: There is more than one.
            SenderUnavailableError: The server cannot be used now; nothing has left.
        """
        if len(batch) > 1:
            raise UnsupportedFeatureError("A mail server is handed one message at a time.")
        return [self._deliver(handover) for handover in batch]

    def settle(self, unknowns: Sequence[Unknown]) -> list[Outcome]:  # noqa: ARG002 it can settle none
        """Nothing is known afterwards: a mail server cannot be asked.

        Raises:
            UnsupportedFeatureError: Always.
        """
        raise UnsupportedFeatureError(
            "A mail server cannot be asked what it has taken. Look into its log, and decide with: newsletter mailings "
            "unknowns"
        )

    def close(self) -> None:
        """Say goodbye to the server; a message that is still on its way in another thread is cut off."""
        with self._lock:
            idle, self._idle = self._idle, []
            for connection in self._busy:
                connection.abort()
        deadline = time.monotonic() + self._timeouts.goodbye
        for connection in idle:
            if time.monotonic() < deadline:
                connection.quit()
            else:  # the server does not answer any more
                connection.drop()

    def _deliver(self, handover: Handover) -> Outcome:
        message = handover.message
        try:
            letter = make_letter(message, self._sign)
        except MessageError as error:
            return Outcome(handover.delivery, Verdict.REFUSED, f"The message cannot be sent: {error}")
        except Exception as error:
            raise SenderUnavailableError(
                f"The message could not be made ready to leave ({type(error).__name__}: {error}). "
                "See that the keys of [dkim] in newsletter.toml can be used.",
                lasting=True,
            ) from error
        with self._turn:
            answer = self._send(letter)
        if answer.everybody:
            raise SenderUnavailableError(
                f"{answer.reason} It would say so to every message. See identity and [sender.smtp] in newsletter.toml, "
                "or ask whoever runs the server.",
                lasting=True,
            )
        return Outcome(
            handover.delivery, answer.verdict, answer.reason, message_id=message.message_id, status=answer.status
        )

    def _send(self, letter: Letter) -> Answer:
        """Send on a connection that is free, or else on a new one."""
        if (connection := self._take()) is not None:
            answer = self._send_on(connection, letter)
            if not answer.ended:
                return answer
            # The server had let go of a connection that lay idle, and no message was begun on it.
        return self._send_on(open_connection(self.server, self._context, self._timeouts), letter)

    def _take(self) -> Connection | None:
        """A connection that is open and was not used too often or too long ago."""
        while True:
            with self._lock:
                if not self._idle:
                    return None
                connection = self._idle.pop()
            old = time.monotonic() - connection.idle_since > self._most_idle
            if not connection.alive():
                connection.drop()
            elif old:
                connection.quit()
            else:
                return connection

    def _send_on(self, connection: Connection, letter: Letter) -> Answer:
        with self._lock:
            self._busy.add(connection)
        try:
            answer = connection.send(letter)
        except BaseException:
            connection.drop()
            raise
        finally:
            with self._lock:
                self._busy.discard(connection)
        if connection.taken >= self._per_connection:
            connection.quit()
        elif connection.usable:
            with self._lock:
                self._idle.append(connection)
        return answer


def _trusting_the_system() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
