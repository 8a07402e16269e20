"""Recognises complaints: reports of abuse (RFC 5965), Outlook's own, and requests to be taken off."""

import re
from collections.abc import Sequence
from typing import Final

from newsletter.feedback.bounces.delivery_status import address_of
from newsletter.feedback.bounces.parts import Part, fields_in, words_of
from newsletter.feedback.bounces.transcripts import addresses_in
from newsletter.feedback.bounces.verdicts import Outcome, Person, Reason, one_line

REPORT: Final = "message/feedback-report"

_HARMLESS: Final = {"not-spam", "auth-failure", "dkim", "miscategorized"}
"""Types of feedback that accuse nobody: RFC 5965 section 7.3, RFC 6591 (a signature failed), RFC 6430."""
_WHOM: Final = ("original-rcpt-to", "removal-recipient", "redacted-address")
_OUTLOOK: Final = "x-hmxmroriginalrecipient"
_COMPLAINT: Final = re.compile(r"^\W{0,4}complaint about message from\b", re.IGNORECASE)
_TAKE_OFF: Final = re.compile(
    r"^\W{0,4}(?:unsubscribe|opt[- ]?out|remove(?: me)?|abmelden|désinscription|desuscribir"
    r"|cancelar suscripción)\W{0,4}$",
    re.IGNORECASE,
)


def complaints(parts: Sequence[Part]) -> list[Person]:
    """Those who complain by a message; none if it is no complaint."""
    top = parts[0]
    for part in parts:
        if part.kind == REPORT and not part.inside:
            return _reported(part.text)
    if top.parameters.get("report-type", "").lower() == "feedback-report":
        told = next((text for part in parts if not part.inside and "feedback-type:" in (text := part.text).lower()), "")
        return _reported(told[max(0, told.lower().find("feedback-type:")) :])
    returned = [part for part in parts if part.inside]
    if whom := next((value for part in returned if (value := part.get(_OUTLOOK))), ""):
        return [_complaining(address_of(whom) or "", Reason.COMPLAINT)]
    subject = words_of(top.get("subject")).strip()
    if returned and _COMPLAINT.match(subject):
        return [_complaining("", Reason.COMPLAINT)]
    if top.get("x-apple-unsubscribe").lower() == "true" or _TAKE_OFF.match(subject):
        return [_complaining("", Reason.OPT_OUT)]
    return []


def _reported(text: str) -> list[Person]:
    """The people of a report; their addresses may be withheld."""
    fields = list(fields_in(text.strip().replace("\r\n\r\n", "\r\n").replace("\n\n", "\n")))
    kind = next((value.strip().lower() for name, value in fields if name == "feedback-type"), "abuse")
    found = [address for name, value in fields if name in _WHOM for address in addresses_in(value)]
    reason = Reason.OPT_OUT if kind.startswith("opt-out") else Reason.COMPLAINT
    return [_complaining(address, reason, kind) for address in list(dict.fromkeys(found))[:50] or [""]]


def _complaining(address: str, reason: Reason, kind: str = "") -> Person:
    harmless = kind in _HARMLESS
    return Person(
        address=address,
        named=bool(address),
        outcome=Outcome.REPORTED if harmless else Outcome.COMPLAINED,
        reason=Reason.REPORT if harmless else reason,
        said=one_line(f"Feedback-Type: {kind}") if kind else "",
    )
