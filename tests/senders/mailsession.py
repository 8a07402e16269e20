"""What one client of the tests' mail server says, and what it is answered; `mailserver.py` has the server."""

import base64
import re
import socket
import ssl
import struct
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")


@dataclass(frozen=True)
class Mail:
    """A message that the server took, with its envelope as it was said."""

    sender: bytes
    recipient: bytes
    parameters: bytes
    content: bytes
    encrypted: bool
    user: str | None
    connection: int


class GoneError(Exception):
    """The connection is over."""


class Server(Protocol):
    """What a session needs of its server."""

    offers: Sequence[str]
    tls: ssl.SSLContext | None
    implicit: bool
    users: dict[str, str]
    logins: Sequence[str]
    polite: bool
    groups: list[list[bytes]]
    violations: list[str]
    stopping: threading.Event

    def decide(self, step: str) -> tuple[str, ...]: ...

    def take(self, mail: Mail) -> None: ...

    def replace(self, number: int, connection: socket.socket) -> None: ...


class Session:
    """What one client says."""

    def __init__(self, server: Server, number: int, connection: socket.socket) -> None:
        self.server = server
        self.number = number
        self.socket = connection
        self.buffer = b""
        self.answers = b""
        self.sender: bytes | None = None
        self.recipient: bytes | None = None
        self.parameters = b""
        self.user: str | None = None
        self.encrypted = False
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self) -> None:
        self.socket.close()

    def run(self) -> None:
        if self.server.implicit:
            self.encrypt()
        self.step("connect", "220 mail.example.org ESMTP")
        for line in self.commands():
            self.command(line)

    def commands(self) -> Iterator[bytes]:
        group: list[bytes] = []
        while True:
            while b"\r\n" in self.buffer:
                line, self.buffer = self.buffer.split(b"\r\n", 1)
                if not group:
                    self.server.groups.append(group)
                group.append(line)
                if self.buffer and "PIPELINING" not in self.server.offers:
                    self.violation(f"said more than {line!r} without PIPELINING")
                yield line
            group = []
            self.receive()

    def receive(self) -> None:
        self.flush()
        data = self.socket.recv(65536)
        if not data:
            raise GoneError
        self.buffer += data

    def flush(self) -> None:
        answers, self.answers = self.answers, b""
        self.socket.sendall(answers)

    def violation(self, what: str) -> None:
        self.server.violations.append(what)

    def step(self, name: str, usual: str, actions: Sequence[str] | None = None) -> bool:
        """Answer as usual, or what a rule says; says whether it was a yes."""
        said = None
        for action in self.server.decide(name) if actions is None else actions:
            word, _, rest = action.partition(" ")
            if word == "wait":
                self.flush()
                if self.server.stopping.wait(float(rest)):
                    raise GoneError
            elif word == "slowly":
                self.flush()
                for byte in lines(usual):
                    self.socket.sendall(bytes([byte]))
                return usual[0] in "23"
            elif word == "raw":
                said = rest
                self.answers += rest.encode().decode("unicode_escape").encode("latin-1")
                self.flush()
            elif word[:1].isdigit():
                said = action
                self.answers += lines(action)
            elif word != "take":
                self.fail(word)
        if said is None:
            said = usual
            self.answers += lines(usual)
        return said[0] in "23"

    def fail(self, word: str) -> None:
        self.flush()
        if word == "hang":
            while self.socket.recv(65536):
                pass
        elif word == "reset":
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif word != "drop":
            raise ValueError(f"There is no action «{word}».")
        raise GoneError

    def encrypt(self) -> None:
        assert self.server.tls is not None
        self.socket = self.server.tls.wrap_socket(self.socket, server_side=True)
        self.server.replace(self.number, self.socket)
        self.encrypted = True

    def command(self, line: bytes) -> None:
        word = line.split(b" ", 1)[0].upper().decode("ascii", "replace")
        answer = getattr(self, f"on_{word.lower()}", None)
        if answer is None:
            self.violation(f"said {line!r}")
            self.answers += b"500 5.5.2 What?\r\n"
        else:
            answer(line)

    def on_ehlo(self, line: bytes) -> None:
        offers = [f"mail.example.org greets {line[5:].decode()}", *self.server.offers]
        if self.server.tls is not None and not self.encrypted:
            offers.append("STARTTLS")
        if self.server.users:
            offers.append(f"AUTH {' '.join(self.server.logins)}")
        self.forget()
        self.step("ehlo", "250 " + "\n".join(offers))

    def on_helo(self, line: bytes) -> None:
        self.forget()
        self.step("helo", "250 mail.example.org")

    def on_starttls(self, line: bytes) -> None:
        if self.step("starttls", "220 2.0.0 Go on"):
            self.flush()
            if self.buffer:
                self.violation("said more than STARTTLS")
            self.encrypt()

    def on_auth(self, line: bytes) -> None:
        _, kind, *initial = line.decode().split(" ")
        if kind == "PLAIN":
            _, name, password = decoded(initial[0] if initial else self.ask("")).split("\0")
        elif kind == "LOGIN":
            name, password = decoded(self.ask("VXNlcm5hbWU6")), decoded(self.ask("UGFzc3dvcmQ6"))
        else:
            user, bearer = decoded(initial[0]).removesuffix("\1\1").split("\1")
            name, password = user.removeprefix("user="), bearer.removeprefix("auth=Bearer ")
        good = self.server.users.get(name) == password
        if not good and kind == "XOAUTH2" and self.ask("eyJzdGF0dXMiOiI0MDEifQ=="):
            self.violation("answered the error of XOAUTH2 with more than an empty line")
        if self.step("auth", "235 2.7.0 Welcome" if good else "535 5.7.8 Bad credentials") and good:
            self.user = name

    def ask(self, challenge: str) -> str:
        self.answers += lines(f"334 {challenge}")
        while b"\r\n" not in self.buffer:
            self.receive()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line.decode()

    def on_mail(self, line: bytes) -> None:
        path = re.fullmatch(rb"MAIL FROM:<([^<>]*)>((?: [A-Z0-9]+(?:=[!-<>-~]+)?)*)", line)
        if path is None or self.sender is not None:
            self.violation(f"said {line!r} where it may not")
            self.answers += b"503 5.5.1 Not now\r\n"
        elif self.server.users and self.user is None:
            self.answers += b"530 5.7.0 Authentication required\r\n"
        elif self.step("mail", "250 2.1.0 Ok"):
            self.sender, self.parameters = path[1], path[2].strip()

    def on_rcpt(self, line: bytes) -> None:
        path = re.fullmatch(rb"RCPT TO:<([^<>]+)>", line)
        if path is None:
            self.violation(f"said {line!r}")
            self.answers += b"501 5.1.3 What address?\r\n"
        elif self.sender is None:
            self.answers += b"503 5.5.1 MAIL first\r\n"
        elif self.step("rcpt", "250 2.1.5 Ok"):
            self.recipient = path[1]

    def on_data(self, line: bytes) -> None:
        if self.server.polite and self.recipient is None:
            self.answers += b"554 5.5.1 No valid recipients\r\n"
        elif self.step("data", "354 Go on"):
            self.content()

    def content(self) -> None:
        body, told = b"\r\n", False  # the line end before it is that of DATA
        while True:
            body, self.buffer = body + self.buffer, b""
            if len(body) > 2 and not told:
                told = True
                if actions := self.server.decide("content"):
                    self.step("content", "", actions)
                    self.flush()
            end = body.find(b"\r\n.\r\n")
            if end >= 0:
                break
            self.receive()
        self.buffer = body[end + 5 :]
        self.end_of_message(body[2 : end + 2])

    def end_of_message(self, stuffed: bytes) -> None:
        if _BARE.search(stuffed):
            self.violation("sent a bare CR or LF")
        content = re.sub(rb"(?m)^\.", b"", stuffed)
        if self.sender is None or self.recipient is None:
            self.forget()
            self.answers += b"554 5.5.1 No valid recipients\r\n"
            return
        mail = Mail(self.sender, self.recipient, self.parameters, content, self.encrypted, self.user, self.number)
        self.forget()
        actions = self.server.decide("dot")
        silent = all(action.startswith(("wait", "slowly")) for action in actions)
        if "take" in actions or silent:  # before it says so, as a server must
            self.server.take(mail)
        self.step("dot", "250 2.0.0 Taken", actions)

    def on_rset(self, line: bytes) -> None:
        self.forget()
        self.step("rset", "250 2.0.0 Forgotten")

    def on_quit(self, line: bytes) -> None:
        self.step("quit", "221 2.0.0 Goodbye")
        self.flush()
        raise GoneError

    def forget(self) -> None:
        self.sender = self.recipient = None
        self.parameters = b""


def lines(reply: str) -> bytes:
    """A reply as it travels; its lines are parted by newlines."""
    code, _, text = reply.partition(" ")
    *more, last = text.split("\n")
    return "".join([*(f"{code}-{line}\r\n" for line in more), f"{code} {last}\r\n"]).encode()


def decoded(text: str) -> str:
    return base64.b64decode(text, validate=True).decode()
