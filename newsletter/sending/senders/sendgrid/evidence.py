"""What became of messages in doubt: evidence in SendGrid's logs and in the events that it reports.

A sign of a message with its id proves that SendGrid has it. A sign of another message of the same request proves that
the request was accepted, which is all that an answer would have said. The absence of signs proves nothing.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from newsletter.errors import MessageError, TokenError
from newsletter.sending.addresses import wire_address
from newsletter.sending.senders.protocol import Outcome, Unknown, Verdict
from newsletter.sending.senders.sendgrid.client import Client, Fate
from newsletter.tokens import Signer

_TOLD: Final = re.compile(r"([A-Za-z0-9_-]{1,60})\.([0-9]{1,18})")
"""What `nl_delivery` holds: a token of ours that tells the mailing, and the delivery's row."""
_SAMPLE: Final = 3
"""Messages of one request that are looked for."""
_MOST: Final = 100
"""Messages looked for in one call; SendGrid answers some 600 questions a minute."""
_SKEW: Final = timedelta(minutes=5)
"""By which two clocks may differ."""
_ID: Final = re.compile(r"[A-Za-z0-9._=-]+")
_QUOTABLE: Final = re.compile(r"[!#-\[\]-~]+")  # what can stand between the quotes of a query


@dataclass(frozen=True, slots=True)
class Evidence:
    """A sign of a message.

    Attributes:
        mailing: Which mailing it was of.
        delivery: Which delivery.
        attempt: The id of the request that it was in.
        verdict: `ACCEPTED`, or `REFUSED` where SendGrid dropped it.
        reason: Why, where it dropped it.
    """

    mailing: int
    delivery: int
    attempt: str
    verdict: Verdict
    reason: str | None = None


def evidence_of(event: Mapping[str, object], signer: Signer, *, now: datetime) -> Evidence | None:
    """What an event of SendGrid's webhook says about a message of ours; None if it is not about one.

    Args:
        event: One entry of what the webhook posts; its signature must have been checked.
        signer: The project's.
        now: With time zone.
    """
    told = _TOLD.fullmatch(str(event.get("nl_delivery", "")))
    if told is None:
        return None
    try:
        (mailing,) = signer.read("events", told[1], now=now)
    except TokenError:
        return None
    delivery = int(told[2])
    attempt = str(event.get("nl_attempt", ""))
    if str(event.get("event", "")) in {"dropped", "cancel_drop"}:
        why = str(event.get("reason") or "no reason given")[:200]
        return Evidence(mailing, delivery, attempt, Verdict.REFUSED, f"SendGrid took it and dropped it: {why}")
    return Evidence(mailing, delivery, attempt, Verdict.ACCEPTED)


def settle(client: Client, signer: Signer, unknowns: Sequence[Unknown], *, now: datetime) -> list[Outcome]:
    """Look for messages in SendGrid's Email Logs.

    Of those whose request is known only a few are looked for; the others only where some of them are found.
    """
    logs = _Logs(client, signer, now)
    found: dict[int, Outcome] = {}
    requests: dict[str | None, list[Unknown]] = {}
    for unknown in unknowns:
        requests.setdefault(unknown.attempt, []).append(unknown)
    for attempt, group in requests.items():
        sample = group[:: max(1, len(group) // _SAMPLE)][:_SAMPLE]
        seen = [evidence for unknown in sample if (evidence := logs.look(unknown))]
        if attempt is None and seen:
            rest = [unknown for unknown in group if unknown not in sample]
            rest = rest[:: max(1, len(rest) // _MOST)][: _MOST - len(sample)]
            seen += [evidence for unknown in rest if (evidence := logs.look(unknown))]
        elif any(evidence.attempt == attempt for evidence in seen):
            reason = f"SendGrid's logs show that it accepted the request {attempt}."
            found |= {row.delivery: Outcome(row.delivery, Verdict.ACCEPTED, reason, attempt) for row in group}
        for evidence in seen:
            reason = evidence.reason or "It stands in SendGrid's logs."
            found[evidence.delivery] = Outcome(evidence.delivery, evidence.verdict, reason, evidence.attempt or None)
    return [
        found.get(unknown.delivery) or Outcome(unknown.delivery, Verdict.UNKNOWN, logs.nothing, unknown.attempt)
        for unknown in unknowns
    ]


class _Logs:
    """SendGrid's Email Logs; asked no further once they do not answer."""

    def __init__(self, client: Client, signer: Signer, now: datetime) -> None:
        self._client = client
        self._signer = signer
        self._now = now
        self.nothing = "SendGrid's logs show nothing of it, which proves nothing."
        self._closed = False

    def look(self, unknown: Unknown) -> Evidence | None:
        """A sign of this very message."""
        if not unknown.origin.in_ledger or not (address := _address(unknown.recipient)):
            return None
        since = (unknown.origin.created_at - _SKEW).astimezone(UTC)
        query = f'to_email = "{address}" AND sg_message_id_created_at >= TIMESTAMP "{since:%Y-%m-%dT%H:%M:%SZ}"'
        for entry in self._messages(query):
            custom = entry.get("custom_args")
            if not isinstance(custom, dict):
                continue
            event = {**custom, "event": entry.get("status"), "reason": entry.get("reason")}
            evidence = evidence_of(event, self._signer, now=self._now)
            if evidence and (evidence.mailing, evidence.delivery) == (unknown.origin.mailing, unknown.delivery):
                return evidence
        return None

    def _messages(self, query: str) -> Iterator[Mapping[str, object]]:
        entries = self._ask("logs", {"query": query, "limit": 10}).get("messages")
        for entry in entries if isinstance(entries, list) else []:
            number = str(entry.get("sg_message_id", "")) if isinstance(entry, dict) else ""
            if _ID.fullmatch(number):
                yield {**entry, **self._ask(f"logs/{number}")}

    def _ask(self, path: str, body: Mapping[str, object] | None = None) -> Mapping[str, object]:
        """What the logs answer; nothing once they did not."""
        if self._closed:
            return {}
        reply = self._client.get(path) if body is None else self._client.post(path, json.dumps(body).encode("ascii"))
        answer = reply.json()
        if reply.fate is Fate.ANSWERED and reply.status in {200, 404}:
            return answer if isinstance(answer, dict) else {}
        self._closed = True
        why = f"SendGrid says {reply.status}: {reply.complaint()}" if reply.status else reply.reason
        self.nothing = f"SendGrid's logs could not be read: {why}."
        return {}


def _address(recipient: str | None) -> str | None:
    """The address as it was sent to, if it can be asked for."""
    try:
        address = wire_address(recipient or "")
    except MessageError:
        return None
    return address if _QUOTABLE.fullmatch(address) else None
