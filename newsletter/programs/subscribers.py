"""People as other programs see and change them: by number, never by an address that a log would keep."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa

from newsletter.audience.allowances import Use, spend
from newsletter.audience.changing import details_from, set_details, tag, untag
from newsletter.audience.consent import Consent, confirm_by_hand, hashed_origin
from newsletter.audience.history import Standing
from newsletter.audience.lists import find_list, subscribe, unsubscribe
from newsletter.audience.searching import Search, find_people
from newsletter.audience.signing_up import SignUp, take_sign_up
from newsletter.audience.subscribers import (
    Change,
    Subscriber,
    find_subscriber,
    read_address,
    read_subscribers,
    save_subscriber,
)
from newsletter.database.schema import (
    ConsentMethod,
    SubscriptionStatus,
    SuppressionReason,
    list_,
    subscriber,
    subscription,
    suppression,
)
from newsletter.errors import AudienceError, SubscriberNotFoundError, TooManyAttemptsError
from newsletter.letters.queue import SHORT_LIMIT, LetterKind, may_have, write_letter
from newsletter.programs.attempts import letters_to, seconds_until
from newsletter.webhooks.announcing import announce


class Confirmation(StrEnum):
    """What became of the letter that asks somebody to confirm."""

    SENT = "sent"
    """It is on its way."""
    LIMITED = "limited"
    """They had too many letters lately; they can be added again later."""
    NOT_NEEDED = "not needed"


@dataclass(frozen=True, slots=True)
class Profile:
    """A person, and how they stand to each list.

    Attributes:
        subscriber: The person.
        standings: To each list.
        suppressed: Why they must never be mailed; None if they may.
    """

    subscriber: Subscriber
    standings: tuple[Standing, ...]
    suppressed: SuppressionReason | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """Somebody whom a program adds.

    Attributes:
        email: Their address.
        list_slug: The list that they want to be on.
        consent: The words that they agreed to.
        said: What else is known, as `subscribers set` takes it.
        tags: Their tags.
        confirmed: Whether they confirmed it elsewhere, or the list wants no confirming.
    """

    email: str
    list_slug: str
    consent: str
    said: Mapping[str, str] = field(default_factory=dict)
    tags: Sequence[str] = ()
    confirmed: bool = False


@dataclass(frozen=True, slots=True)
class Arrival:
    """What adding somebody did.

    Attributes:
        person: Their number.
        is_new: Whether nobody had the address before.
        confirmation: What became of the letter.
    """

    person: int
    is_new: bool
    confirmation: Confirmation


def find_page(connection: sa.Connection, search: Search, *, after: int, limit: int) -> list[Profile]:
    """One page of people, in the order of their numbers.

    Raises:
        ListNotFoundError: There is no such list.
    """
    return _profiles(connection, find_people(connection, search, after=after, limit=limit))


def read_profile(connection: sa.Connection, person: int) -> Profile:
    """The person with a number.

    Raises:
        SubscriberNotFoundError: There is none.
    """
    return _profiles(connection, [_known(connection, person)])[0]


def look_up(connection: sa.Connection, email: str) -> Profile:
    """The person with an address.

    Raises:
        AddressError: That is no address.
        SubscriberNotFoundError: Nobody has it.
    """
    return _profiles(connection, [find_subscriber(connection, email)])[0]


def add(connection: sa.Connection, newcomer: Newcomer, *, letters: Use, secret: bytes, now: datetime) -> Arrival:
    """Put somebody on a list; a second time changes nothing.

    Whoever has not confirmed is asked to by a letter, within the limits that hold for everybody.

    Args:
        connection: A writing transaction; to be undone if this raises.
        newcomer: Who.
        letters: Limits the letters that this program has us send.
        secret: The project's secret key.
        now: When.

    Raises:
        AddressError: The address cannot be mailed.
        AudienceError: A detail cannot be right, or they must never be mailed, or did not want to be.
        TooManyAttemptsError: They, or this program, had too many letters lately, and nothing was kept.
        ListNotFoundError: There is no such list.
    """
    to_list = find_list(connection, newcomer.list_slug)
    details = details_from(newcomer.email, newcomer.said, newcomer.tags)
    address = read_address(newcomer.email)
    known = connection.scalar(sa.select(subscriber.c.id).where(subscriber.c.email_key == address.key))
    if newcomer.confirmed:
        person, _ = save_subscriber(connection, details, secret=secret, now=now)
        agreed = Consent(newcomer.consent, ConsentMethod.FORM, now)
        came = subscribe(connection, person, newcomer.list_slug, agreed) is Change.NEW
        if came or confirm_by_hand(connection, person, to_list, agreed):
            told = {"subscriber": person, "lists": [newcomer.list_slug], "how": "program"}
            announce(connection, "subscriber.confirmed", told, now=now, subscriber_id=person)
        return Arrival(person, known is None, Confirmation.NOT_NEEDED)
    may_mail = may_have(connection, address.hashed(secret), now=now)
    asked = SignUp(
        address=address,
        first_name=details.first_name,
        language=details.language,
        wordings={newcomer.list_slug: newcomer.consent},
        origin=hashed_origin(f"program {letters.who}", secret),
        at=now,
    )
    outcome = take_sign_up(connection, asked, frozenset(), secret=secret, may_mail=may_mail)
    if to_list not in (*outcome.to_confirm, *outcome.active) and may_mail:
        raise AudienceError("This address must not be mailed: it bounced, complained, or was erased.")
    if outcome.subscriber is None:
        wait = int(SHORT_LIMIT[1].total_seconds())
        raise TooManyAttemptsError("This address had its letters for now. Add it again tomorrow.", wait=wait)
    save_subscriber(connection, details, secret=secret, now=now)
    if not outcome.to_confirm:
        limited = Confirmation.NOT_NEEDED if outcome.active else Confirmation.LIMITED
        return Arrival(outcome.subscriber, known is None, limited)
    if refused := spend(connection, [letters, letters_to(address.mailbox)], secret=secret, now=now):
        wait, whose = seconds_until(refused.until, now), "token" if refused.use is letters else "mailbox"
        raise TooManyAttemptsError(f"This {whose} has had too many letters sent lately.", wait=wait)
    write_letter(
        connection,
        LetterKind.CONFIRM,
        outcome.email,  # as we know it: another spelling of it may be somebody else's mailbox
        secret=secret,
        now=now,
        subscriber_id=outcome.subscriber,
        list_id=to_list,
        language=details.language,
        details={"lists": " ".join(map(str, outcome.to_confirm))},
    )
    return Arrival(outcome.subscriber, known is None, Confirmation.SENT)


def change(
    connection: sa.Connection,
    person: int,
    said: Mapping[str, str],
    *,
    add_tags: Sequence[str] = (),
    remove_tags: Sequence[str] = (),
) -> Profile:
    """Change what is known of a person: all of it, or nothing.

    Args:
        connection: A writing transaction.
        person: Their number.
        said: As `subscribers set` takes it; an empty value clears a field.
        add_tags: Tags to give.
        remove_tags: Tags to take.

    Raises:
        SubscriberNotFoundError: There is none with that number.
        AudienceError: A value cannot be right.
    """
    known = _known(connection, person)
    if said:
        set_details(connection, known.email, said)
    if add_tags:
        tag(connection, known.email, add_tags)
    if remove_tags:
        untag(connection, known.email, remove_tags)
    return read_profile(connection, person)


def leave(connection: sa.Connection, person: int, slugs: Collection[str], *, now: datetime) -> list[str]:
    """Take a person off lists; says off which they are now that they were on.

    Args:
        connection: A writing transaction.
        person: Their number.
        slugs: The lists; none for all.
        now: When.

    Raises:
        SubscriberNotFoundError: There is none with that number.
        ListNotFoundError: There is no such list.
    """
    known = read_profile(connection, person)
    left = []
    for slug in slugs or [each.list_slug for each in known.standings]:
        if unsubscribe(connection, person, slug, now=now, wording="taken off by a program") is Change.UPDATED:
            left.append(slug)
            told = {"subscriber": person, "list": slug, "how": "program"}
            announce(connection, "subscriber.unsubscribed", told, now=now, subscriber_id=person)
    return left


def _known(connection: sa.Connection, person: int) -> Subscriber:
    found = read_subscribers(connection, [person]).get(person)
    if found is None:
        raise SubscriberNotFoundError(f"There is no subscriber {person}.")
    return found


def _profiles(connection: sa.Connection, people: Iterable[Subscriber]) -> list[Profile]:
    """The people with how they stand, in two queries for all of them."""
    known = {each.id: each for each in people}
    standings: dict[int, list[Standing]] = {}
    rows = sa.select(subscription.c.subscriber_id, list_.c.slug, subscription.c.status, subscription.c.changed_at).join(
        list_, list_.c.id == subscription.c.list_id
    )
    for person, slug, status, since in connection.execute(
        rows.where(subscription.c.subscriber_id.in_(known)).order_by(list_.c.slug)
    ):
        standings.setdefault(person, []).append(Standing(slug, SubscriptionStatus(status), since))
    never = (
        sa.select(subscriber.c.id, suppression.c.reason)
        .join(suppression, suppression.c.address_hash == subscriber.c.address_hash)
        .where(subscriber.c.id.in_(known))
    )
    suppressed = {row.id: SuppressionReason(row.reason) for row in connection.execute(never)}
    return [
        Profile(person, tuple(standings.get(number, ())), suppressed.get(number)) for number, person in known.items()
    ]
