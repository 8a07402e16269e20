"""What a mail server answers, read strictly and within bounds, however the network cuts it to pieces."""

import re
from dataclasses import dataclass
from typing import Final

_LINE: Final = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)
_STATUS: Final = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?:\s+|$)")
_LONGEST_LINE: Final = 4_096
"""RFC 5321 section 4.5.3.1.5 allows 512 bytes, and some servers say more."""
_MOST_LINES: Final = 200
_SHOWN: Final = 300
"""Characters of a server's text that an error shows."""


class NotSmtpError(ValueError):
    """What arrived is no reply of a mail server."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer of a server.

    Attributes:
        code: Three digits (RFC 5321 section 4.2).
        lines: Its text, line by line, without the code.
    """

    code: int
    lines: tuple[str, ...]

    @property
    def good(self) -> bool:
        """Whether the server did what it was told."""
        return self.code < 300

    @property
    def later(self) -> bool:
        """Whether the server says not now."""
        return 400 <= self.code < 500

    @property
    def status(self) -> str | None:
        """The enhanced status code (RFC 2034), if it agrees with the code."""
        match = _STATUS.match(self.lines[0])
        return match[1] if match and match[1][0] == str(self.code)[0] else None

    @property
    def text(self) -> str:
        """Code, status and text as people may be shown them: one line, not too long, nothing that moves the cursor."""
        status = self.status or ""
        words = " ".join(line.removeprefix(status).strip() for line in self.lines)
        said = " ".join(f"{self.code} {status} {words}".split())
        safe = "".join(character if character.isprintable() else "�" for character in said)
        return safe if len(safe) <= _SHOWN else f"{safe[: _SHOWN - 1]}…"


class ReplyReader:
    """Makes replies out of the bytes that arrive."""

    __slots__ = ("_begun", "_buffer")

    def __init__(self) -> None:
        self._buffer = b""
        self._begun: list[tuple[int, str]] = []

    def feed(self, data: bytes) -> None:
        """Take what arrived, cut anywhere."""
        self._buffer += data

    @property
    def empty(self) -> bool:
        """Whether nothing has arrived beyond the replies that were read."""
        return not self._buffer and not self._begun

    def next(self) -> Reply | None:
        """The next whole reply; None if there is none yet.

        Raises:
            NotSmtpError: What arrived is not one, or never ends.
        """
        while (end := self._buffer.find(b"\n")) >= 0:
            line, self._buffer = self._buffer[:end].removesuffix(b"\r"), self._buffer[end + 1 :]
            match = _LINE.fullmatch(line)
            if match is None or len(line) > _LONGEST_LINE or len(self._begun) >= _MOST_LINES:
                raise NotSmtpError("what it answered is not the language of mail servers (SMTP)")
            code = int(match[1])
            self._begun.append((code, (match[3] or b"").decode("utf-8", "replace")))
            if self._begun[0][0] != code:
                raise NotSmtpError("it answered yes and no at once")
            if match[2] != b"-":
                reply = Reply(code, tuple(text for _, text in self._begun))
                self._begun.clear()
                return reply
        if len(self._buffer) > _LONGEST_LINE:
            raise NotSmtpError("its answer never ends")
        return None
