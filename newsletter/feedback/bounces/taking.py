"""Takes a message that came back: what it says and whose it is become an event, and the policy does the rest."""

import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import sqlalchemy as sa

from newsletter.audience.subscribers import read_address
from newsletter.config.pages import FeedbackTable
from newsletter.database.outside import EventKind
from newsletter.database.schema import delivery
from newsletter.errors import AddressError
from newsletter.feedback.bounces.reading import read_message
from newsletter.feedback.bounces.verdicts import Kind, Outcome, Person, Reason, Verdict, one_line
from newsletter.feedback.bounces.whose import Owner, Proof, whose
from newsletter.feedback.events import Event
from newsletter.feedback.policy import Followed, follow

_LOG: Final = logging.getLogger(__name__)

PROVIDER: Final = "smtp"

_LONGEST_RAW: Final = 4_000
_OLDEST: Final = timedelta(days=60)
"""A message may have waited in its mailbox so long; one that claims to be older, or of tomorrow, came now."""

_KINDS: Final = {
    Outcome.FAILED: EventKind.BOUNCED,
    Outcome.DELAYED: EventKind.DEFERRED,
    Outcome.DELIVERED: EventKind.DELIVERED,
    Outcome.COMPLAINED: EventKind.COMPLAINED,
    Outcome.REPORTED: EventKind.OTHER,
    Outcome.REPLIED: EventKind.REPLIED,
}


class Result(StrEnum):
    """What was done with a message."""

    TAKEN = "taken"
    KNOWN = "known"
    """It was read before: nothing changed."""
    TEST = "test"
    """A test message came back: it concerns nobody."""
    FORGED = "forged"
    """It came to an address that pretends to be a return path of ours: nothing changed."""
    STRANGER = "stranger"
    """It is about no message of ours that can be told: nothing changed."""
    LETTER = "letter"
    """Nobody's report: perhaps a person wrote. It is left for people to read."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a message.

    Attributes:
        kind: What it is.
        result: What was done with it.
        reason: Why it came back, where it was taken.
        hard: Whether it says that the address will not work again.
        suppressed: Whether the address is mailed no more from now on.
    """

    kind: Kind
    result: Result
    reason: Reason | None = None
    hard: bool = False
    suppressed: bool = False

    def as_json(self) -> dict[str, object]:
        """The same as plain values; names nobody."""
        return {
            "kind": self.kind.value,
            "result": self.result.value,
            "reason": None if self.reason is None else self.reason.value,
            "hard": self.hard,
            "suppressed": self.suppressed,
        }


def take(  # noqa: PLR0913 what came, to whom, and by whose rules
    connection: sa.Connection,
    content: bytes,
    *,
    secret: bytes,
    settings: FeedbackTable,
    now: datetime,
    recipients: Collection[str] = (),
) -> Taken:
    """Take a message; to take it again changes nothing.

    Args:
        connection: A writing transaction of its own.
        content: Its bytes.
        secret: The project's secret key.
        settings: [feedback] of the settings.
        now: The time.
        recipients: Addresses of the envelope, where the mail server tells them.
    """
    verdict = read_message(content)
    if verdict.kind is Kind.OTHER:
        return Taken(verdict.kind, Result.LETTER)
    owner = whose(connection, verdict, secret=secret, now=now, recipients=recipients)
    nobodys = {Proof.TEST: Result.TEST, Proof.FORGED: Result.FORGED, Proof.NOTHING: Result.STRANGER}
    if owner.proof is Proof.FORGED:
        _LOG.warning("A message came to a return path that is forged. It was ignored.")
    if owner.proof in nobodys:
        return Taken(verdict.kind, nobodys[owner.proof])
    person = _concerned(connection, verdict, owner, secret)
    told = _event(verdict, person, owner, now)
    if told is None:
        return Taken(verdict.kind, Result.STRANGER)
    followed = follow(connection, [told], settings=settings, now=now)
    return Taken(verdict.kind, _result(followed), person.reason, bool(told.hard), bool(followed.suppressed))


def _result(followed: Followed) -> Result:
    if followed.new:
        return Result.TAKEN
    return Result.KNOWN if followed.known else Result.STRANGER


def _concerned(connection: sa.Connection, verdict: Verdict, owner: Owner, secret: bytes) -> Person:
    """The person of a message whom the delivery was for.

    Of several, the one whose address it is. A message of ours goes to one address; where a report names several and
    none is it, they stand behind that address, as the members of a list do, and one of them says nothing about it.
    """
    if len(verdict.people) == 1:
        return verdict.people[0]
    hashed = owner.address_hash
    if owner.delivery is not None:
        hashed = connection.scalar(sa.select(delivery.c.address_hash).where(delivery.c.id == owner.delivery))
    for person in verdict.people:
        if hashed is not None and hashed in {_hashed(each, secret) for each in (person.original, person.address)}:
            return person
    outcomes = {person.outcome for person in verdict.people}
    outcome = outcomes.pop() if len(outcomes) == 1 else Outcome.DELAYED
    first = next(iter(verdict.people), None)
    status = "" if first is None else first.status
    said = f"{len(verdict.people)} addresses behind this one: {first.said}" if first else ""
    reason = Reason.UNCLEAR if first is None else first.reason
    return Person(outcome=outcome, reason=reason, hard=False, status=status, said=one_line(said))


def _hashed(address: str, secret: bytes) -> bytes | None:
    try:
        return read_address(address).hashed(secret) if address else None
    except AddressError:
        return None


def _event(verdict: Verdict, person: Person, owner: Owner, now: datetime) -> Event | None:
    """What is written down; None where a mere hint is not enough for it."""
    kind = EventKind.UNSUBSCRIBED if person.reason is Reason.OPT_OUT else _KINDS[person.outcome]
    if not owner.proven:
        if kind in {EventKind.COMPLAINED, EventKind.UNSUBSCRIBED}:
            kind = EventKind.OTHER  # anybody can write that somebody complains
        elif kind is not EventKind.BOUNCED:
            return None
    at = now if verdict.date is None or not now - _OLDEST < verdict.date <= now else verdict.date
    whom = f"d{owner.delivery}" if owner.delivery is not None else (owner.address_hash or b"").hex()
    bounced = kind is EventKind.BOUNCED
    return Event(
        provider=PROVIDER,
        key=f"{verdict.digest}:{whom}",
        kind=kind,
        at=at,
        delivery=owner.delivery,
        address_hash=owner.address_hash,
        status=person.status or None,
        hard=(person.hard and owner.proven) if bounced else None,
        reason=one_line(f"{person.reason.value}: {person.said}" if person.said else person.reason.value),
        raw="\n".join(one_line(line) for line in verdict.words[:_LONGEST_RAW].splitlines()) or None,
    )
