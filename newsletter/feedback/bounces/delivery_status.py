"""Reads delivery reports (RFC 3464), recipient by recipient, also those that many programs write not quite so."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from newsletter.feedback.bounces.parts import Part, fields_in, words_of
from newsletter.feedback.bounces.transcripts import spoken
from newsletter.feedback.bounces.verdicts import Outcome

KINDS: Final = ("message/delivery-status", "message/global-delivery-status")
MOST_PEOPLE: Final = 50
"""People of one report that are read; our messages go to one each."""

_RECIPIENTS: Final = ("final-recipient", "original-recipient", "x-actual-recipient")
_OWN: Final = (
    *_RECIPIENTS,
    "action",
    "status",
    "diagnostic-code",
    "remote-mta",
    "last-attempt-date",
    "will-retry-until",
)
"""Fields of section 2.3; what a group without any of them says is about the whole message (section 2.2)."""

_BLANK_LINE: Final = re.compile(r"\r?\n[ \t]*\r?\n")
_EMBEDDED: Final = re.compile(r"^(?:Final-Recipient|Original-Recipient):", re.IGNORECASE | re.MULTILINE)
_COMMENT: Final = re.compile(r"\(([^()]{1,300})\)")
_ACTIONS: Final = {
    "failed": Outcome.FAILED,
    "delayed": Outcome.DELAYED,
    "delivered": Outcome.DELIVERED,
    "relayed": Outcome.DELIVERED,
    "expanded": Outcome.DELIVERED,
}


@dataclass(frozen=True, slots=True)
class Report:
    """What a report says about one recipient.

    Attributes:
        recipient: The address at which delivery was tried last (Final-Recipient).
        original: The address that the sender wrote to, if it says so.
        outcome: By the field Action, or by the class of Status where there is none.
        status: The field Status, its first word.
        diagnostic: The words of the server, and what Status says in brackets.
    """

    recipient: str
    original: str
    outcome: Outcome
    status: str
    diagnostic: str


def reports(parts: Iterable[Part]) -> list[Report]:
    """What the reports in a message say, recipient by recipient; a recipient counts once."""
    found: dict[tuple[str, int], Report] = {}
    for part in parts:
        if part.kind in KINDS:
            text = part.text
        elif part.kind == "text/plain" and (match := _EMBEDDED.search(text := spoken(part.text))):
            text = text[text.rfind("\n\n", 0, match.start()) + 1 :]  # its MIME structure was lost on the way
        else:
            continue
        for number, group in enumerate(_groups(text)):
            report = _report(group)
            found.setdefault((report.recipient.lower(), 0 if report.recipient else number), report)
            if len(found) >= MOST_PEOPLE:
                return list(found.values())
    return list(found.values())


def address_of(value: str) -> str:
    """The address in a field such as `rfc822; <ada@example.org>` (section 2.1.2); empty if there is none."""
    kind, semicolon, rest = value.partition(";")
    address = (rest if semicolon else kind).strip().strip("<>\"' ")
    return address if "@" in address and len(address) <= 320 and " " not in address else ""


def _groups(text: str) -> Iterator[Mapping[str, str]]:
    """The fields of each recipient; blank lines part them, or, where these were lost, the next recipient does."""
    for block in _BLANK_LINE.split(text):
        group: dict[str, str] = {}
        for name, value in fields_in(block.lstrip("\r\n")):
            if name in _RECIPIENTS[:2] and name in group:
                yield group
                group = {}
            if name in _OWN:
                group.setdefault(name, value)
        if any(name in group for name in (*_RECIPIENTS, "action", "status", "diagnostic-code")):
            yield group


def _report(group: Mapping[str, str]) -> Report:
    status, comment = group.get("status", "").strip(), ""
    if match := _COMMENT.search(status):
        comment = match[1]
    status = status.split(" ")[0].split("(")[0]
    diagnostic = words_of(group.get("diagnostic-code", ""))
    kind, semicolon, rest = diagnostic.partition(";")
    if semicolon and " " not in kind.strip():
        diagnostic = rest
    action = group.get("action", "").strip().lower()
    outcome = next((meant for word, meant in _ACTIONS.items() if action.startswith(word)), None)
    if outcome is None:
        outcome = Outcome.DELIVERED if status.startswith("2") else Outcome.FAILED
    return Report(
        recipient=next((found for name in _RECIPIENTS if (found := address_of(group.get(name, "")))), ""),
        original=address_of(group.get("original-recipient", "")),
        outcome=outcome,
        status=status,
        diagnostic=f"{diagnostic.strip()} {comment}".strip(),
    )
