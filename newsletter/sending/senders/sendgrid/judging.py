"""What an answer of SendGrid, or none, means for the messages of a request."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Final

from newsletter.sending.senders.sendgrid.client import Fate, Reply

_POSITION: Final = re.compile(r"personalizations[.\[](\d+)(.*)")
_ADDRESS: Final = re.compile(r"[.\]]*(?:to|email)\b")
_WAIT: Final = 10.0  # seconds after a 429 that does not say how long


class Meaning(Enum):
    """What an answer means."""

    ACCEPTED = "accepted"
    """SendGrid has the messages."""
    UNKNOWN = "unknown"
    """It may have them."""
    UNAVAILABLE = "unavailable"
    """It has none of them, and takes none for now."""
    BROKEN = "broken"
    """It has none of them, and will take none until somebody changes something."""
    TOO_LARGE = "too large"
    """It has none of them, and might take fewer."""
    REFUSED = "refused"
    """It has none of them, because something is wrong with some, or with all."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What an answer means, and why.

    Attributes:
        meaning: In one word.
        sentence: Why; empty where all is well.
        message_id: Under which SendGrid knows the request.
        wait: Seconds to wait, where it asks for that.
        positions: What it has against single messages, by their place in the request; with REFUSED and none of them,
            something is wrong with what all share, or SendGrid does not say with whose.
        addresses: Which of these are about the address itself.
    """

    meaning: Meaning
    sentence: str = ""
    message_id: str | None = None
    wait: float = 0.0
    positions: Mapping[int, str] = field(default_factory=dict)
    addresses: frozenset[int] = frozenset()


_SAID: Final = {
    401: Judgement(
        Meaning.BROKEN,
        "SendGrid does not accept the API key. Set SENDGRID_API_KEY to one with the permission «Mail Send»; an account "
        'of the European Union also needs region = "eu" in newsletter.toml, [sender.sendgrid].',
    ),
    408: Judgement(Meaning.UNAVAILABLE, "SendGrid did not get the whole request in time."),
    413: Judgement(Meaning.TOO_LARGE, "SendGrid finds it too large. Link the pictures: [sending] images."),
}


def judge(reply: Reply, *, sandbox: bool, now: datetime) -> Judgement:
    """What became of a request.

    Args:
        reply: The answer, or why there is none.
        sandbox: Whether SendGrid was asked to check the request only.
        now: For an answer that says until when to wait.
    """
    status = reply.status
    if reply.fate is not Fate.ANSWERED:
        return _unanswered(reply)
    if status == 202:
        return Judgement(Meaning.ACCEPTED, message_id=reply.headers.get("x-message-id"))
    if status == 200 and sandbox:
        return Judgement(Meaning.ACCEPTED, "Sandbox: SendGrid checked the message and sent nothing.")
    if 300 <= status < 500:
        return _not_accepted(reply, now)
    return Judgement(Meaning.UNKNOWN, f"SendGrid answered {status}, which does not tell whether it has the message")


def _not_accepted(reply: Reply, now: datetime) -> Judgement:
    """What a status from 300 to 499 means; with all of them SendGrid has nothing of the request."""
    status = reply.status
    if status in {400, 415}:
        return _refused(reply)
    if status in _SAID:
        return _SAID[status]
    if status == 403:
        return Judgement(
            Meaning.BROKEN,
            f"SendGrid does not let this account send: {reply.complaint()}. See that the key in SENDGRID_API_KEY has "
            "the permission «Mail Send», and that SendGrid has verified the address in [identity] from.",
        )
    if status == 429:
        return Judgement(Meaning.UNAVAILABLE, "SendGrid asks to wait: too many requests.", wait=_seconds(reply, now))
    return Judgement(
        Meaning.BROKEN,
        f"What answers in the place of SendGrid says {status}: {reply.complaint()}. No redirect was followed. "
        "Check region and api_url in newsletter.toml, [sender.sendgrid], and the variable HTTPS_PROXY.",
    )


def _unanswered(reply: Reply) -> Judgement:
    if reply.fate is Fate.LOST:
        return Judgement(Meaning.UNKNOWN, f"SendGrid may have the message: {reply.reason}")
    if reply.fate is Fate.CUT:
        return Judgement(Meaning.TOO_LARGE, f"SendGrid cannot be reached: {reply.reason}.")
    if reply.certificate:
        return Judgement(
            Meaning.BROKEN,
            f"The certificate of what answers in the place of SendGrid does not verify ({reply.reason}). See that this "
            "machine's clock and certificates are right, and that no proxy changes what it carries.",
        )
    return Judgement(
        Meaning.UNAVAILABLE,
        f"SendGrid cannot be reached: {reply.reason}. See that this machine has a network; a proxy is set by the "
        "variable HTTPS_PROXY.",
    )


def _refused(reply: Reply) -> Judgement:
    positions: dict[int, str] = {}
    addresses: set[int] = set()
    for where, sentence in reply.errors():
        if match := _POSITION.match(where):
            position = int(match[1])
            positions.setdefault(position, f"SendGrid refused it: {sentence or 'no reason given'}")
            if _ADDRESS.match(match[2]):
                addresses.add(position)
    return Judgement(
        Meaning.REFUSED,
        f"SendGrid refused it: {reply.complaint()}",
        positions=positions,
        addresses=frozenset(addresses),
    )


def _seconds(reply: Reply, now: datetime) -> float:
    """How long to wait; SendGrid says it as a Unix time, gateways as seconds, and often nobody says it."""
    for name, since in (("retry-after", 0.0), ("x-ratelimit-reset", now.timestamp())):
        value = reply.headers.get(name, "")
        if value.isascii() and value.isdigit():
            return float(value[:12]) - since
    return _WAIT
