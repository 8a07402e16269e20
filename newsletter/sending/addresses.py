"""Mailboxes as they stand in headers and envelopes: read once, strictly, and never guessed at."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from email_validator import EmailNotValidError, validate_email

from newsletter.errors import MessageError

# The plain case (RFC 5322 dot-atom, ASCII host name) is settled here; email-validator judges all others.
_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_PLAIN: Final = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+(?!xn--)[a-z][a-z0-9-]*[a-z0-9]")
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"')
_LONGEST: Final = 254  # RFC 5321 section 4.5.3.1.3, less the angle brackets of a path


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Somebody's name and address.

    Attributes:
        name: As shown to people; may be empty.
        address: As it travels: the domain in ASCII (A-labels); the part before the @ may be beyond ASCII.
    """

    name: str
    address: str

    @property
    def domain(self) -> str:
        """What follows the @, in lower case."""
        return self.address.rpartition("@")[2].lower()

    @property
    def smtputf8(self) -> bool:
        """Whether only servers with SMTPUTF8 (RFC 6531) can carry this address."""
        return not self.address.isascii()

    @property
    def mailto(self) -> str:
        """The address as a `mailto:` link (RFC 6068)."""
        return f"mailto:{quote(self.address, safe='@!$*+-._~')}"


def wire_address(address: str) -> str:
    """An address as it travels: ASCII domain, composed Unicode (NFC) before the @.

    Raises:
        MessageError: It is no address, or one that some mail programs would decode into another.
    """
    if "=?" in address:  # RFC 2047 section 5 forbids encoded-words here, and yet some programs decode them
        raise MessageError(f"«{_shown(address)}» is not an address that can be mailed. Check how it is written.")
    if len(address) <= _LONGEST and _PLAIN.fullmatch(address):
        return address
    try:
        read = validate_email(address, check_deliverability=False)
    except EmailNotValidError as error:
        raise MessageError(f"«{_shown(address)}» is not an address that can be mailed. {error}") from None
    return f"{read.local_part}@{read.ascii_domain}"


def parse_mailbox(text: str) -> Mailbox:
    """Read `Name <address>`, `"Name" <address>` or a bare address.

    Raises:
        MessageError: It is not exactly one mailbox.
    """
    before, bracket, after = text.strip().rpartition("<")
    if not bracket:
        return Mailbox("", wire_address(text.strip()))
    if not after.endswith(">"):
        raise MessageError(f"«{_shown(text)}» does not end with «>». Write it as: Name <name@example.org>")
    name = before.strip()
    if quoted := _QUOTED.fullmatch(name):
        name = re.sub(r"\\(.)", r"\1", quoted[1])
    elif re.search(r'[<>@"]', name):
        raise MessageError(f'«{_shown(text)}» is more than one mailbox. Write it as: "Name" <name@example.org>')
    return Mailbox(name, wire_address(after[:-1].strip()))


def _shown(text: str) -> str:
    """The text as an error may show it: short, and with nothing that moves the cursor."""
    safe = "".join(character if character.isprintable() else "�" for character in text)
    return safe if len(safe) <= 80 else f"{safe[:79]}…"
