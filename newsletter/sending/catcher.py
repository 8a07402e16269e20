"""A mail server that keeps nothing: counts and measures messages on this machine, and forgets all but the largest.

`rehearsal.py` runs this file as a program of its own, so that it does not share an interpreter with what it measures;
so it uses nothing but Python itself. It says its port on the first line, ends when its input ends, and then says what
it caught as one line of JSON. The largest messages are files in the folder that it was given.
"""

import asyncio
import binascii
import heapq
import json
import re
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Final

CLIPPED_AT: Final = 102_000
"""Bytes of HTML after which Gmail hides the rest (`newsletter/rendering/weight.py`)."""

KEPT: Final = 3
"""Messages kept whole: the largest."""

_NAMED: Final = 20  # recipients of clipped messages
_END: Final = b"\r\n.\r\n"
_ANGLES: Final = re.compile(rb"<([^>]*)>")
_ABLE: Final = (b"catcher", b"PIPELINING", b"SIZE 104857600", b"8BITMIME", b"SMTPUTF8")
_HELLO: Final = b"".join(b"250-%b\r\n" % word for word in _ABLE) + b"250 ENHANCEDSTATUSCODES\r\n"
_REPLIES: Final = {
    b"HELO": b"250 catcher\r\n",
    b"EHLO": _HELLO,
    b"MAIL": b"250 2.1.0 Ok\r\n",
    b"RCPT": b"250 2.1.5 Ok\r\n",
    b"DATA": b"354 Go on\r\n",
    b"RSET": b"250 2.0.0 Ok\r\n",
    b"NOOP": b"250 2.0.0 Ok\r\n",
    b"QUIT": b"221 2.0.0 Bye\r\n",
}


class Tally:
    """What was caught."""

    def __init__(self) -> None:
        self.sizes: Counter[int] = Counter()
        self.first = self.last = 0.0
        self.clipped = 0
        self.clipped_for: list[tuple[int, str]] = []
        self.largest: list[tuple[int, int, str, bytes]] = []

    def take(self, recipient: str, content: bytes) -> None:
        """Count and measure one message."""
        self.last = time.monotonic()
        self.first = self.first or self.last
        size = len(content)
        self.sizes[size] += 1
        if size > CLIPPED_AT and (html := html_size(content)) > CLIPPED_AT:
            self.clipped += 1
            heapq.heappush(self.clipped_for, (html, recipient))
            if len(self.clipped_for) > _NAMED:
                heapq.heappop(self.clipped_for)
        if len(self.largest) < KEPT:
            heapq.heappush(self.largest, (size, self.sizes.total(), recipient, content))
        elif size > self.largest[0][0]:
            heapq.heapreplace(self.largest, (size, self.sizes.total(), recipient, content))

    def report(self, folder: Path) -> dict[str, object]:
        """What was caught, as plain values; writes the largest messages into a folder."""
        number = self.sizes.total()
        worst = []
        for place, (size, _, recipient, content) in enumerate(sorted(self.largest, reverse=True), start=1):
            path = folder / f"largest-{place}.eml"
            path.write_bytes(content)
            worst.append({"to": recipient, "size": size, "html": html_size(content), "file": path.name})
        return {
            "messages": number,
            "bytes": sum(size * times for size, times in self.sizes.items()),
            "smallest": min(self.sizes, default=0),
            "median": _median(self.sizes),
            "largest": max(self.sizes, default=0),
            "seconds": self.last - self.first,
            "clipped": self.clipped,
            "clipped_for": [
                {"to": recipient, "html": html} for html, recipient in sorted(self.clipped_for, reverse=True)
            ],
            "worst": worst,
        }


def html_size(content: bytes) -> int:
    """Bytes of a message's HTML part once it is decoded; 0 if it has none."""
    start = content.find(b"\r\nContent-Type: text/html")
    begin = content.find(b"\r\n\r\n", start)
    delimiter = content.rfind(b"\r\n--", 0, max(start, 0))
    if start < 0 or begin < 0 or delimiter < 0:
        return 0
    end = content.find(content[delimiter:start], begin)  # HTML, too, has lines that begin with two hyphens
    part = content[begin + 4 : end if end >= 0 else len(content)]
    if b"quoted-printable" in content[start:begin].lower():
        part = binascii.a2b_qp(part)
    return len(part)


def _median(sizes: Counter[int]) -> int:
    before = 0
    for size in sorted(sizes):
        before += sizes[size]
        if before * 2 >= sizes.total():
            return size
    return 0


class Session(asyncio.Protocol):
    """One connection (RFC 5321), commands in groups included (RFC 2920)."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._waiting = bytearray()
        self._searched = 0
        self._in_data = False
        self._recipients: list[str] = []
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - of TCP, as it is the only one listened on
        self._transport = transport
        transport.write(b"220 catcher ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        """Go on with what has arrived."""
        self._waiting += data
        replies = []
        while True:
            reply = self._message() if self._in_data else self._command()
            if reply is None:
                break
            replies.append(reply)
        if replies:
            self._transport.write(b"".join(replies))
            if replies[-1].startswith(b"221"):
                self._transport.close()

    def _command(self) -> bytes | None:
        """The reply to the next command, if it is there whole."""
        end = self._waiting.find(b"\r\n")
        if end < 0:
            return None
        line = bytes(self._waiting[:end])
        del self._waiting[: end + 2]
        verb = line[:4].upper()
        if verb in {b"MAIL", b"RSET", b"EHLO", b"HELO"}:
            self._recipients = []
        elif verb == b"RCPT":
            angled = _ANGLES.search(line)
            self._recipients.append((angled[1] if angled else line).decode("utf-8", "replace"))
        elif verb == b"DATA":
            if not self._recipients:
                return b"503 5.5.1 Recipients first\r\n"
            self._in_data = True
            self._waiting[:0] = b"\r\n"  # so that the end of an empty message looks like every other
            self._searched = 0
        return _REPLIES.get(verb, b"502 5.5.1 Not here\r\n")

    def _message(self) -> bytes | None:
        """The reply to the message, if it is there whole."""
        end = self._waiting.find(_END, self._searched)
        if end < 0:
            self._searched = max(0, len(self._waiting) - len(_END))
            return None
        content = bytes(self._waiting[2 : end + 2])
        del self._waiting[: end + len(_END)]
        self._in_data = False
        if b"\r\n.." in content or content.startswith(b".."):
            content = (b"\r\n" + content).replace(b"\r\n..", b"\r\n.")[2:]
        for recipient in self._recipients:
            self._tally.take(recipient, content)
        self._recipients = []
        return b"250 2.0.0 Caught\r\n"


async def _serve(tally: Tally) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Session(tally), "127.0.0.1", 0, backlog=200)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    over = asyncio.Event()

    def wait_for_the_end() -> None:
        sys.stdin.buffer.read()
        loop.call_soon_threadsafe(over.set)

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    await over.wait()
    server.close()


def main(folder: Path) -> None:
    """Catch until the input ends."""
    tally = Tally()
    asyncio.run(_serve(tally))
    sys.stdout.write(json.dumps(tally.report(folder)) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
