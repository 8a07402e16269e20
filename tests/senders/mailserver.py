r"""A mail server that records what it takes, and can fail at every step: an object in tests, or a process of its own.

    python -m tests.senders.mailserver --port-file FILE --log FILE [--at STEP=ACTIONS[@EVERY]] …

It listens on 127.0.0.1. As a process it writes its port into FILE (which appears whole), and appends one line,
`recipient TAB Message-ID`, to the log for every message before it says yes to it. It ends by SIGTERM.

Steps: connect ehlo starttls auth mail rcpt data content dot rset quit; `content` is once a part of a message has come,
`dot` once its end has. At each, instead of the usual answer, a list of actions, joined by `|`:

    451 4.7.1 Later     that reply; several lines with `\n` between them
    drop                closes the connection
    reset               closes it so that the other end gets an error
    hang                never says anything again
    wait SECONDS        waits, then goes on with the next action, or else as usual
    slowly              gives the usual answer byte by byte
    take                at `dot`: records the message, as if it was going to say yes
    raw TEXT            those bytes, after Python's escapes

For example `--at "dot=take|drop@7"`: every seventh message is recorded and the connection closed without an answer.
"""

import argparse
import contextlib
import os
import re
import signal
import socket
import ssl
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.senders.mailsession import GoneError, Mail, Session

OFFERS = ("PIPELINING", "SIZE 50000000", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES")
_MESSAGE_ID = re.compile(rb"^Message-ID:\s*(\S+)", re.IGNORECASE | re.MULTILINE)


@dataclass
class Rule:
    """Actions for some occurrences of a step."""

    actions: tuple[str, ...]
    every: int = 1
    times: int | None = None
    seen: int = 0

    def applies(self) -> bool:
        self.seen += 1
        if self.seen % self.every or self.times == 0:
            return False
        if self.times is not None:
            self.times -= 1
        return True


@dataclass
class MailServer:
    """The server; `with` starts and stops it.

    Attributes:
        offers: Lines of the answer to EHLO, beside STARTTLS and AUTH.
        tls: How to encrypt, where it does.
        implicit: Whether it does from the first byte on.
        users: Names and passwords; without any it offers no login.
        logins: Ways to log in.
        polite: Whether DATA without a valid recipient is refused, as RFC 5321 wants.
        log: A file for a line for each message taken.
        keep: Whether messages are kept in `mails`.
    """

    offers: Sequence[str] = OFFERS
    tls: ssl.SSLContext | None = None
    implicit: bool = False
    users: dict[str, str] = field(default_factory=dict)
    logins: Sequence[str] = ("PLAIN", "LOGIN", "XOAUTH2")
    polite: bool = True
    log: Path | None = None
    keep: bool = True
    port: int = 0
    mails: list[Mail] = field(default_factory=list)
    groups: list[list[bytes]] = field(default_factory=list)
    """Commands, as many together as arrived together."""
    violations: list[str] = field(default_factory=list)
    """What no good client does."""
    connections: int = 0
    most_at_once: int = 0

    def __post_init__(self) -> None:
        self._rules: dict[str, list[Rule]] = {}
        self._lock = threading.Lock()
        self._sockets: dict[int, socket.socket] = {}
        self._threads: list[threading.Thread] = []
        self.stopping = threading.Event()
        self.taken = threading.Semaphore(0)
        self._log = None if self.log is None else os.open(self.log, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=256)
        self.port = self._listener.getsockname()[1]

    def at(self, step: str, *actions: str, every: int = 1, times: int | None = None) -> None:
        """Do something else than usual at a step: every so often, and so many times at most."""
        with self._lock:
            self._rules.setdefault(step, []).append(Rule(actions, every, times))

    def start(self) -> Self:
        thread = threading.Thread(target=self._accept, daemon=True)
        thread.start()
        self._threads.append(thread)
        return self

    def stop(self) -> None:
        self.stopping.set()
        with contextlib.suppress(OSError):  # wakes whoever accepts
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()
        for thread in self._threads:
            thread.join()
        if self._log is not None:
            os.close(self._log)

    def hang_up(self, last_words: bytes = b"") -> None:
        """Close every connection that is open now."""
        with self._lock:
            for connection in self._sockets.values():
                with contextlib.suppress(OSError):
                    connection.sendall(last_words)
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def wait_for_no_connection(self) -> None:
        """Wait until every client is gone, and the server has seen it."""
        for thread in self._threads[1:]:
            thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def decide(self, step: str) -> tuple[str, ...]:
        with self._lock:
            return next((rule.actions for rule in self._rules.get(step, []) if rule.applies()), ())

    def take(self, mail: Mail) -> None:
        with self._lock:
            if self._log is not None:
                found = _MESSAGE_ID.search(mail.content)
                os.write(self._log, b"%b\t%b\n" % (mail.recipient, found[1] if found else b"-"))
            if self.keep:
                self.mails.append(mail)
        self.taken.release()

    def _accept(self) -> None:
        while not self.stopping.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                number = self.connections
                self._sockets[number] = connection
                self.most_at_once = max(self.most_at_once, len(self._sockets))
            thread = threading.Thread(target=self._serve, args=(number, connection), daemon=True)
            self._threads.append(thread)
            thread.start()
            if self.stopping.is_set():
                self.hang_up()

    def _serve(self, number: int, connection: socket.socket) -> None:
        session = Session(self, number, connection)
        with contextlib.suppress(OSError, GoneError):
            session.run()
        with self._lock:
            del self._sockets[number]
        session.close()

    def replace(self, number: int, connection: socket.socket) -> None:
        """A connection has become an encrypted one."""
        with self._lock:
            self._sockets[number] = connection


def main() -> None:
    parser = argparse.ArgumentParser(description="A mail server that records what it takes, and fails when told to.")
    parser.add_argument("--port-file", type=Path, required=True, help="where to write the port")
    parser.add_argument("--log", type=Path, required=True, help="where to append a line for each message taken")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--at", action="append", default=[], metavar="STEP=ACTIONS[@EVERY]")
    options = parser.parse_args()
    server = MailServer(log=options.log, keep=False, port=options.port)
    for rule in options.at:
        step, _, rest = rule.partition("=")
        actions, every = re.fullmatch(r"(.*?)(?:@([0-9]+))?", rest).groups()  # an address may stand in a reply
        server.at(step, *actions.split("|"), every=int(every or 1))
    done = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: done.set())
    with server:
        draft = options.port_file.with_name(f".{options.port_file.name}.part")
        draft.write_text(str(server.port))
        draft.replace(options.port_file)
        done.wait()


if __name__ == "__main__":
    main()
