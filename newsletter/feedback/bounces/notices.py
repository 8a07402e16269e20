"""Reads bounces and complaints that a provider reports as JSON in a mail, as Amazon SES does through its topics."""

import json
from typing import Final

from newsletter.feedback.bounces.phrases import judge
from newsletter.feedback.bounces.verdicts import Kind, Outcome, Person, Reason, one_line

_LONGEST: Final = 100_000
_EARLY: Final = 200
_MOST_PEOPLE: Final = 50


def notice(text: str) -> tuple[Kind, list[Person]] | None:
    """What a text tells that begins with such a notice; None if it does not."""
    told = _object(text[:_LONGEST])
    kind = str(told.get("notificationType") or told.get("eventType")).lower()
    about = told.get(kind)
    if not isinstance(about, dict):
        return None
    if kind == "bounce":
        return Kind.BOUNCE, [_bounced(each) for each in _people(about.get("bouncedRecipients"))]
    if kind == "complaint":
        people = _people(about.get("complainedRecipients"))
        return Kind.COMPLAINT, [
            Person(address=_text(each, "emailAddress"), named=True, outcome=Outcome.COMPLAINED, reason=Reason.COMPLAINT)
            for each in people
        ]
    if kind == "delivery":
        listed = about.get("recipients")
        names = [name for name in listed if isinstance(name, str)] if isinstance(listed, list) else []
        return Kind.DELIVERED, [
            Person(address=name[:320], named=True, outcome=Outcome.DELIVERED, reason=Reason.ARRIVED)
            for name in names[:_MOST_PEOPLE]
        ]
    return None


def _object(text: str) -> dict[str, object]:
    """The object with which a text begins; an empty one if it is no notice."""
    start = text.find("{")
    if not 0 <= start <= _EARLY or ('"notificationType"' not in text and '"eventType"' not in text):
        return {}
    try:  # some programs on the way break lines that are long, with a mark
        told, _ = json.JSONDecoder().raw_decode(text.replace("\r", "").replace("!\n ", ""), start)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _people(listed: object) -> list[dict[str, object]]:
    found = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    return found[:_MOST_PEOPLE]


def _text(each: dict[str, object], name: str) -> str:
    value = each.get(name)
    return value[:1000] if isinstance(value, str) else ""


def _bounced(each: dict[str, object]) -> Person:
    said = _text(each, "diagnosticCode").partition(";")[2] or _text(each, "diagnosticCode")
    found = judge(said, _text(each, "status"))
    return Person(
        address=_text(each, "emailAddress"),
        named=True,
        outcome=Outcome.DELAYED if _text(each, "action") == "delayed" else Outcome.FAILED,
        reason=found.reason,
        hard=found.hard,
        status=found.status,
        reply=found.reply,
        said=one_line(said),
    )
