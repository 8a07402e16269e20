"""Reading a finished message back with a parser that is not ours, so that a mistake of the writer stops the mailing."""

import re
import unicodedata
from collections import Counter
from email import message_from_string
from email.headerregistry import AddressHeader
from email.message import EmailMessage
from email.policy import SMTPUTF8
from typing import Final, NoReturn

from newsletter.errors import MisreadMessageError

_EVERY: Final = frozenset({"From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type"})
_ONCE: Final = _EVERY | {"List-Id", "List-Unsubscribe", "List-Owner", "List-Post", "Precedence"}
_AT_MOST_ONCE: Final = frozenset({"List-Unsubscribe-Post", "Reply-To", "List-Archive", "List-Help", "Feedback-ID"})
_ONCE_IN_LETTERS: Final = _EVERY | {"Auto-Submitted"}
_AT_MOST_ONCE_IN_LETTERS: Final = frozenset({"Reply-To"})
_FIELD: Final = re.compile(rb"([A-Za-z][A-Za-z-]*): ?\S")
_BARE: Final = re.compile(rb"\r(?!\n)|(?<!\r)\n|\x00")
_SHAPES: Final = (
    ["multipart/alternative", "text/plain", "text/html"],
    ["multipart/alternative", "text/plain", "multipart/related", "text/html"],
)


def verify(  # noqa: PLR0913 what is compared
    content: bytes,
    *,
    recipient: str | None = None,
    subject: str | None = None,
    html: str | None = None,
    text: str | None = None,
    letter: bool = False,
) -> None:
    """Check that a finished message is what it was meant to be.

    Header fields are known ones and stand as often as they may; the body has the shape that it should, its lines are
    short, its line breaks whole. What is given as an argument is compared with what the parser finds. A `letter` is no
    mailing's, and has no fields about a list.

    Raises:
        MisreadMessageError: Something reads back differently. Nothing may be sent then.
    """
    _check_lines(content)
    head, _, body = content.partition(b"\r\n\r\n")
    if letter:
        _check_fields(head, _ONCE_IN_LETTERS, _AT_MOST_ONCE_IN_LETTERS)
    else:
        _check_fields(head, _ONCE, _AT_MOST_ONCE)
    if not body.isascii() or any(len(line) > 76 for line in body.split(b"\r\n")):
        _differs("a line of the body is too long or not plain ASCII")
    try:
        message = message_from_string(content.decode("utf-8"), policy=SMTPUTF8)  # addresses may be UTF-8 (RFC 6532)
    except UnicodeDecodeError:
        _differs("a header is not UTF-8")
    _check_shape(message)
    for name in ("From", "To"):
        field = message[name]
        if not isinstance(field, AddressHeader) or len(field.addresses) != 1:
            _differs(f"{name} does not hold one address")
        if name == "To" and recipient is not None and field.addresses[0].addr_spec != recipient:
            _differs("To holds another address")
    if subject is not None and str(message["Subject"]) != unicodedata.normalize("NFC", subject):
        _differs("the subject is another one")
    for kind, meant in (("plain", text), ("html", html)):
        part = message.get_body((kind,))
        if meant is not None and (part is None or lines_of(part.get_content()) != lines_of(meant)):
            _differs(f"the text/{kind} part is another one")


def _check_lines(content: bytes) -> None:
    if _BARE.search(content):
        _differs("a line break is torn in two, or there is a NUL")
    if any(len(line) > 998 for line in content.split(b"\r\n")):  # RFC 5322 section 2.1.1
        _differs("a line is longer than 998 bytes")


def _check_fields(head: bytes, once: frozenset[str], at_most_once: frozenset[str]) -> None:
    """Field by field and without any parser, because parsers differ in what they take for a field."""
    names: list[str] = []
    for line in head.split(b"\r\n"):
        if line.startswith((b" ", b"\t")) and line.strip() and names:
            continue
        match = _FIELD.match(line)
        if match is None:
            _differs("a header line is no field")
        names.append(match[1].decode("ascii"))
    counts = Counter(names)
    if any(counts[name] != 1 for name in once) or any(count > 1 for count in counts.values()):
        _differs("a header field is missing or stands twice")
    if (counts["List-Unsubscribe-Post"] == 1) != (b"\r\nList-Unsubscribe: <https://" in head):  # RFC 8058 section 3.1
        _differs("unsubscribing with one click needs an https link and both header fields")
    if strange := sorted(counts.keys() - once - at_most_once):
        _differs(f"there is a header field {strange[0]}")


def _check_shape(message: EmailMessage) -> None:
    parts = list(message.walk())
    if any(part.defects for part in parts):
        _differs("a parser found it broken")
    kinds = [part.get_content_type() for part in parts]
    if [kind for kind in kinds if not kind.startswith("image/")] not in _SHAPES:
        _differs("its parts are not those of a newsletter")


def lines_of(text: str) -> list[str]:
    """The lines of a text, whatever ends them and however many empty ones stand at its end."""
    return text.rstrip("\r\n").replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _differs(what: str) -> NoReturn:
    raise MisreadMessageError(
        f"A message does not read back as it was written: {what}. Nothing was sent. "
        "Please report this, with the edition: it is a mistake of this program."
    )
