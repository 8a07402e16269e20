"""From nothing to a connection that is ready for messages: greeting, encryption, login, and what is wrong if not."""

import base64
import ipaddress
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

from newsletter.errors import SenderUnavailableError
from newsletter.sending.senders.smtp.connection import Connection, Timeouts, why
from newsletter.sending.senders.smtp.features import Features, read_features
from newsletter.sending.senders.smtp.line import Line
from newsletter.sending.senders.smtp.replies import NotSmtpError, Reply

Login = Literal["auto", "plain", "login", "xoauth2"]

_SETTINGS: Final = "in newsletter.toml, [sender.smtp]"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """Where messages go, and as whom we come.

    Attributes:
        host: Its name or address.
        port: Its port.
        security: How it is encrypted; `none` is for this machine only.
        name: What we call ourselves: a domain, or an address in brackets (RFC 5321 section 4.1.4).
        username: For the login; empty for none.
        password: Likewise; for `xoauth2` the access token.
        login: How to log in; `auto` takes what the server offers.
    """

    host: str
    port: int
    security: Literal["starttls", "tls", "none"] = "starttls"
    name: str = "[127.0.0.1]"
    username: str = ""
    password: str = field(default="", repr=False)
    login: Login = "auto"

    @property
    def place(self) -> str:
        """The server as errors name it."""
        return f"the mail server {self.host}, port {self.port}"


def open_connection(server: MailServer, context: ssl.SSLContext, timeouts: Timeouts) -> Connection:
    """Open a connection and make it ready for messages.

    Raises:
        SenderUnavailableError: It cannot be made ready; lasting where somebody must change something first.
    """
    line = _reach(server, timeouts)
    try:
        return _Opening(server, line, context, timeouts).run()
    except BaseException as error:
        line.close()
        if isinstance(error, OSError | NotSmtpError):
            raise _unavailable(server, error) from error
        raise


def _unavailable(server: MailServer, error: OSError | NotSmtpError) -> SenderUnavailableError:
    """What a broken line means, before any message."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return SenderUnavailableError(
            f"The certificate of {server.place} does not prove that it is that server: {error.verify_message}. Nothing "
            f"was sent to it. See that host {_SETTINGS} is the name the certificate is for, or ask whoever runs the "
            "server to renew it; for an authority of your own, set SSL_CERT_FILE to its certificate.",
            lasting=True,
        )
    if isinstance(error, ssl.SSLError):
        return SenderUnavailableError(
            f"No encrypted connection to {server.place} came about ({error.reason or 'it was cut off'}). "
            f"See that security {_SETTINGS} suits the port: starttls for 587, tls for 465.",
            lasting=not isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError),
        )
    return SenderUnavailableError(
        f"The talk with {server.place} broke off before any message: {why(error)}. "
        f"See that host, port and security {_SETTINGS} belong together, and that the server is well."
    )


def _reach(server: MailServer, timeouts: Timeouts) -> Line:
    try:
        connection = socket.create_connection((server.host, server.port), timeouts.connect)
    except (OSError, UnicodeError) as error:
        reason = why(error) if isinstance(error, OSError) else "there is no such name"
        raise SenderUnavailableError(
            f"{_capital(server.place)} cannot be reached: {reason}. "
            f"See that host and port {_SETTINGS} are right, that the server runs and that the network lets us through."
        ) from error
    return Line(connection)


class _Opening:
    """The steps from a bare line to a connection."""

    def __init__(self, server: MailServer, line: Line, context: ssl.SSLContext, timeouts: Timeouts) -> None:
        self._server = server
        self._line = line
        self._context = context
        self._timeouts = timeouts

    def run(self) -> Connection:
        if self._server.security == "none":
            self._see_that_it_is_near()
        if self._server.security == "tls":
            self._line.encrypt(self._context, self._server.host, self._timeouts.greeting)
        greeting = self._line.reply(self._timeouts.greeting)
        if greeting.code != 220:
            raise self._refused(greeting, "does not serve us")
        features = self._introduce()
        if self._server.security == "starttls":
            features = self._encrypt(features)
        if self._server.username:
            self._log_in(features)
        return Connection(self._line, features, self._timeouts)

    def _see_that_it_is_near(self) -> None:
        """Without encryption nothing leaves this machine, whatever a name may have come to mean."""
        address = self._line.peer
        if not ipaddress.ip_address(address.partition("%")[0]).is_loopback:
            raise SenderUnavailableError(
                f"{_capital(self._server.place)} is not on this machine but at {address}, and letters would travel "
                f'unencrypted. Write security = "starttls" or "tls" {_SETTINGS}.',
                lasting=True,
            )

    def _introduce(self) -> Features:
        """EHLO, or HELO for a server that does not know it (RFC 5321 section 3.2)."""
        reply = self._ask(f"EHLO {self._server.name}")
        if reply.good:
            return read_features(reply)
        if reply.code in {500, 502}:
            reply = self._ask(f"HELO {self._server.name}")
            if reply.good:
                return Features()
        raise self._refused(reply, "does not serve us")

    def _encrypt(self, features: Features) -> Features:
        """STARTTLS (RFC 3207), and everything that was said in the clear forgotten."""
        if not features.starttls:
            raise SenderUnavailableError(
                f"{_capital(self._server.place)} does not offer encryption (STARTTLS), or somebody in between hides "
                f'it. Nothing was sent. Use its port for encrypted mail {_SETTINGS}: 587 with security = "starttls", '
                '465 with security = "tls".',
                lasting=True,
            )
        reply = self._ask("STARTTLS")
        if reply.code != 220:
            raise self._refused(reply, "does not go over to encryption")
        self._line.encrypt(self._context, self._server.host, self._timeouts.greeting)
        return self._introduce()

    def _log_in(self, features: Features) -> None:
        kinds = [self._server.login] if self._server.login != "auto" else ["plain", "login"]
        kind = next((kind for kind in kinds if kind.upper() in features.logins), None)
        if kind is None:
            offered = ", ".join(sorted(features.logins)) or "no login at all"
            raise SenderUnavailableError(
                f"{_capital(self._server.place)} does not take the login that is wanted ({', '.join(kinds)}); it "
                f"offers {offered}. Set auth {_SETTINGS} to one that it offers, use its port for sending (587 or 465), "
                "or take out username if it wants none.",
                lasting=True,
            )
        steps = _login_steps(kind, self._server.username, self._server.password)
        reply = self._ask(next(steps))
        for step in steps:
            if reply.code != 334:
                break
            reply = self._ask(step)
        if reply.good:
            return
        if reply.later:
            raise self._refused(reply, "does not let us log in now")
        secret = "the access token" if kind == "xoauth2" else "the password"
        raise SenderUnavailableError(
            f"{_capital(self._server.place)} does not know the user name with {secret}: {reply.text} "
            f"See username {_SETTINGS}, and {secret} in the variable NEWSLETTER_SMTP_PASSWORD.",
            lasting=True,
        )

    def _ask(self, command: str) -> Reply:
        self._line.write(f"{command}\r\n".encode(), self._timeouts.block)
        return self._line.reply(self._timeouts.command)

    def _refused(self, reply: Reply, what: str) -> SenderUnavailableError:
        """The error for a no; 4xx is one that passes."""
        lasting = not reply.later
        fix = "Ask whoever runs it why." if lasting else "It may do so later."
        return SenderUnavailableError(f"{_capital(self._server.place)} {what}: {reply.text} {fix}", lasting=lasting)


def _login_steps(kind: str, username: str, password: str) -> Iterator[str]:
    """What the client says in a login, step by step."""
    if kind == "plain":  # RFC 4616
        yield "AUTH PLAIN " + _base64(f"\0{username}\0{password}")
    elif kind == "login":  # never a standard, and all that some servers have
        yield "AUTH LOGIN"
        yield _base64(username)
        yield _base64(password)
    else:  # Google's and Microsoft's; a refusal comes as a challenge, which an empty line answers
        yield "AUTH XOAUTH2 " + _base64(f"user={username}\x01auth=Bearer {password}\x01\x01")
        yield ""


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
