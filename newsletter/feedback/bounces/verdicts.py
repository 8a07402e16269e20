"""The words for what a returned message says, so that whoever reads one and whoever acts on it mean the same."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

LONGEST_SAID: Final = 400
"""Characters that are kept of what a mail server said."""


class Kind(StrEnum):
    """What a message that came back is."""

    BOUNCE = "bounce"
    """A mail server reports what it could not deliver, or not yet; each person's `outcome` says which."""
    COMPLAINT = "complaint"
    """Somebody marked a message as spam, or asked by their mail program to be taken off."""
    AUTO_REPLY = "auto-reply"
    """Out of office, and other answers that no person wrote; a receipt as well."""
    DELIVERED = "delivered"
    """A mail server reports that it delivered, or passed on."""
    OTHER = "other"
    """None of these: perhaps somebody wrote to us."""


class Outcome(StrEnum):
    """What became of the message for one person; those of RFC 3464 section 2.3.3, and more."""

    FAILED = "failed"
    DELAYED = "delayed"
    """Still tried; nothing follows."""
    DELIVERED = "delivered"
    """Or passed on, or handed to the members of a list."""
    COMPLAINED = "complained"
    REPORTED = "reported"
    """A report about a message that accuses nobody: «not spam», or a failed signature."""
    REPLIED = "replied"


class Reason(StrEnum):
    """Why, in plain words."""

    NO_SUCH_PERSON = "no such person"
    NO_SUCH_DOMAIN = "no such domain"
    NO_MAIL = "takes no mail"
    """The domain says that it takes none (RFC 7505)."""
    MOVED = "moved away"
    FULL = "mailbox full"
    TOO_LARGE = "message too large"
    SUSPENDED = "mailbox closed for now"
    FILTERED = "refused by a filter"
    SPAM = "taken for spam"
    VIRUS = "taken for a virus"
    BLOCKED = "our server is blocked"
    NOT_PROVEN = "our identity is not proven"
    """SPF, DKIM, DMARC, the name of our server."""
    SENDER = "our address is refused"
    RELAY = "not passed on"
    CONTENT = "the message breaks a rule"
    TOO_MANY = "too many at a time"
    WAITED = "given up after waiting"
    NETWORK = "network or DNS trouble"
    SYSTEM = "trouble in a mail system"
    UNCLEAR = "no reason that we know"
    COMPLAINT = "complained"
    OPT_OUT = "asked to be taken off"
    REPORT = "a report"
    AWAY = "an automatic answer"
    ARRIVED = "delivered"


FOR_GOOD: Final = frozenset({Reason.NO_SUCH_PERSON, Reason.NO_SUCH_DOMAIN, Reason.NO_MAIL, Reason.MOVED})
"""Reasons for which an address will not work again, unless a code says that it is only for now."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the words and codes of a mail server mean.

    Attributes:
        reason: Why.
        hard: Whether the address will not work again.
        status: The enhanced status code (RFC 3463) that counts; empty if none was said.
        reply: The code of SMTP, three digits; empty if none was said.
    """

    reason: Reason
    hard: bool
    status: str = ""
    reply: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One person whom a returned message concerns.

    Attributes:
        address: Whom it names; empty where it names nobody, or withholds it.
        original: The address that we wrote to, where the report tells it apart (RFC 3464 section 2.3.1).
        named: Whether a field of a report names the address, and not just its text.
        outcome: What became of the message.
        reason: Why.
        hard: Whether the address will not work again.
        status: The enhanced status code; may be empty.
        reply: The code of SMTP; may be empty.
        said: What the mail server said: one line, nothing in it that moves the cursor.
    """

    address: str = ""
    original: str = ""
    named: bool = False
    outcome: Outcome
    reason: Reason
    hard: bool = False
    status: str = ""
    reply: str = ""
    said: str = ""

    def as_json(self) -> dict[str, object]:
        """The person as plain values, for other programs."""
        return {
            "address": self.address,
            "outcome": self.outcome.value,
            "status": self.status,
            "reply": self.reply,
            "reason": self.reason.value,
            "hard": self.hard,
            "said": self.said,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a message says.

    Attributes:
        kind: What it is.
        people: Those whom it concerns, in its order.
        recipients: Addresses that it was delivered to, as its header tells them: one may be a return path of ours.
        tokens: What stands before the @ in Message-IDs anywhere in it: one may be ours.
        digest: Names the message; the same for the same message, whichever way it came.
        date: When it says that it was written.
        words: What the mail server wrote for people.
    """

    kind: Kind
    people: tuple[Person, ...] = ()
    recipients: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ()
    digest: str = ""
    date: datetime | None = None
    words: str = ""


def one_line(text: str, longest: int = LONGEST_SAID) -> str:
    """Text that can be shown anywhere: one line, bounded, nothing invisible."""
    cut = text[: longest * 4]
    visible = "".join(character if character.isprintable() else " " for character in cut)
    line = " ".join(visible.split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"
