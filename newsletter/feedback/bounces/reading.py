"""Reads a message that came back: its bytes become the people whom it concerns, and what it says of each.

    1. it is taken apart within bounds (`parts`);
    2. a complaint is recognised by its own kinds of reports (`complaints`), a notice in JSON by `notices`;
    3. a delivery report is read recipient by recipient (`delivery_status`);
    4. without one, what the server wrote for people is searched (`transcripts`);
    5. its codes and words are judged (`phrases`);
    6. what is none of it may be an automatic answer (`answers`).

Nothing that it says is believed about who it is for: that is `whose`.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from newsletter.feedback.bounces.answers import is_answer, is_automatic, is_receipt, looks_like_answer
from newsletter.feedback.bounces.complaints import complaints
from newsletter.feedback.bounces.delivery_status import KINDS, Report, reports
from newsletter.feedback.bounces.notices import notice
from newsletter.feedback.bounces.parts import READ, Part, walk, words_of
from newsletter.feedback.bounces.phrases import judge
from newsletter.feedback.bounces.transcripts import addresses_in, mentions, spoken, words_about
from newsletter.feedback.bounces.verdicts import Kind, Outcome, Person, Reason, Verdict, one_line

_TELLING: Final = 12
"""Characters of a Diagnostic-Code below which it tells nothing: `smtp; 550`, `x-unix; 77`."""
_SEARCHED: Final = 5_000
"""Characters in which it is looked for what a message is."""
_NAMING: Final = 100_000
"""Bytes that name a message; the rest may be cut off on the way."""

_MOST: Final = 40
"""Addresses, or Message-IDs, of one message that are looked at."""

_ENVELOPE: Final = (
    "delivered-to",
    "x-original-to",
    "envelope-to",
    "x-envelope-to",
    "x-delivered-to",
    "x-rcpt-to",
    "to",
)
_FOR: Final = re.compile(r"\bfor\s{1,20}<?([^\s<>;@]{1,80}@[^\s<>;]{1,255})>?", re.IGNORECASE)
_TOKEN: Final = re.compile(rb"<([A-Za-z0-9_-]{22,200})@")
_DAEMON: Final = re.compile(
    r"mailer.?daemon|mail.?daemon|post.?master|mail delivery (?:sub)?system|system administrator|mail (?:system"
    r"|administrator)|bounce|mdaemon|smtp.?(?:server|daemon)|returned.?mail|no-?reply@sns\.",
    re.IGNORECASE,
)
_SUBJECT: Final = re.compile(
    r"undeliver|deliver(?:y|ed|ing)?.{0,30}(?:fail|status|problem|error|notification|delay|unsuccess|report|could"
    r"|subsystem)"
    r"|fail(?:ed|ure).{0,15}(?:notice|deliver|mail|notif)|returned mail|mail (?:system|delivery) |return(?:ed"
    r"|ing) (?:to|message|mail|email)"
    r"|could not (?:be )?deliver|not (?:be )?delivered|non.?deliver|\bndr?n?\b|user unknown|unknown (?:user"
    r"|recipient|host)|message (?:status|not delivered|delayed|undelivered)|warning: (?:could|message)"
    r"|address not found"
    r"|mail failed|failed mail|bounce|not (?:a )?member|loop (?:alert|detect)|unzustellbar|nicht zugestellt"
    r"|zustellung|non (?:remis|livr|distribu)|échec|no se (?:pudo|ha podido)|non recapitat|mancat[ao] (?:consegna"
    r"|recapito)|не доставлен|недоставлен|配信|エラー|送信でき|届けられ|退信|无法(?:送达|投递)",
    re.IGNORECASE,
)
_NOT_DELIVERED: Final = re.compile(
    r"(?:not|n't|unable to|fail(?:ed|ure)?(?: to| in)?|could not|error).{0,60}(?:deliver|reach|send|sent|accept)"
    r"|deliver.{0,60}(?:fail|error|not|delay|problem)|undeliver|rejected by|permanent(?:ly)? (?:error|fatal|fail)"
    r"|transcript of session|returned (?:to sender|mail)|配送|配信|送信でき|届けられ",
    re.IGNORECASE,
)
_DELAYED: Final = re.compile(
    r"warning message only|do not need to re-?send|(?:has been|is|was) delayed|temporary failure report"
    r"|will (?:be retried|keep trying|continue)|delivery (?:is )?delayed|still trying",
    re.IGNORECASE,
)


def read_message(content: bytes) -> Verdict:
    """What a message says that came back. Any bytes are read, within a second and a few megabytes.

    Args:
        content: The whole message, or its first million bytes: more is not looked at.
    """
    content = content[:READ]
    parts = list(walk(content))
    verdict = _read(parts)
    if verdict.kind is Kind.OTHER and (
        within := [replace(part, inside=part.inside - 1) for part in parts if part.inside]
    ):
        inner = _read(within)  # somebody passed on a bounce that had come to them
        verdict = inner if inner.kind is Kind.BOUNCE else verdict
    top = parts[0]
    return replace(
        verdict,
        recipients=_recipients(top),
        tokens=_tokens(content, parts),
        digest=_digest(top),
        date=_date(top),
    )


def _read(parts: Sequence[Part]) -> Verdict:
    """What the parts of a message say."""
    top = parts[0]
    own = [part for part in parts if not part.inside]
    if people := complaints(parts):
        return Verdict(kind=Kind.COMPLAINT, people=tuple(people))
    texts = _texts(own)
    for text in texts:
        if told := notice(text):
            return Verdict(kind=told[0], people=tuple(told[1]))
    if is_receipt(top):
        return _answer()
    said = "\n".join(spoken(text) for text in texts)
    if found := reports(own):
        people = [_reported(report, said, alone=len(found) == 1) for report in found]
        every = {person.outcome for person in people}
        kind = Kind.DELIVERED if every == {Outcome.DELIVERED} else Kind.BOUNCE
        return Verdict(kind=kind, people=tuple(people), words=said)
    if _is_bounce(top, own, said):
        return Verdict(kind=Kind.BOUNCE, people=tuple(_named_in_text(top, said)), words=said)
    return _answer() if is_answer(top) or is_automatic(top) else Verdict(kind=Kind.OTHER)


def _answer() -> Verdict:
    return Verdict(kind=Kind.AUTO_REPLY, people=(Person(outcome=Outcome.REPLIED, reason=Reason.AWAY),))


def _texts(own: Sequence[Part]) -> list[str]:
    """What is written for people; a web page only where nothing else is."""
    plain = [part.text for part in own if part.kind == "text/plain" or "/" not in part.kind]
    written = [text for text in plain if text.strip()]
    return (written or [part.text for part in own if part.kind == "text/html"])[:10]


def _reported(report: Report, said: str, *, alone: bool) -> Person:
    """A recipient of a delivery report; where that says little, what is written for people says more."""
    if report.outcome is Outcome.DELIVERED:
        return _person(report, Reason.ARRIVED, report.status)
    words = report.diagnostic
    written = said if alone else words_about(said, report.recipient)
    found = judge(words, report.status, around=written)
    if found.reason is Reason.UNCLEAR or len(words) < _TELLING:
        more = judge(f"{words} {written}", report.status)
        if written and more.reason is not Reason.UNCLEAR:
            found, words = more, words or written
    person = _person(report, found.reason, found.status)
    return replace(
        person, hard=found.hard and report.outcome is Outcome.FAILED, reply=found.reply, said=one_line(words)
    )


def _person(report: Report, reason: Reason, status: str) -> Person:
    return Person(
        address=report.recipient,
        original=report.original,
        named=True,
        outcome=report.outcome,
        reason=reason,
        status=status,
    )


def _is_bounce(top: Part, own: Sequence[Part], said: str) -> bool:
    """Whether a message without a readable report is a bounce all the same."""
    if top.parameters.get("report-type", "").lower() == "delivery-status" or any(part.kind in KINDS for part in own):
        return True
    if top.get("x-failed-recipients"):
        return True
    subject = words_of(top.get("subject"))[:300]
    tells = bool(_SUBJECT.search(subject))
    daemon = bool(_DAEMON.search(words_of(top.get("from"))[:300]))
    null = top.get("return-path").strip().strip("<>").lower() in {"", "mailer-daemon"} and "return-path" in dict(
        top.fields
    )
    if is_answer(top) and not (tells and (daemon or null)):
        return False
    signs = tells + daemon + null
    if looks_like_answer(top) or not signs:
        return False
    found = judge(said)
    explained = bool(_NOT_DELIVERED.search(said[:_SEARCHED])) or found.reply[:1] in {"4", "5"} or bool(found.status)
    return signs > 1 or explained or (tells and found.reason is not Reason.UNCLEAR)


def _named_in_text(top: Part, said: str) -> list[Person]:
    """The people of a bounce that has no report: those whom a field names, or the text."""
    delayed = bool(_DELAYED.search(said[:_SEARCHED])) or "delay" in top.get("subject").lower()
    failed = list(dict.fromkeys(addresses_in(top.get("x-failed-recipients"))))[:_MOST]
    ours = {address.lower() for address in addresses_in(" ".join(top.all("to", "delivered-to", "x-original-to")))}
    found = [(each.address, each.words) for each in mentions(said, ours=ours)] or [("", said)]
    if failed and (len(failed) == 1 or len(failed) != len(found)):
        found = [(address, said if len(failed) == 1 else words_about(said, address)) for address in failed]
    people = []
    for address, words in found:
        meant = judge(words)
        people.append(
            Person(
                address=address,
                named=address in failed,
                outcome=Outcome.DELAYED if delayed else Outcome.FAILED,
                reason=meant.reason,
                hard=meant.hard and not delayed,
                status=meant.status,
                reply=meant.reply,
                said=one_line(words),
            )
        )
    return people


def _recipients(top: Part) -> tuple[str, ...]:
    """Where the message was delivered to."""
    found = [address for value in top.all(*_ENVELOPE) for address in addresses_in(value)]
    found += [address for value in top.all("received") for address in _FOR.findall(value)]
    return tuple(dict.fromkeys(found))[:_MOST]


def _tokens(content: bytes, parts: Sequence[Part]) -> tuple[str, ...]:
    """What may be a token of ours in any Message-ID; it proves itself, so it does not matter where it stands."""
    found = [match.decode("ascii") for match in _TOKEN.findall(content)]
    for part in parts:
        if part.get("content-transfer-encoding").strip().lower() in {"base64", "quoted-printable"}:
            found += [match.decode("ascii") for match in _TOKEN.findall(part.text.encode("ascii", "replace"))]
    return tuple(dict.fromkeys(found))[:_MOST]


def _date(top: Part) -> datetime | None:
    try:
        date = parsedate_to_datetime(top.get("date")[:100])
        return date.astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _digest(top: Part) -> str:
    """A name for the message: neither fields nor line ends that a mailbox or a pipe adds change it."""
    named = top.get("message-id").strip().encode("utf-8", "replace")
    body = top.body[: 2 * _NAMING].replace(b"\r", b"").strip()[:_NAMING]
    return hashlib.sha256(named + b"\0" + body).hexdigest()
