"""Takes a message apart within bounds, whatever it is: the parts of a MIME message, decoded, and their fields.

Python's own parser is right about honest messages, but follows hostile ones without limit: thousands of parts, parts
inside parts until the stack ends, boundaries compared on every line at every depth. Returned messages come from
anybody, so this one reads a million bytes, a hundred parts, eight levels, and no more.
"""

import binascii
import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.errors import HeaderParseError
from email.header import decode_header
from typing import Final

READ: Final = 1_000_000
"""Bytes of a message that are looked at; what matters stands before the returned message."""
MOST_PARTS: Final = 100
DEEPEST: Final = 8
LONGEST_HEAD: Final = 100_000
MOST_FIELDS: Final = 300
LONGEST_VALUE: Final = 2_000
LONGEST_TEXT: Final = 100_000
"""Bytes of a part that are read as text."""

_FIELD: Final = re.compile(rb"([!-9;-~]{1,80})[ \t]*:(.*)", re.DOTALL)
_BLANK: Final = re.compile(rb"\r?\n[ \t]*\r?\n")
_LINE: Final = re.compile(rb"\r?\n|\r")
_TYPE: Final = re.compile(r"\s*([a-z0-9.+-]{1,60}/[a-z0-9.+-]{1,60})", re.IGNORECASE)
_PARAMETER: Final = re.compile(r';\s*([a-z0-9-]{1,40})\s*=\s*(?:"([^"]{0,200})"|([^\s;"]{1,200}))', re.IGNORECASE)
_CHARSET: Final = re.compile(
    r"(?:us-)?ascii|utf-?8|utf-?16(?:le|be)?|iso-?8859-?\d{1,2}|iso-?2022-?(?:jp|kr)(?:-\w{1,6})?|windows-?\d{3,4}"
    r"|cp\d{3,5}|koi8-?[rtu]|shift[_-]?jis|sjis|euc[_-](?:jp|kr)|gb2312|gbk|gb18030|big5|tis-?620|mac-?roman",
    re.IGNORECASE,
)
"""Character sets that are tried; others either do not occur or can be made to take for ever."""
_TAG: Final = re.compile(r"<[^<>]{0,2000}>")
_UNSEEN: Final = ("style", "script", "title")
_BREAK: Final = re.compile(r"<(?:br|p|div|tr|li|h[1-6])\b[^<>]{0,2000}>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a message, or the whole.

    Attributes:
        fields: Its header: names in small letters, values unfolded and as they came.
        body: What follows, still encoded.
        inside: How many messages it lies inside of, within the message.
    """

    fields: tuple[tuple[str, str], ...]
    body: bytes
    inside: int = 0
    parameters: dict[str, str] = field(default_factory=dict)
    kind: str = "text/plain"

    def get(self, name: str) -> str:
        """The first field of a name; empty if there is none."""
        return next((value for other, value in self.fields if other == name), "")

    def all(self, *names: str) -> list[str]:
        """Every field of these names."""
        return [value for name, value in self.fields if name in names]

    @property
    def text(self) -> str:
        """The body as text, whatever is wrong with it."""
        raw = _transferred(self.body[: LONGEST_TEXT * 2], self.get("content-transfer-encoding"))[:LONGEST_TEXT]
        text = _decoded(raw, self.parameters.get("charset", ""))
        if self.kind == "text/html":
            text = html.unescape(_TAG.sub(" ", _BREAK.sub("\n", _seen(text))))
        return text


def read_part(content: bytes, *, inside: int = 0) -> Part:
    """A message, or a part of one, from its bytes."""
    content = _without_envelope(content)
    head, body = _split(content)
    fields = tuple(_fields(head))
    about = next((value for name, value in fields if name == "content-type"), "")
    match = _TYPE.match(about)
    parameters: dict[str, str] = {}
    for name, quoted, bare in _PARAMETER.findall(about[match.end() :] if match else about):
        parameters.setdefault(name.lower(), quoted or bare)
    return Part(fields, body, inside, parameters, match[1].lower() if match else "text/plain")


def walk(content: bytes) -> Iterator[Part]:
    """The message itself, then all its parts in their order, also those of messages inside it, within the bounds."""
    waiting = [(read_part(content[:READ]), 0)]
    given = 0
    while waiting and given < MOST_PARTS:
        part, depth = waiting.pop()
        given += 1
        yield part
        if depth >= DEEPEST:
            continue
        if part.kind.startswith("multipart/"):
            within = [read_part(piece, inside=part.inside) for piece in _pieces(part, MOST_PARTS - given)]
            if not within:  # its boundary was lost
                within = [Part(part.fields, part.body, part.inside)]
            waiting += [(piece, depth + 1) for piece in reversed(within)]
        elif part.kind in {"message/rfc822", "message/global", "text/rfc822", "message/partial"}:
            message = _transferred(part.body, part.get("content-transfer-encoding"))
            waiting.append((read_part(message, inside=part.inside + 1), depth + 1))


def words_of(value: str) -> str:
    """The value of a field with its encoded words (RFC 2047) decoded, within bounds."""
    value = value[:LONGEST_VALUE]
    if "=?" not in value and "\x1b" not in value:
        return value
    try:
        pieces = decode_header(value)
    except (HeaderParseError, ValueError, LookupError):
        return value
    return "".join(
        piece if isinstance(piece, str) else _decoded(piece, charset or "utf-8") for piece, charset in pieces
    )


def fields_in(text: str) -> Iterator[tuple[str, str]]:
    """The fields in a text that consists of them, such as one group of a delivery report."""
    yield from _fields(text.encode("utf-8", "replace")[:LONGEST_HEAD])


def _without_envelope(content: bytes) -> bytes:
    """The message without what a mailbox file puts before it."""
    content = content.lstrip(b"\r\n")
    while content.startswith((b"From ", b">From ")):
        content = content.partition(b"\n")[2]
    return content


def _split(content: bytes) -> tuple[bytes, bytes]:
    """The header and the body; what has no header is all body."""
    match = _BLANK.search(content, 0, LONGEST_HEAD)
    head = content[: match.start()] if match else content[:LONGEST_HEAD]
    if not _FIELD.match(head):
        return b"", content
    return head, content[match.end() :] if match else b""


def _fields(head: bytes) -> Iterator[tuple[str, str]]:
    name, pieces, given = b"", [], 0
    for line in [*_LINE.split(head), b"\0:"]:
        if line[:1] in {b" ", b"\t"}:
            pieces.append(line.strip())
            continue
        if name:
            value = b" ".join(pieces)[: LONGEST_VALUE * 4].strip()
            yield name.decode("ascii").lower(), _decoded(value, "")[:LONGEST_VALUE]
            given += 1
        match = _FIELD.fullmatch(line)
        name, pieces = (match[1], [match[2]]) if match and given < MOST_FIELDS else (b"", [])


def _pieces(part: Part, most: int) -> Iterator[bytes]:
    """The parts of a multipart body; some programs put a blank before the boundary, or forget the last one."""
    boundary = part.parameters.get("boundary", "").encode("utf-8", "replace").rstrip()
    if not boundary:
        return
    line = re.compile(rb"^[ \t]{0,4}--" + re.escape(boundary) + rb"(--)?[ \t]{0,40}\r?$", re.MULTILINE)
    start: int | None = None
    for match in line.finditer(part.body):
        if start is not None:
            yield part.body[start : match.start()].removeprefix(b"\r").removeprefix(b"\n")
            most -= 1
        start = match.end()
        if match[1] or most <= 0:
            return
    if start is not None:
        yield part.body[start:].removeprefix(b"\r").removeprefix(b"\n")


def _seen(page: str) -> str:
    """A web page without what it does not show."""
    for element in _UNSEEN:
        pieces, small, at = [], page.lower(), 0
        while (start := small.find(f"<{element}", at)) >= 0:
            pieces.append(page[at:start])
            end = small.find(f"</{element}", start)
            at = len(page) if end < 0 else end
        page = "".join([*pieces, page[at:]])
    return page


def _transferred(body: bytes, encoding: str) -> bytes:
    """The body without its transfer encoding; as it is, where that is broken."""
    encoding = encoding.strip().lower()
    if encoding == "quoted-printable":
        return binascii.a2b_qp(body)
    if encoding != "base64":
        return body
    plain = re.sub(rb"[^A-Za-z0-9+/]", b"", body.partition(b"=")[0])
    return binascii.a2b_base64(plain[: len(plain) // 4 * 4] + (plain[len(plain) // 4 * 4 :] + b"===")[:4])


def _decoded(raw: bytes, charset: str) -> str:
    """Bytes as text: by the character set that they claim, or that they look like; never an error."""
    if b"\x1b$" in raw:  # a change to Japanese, which other sets do not have
        return raw.decode("iso2022_jp_ext", "replace")
    if not _CHARSET.fullmatch(charset):
        charset = "utf-8"
    try:
        return raw.decode(charset)
    except (UnicodeError, LookupError):
        return raw.decode("utf-8", "replace")
