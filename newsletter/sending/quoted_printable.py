"""Quoted-printable (RFC 2045 section 6.7) in stretches: static text is encoded once, values go in between."""

from typing import Final

_SOFT: Final = "=\r\n"
_ROOM: Final = 75  # columns before the `=` of a soft line break: a line is at most 76 long
_PLAIN: Final = frozenset(range(0x20, 0x7F)) - {ord("=")} | {ord("\n")}
_TABLE: Final = tuple(chr(octet) if octet in _PLAIN else f"={octet:02X}" for octet in range(256))
# A line that is a single dot ends an SMTP message, and mailbox files begin one with "From ": no line starts like these.
_UNSAFE_STARTS: Final = (".", "From ")


def encode_stretch(text: str) -> bytes:
    r"""Encode a stretch of text that starts, and leaves off, at the beginning of an encoded line.

    Stretches can therefore be joined in any way, and no line gets longer than 76 columns whatever their content. A
    stretch that does not end with a line break ends with a soft one, which decoding removes; the last stretch of a
    part must end with `\n`.

    Args:
        text: Line breaks are `\n`; they become CRLF. Anything else, a carriage return too, comes out as it went in.
    """
    if len(text) <= _ROOM and text.isascii() and text.isprintable() and "=" not in text:  # nearly every value
        if not text:
            return b""
        if not text.startswith(_UNSAFE_STARTS):
            return (text + _SOFT).encode("ascii")
    *whole, rest = "".join([_TABLE[octet] for octet in text.encode("utf-8")]).split("\n")
    lines = [f"{_soft_broken(_ended(line))}\r\n" for line in whole]
    if rest:
        lines.append(f"{_soft_broken(rest)}{_SOFT}")
    return "".join(lines).encode("ascii")


def _ended(line: str) -> str:
    """A whole line; a blank at its end could be lost on the way."""
    return f"{line[:-1]}=20" if line.endswith(" ") else line


def _soft_broken(line: str) -> str:
    """An encoded line, broken so that no escape is cut."""
    lines: list[str] = []
    start = 0
    while True:
        first = ""
        if line.startswith(_UNSAFE_STARTS, start):
            first = f"={ord(line[start]):02X}"
            start += 1
        end = start + _ROOM - len(first)
        if end >= len(line):
            last = first + line[start:]
            return _SOFT.join([*lines, last]) if lines else last
        escape = line.find("=", end - 2, end)  # an escape is three columns
        if escape >= 0:
            end = escape
        lines.append(first + line[start:end])
        start = end
