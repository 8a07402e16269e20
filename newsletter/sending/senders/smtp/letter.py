"""A message made ready for the wire: its envelope fit for commands, its content such that only its end is an end."""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from newsletter.errors import MessageError
from newsletter.sending.senders.protocol import Message

_DOT_FIRST: Final = re.compile(rb"\n[.]")  # the character class makes it twice as fast as a plain second byte
_LONGEST_LINE: Final = 1_000  # RFC 5321 section 4.5.3.1.6, with its CRLF
_ATOM: Final = r"[^\x00-\x20\x7f-\x9f()<>\[\]:;@\\,\"]+"
_QUOTED: Final = r'"(?:[^"\\\x00-\x1f\x7f-\x9f]|\\[\x20-\x7e])*"'
_PATH: Final = re.compile(rf"(?:{_ATOM}|{_QUOTED})@(?:[^\x00-\x20\x7f-\x9f()<>\[\]:;@\\,\"]+|\[[0-9A-Za-z:.]+\])")


@dataclass(frozen=True, slots=True)
class Letter:
    """What is sent, checked.

    Attributes:
        sender: The address for MAIL FROM.
        recipient: The address for RCPT TO.
        content: The message, dots doubled at the start of lines, without the dot that ends it.
        size: Of the message before dots were doubled, in bytes (RFC 1870 section 6).
        utf8: Whether only a server with SMTPUTF8 may get it.
        eight_bit: Whether only one with 8BITMIME may.
    """

    sender: str
    recipient: str
    content: bytes
    size: int
    utf8: bool
    eight_bit: bool


def make_letter(message: Message, sign: Callable[[bytes], bytes] | None) -> Letter:
    """Make a message ready, signed if somebody signs.

    Raises:
        MessageError: Its addresses or its lines could be taken for commands, or are longer than mail servers take.
    """
    for address in (message.sender, message.recipient):
        if not _PATH.fullmatch(address) or len(address.encode()) > 254:
            raise MessageError("Its address cannot stand in an envelope. Check how it is written.")
    content = message.content if sign is None else sign(message.content) + message.content
    _check_lines(content)
    size = len(content)
    if content.startswith(b".") or _DOT_FIRST.search(content):
        content = content.replace(b"\n.", b"\n..")  # RFC 5321 section 4.5.2
        content = b"." + content if content.startswith(b".") else content
    utf8 = message.smtputf8 or not (message.sender.isascii() and message.recipient.isascii())
    return Letter(message.sender, message.recipient, content, size, utf8, not content.isascii())


def _check_lines(content: bytes) -> None:
    """See that every line ends with CRLF, the last one too, and none is longer than 998 bytes."""
    ends = io.IncrementalNewlineDecoder(None, translate=False)  # the fastest there is; knows which line ends it saw
    ends.decode(content.decode("latin-1"), final=True)
    if ends.newlines != "\r\n" or not content.endswith(b"\r\n"):
        raise MessageError("One of its lines does not end as lines of mail do, so that a second message could hide.")
    start = 0
    while len(content) - start > _LONGEST_LINE:
        start = content.rfind(b"\n", start, start + _LONGEST_LINE) + 1
        if not start:
            raise MessageError("One of its lines is longer than the 998 bytes that mail servers take.")
