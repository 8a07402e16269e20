"""A small mail server that speaks IMAP (RFC 3501) on this machine, with folders and some bad habits."""

import contextlib
import re
import socketserver
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from newsletter.config.pages import MailboxTable

USER, PASSWORD = "bounces@example.org", 'a pass\\word "quoted"'


@dataclass
class Stored:
    """A message in a folder."""

    uid: int
    content: bytes
    flags: set[str] = field(default_factory=set)


@dataclass
class Mailbox:
    """What the server has, and how it behaves.

    Attributes:
        folders: Messages by folder.
        abilities: What it says it can.
        habit: `drop` breaks off when a message is fetched, `huge` announces a terabyte, `endless` never stops talking,
            `garbage` is no IMAP at all, `no move` refuses to move, copy or mark.
        encrypts: With which certificate; None for not at all.
        at_once: Whether it encrypts from the first byte, or only when asked (STARTTLS).
        commands: All that it was told, without the login.
    """

    folders: dict[str, list[Stored]] = field(default_factory=lambda: {"INBOX": []})
    abilities: str = "IMAP4rev1 UIDPLUS MOVE"
    habit: str = ""
    fetches_until_drop: int = 1
    encrypts: ssl.SSLContext | None = None
    at_once: bool = True
    commands: list[str] = field(default_factory=list)
    next_uid: int = 1

    def put(self, *contents: bytes, folder: str = "INBOX") -> None:
        """Let messages arrive."""
        for content in contents:
            self.folders.setdefault(folder, []).append(Stored(self.next_uid, content))
            self.next_uid += 1

    def left(self, folder: str = "INBOX") -> list[Stored]:
        """What lies in a folder."""
        return self.folders.get(folder, [])


class _Talk(socketserver.StreamRequestHandler):
    """One connection."""

    timeout = 10
    server: "_Server"

    def handle(self) -> None:
        box = self.server.mailbox
        self.chosen = "INBOX"
        with contextlib.suppress(ConnectionError, TimeoutError, ssl.SSLError):
            if box.encrypts and box.at_once:
                self.encrypt(box.encrypts)
            if box.habit == "garbage":
                self.say("220 mail.example.org ESMTP")
                return
            self.say(f"* OK [CAPABILITY {box.abilities}] ready")
            while line := self.rfile.readline():
                self.tag, _, rest = line.decode("utf-8", "replace").rstrip("\r\n").partition(" ")
                name, _, words = rest.partition(" ")
                if name.upper() != "LOGIN":
                    box.commands.append(rest)
                if name.upper() == "UID":
                    name, _, words = words.partition(" ")
                answer = getattr(self, f"on_{name.lower()}", None)
                said = answer(words) if answer else "BAD unknown"
                if said is None:
                    return
                if said:
                    self.tag_next(said)

    def encrypt(self, context: ssl.SSLContext) -> None:
        self.connection = context.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")  # type: ignore[assignment]
        self.wfile = socketserver._SocketWriter(self.connection)  # type: ignore[attr-defined]

    def finish(self) -> None:
        super().finish()
        self.connection.close()

    def on_starttls(self, words: str) -> str | None:
        context = self.server.mailbox.encrypts
        if context is None:
            return "BAD unknown"
        self.tag_next("OK begin")
        self.encrypt(context)
        return ""

    def tag_next(self, said: str) -> None:
        self.say(f"{self.tag} {said}")

    def say(self, line: str | bytes) -> None:
        self.wfile.write((line.encode() if isinstance(line, str) else line) + b"\r\n")

    def on_capability(self, words: str) -> str:
        self.say(f"* CAPABILITY {self.server.mailbox.abilities}")
        return "OK done"

    def on_login(self, words: str) -> str:
        given = [
            re.sub(r"\\(.)", r"\1", quoted or bare) for quoted, bare in re.findall(r'"((?:[^"\\]|\\.)*)"|(\S+)', words)
        ]
        return "OK in" if given == [USER, PASSWORD] else f"NO [AUTHENTICATIONFAILED] not with {words}"

    def on_create(self, words: str) -> str:
        if words.strip('"') in self.server.mailbox.folders:
            return "NO [ALREADYEXISTS] there is one"
        self.server.mailbox.folders[words.strip('"')] = []
        return "OK done"

    def on_select(self, words: str) -> str:
        self.chosen = words.strip('"')
        if self.chosen not in self.server.mailbox.folders:
            return "NO no such folder"
        self.say(f"* {len(self.here)} EXISTS")
        return "OK [READ-WRITE]"

    @property
    def here(self) -> list[Stored]:
        return self.server.mailbox.folders[self.chosen]

    def one(self, words: str) -> Stored | None:
        return next((each for each in self.here if str(each.uid) == words.split(" ", maxsplit=1)[0]), None)

    def on_search(self, words: str) -> str:
        assert words == "UNDELETED UNFLAGGED"
        found = [str(each.uid) for each in self.here if not each.flags & {r"\Deleted", r"\Flagged"}]
        self.say("* SEARCH " + " ".join(found))
        return "OK done"

    def on_fetch(self, words: str) -> str | None:
        box = self.server.mailbox
        if box.habit == "huge":
            self.say("* 1 FETCH (UID 1 BODY[]<0> {1000000000000}")
            return None
        if box.habit == "endless":
            with contextlib.suppress(OSError):
                while True:
                    self.say("* 1 FETCH (FLAGS (" + "x" * 60_000 + "))")
            return None
        box.fetches_until_drop -= 1
        if box.habit == "drop" and box.fetches_until_drop < 0:
            self.wfile.write(b"* 1 FETCH (UID 1 BODY[]<0> {1000}\r\nFrom: ")
            return None
        stored = self.one(words)
        if stored is not None:
            most = int(re.search(r"BODY\.PEEK\[\]<0\.(\d+)>", words)[1])  # type: ignore[index]
            content = stored.content[:most]
            self.say(f"* 1 FETCH (UID {stored.uid} BODY[]<0> {{{len(content)}}}".encode() + b"\r\n" + content + b")")
        return "OK done"

    def on_store(self, words: str) -> str:
        if self.server.mailbox.habit == "no move":
            return "NO not allowed"
        if stored := self.one(words):
            stored.flags |= set(re.findall(r"\\\w+", words))
        return "OK done"

    def on_copy(self, words: str) -> str:
        to = words.partition(" ")[2].strip('"')
        if to not in self.server.mailbox.folders:
            return "NO [TRYCREATE] no such folder"
        if stored := self.one(words):
            self.server.mailbox.put(stored.content, folder=to)
        return "OK done"

    def on_move(self, words: str) -> str:
        if self.server.mailbox.habit == "no move":
            return "NO not allowed"
        said = self.on_copy(words)
        if said.startswith("OK") and (stored := self.one(words)):
            self.here.remove(stored)
        return said

    def on_expunge(self, words: str) -> str:
        self.here[:] = [
            each for each in self.here if r"\Deleted" not in each.flags or (words and str(each.uid) != words)
        ]
        return "OK done"

    def on_close(self, words: str) -> str:
        return "OK done"

    def on_logout(self, words: str) -> str | None:
        self.say("* BYE")
        return "OK done"


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    mailbox: Mailbox


@contextlib.contextmanager
def serving(mailbox: Mailbox) -> Iterator[MailboxTable]:
    """The server, running, and the settings that lead to it."""
    with _Server(("127.0.0.1", 0), _Talk) as server:
        server.mailbox = mailbox
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield MailboxTable(host="127.0.0.1", port=server.server_address[1], security="none", username=USER)
        finally:
            server.shutdown()
            thread.join(5)
