"""Finds out whose message came back, by what only we can have written; never by who sends it (item 77).

    1. the return path (VERP): the address that it came to names the delivery, and proves it;
    2. a Message-ID of ours anywhere in it names mailing and delivery, or a letter, and proves it;
    3. the address that a report names, if something left for it lately: a hint, and no proof.

Anybody can write a bounce that names somebody's address. So a hint never gives an address up at once.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import sqlalchemy as sa

from newsletter.audience.subscribers import read_address
from newsletter.database.outside import letter
from newsletter.database.schema import delivery, subscriber
from newsletter.errors import AddressError, TokenError
from newsletter.feedback.bounces.verdicts import Verdict
from newsletter.sending.return_path import read_return_path
from newsletter.sending.testing import TEST, TrialSigner
from newsletter.tokens import Signer

LATELY: Final = timedelta(days=30)
"""How long after something left a report that only names the address may be about it."""

_MOST: Final = 10
"""Addresses of a report that are looked up."""
_LOOKS_LIKE_OURS: Final = re.compile(r"[^@]{1,64}\+[0-9a-f]{25,40}@", re.ASCII | re.IGNORECASE)


class Proof(StrEnum):
    """By what we know."""

    RETURN_PATH = "return path"
    MESSAGE_ID = "message id"
    LETTER = "letter"
    """A Message-ID of a single message, such as a link to confirm."""
    ADDRESS = "address"
    """Only a report names the address."""
    TEST = "test"
    """It is a test message that came back, and concerns nobody."""
    FORGED = "forged"
    """It came to an address that looks like a return path of ours, and is none."""
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose message came back.

    Attributes:
        proof: By what we know.
        delivery: Which delivery of the ledger.
        address_hash: The keyed hash of the address, for a letter.
    """

    proof: Proof
    delivery: int | None = None
    address_hash: bytes | None = None

    @property
    def proven(self) -> bool:
        """Whether nobody else could have written it."""
        return self.proof in {Proof.RETURN_PATH, Proof.MESSAGE_ID, Proof.LETTER}


def whose(
    connection: sa.Connection, verdict: Verdict, *, secret: bytes, now: datetime, recipients: Collection[str] = ()
) -> Owner:
    """Whose message came back.

    Args:
        connection: A transaction.
        verdict: What it says.
        secret: The project's secret key.
        now: The time.
        recipients: Addresses of the envelope that the mail server told beside the message.
    """
    signer, trial = Signer(secret), TrialSigner(secret)
    addresses = [*recipients, *verdict.recipients]
    for address in addresses:
        if (row := read_return_path(address, signer)) is not None:
            return Owner(Proof.RETURN_PATH, row)
        if read_return_path(address, trial) is not None:
            return Owner(Proof.TEST)
    for token in verdict.tokens:
        if (owner := _by_token(connection, token, signer, now)) is not None:
            return owner
    if any(_LOOKS_LIKE_OURS.match(address.strip().strip("<>")) for address in addresses):
        return Owner(Proof.FORGED)
    row = _by_address(connection, _named(verdict), now)
    return Owner(Proof.NOTHING) if row is None else Owner(Proof.ADDRESS, row)


def _by_token(connection: sa.Connection, token: str, signer: Signer, now: datetime) -> Owner | None:
    """Whose Message-ID it is; None if it is none of ours."""
    if (ids := _ids("message", token, signer, now)) is not None:
        return Owner(Proof.MESSAGE_ID, ids[-1])
    if (ids := _ids("letter", token, signer, now)) is not None:
        hashed = connection.scalar(sa.select(letter.c.address_hash).where(letter.c.id == ids[0]))
        return Owner(Proof.NOTHING) if hashed is None else Owner(Proof.LETTER, address_hash=hashed)
    for purpose in ("message", "letter"):
        if _ids(TEST + purpose, token, signer, now) is not None:
            return Owner(Proof.TEST)
    return None


def _ids(purpose: str, token: str, signer: Signer, now: datetime) -> tuple[int, ...] | None:
    try:
        return signer.read(purpose, token, now=now) or None
    except TokenError:
        return None


def _named(verdict: Verdict) -> Iterable[str]:
    """The addresses that fields of a report name: first that which we wrote to."""
    named = [person for person in verdict.people if person.named]
    found = [person.original for person in named] + [person.address for person in named]
    return [address for address in dict.fromkeys(found) if address][:_MOST]


def _by_address(connection: sa.Connection, addresses: Iterable[str], now: datetime) -> int | None:
    """The newest delivery of the one subscriber whom a report names, if something left for them lately."""
    keys = []
    for address in addresses:
        try:
            keys.append(read_address(address).key)
        except AddressError:
            continue
    if not keys:
        return None
    query = (
        sa.select(delivery.c.id)
        .join(subscriber, subscriber.c.id == delivery.c.subscriber_id)
        .where(subscriber.c.email_key.in_(keys), delivery.c.claimed_at > now - LATELY)
        .order_by(delivery.c.claimed_at.desc(), delivery.c.id.desc())
    )
    found: int | None = connection.scalar(query.limit(1))
    return found
