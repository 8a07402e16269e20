"""What the tests of test sends share: messages taken apart, all that a database holds, a sender that remembers."""

import re
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import SMTP
from pathlib import Path

from newsletter.errors import UnsupportedFeatureError
from newsletter.sending.personas import built_in
from newsletter.sending.senders.protocol import Capabilities, Handover, Outcome, Unknown, Verdict

TOKEN = re.compile(r"/([up])/([A-Za-z0-9_-]+)")
EVERYDAY = built_in()["everyday"].person


def fields(content: bytes) -> list[tuple[str, str]]:
    """The header fields of a message, in order, unfolded."""
    head = content.partition(b"\r\n\r\n")[0].decode()
    unfolded = re.sub(r"\r\n[ \t]", " ", head).split("\r\n")
    return [(line.partition(": ")[0], line.partition(": ")[2]) for line in unfolded]


def bodies(content: bytes) -> dict[str, str]:
    """The text parts of a message, decoded."""
    parts = message_from_bytes(content, policy=SMTP).walk()
    return {part.get_content_type(): part.get_content() for part in parts if part.get_content_maintype() == "text"}


def without_tokens(text: str) -> str:
    return TOKEN.sub(r"/\1/token", text)


def tokens(content: bytes) -> set[tuple[str, str]]:
    """The reader's own links of a message: page and token."""
    texts = [*bodies(content).values(), dict(fields(content))["List-Unsubscribe"]]
    return {(page, token) for text in texts for page, token in TOKEN.findall(text)}


def rows(project: Path) -> dict[str, list[tuple[object, ...]]]:
    """Everything that the project's database holds."""
    connection = sqlite3.connect(project / "subscribers" / "newsletter.db")
    try:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: sorted(connection.execute(f'SELECT * FROM "{name}"'), key=repr) for name in names}
    finally:
        connection.close()


def letters(project: Path, *, test: bool) -> Iterator[bytes]:
    """The messages in the outbox: those of tests, or those of mailings."""
    for path in sorted((project / "outbox").glob("*/*.eml")):
        if ("-test-" in path.parent.name) is test:
            yield path.read_bytes()


def letter_to(project: Path, address: str, *, test: bool) -> bytes:
    """The newest message to an address."""
    return [content for content in letters(project, test=test) if address in dict(fields(content))["To"]][-1]


@dataclass
class Recording:
    """A sender of another package: takes batches, and answers as it is told, by recipient."""

    answers: dict[str, list[Verdict | Exception]] = field(default_factory=dict)
    capabilities: Capabilities = field(default_factory=lambda: Capabilities(batch=1000, settles=False, smtputf8=True))
    calls: list[list[Handover]] = field(default_factory=list)
    kind = "recording"

    def deliver(self, batch: Sequence[Handover]) -> list[Outcome]:
        self.calls.append(list(batch))
        said = []
        for handover in batch:
            answer = (self.answers.get(handover.message.recipient) or [Verdict.ACCEPTED]).pop(0)
            if isinstance(answer, Exception):
                raise answer
            said.append(Outcome(handover.delivery, answer, None if answer is Verdict.ACCEPTED else "because"))
        return said

    def settle(self, unknowns: Sequence[Unknown]) -> list[Outcome]:
        raise UnsupportedFeatureError

    def close(self) -> None:
        pass
