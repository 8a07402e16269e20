"""Reads what SendGrid's event webhook posts: believed only if it is signed, and told to the policy in our own words.

The signature (ECDSA over P-256 with SHA-256) is over the timestamp and the bytes as they came, so it is checked before
anything is read. SendGrid tries for 24 hours what was not taken, and does not say whether it signs anew each time, so
a post may be that old. Sending an old one again does no harm: events are known by `sg_event_id` and count once.

Whom an event is about is told by the ids that we sent along (`nl_delivery`, `nl_attempt`), which are signed too; the
address in it counts only where SendGrid left them out, which it does when a bounce comes late.
"""

import base64
import hashlib
import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import sqlalchemy as sa
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from newsletter.audience.subscribers import read_address
from newsletter.config.pages import FeedbackTable
from newsletter.database.outside import EventKind
from newsletter.database.schema import DeliveryState, delivery
from newsletter.errors import AddressError, ReportForgedError, ReportMisreadError
from newsletter.feedback.bounces.phrases import judge
from newsletter.feedback.events import Event
from newsletter.feedback.policy import follow
from newsletter.sending import answers
from newsletter.sending.senders.protocol import Outcome, Verdict
from newsletter.sending.senders.sendgrid.evidence import evidence_of
from newsletter.tokens import Signer

_LOG: Final = logging.getLogger(__name__)

PROVIDER: Final = "sendgrid"
OLDEST: Final = timedelta(hours=25)
"""How long ago a post may have been signed: SendGrid's 24 hours of trying again, and some."""
_SKEW: Final = timedelta(minutes=5)
"""By which its clock may be ahead of ours."""
MOST_EVENTS: Final = 5_000
"""In one post; SendGrid's have some thousand at most (768 kB)."""

_KINDS: Final = {
    "processed": EventKind.PROCESSED,
    "delivered": EventKind.DELIVERED,
    "deferred": EventKind.DEFERRED,
    "bounce": EventKind.BOUNCED,
    "blocked": EventKind.BOUNCED,
    "dropped": EventKind.DROPPED,
    "cancel_drop": EventKind.DROPPED,
    "spamreport": EventKind.COMPLAINED,
    "spam_report": EventKind.COMPLAINED,
    "unsubscribe": EventKind.UNSUBSCRIBED,
    "group_unsubscribe": EventKind.UNSUBSCRIBED,
    "group_resubscribe": EventKind.RETURNED,
}
_TRACKING: Final = frozenset({"open", "click"})
_DROPPED_SINCE: Final = {
    "bounced address": EventKind.BOUNCED,
    "invalid": EventKind.BOUNCED,
    "invalid address": EventKind.BOUNCED,
    "spam reporting address": EventKind.COMPLAINED,
    "unsubscribed address": EventKind.UNSUBSCRIBED,
}
"""Why SendGrid does not even try, where that says something about the reader."""
_OURS: Final = frozenset({"content", "reputation", "frequency or volume too high", "technical", "technical failure"})
"""Classes of bounces that are about the sender or the way, and not about the address."""
_NOT_KEPT: Final = frozenset({"email", "ip", "useragent", "url", "url_offset", "smtp-id", "sg_machine_open"})
"""Fields that name a reader, or would follow one."""

_STATUS: Final = re.compile(r"(?<![\d.])[245]\.\d{1,3}\.\d{1,3}(?![\d.])", re.ASCII)
_DIGITS: Final = re.compile(r"[0-9]{9,11}", re.ASCII)
_ID: Final = re.compile(r"[!-~]{1,200}")
_ATTEMPT: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")


@dataclass(frozen=True, slots=True)
class Taken:
    """What a post held.

    Attributes:
        new: Events that were told for the first time.
        known: Events that had been told before.
        tests: Events about test sends and single messages, of which nothing is kept.
        foreign: Events about messages that are not ours, or that this database does not know.
        suppressed: Addresses that are mailed no more.
        settled: Deliveries that were unknown until now.
    """

    new: int = 0
    known: int = 0
    tests: int = 0
    foreign: int = 0
    suppressed: int = 0
    settled: int = 0


def check_signature(raw: bytes, signature: str, timestamp: str, *, public_key: str, now: datetime) -> None:
    """See that SendGrid signed a post, and not long ago.

    Args:
        raw: The body as it came, byte for byte.
        signature: The header `X-Twilio-Email-Event-Webhook-Signature`.
        timestamp: The header `X-Twilio-Email-Event-Webhook-Timestamp`.
        public_key: Base64 of its SubjectPublicKeyInfo (RFC 5480).
        now: The time.

    Raises:
        ReportForgedError: It did not, or too long ago.
    """
    if not _DIGITS.fullmatch(timestamp):
        raise ReportForgedError("The report says no time at which it was signed.")
    try:
        key = load_der_public_key(base64.b64decode(public_key, validate=True))
        if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
            raise ReportForgedError("The key in [feedback] sendgrid_public_key is not one of SendGrid's.")
        signed = base64.b64decode(signature, validate=True)
        key.verify(signed, timestamp.encode("ascii") + raw, ECDSA(SHA256()))
    except (ValueError, InvalidSignature, UnsupportedAlgorithm):
        raise ReportForgedError(
            "The report is not signed with the key in [feedback] sendgrid_public_key, or was changed on the way."
        ) from None
    at = datetime.fromtimestamp(int(timestamp), UTC)
    if not now - OLDEST <= at <= now + _SKEW:
        raise ReportForgedError("The report was signed too long ago, or in the future. Check this machine's clock.")


def read_post(raw: bytes) -> list[Mapping[str, object]]:
    """The events of a post whose signature was checked.

    Raises:
        ReportMisreadError: It is not a list of events.
    """
    try:
        events = json.loads(raw)
    except (ValueError, RecursionError):
        raise ReportMisreadError("The report is not JSON.") from None
    if not isinstance(events, list) or not all(isinstance(each, dict) for each in events):
        raise ReportMisreadError("The report is not a list of events.")
    if len(events) > MOST_EVENTS:
        raise ReportMisreadError(f"The report has more than {MOST_EVENTS:,} events.")
    return events


@dataclass(slots=True)
class _Sorted:
    """The events of a post, sorted out."""

    ours: list[Event] = field(default_factory=list)
    requests: dict[int, set[str]] = field(default_factory=dict)
    seen: dict[int, str | None] = field(default_factory=dict)
    remarks: set[str] = field(default_factory=set)
    tests: int = 0
    foreign: int = 0


def take(  # noqa: PLR0913 what it is made of, and by whose keys it is believed
    connection: sa.Connection,
    events: Sequence[Mapping[str, object]],
    *,
    signer: Signer,
    secret: bytes,
    settings: FeedbackTable,
    now: datetime,
) -> Taken:
    """Do what follows from the events of one post, all or nothing.

    Args:
        connection: A writing transaction of its own.
        events: As `read_post` gives them.
        signer: The project's, which made the ids.
        secret: The project's secret key, for the hashes of addresses.
        settings: [feedback] of the settings.
        now: When they came.
    """
    found = _Sorted()
    for each in events:
        _sort(each, found, signer=signer, secret=secret, now=now)
    for remark in sorted(found.remarks):
        _LOG.warning(remark)
    done = follow(connection, found.ours, settings=settings, now=now)
    settled = done.settled + _settle_requests(connection, found, now)
    return Taken(done.new, done.known, found.tests, found.foreign + done.strange, done.suppressed, settled)


def _sort(entry: Mapping[str, object], found: _Sorted, *, signer: Signer, secret: bytes, now: datetime) -> None:
    """Find out whether an event is about a message of a mailing, and what it says."""
    what = _text(entry, "event")
    if "nl_delivery" not in entry:
        if what == "account_status_change":
            found.remarks.add("SendGrid changed the state of the account: see what it says there.")
            found.ours.append(Event(provider=PROVIDER, key=_key(entry), kind=EventKind.OTHER, at=_at(entry, now)))
        elif (hashed := _late_bounce(entry, secret)) is not None:
            found.ours.append(_event(entry, now, address_hash=hashed))
        elif "nl_attempt" in entry:
            found.tests += 1
        else:
            found.foreign += 1
        return
    evidence = evidence_of(entry, signer, now=now)
    if evidence is None:
        found.foreign += 1
        return
    if _ATTEMPT.fullmatch(evidence.attempt):
        found.requests.setdefault(evidence.mailing, set()).add(evidence.attempt)
    if what in _TRACKING:  # it proves that the message left; who did what is not written down
        found.seen[evidence.delivery] = evidence.attempt
        found.remarks.add("SendGrid follows readers although each message says not to: switch it off in its account.")
        raw = json.dumps({"event": what})
        found.ours.append(Event(provider=PROVIDER, key=_key(entry), kind=EventKind.OTHER, at=_at(entry, now), raw=raw))
        return
    found.ours.append(_event(entry, now, mailing=evidence.mailing, delivery=evidence.delivery))


def _event(
    entry: Mapping[str, object],
    now: datetime,
    *,
    mailing: int | None = None,
    delivery: int | None = None,
    address_hash: bytes | None = None,
) -> Event:
    """An event of SendGrid's in our words."""
    kind = _KINDS.get(_text(entry, "event"), EventKind.OTHER)
    reason = _text(entry, "reason") or (_text(entry, "response") if kind is not EventKind.DELIVERED else "")
    status = _STATUS.search(_text(entry, "status")) or _STATUS.search(reason)
    code = status[0] if status else None
    implies: EventKind | None = None
    hard: bool | None = None
    if kind is EventKind.BOUNCED:
        hard = _is_hard(entry)
        if hard is None and judge(reason, code or "", around="RCPT TO").hard:  # a bounce to SendGrid, too
            hard = True
    elif kind is EventKind.DROPPED:
        implies = _DROPPED_SINCE.get(reason.strip().lower())
        hard = implies is EventKind.BOUNCED
    return Event(
        provider=PROVIDER,
        key=_key(entry),
        kind=kind,
        at=_at(entry, now),
        mailing=mailing,
        delivery=delivery,
        address_hash=address_hash,
        status=code,
        hard=hard,
        reason=reason or None,
        raw=json.dumps({name: value for name, value in entry.items() if name not in _NOT_KEPT}),
        implies=implies,
    )


def _is_hard(entry: Mapping[str, object]) -> bool | None:
    """What SendGrid makes of a bounce; what it calls blocked, it does not suppress itself."""
    what = _text(entry, "bounce_classification").strip().lower()
    if _text(entry, "event") == "blocked" or _text(entry, "type") not in {"", "bounce"} or what in _OURS:
        return False
    return True if what == "invalid address" else None


def _late_bounce(entry: Mapping[str, object], secret: bytes) -> bytes | None:
    """Whom a bounce without any id is about, which came so late that SendGrid has forgotten the message."""
    if _text(entry, "event") != "bounce" or entry.get("sg_message_id") or "nl_attempt" in entry:
        return None
    try:
        return read_address(_text(entry, "email")).hashed(secret)
    except AddressError:
        return None


def _settle_requests(connection: sa.Connection, found: _Sorted, now: datetime) -> int:
    """Settle what was unknown of the requests that SendGrid evidently took: any one of its messages proves them all."""
    outcomes: dict[int, Outcome] = {}
    for mailing, attempts in found.requests.items():
        unknown = (delivery.c.mailing_id == mailing, delivery.c.state == DeliveryState.UNKNOWN)
        whose = sa.or_(delivery.c.message_id.in_(sorted(attempts)), delivery.c.id.in_(sorted(found.seen)))
        for row in connection.execute(sa.select(delivery.c.id, delivery.c.message_id).where(*unknown, whose)):
            attempt = found.seen.get(row.id, row.message_id)
            why = f"SendGrid reported about the request {attempt}, so it took it."
            outcomes[row.id] = Outcome(row.id, Verdict.ACCEPTED, why, attempt)
    answers.settle(connection, outcomes.values(), now=now)
    return len(outcomes)


def _at(entry: Mapping[str, object], now: datetime) -> datetime:
    """When it happened, which was not after now."""
    told = entry.get("timestamp")
    if not isinstance(told, int | float | str) or isinstance(told, bool) or not _DIGITS.fullmatch(str(told)):
        return now
    return min(now, datetime.fromtimestamp(int(told), UTC))


def _key(entry: Mapping[str, object]) -> str:
    """What names an event: SendGrid's id, or else all that it says."""
    told = entry.get("sg_event_id")
    if isinstance(told, str) and _ID.fullmatch(told):
        return told
    return "sha256 " + hashlib.sha256(json.dumps(entry, sort_keys=True).encode()).hexdigest()


def _text(entry: Mapping[str, object], name: str) -> str:
    told = entry.get(name)
    return told if isinstance(told, str) else ""
