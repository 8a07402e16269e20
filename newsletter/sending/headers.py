"""Our own strict writer of message headers, since a header that can be broken out of puts a mailing in others' hands.

Each function returns one whole header field, ended by CRLF. Names come from our code alone; values are refused when
they hold a line break or anything else that could end the field, and text that is not plain ASCII, or only looks like
an encoded-word, is written as encoded-words (RFC 2047): each at most 75 long, on lines of at most 76.
"""

import datetime as dt
import re
import unicodedata
from binascii import b2a_base64
from typing import Final

from newsletter.errors import MessageError
from newsletter.rendering.escaping import BREAKING, INVISIBLE
from newsletter.sending.addresses import Mailbox

_LINE: Final = 76  # RFC 2047 section 2: a line with an encoded-word is at most 76 long
_WORD: Final = 75  # and the encoded-word itself 75
_AROUND: Final = len("=?utf-8?q??=")
_LONGEST_LINE: Final = 998  # RFC 5322 section 2.1.1

_REFUSED: Final = re.compile(f"[{BREAKING}{INVISIBLE}]")
_PHRASE: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_TOKEN: Final = re.compile(r"[!-~]+")
_URL: Final = re.compile(r"[!-;=?-~]+")  # printable ASCII without angle brackets
# RFC 2047 section 5(3): what stands for itself in an encoded-word inside a phrase; a blank is written as `_`.
_Q_PLAIN: Final = b" ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/"
_Q_TABLE: Final = tuple(
    "_" if octet == ord(" ") else chr(octet) if octet in _Q_PLAIN else f"={octet:02X}" for octet in range(256)
)

_MINUTE: Final = dt.timedelta(minutes=1)
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def text_field(name: str, value: str) -> bytes:
    """A field of free text, such as Subject.

    Args:
        name: The field's name, from our code.
        value: Any text on one line; runs of blanks must have been joined (`one_spaced`).

    Raises:
        MessageError: The value is empty or holds a control, a line break, a bidi override or half a character.
    """
    room = _LINE - len(name) - 2
    if _is_plain(value):
        if len(value) <= room:
            return f"{name}: {value}\r\n".encode("ascii")
        words = value.split(" ")
        if len(words[0]) <= room and all(len(word) < _LINE for word in words):
            return _folded(f"{name}:", words)
    _check(name, value)
    return _folded(f"{name}:", _encoded_words(value, room))


def mailbox_field(name: str, mailbox: Mailbox) -> bytes:
    """A field that holds one mailbox, such as From; beyond ASCII only where the address itself is (RFC 6532).

    Raises:
        MessageError: The name holds what a header must not.
    """
    if not mailbox.name:
        return f"{name}: {mailbox.address}\r\n".encode()
    return _named(name, mailbox.name, f"<{mailbox.address}>")


def list_id_field(title: str, list_id: str) -> bytes:
    """List-Id (RFC 2919): the list's title for people, and for programs a name that outlives the title.

    Raises:
        MessageError: The title holds what a header must not, or the name is none.
    """
    if len(list_id) > 255 or not re.fullmatch(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)+", list_id):
        raise MessageError(f"«{_shown(list_id)}» cannot name a list. Use small letters, digits and hyphens.")
    return _named("List-Id", title, f"<{list_id}>")


def url_field(name: str, *urls: str) -> bytes:
    """A field of links (RFC 2369), never encoded, and folded only after a comma.

    Raises:
        MessageError: A link is not printable ASCII, holds an angle bracket, or is too long for a line.
    """
    for url in urls:
        if not _URL.fullmatch(url) or len(name) + len(url) > _LONGEST_LINE - 8:
            raise MessageError(f"The link «{_shown(url)}» cannot stand in the message header {name}. Shorten it.")
    links = ">,\r\n <".join(urls)
    return f"{name}: <{links}>\r\n".encode("ascii")


def token_field(name: str, value: str) -> bytes:
    """A field whose value is one word of printable ASCII, such as Message-ID.

    Raises:
        MessageError: The value is something else, or too long for a line.
    """
    if not _TOKEN.fullmatch(value) or len(name) + len(value) > _LONGEST_LINE - 2:
        raise MessageError(f"«{_shown(value)}» cannot stand in the message header {name}.")
    return f"{name}: {value}\r\n".encode("ascii")


def date_field(now: dt.datetime) -> bytes:
    """Date (RFC 5322 section 3.3) with a numeric zone.

    Raises:
        MessageError: The time has no zone, or one that is no whole number of minutes.
    """
    offset = now.utcoffset()
    if offset is None or offset.seconds % 60 or offset.microseconds:
        raise MessageError("The time of a message needs a zone in whole minutes.")
    hours, minutes = divmod(abs(offset) // _MINUTE, 60)
    sign = "-" if offset < dt.timedelta() else "+"
    return (
        f"Date: {_DAYS[now.weekday()]}, {now.day:02} {_MONTHS[now.month - 1]} {now.year:04}"
        f" {now.hour:02}:{now.minute:02}:{now.second:02} {sign}{hours:02}{minutes:02}\r\n"
    ).encode("ascii")


def refuse_unsafe(name: str, value: str) -> None:
    """Say no to text that no header may hold.

    Raises:
        MessageError: A control, a line break, a bidi override, half a character.
    """
    if found := _REFUSED.search(value):
        raise MessageError(
            f"The message header {name} holds the character U+{ord(found[0]):04X}, which no header may hold. "
            f"Take it out of «{_shown(value)}»."
        )


def _check(name: str, value: str) -> None:
    if not value or value.isspace():
        raise MessageError(f"The message header {name} is empty. Give it some text.")
    refuse_unsafe(name, value)


def _shown(text: str) -> str:
    return _REFUSED.sub("�", text[:80])


def _is_plain(value: str) -> bool:
    """Whether the text may stand as it is: nothing to encode, nothing that decoding would change."""
    return (
        value.isascii()
        and value.isprintable()
        and "=?" not in value
        and "  " not in value
        and value.strip(" ") == value != ""
    )


def _named(field: str, name: str, rest: str) -> bytes:
    """A display name (RFC 5322 section 3.2.5) and what follows it in angle brackets."""
    if "=?" not in name and _PHRASE.fullmatch(name):
        shown = name
    elif _is_plain(name):
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        shown = f'"{escaped}"'
    else:
        shown = ""
    line = f"{field}: {shown} {rest}"
    if shown and len(line) <= _LINE:  # nearly always
        return f"{line}\r\n".encode()
    room = _LINE - len(field) - 2
    if shown and len(shown) <= room:
        return _folded(f"{field}:", [shown, rest])
    _check(field, name)
    return _folded(f"{field}:", [*_encoded_words(name, room), rest])


def _folded(start: str, words: list[str]) -> bytes:
    """The words, with a blank before each, on as few lines as they fit on."""
    lines: list[str] = []
    line = start
    for word in words:
        if len(line) + 1 + len(word) > _LINE and line != start:
            lines.append(line)
            line = ""
        line += f" {word}"
    return ("\r\n".join([*lines, line]) + "\r\n").encode()


def _encoded_words(text: str, first: int) -> list[str]:
    """The text as encoded-words, split between characters; in the shorter one of the two encodings.

    Args:
        text: Any text.
        first: How long the first word may be.
    """
    octets = unicodedata.normalize("NFC", text).encode("utf-8")
    in_q = len(octets) + 2 * len(octets.translate(None, _Q_PLAIN))
    in_b = (len(octets) + 2) // 3 * 4
    return _in_q(octets, first - _AROUND) if in_q <= in_b else _in_b(octets, first - _AROUND)


def _in_b(octets: bytes, room: int) -> list[str]:
    """Words in Base64 (RFC 2047 section 4.1)."""
    words: list[str] = []
    start = 0
    while start < len(octets):
        end = start + room // 4 * 3
        while end < len(octets) and octets[end] & 0xC0 == 0x80:  # inside a character
            end -= 1
        words.append(f"=?utf-8?b?{b2a_base64(octets[start:end], newline=False).decode('ascii')}?=")
        start, room = end, _WORD - _AROUND
    return words


def _in_q(octets: bytes, room: int) -> list[str]:
    """Words in the encoding that leaves letters readable (RFC 2047 section 4.2)."""
    encoded = "".join([_Q_TABLE[octet] for octet in octets])
    words: list[str] = []
    start = 0
    while start < len(encoded):
        end = start + room
        if end < len(encoded):
            escape = encoded.find("=", end - 2, end)  # an escape is three columns
            end = escape if escape >= 0 else end
            while encoded[end] == "=" and encoded[end + 1] in "89AB":  # inside a character
                end -= 3
        words.append(f"=?utf-8?q?{encoded[start:end]}?=")
        start, room = end, _WORD - _AROUND
    return words
