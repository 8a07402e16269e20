"""Reads messages from a mailbox by IMAP (RFC 3501), one at a time, and puts each away only when it was taken.

The server is not trusted further than it must be: its certificate is checked, every answer has a time and a size, and
of a message only the first million bytes are asked for. What a person should read is flagged and left.
"""

import imaplib
import re
import ssl
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from newsletter.config.pages import MailboxTable
from newsletter.errors import MailboxError
from newsletter.feedback.bounces.parts import READ
from newsletter.feedback.bounces.waiting import Waiting

PATIENCE: Final = 30
"""Seconds that a server may take for any answer."""

_LARGEST_ANSWER: Final = 8 * READ
"""Bytes of one answer in all, and of each that is announced."""
_NOT_ASCII: Final = re.compile(r"[^ -~]+")


class _Bounded(imaplib.IMAP4):
    """The standard library's client, with a limit to what one answer may hold."""

    heard = 0

    def read(self, size: int) -> bytes:
        """So many bytes of the server's, if that is not too many."""
        self._count(size)
        return super().read(size)

    def readline(self) -> bytes:
        """A line of the server's."""
        line = super().readline()
        self._count(len(line))
        return line

    def _count(self, size: int) -> None:
        self.heard += size
        if self.heard > _LARGEST_ANSWER:
            raise self.abort("too large")


class _BoundedEncrypted(_Bounded, imaplib.IMAP4_SSL):
    """The same, encrypted from its first byte."""


@dataclass(slots=True)
class _Session:
    """A folder that is open.

    Attributes:
        client: Logged in.
        settings: Where messages go that were read; they are deleted if that is empty.
        abilities: What the server can.
    """

    client: _Bounded
    settings: MailboxTable
    abilities: set[str] = field(default_factory=set)

    def ask(self, *words: str) -> list[bytes | tuple[bytes, bytes]]:
        """Send a command about messages by their UID; what the server answered."""
        self.client.heard = 0
        answer, data = self.client.uid(*words)
        if answer != "OK":
            said = data[0].decode("utf-8", "replace") if data and isinstance(data[0], bytes) else answer
            raise imaplib.IMAP4.error(said)
        return data

    def put_away(self, uid: str, *, for_people: bool) -> None:
        """Take a message out of what waits.

        Raises:
            MailboxError: The server went away, or does not do it; the message is read again.
        """
        with _in_plain_words(self.settings):
            self._put_away(uid, self.settings.done, for_people=for_people)

    def _put_away(self, uid: str, done: str, *, for_people: bool) -> None:
        if for_people:
            self.ask("STORE", uid, "+FLAGS.SILENT", r"(\Flagged)")
        elif done and "MOVE" in self.abilities:  # RFC 6851
            self.ask("MOVE", uid, _quoted(done))
        else:
            if done:
                self.ask("COPY", uid, _quoted(done))
            self.ask("STORE", uid, "+FLAGS.SILENT", r"(\Deleted)")
            if "UIDPLUS" in self.abilities:  # RFC 4315: nothing else that is marked goes with it
                self.ask("EXPUNGE", uid)
            else:
                self.client.expunge()


def waiting_at(settings: MailboxTable, password: str | None) -> Iterator[Waiting]:
    """The messages that wait in a mailbox: all that are neither deleted nor flagged.

    Args:
        settings: [feedback.mailbox] of the settings, with a host.
        password: Its password.

    Raises:
        MailboxError: It cannot be reached or read; whatever was put away until then is away.
    """
    with _in_plain_words(settings), _opened(settings, password) as session:
        (found, *_) = session.ask("SEARCH", "UNDELETED", "UNFLAGGED") or [b""]
        for uid in found.split() if isinstance(found, bytes) else ():
            number = uid.decode("ascii", "replace")
            answer = session.ask("FETCH", number, f"(BODY.PEEK[]<0.{READ}>)")
            content = next((piece[1] for piece in answer if isinstance(piece, tuple) and len(piece) > 1), None)
            if content is not None:  # another program may have taken it meanwhile
                yield Waiting(content, partial(session.put_away, number))


@contextmanager
def _opened(settings: MailboxTable, password: str | None) -> Iterator[_Session]:
    """The folder, open for reading and marking."""
    host, port = settings.host or "localhost", settings.port_number
    if not password:
        raise MailboxError(
            f"The password for the mailbox {settings.username} at {host} is missing. Set NEWSLETTER_IMAP_PASSWORD."
        )
    trust = ssl.create_default_context()
    if settings.security == "tls":
        client: _Bounded = _BoundedEncrypted(host, port, ssl_context=trust, timeout=PATIENCE)
    else:
        client = _Bounded(host, port, timeout=PATIENCE)
    try:
        if settings.security == "starttls":
            client.starttls(trust)
        _log_in(client, settings, password)
        abilities = {str(word).upper() for word in client.capabilities}
        if settings.done:
            with suppress(imaplib.IMAP4.error):  # it is there already, most of the time
                client.create(_quoted(settings.done))
        answer, _ = client.select(_quoted(settings.folder))
        if answer != "OK":
            raise MailboxError(
                f"The mailbox at {host} has no folder «{settings.folder}». Correct folder in newsletter.toml, "
                "[feedback.mailbox]."
            )
        yield _Session(client, settings, abilities)
        client.close()
    finally:
        with suppress(imaplib.IMAP4.error, OSError):
            client.logout()
        with suppress(OSError):
            client.shutdown()  # also where the server did not let us say good-bye


def _log_in(client: _Bounded, settings: MailboxTable, password: str) -> None:
    try:
        if _NOT_ASCII.search(settings.username + password):
            client.authenticate("PLAIN", lambda _: f"\0{settings.username}\0{password}".encode())
        else:
            client.login(settings.username, password)
    except imaplib.IMAP4.abort:
        raise
    except imaplib.IMAP4.error:
        raise MailboxError(
            f"The mail server {settings.host} does not let «{settings.username}» in. Check username in "
            "newsletter.toml, [feedback.mailbox], and NEWSLETTER_IMAP_PASSWORD; some services want a "
            "password made for programs."
        ) from None  # the error may repeat the password
    with suppress(imaplib.IMAP4.error):
        answer, data = client.capability()  # some servers can more for those whom they know
        if answer == "OK" and data and isinstance(data[0], bytes):
            client.capabilities = tuple(data[0].decode("ascii", "replace").upper().split())


@contextmanager
def _in_plain_words(settings: MailboxTable) -> Iterator[None]:
    """Turn what goes wrong on the way into a sentence."""
    where = f"The mail server {settings.host} (port {settings.port_number}, security «{settings.security}»)"
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise MailboxError(
            f"The certificate of {settings.host} does not prove that it is that server: {error.verify_message}. Write "
            "host as in the certificate, or have it renewed."
        ) from error
    except TimeoutError as error:
        raise MailboxError(f"{where} took longer than {PATIENCE} seconds to answer. Try again later.") from error
    except OSError as error:
        raise MailboxError(
            f"{where} cannot be reached: {error.strerror or error}. Check host, port and security in newsletter.toml, "
            "[feedback.mailbox]."
        ) from error
    except imaplib.IMAP4.error as error:
        large = "an answer that is far too large" if "too large" in str(error) else "an answer that means no success"
        lost = "broke the connection off" if "EOF" in str(error) or "socket error" in str(error) else f"gave {large}"
        raise MailboxError(
            f"{where} {lost}. What was read before is done; run  newsletter bounces read  again later."
        ) from error
    except (ValueError, IndexError, UnicodeError) as error:
        raise MailboxError(
            f"{where} does not speak the language of mailboxes (IMAP). Check host and port in newsletter.toml."
        ) from error


def _quoted(folder: str) -> str:
    """The name of a folder as the protocol wants it (RFC 3501 section 5.1.3)."""
    encoded = _NOT_ASCII.sub(
        lambda match: f"&{b64encode(match[0].encode('utf-16-be')).decode().rstrip('=').replace('/', ',')}-",
        folder.replace("&", "&-"),
    )
    escaped = encoded.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
