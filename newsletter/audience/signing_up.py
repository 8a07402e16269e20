"""What becomes of a sign-up, whoever typed the address: who is new, who waits, who comes back, and who is left alone.

Anybody can type anybody's address into a form. So nothing changes for an address but by its owner's yes, nothing is
written down for which no message may go to it, and nobody is told which of these was the case:

- unknown, or not on the list: pending, with a message to confirm; on a list with single opt-in, on it at once;
- pending: the same message once more;
- left before: what they chose stands until they confirm, and a record says that they were asked for;
- on the list already: a message that says so;
- suppressed, bounced or complained: nothing.

Asking the database goes the same way for all of them, so that the time it takes tells nothing either.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from newsletter.audience.consent import MOST_LISTS, Consent, add_record, find_request
from newsletter.audience.lists import subscribe
from newsletter.audience.subscribers import Address, Details, checked_details, read_address, save_subscriber
from newsletter.database.schema import (
    ConsentMethod,
    SubscriptionStatus,
    list_,
    subscriber,
    subscription,
    suppression,
)
from newsletter.errors import AddressError, AudienceError

_NOBODY: Final = 0
"""The id that no subscriber has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignUp:
    """What was typed into a sign-up form.

    Attributes:
        address: The address.
        first_name: The name; for somebody new only.
        language: The language of the page; for somebody new only.
        wordings: For each list that was chosen, by slug, the exact words that were agreed to.
        origin: The keyed hash of where it came from.
        at: When.
    """

    address: Address
    first_name: str | None
    language: str | None
    wordings: Mapping[str, str]
    origin: bytes
    at: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a sign-up; never told to whoever typed it.

    Attributes:
        subscriber: The person; none if nothing was kept.
        email: Their address, as it is mailed.
        to_confirm: The ids of the lists that a message asks to confirm.
        joined: The slugs of the lists that they are on at once.
        active: The ids of the lists that they were on already.
    """

    subscriber: int | None = None
    email: str = ""
    to_confirm: tuple[int, ...] = ()
    joined: tuple[str, ...] = ()
    active: tuple[int, ...] = ()


def find_mistakes(email: str, first_name: str | None) -> frozenset[str]:
    """Which of the fields `email` and `first_name` cannot be right; asks no database."""
    wrong = set()
    try:
        read_address(email)
    except AddressError:
        wrong.add("email")
    try:
        checked_details(Details(email=email, first_name=first_name))
    except AudienceError:
        wrong.add("first_name")
    return frozenset(wrong)


def take_sign_up(
    connection: sa.Connection, asked: SignUp, single: frozenset[str], *, secret: bytes, may_mail: bool
) -> Outcome:
    """Do what a sign-up asks for, as far as the address, and what we know of it, let us.

    Args:
        connection: A writing transaction.
        asked: What was typed.
        single: The slugs of the lists on which nobody need confirm.
        secret: The project's secret key.
        may_mail: Whether the address may be sent a message now.

    Raises:
        AudienceError: A detail cannot be right.
    """
    chosen = dict(list(asked.wordings.items())[:MOST_LISTS])
    hashed = asked.address.hashed(secret)
    never = connection.scalar(sa.select(suppression.c.reason).where(suppression.c.address_hash == hashed))
    whose = sa.select(subscriber.c.id, subscriber.c.email).where(subscriber.c.email_key == asked.address.key)
    known = connection.execute(whose).first()
    standings = _standings(connection, known.id if known else _NOBODY, chosen)
    if never is not None:
        return Outcome()
    outcome = Outcome(known.id, known.email) if known else Outcome(None, asked.address.email)
    for slug, (list_id, status) in standings.items():
        at_once = slug in single and status in {None, SubscriptionStatus.PENDING}
        if status == SubscriptionStatus.ACTIVE:
            outcome = replace(outcome, active=(*outcome.active, list_id))
        elif status in {SubscriptionStatus.BOUNCED, SubscriptionStatus.COMPLAINED} or not (at_once or may_mail):
            continue
        else:
            person = outcome.subscriber or _add(connection, asked, secret)
            consent = Consent(chosen[slug], ConsentMethod.FORM, asked.at, asked.origin)
            if status is None:
                standing = SubscriptionStatus.ACTIVE if at_once else SubscriptionStatus.PENDING
                subscribe(connection, person, slug, consent, standing)
            elif at_once:
                _activate(connection, person, list_id, consent)
            else:
                _ask_again(connection, person, list_id, consent)
            outcome = replace(outcome, subscriber=person)
            if at_once:
                outcome = replace(outcome, joined=(*outcome.joined, slug))
            else:
                outcome = replace(outcome, to_confirm=(*outcome.to_confirm, list_id))
    return outcome


def _standings(
    connection: sa.Connection, person: int, slugs: Sequence[str] | Mapping[str, str]
) -> dict[str, tuple[int, SubscriptionStatus | None]]:
    """For each list its id, and how a person stands to it, in the order asked for."""
    rows = connection.execute(
        sa.select(list_.c.slug, list_.c.id, subscription.c.status)
        .join(
            subscription,
            sa.and_(subscription.c.list_id == list_.c.id, subscription.c.subscriber_id == person),
            isouter=True,
        )
        .where(list_.c.slug.in_(list(slugs)))
    )
    found = {row.slug: (row.id, None if row.status is None else SubscriptionStatus(row.status)) for row in rows}
    return {slug: found[slug] for slug in slugs if slug in found}


def _add(connection: sa.Connection, asked: SignUp, secret: bytes) -> int:
    """Somebody new, with what the form says of them."""
    details = Details(email=asked.address.email, first_name=asked.first_name, language=asked.language)
    return save_subscriber(connection, details, secret=secret, now=asked.at)[0]


def _activate(connection: sa.Connection, person: int, list_id: int, consent: Consent) -> None:
    """Put somebody who was pending on a list that has no need of it any more."""
    add_record(connection, person, list_id, consent)
    connection.execute(
        sa.update(subscription)
        .where(subscription.c.subscriber_id == person, subscription.c.list_id == list_id)
        .values(status=SubscriptionStatus.ACTIVE, changed_at=consent.at)
    )


def _ask_again(connection: sa.Connection, person: int, list_id: int, consent: Consent) -> None:
    """Write down that somebody asks who was asked to confirm before, or left.

    A request that stands on record goes on to stand, so that the links of both messages work. Who is pending is kept
    as long as if they were new; who left stays as they are until they confirm.
    """
    if find_request(connection, person, list_id) is None:
        add_record(connection, person, list_id, consent)
    connection.execute(
        sa.update(subscription)
        .where(
            subscription.c.subscriber_id == person,
            subscription.c.list_id == list_id,
            subscription.c.status == SubscriptionStatus.PENDING,
        )
        .values(changed_at=consent.at)
    )
