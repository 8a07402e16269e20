"""Reads what mail servers write for people: where their own words end, of whom they speak, and what they say."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

LONGEST: Final = 30_000
"""Characters of a report that are read."""
LONGEST_LINE: Final = 1_000
MOST_LINES: Final = 400
MOST_PEOPLE: Final = 50

_RULE: Final = r"[ \t]{0,20}[-=*_#|~+][-=*_#|~>+ \t]{1,200}"
_COPY: Final = (
    r"original (?:message|mail|e-?mail|headers?)|(?:a )?copy of|unsent message|undelivered message"
    r"|returned (?:message|mail|text)"
    r"|message (?:text|headers?|body|contents?|source)|headers? of (?:the|your)|message follows|rejected message"
    r"|body of|below this line"
    r"|received headers|forwarded message|your (?:original )?message(?: was)?\s*[-=*:|]"
)
_ENDS: Final = re.compile(
    rf"^{_RULE}.{{0,20}}(?:{_COPY})"
    r"|^(?:the |your )?(?:original|returned|rejected|unsent|undelivered)? ?(?:message|mail)(?: text| headers?"
    r"| contents?)?(?: as)? follows\b"
    r"|^(?:below|included|attached|here|following|enclosed|this) (?:this line )?(?:is|follows|are) (?:a "
    r"|the )?(?:copy|original|headers?|message headers?)"
    r"|^(?:a |the )?(?:copy of (?:the|your)|first \d{1,5} (?:bytes|lines)|headers? of the)\b.{0,60}(?:message|mail)"
    r"|^(?:original|returned|received) (?:message )?headers?\b|^original message\b|^body:|^<<< ?original"
    r"|^(?:received|return-path|dkim-signature|arc-seal|x-received|x-originating-ip"
    r"|domainkey-signature): ?\S",
    re.IGNORECASE,
)
"""Where the returned message begins: everything after is ours, not the server's."""

_ADDRESS: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,80}@[A-Za-z0-9][A-Za-z0-9.-]{0,120}", re.ASCII)
_AT_START: Final = re.compile(
    r"^[\s>*•·|\[({\"'-]{0,20}"
    r"(?:(?:to|recipient|recipient address|final recipient|address|user|e-?mail|could not be delivered to"
    r"|status: error, address"
    r"|unable to deliver message to|invalid final delivery userid|user mailbox exceeds allowed size"
    r"|delivery failed \d{1,4} attempts"
    r"|unknown (?:user|local user|host)|\d{3}(?: \d\.\d{1,3}\.\d{1,3})?)\s{0,5}[:=]?\s{0,5}){0,2}"
    rf"[<\"'(]{{0,3}}(?:smtp:|mailto:)?({_ADDRESS.pattern})",
    re.IGNORECASE | re.ASCII,
)
_HELPERS: Final = re.compile(
    r"^(?:postmaster|mailer-daemon|abuse|support|hostmaster|helpdesk|help|noc|mailmaster|admin|administrator)@",
    re.IGNORECASE,
)
_SPOKEN_TO: Final = re.compile(r"(?:from|sender|mail from)[:\s<]{1,4}$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Mention:
    """Somebody of whom a text speaks.

    Attributes:
        address: Whom.
        words: What it says about them.
    """

    address: str
    words: str


def spoken(text: str) -> str:
    """The server's own words, without the message that it returns."""
    return "\n".join(_own_lines(text))


def mentions(text: str, *, ours: Collection[str] = ()) -> list[Mention]:
    """Of whom a text of a server speaks, and what it says of each, in their order.

    Args:
        text: Its own words, as `spoken` gives them.
        ours: Addresses that are the sender's: the report goes to them and is not about them.
    """
    lines = text.split("\n")
    starts = [(number, found[1]) for number, line in enumerate(lines) if (found := _AT_START.match(line))]
    starts = [(number, _trimmed(address)) for number, address in starts if _may_be_meant(address, ours)]
    order = list(dict.fromkeys(address.lower() for _, address in starts))[:MOST_PEOPLE]
    if len(order) > 1:
        return [Mention(_spelling(starts, address), _words_about(lines, starts, address)) for address in order]
    if order:
        return [Mention(starts[0][1], text)]
    for match in _ADDRESS.finditer(text):
        address = _trimmed(match[0])
        if _may_be_meant(address, ours) and not _SPOKEN_TO.search(text, max(0, match.start() - 30), match.start()):
            return [Mention(address, text)]
    return []


def addresses_in(text: str) -> list[str]:
    """Every address in a text, in its order."""
    return [_trimmed(match[0]) for match in _ADDRESS.finditer(text[:LONGEST])]


def words_about(text: str, address: str) -> str:
    """What a text says about one of several people; empty if it does not name them."""
    lines = text.split("\n")
    starts = [(number, _trimmed(found[1])) for number, line in enumerate(lines) if (found := _AT_START.match(line))]
    return _words_about(lines, starts, address.lower())


def _own_lines(text: str) -> Iterator[str]:
    given = 0
    for number, raw in enumerate(text[:LONGEST].splitlines()):
        line = _unquoted(raw[:LONGEST_LINE].rstrip())
        if number >= MOST_LINES or (given and _ENDS.match(line)):
            return
        given += bool(line)
        yield line


def _unquoted(line: str) -> str:
    """The line without the mark that a mail program puts before what it passes on; `>>> DATA` is a server's."""
    return line if not line.startswith(">") or line.startswith(">>> ") else line[1:].removeprefix(" ")


def _words_about(lines: list[str], starts: list[tuple[int, str]], address: str) -> str:
    """The lines from where the address begins one up to the next that begins with another, and all that name it."""
    if not address:
        return ""
    ends = [number for number, _ in [*starts[1:], (len(lines), "")]][: len(starts)]
    told = [
        line
        for (start, whom), end in zip(starts, ends, strict=True)
        if whom.lower() == address
        for line in lines[start:end]
    ]
    told += [line for line in lines if address in line.lower() and line not in told]
    return "\n".join(told)


def _spelling(starts: list[tuple[int, str]], address: str) -> str:
    return next(spelled for _, spelled in starts if spelled.lower() == address)


def _trimmed(address: str) -> str:
    return address.rstrip(".-").strip("'`")


def _may_be_meant(address: str, ours: Collection[str]) -> bool:
    return address.lower().rstrip(".") not in ours and not _HELPERS.match(address)
