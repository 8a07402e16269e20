"""Changes to one person by hand: tags, details, another address, and two persons who are one.

Whatever is uncertain is decided the cautious way: who left a list in one place, has left it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import date
from typing import Final

import sqlalchemy as sa

from newsletter.audience.merged import remember
from newsletter.audience.subscribers import (
    Change,
    Details,
    Subscriber,
    checked_details,
    find_subscriber,
    read_address,
)
from newsletter.database.schema import (
    SubscriptionStatus,
    consent_record,
    subscriber,
    subscriber_tag,
    subscription,
    suppression,
)
from newsletter.errors import AudienceError, UsageError

FIELDS: Final = ("first_name", "last_name", "language", "country", "joined")
"""What `set` can change, beside `attributes.<name>`."""

_CAUTIOUS: Final = (
    SubscriptionStatus.COMPLAINED,
    SubscriptionStatus.BOUNCED,
    SubscriptionStatus.UNSUBSCRIBED,
    SubscriptionStatus.PENDING,
    SubscriptionStatus.ACTIVE,
)
"""The statuses, the most cautious first."""


def read_settings(said: Sequence[str]) -> dict[str, str]:
    """What `field=value` arguments say.

    Raises:
        UsageError: One of them is none, or names a field that there is not.
    """
    found: dict[str, str] = {}
    for one in said:
        name, sign, value = one.partition("=")
        name = name.strip()
        family, _, attribute = name.partition(".")
        if name == "email":
            raise UsageError("An address is changed with: newsletter subscribers move OLD NEW")
        if name == "tags":
            raise UsageError("Tags are changed with: newsletter subscribers tag EMAIL TAG, and untag.")
        if not sign or not (name in FIELDS or (family == "attributes" and attribute)):
            raise UsageError(
                f"«{one[:80]}» is no FIELD=VALUE. The fields are {', '.join(FIELDS)} and attributes.<name>; "
                "an empty value clears one: country="
            )
        found[name] = value
    return found


def details_from(email: str, said: Mapping[str, str], tags: Sequence[str] = ()) -> Details:
    """What `field=value` arguments say about a person.

    Raises:
        AudienceError: `joined` is no date.
    """
    named = {name: value for name, value in said.items() if name in FIELDS and name != "joined" and value}
    attributes = {name.removeprefix("attributes."): value for name, value in said.items() if name not in FIELDS}
    joined = said.get("joined") or None
    try:
        day = None if joined is None else date.fromisoformat(joined)
    except ValueError as error:
        raise AudienceError(f"joined «{joined}» is not a date like 2026-01-31.") from error
    return Details(email=email, joined=day, tags=tuple(tags), attributes=attributes, **named)


def set_details(connection: sa.Connection, typed: str, said: Mapping[str, str]) -> Change:
    """Set fields of a person; an empty value clears one.

    Raises:
        SubscriberNotFoundError: Nobody has that address.
        AudienceError: A value cannot be right.
    """
    known = find_subscriber(connection, typed)
    details = checked_details(details_from(known.email, said))
    if "joined" in said and not said["joined"]:
        raise AudienceError("The day of joining cannot be cleared. Set it: joined=2026-01-31")
    values: dict[str, object] = {name: getattr(details, name) for name in FIELDS if name in said}
    attributes = dict(known.attributes)
    for name in said:
        if name not in FIELDS:
            attributes.pop(name.removeprefix("attributes."), None)
    values["attributes"] = attributes | dict(details.attributes)
    if all(getattr(known, name) == value for name, value in values.items()):
        return Change.UNCHANGED
    connection.execute(sa.update(subscriber).where(subscriber.c.id == known.id).values(values))
    return Change.UPDATED


def tag(connection: sa.Connection, typed: str, tags: Sequence[str]) -> Change:
    """Give a person tags.

    Raises:
        SubscriberNotFoundError: Nobody has that address.
        AudienceError: A tag cannot be right.
    """
    known = find_subscriber(connection, typed)
    wanted = checked_details(Details(email=known.email, tags=tuple(tags))).tags
    missing = [each for each in dict.fromkeys(wanted) if each not in known.tags]
    if not missing:
        return Change.UNCHANGED
    connection.execute(sa.insert(subscriber_tag), [{"subscriber_id": known.id, "tag": each} for each in missing])
    return Change.UPDATED


def untag(connection: sa.Connection, typed: str, tags: Sequence[str]) -> Change:
    """Take tags from a person.

    Raises:
        SubscriberNotFoundError: Nobody has that address.
        AudienceError: A tag cannot be right.
    """
    known = find_subscriber(connection, typed)
    wanted = checked_details(Details(email=known.email, tags=tuple(tags))).tags
    gone = sa.delete(subscriber_tag).where(subscriber_tag.c.subscriber_id == known.id, subscriber_tag.c.tag.in_(wanted))
    return Change.UPDATED if connection.execute(gone).rowcount else Change.UNCHANGED


def move(connection: sa.Connection, typed: str, new: str, *, secret: bytes) -> Change:
    """Give a person another address; everything else stays, and consent stays with the address that gave it.

    Raises:
        SubscriberNotFoundError: Nobody has the old address.
        AddressError: The new one cannot be mailed.
        AudienceError: The new one is somebody's, or one of them must never be mailed.
    """
    known, address = find_subscriber(connection, typed), read_address(new)
    hashed = address.hashed(secret)
    own = sa.select(subscriber.c.address_hash).where(subscriber.c.id == known.id).scalar_subquery()
    never = sa.select(suppression.c.reason).where(suppression.c.address_hash.in_([hashed]))
    if connection.scalar(never) is not None:
        raise AudienceError(f"{address.email} must never be mailed, so nobody is moved there.")
    if connection.scalar(sa.select(suppression.c.reason).where(suppression.c.address_hash == own)) is not None:
        raise AudienceError(
            f"{known.email} must never be mailed; another address would undo that. "
            "Only the person can sign up anew, through the form."
        )
    taken = connection.scalar(sa.select(subscriber.c.id).where(subscriber.c.email_key == address.key))
    if taken not in {None, known.id}:
        raise AudienceError(
            f"{address.email} is somebody already. If both are one person: "
            f"newsletter subscribers merge -- {known.email} {address.email}"
        )
    if address.email == known.email:
        return Change.UNCHANGED
    values = {"email": address.email, "email_key": address.key, "address_hash": hashed}
    connection.execute(sa.update(subscriber).where(subscriber.c.id == known.id).values(values))
    return Change.UPDATED


def find_both(connection: sa.Connection, gone: str, kept: str) -> tuple[Subscriber, Subscriber]:
    """Two different people by their addresses.

    Raises:
        SubscriberNotFoundError: Nobody has one of the addresses.
        UsageError: Both are the same person.
    """
    people = find_subscriber(connection, gone), find_subscriber(connection, kept)
    if people[0].id == people[1].id:
        raise UsageError(f"{gone} and {kept} are one person already.")
    return people


def merge(connection: sa.Connection, gone: Subscriber, kept: Subscriber) -> None:
    """Make two persons one: `kept` gets what it lacks of `gone`, who is no more afterwards.

    On every list the more cautious status wins, and so does a suppression; of two pauses the later. Consent records are
    copied, since none may be changed. Links in messages to `gone` mean `kept` from now on. The deliveries must have
    been moved before (`newsletter.sending.merging`).
    """
    filled: dict[str, object] = {
        field.name: getattr(gone, field.name)
        for field in fields(Details)
        if field.name in FIELDS and getattr(kept, field.name) is None
    }
    filled["joined"] = min(gone.joined, kept.joined)
    filled["attributes"] = {**gone.attributes, **kept.attributes}
    pauses = sa.select(sa.func.max(subscriber.c.paused_until)).where(subscriber.c.id.in_([gone.id, kept.id]))
    filled["paused_until"] = connection.scalar(pauses)
    connection.execute(sa.update(subscriber).where(subscriber.c.id == kept.id).values(filled))
    missing = [{"subscriber_id": kept.id, "tag": each} for each in gone.tags if each not in kept.tags]
    if missing:
        connection.execute(sa.insert(subscriber_tag), missing)
    _merge_subscriptions(connection, gone.id, kept.id)
    columns = ("address_hash", "list_id", "wording", "method", "origin", "at")
    copied = sa.select(sa.literal(kept.id), *(consent_record.c[name] for name in columns)).where(
        consent_record.c.subscriber_id == gone.id
    )
    connection.execute(
        sa.insert(consent_record).from_select(["subscriber_id", *columns], copied.order_by(consent_record.c.id))
    )
    _merge_suppressions(connection, gone.id, kept.id)
    remember(connection, gone.id, kept.id)
    connection.execute(sa.delete(subscriber).where(subscriber.c.id == gone.id))


def _merge_subscriptions(connection: sa.Connection, gone: int, kept: int) -> None:
    rows = {
        (row.subscriber_id, row.list_id): row
        for row in connection.execute(sa.select(subscription).where(subscription.c.subscriber_id.in_([gone, kept])))
    }
    for list_id in sorted({list_id for _, list_id in rows}):
        ours, theirs = rows.get((kept, list_id)), rows.get((gone, list_id))
        if theirs is None:
            continue
        values = {"status": theirs.status, "created_at": theirs.created_at, "changed_at": theirs.changed_at}
        if ours is None:
            added = sa.insert(subscription).values(subscriber_id=kept, list_id=list_id, **values)
            connection.execute(added)
        elif _CAUTIOUS.index(SubscriptionStatus(theirs.status)) < _CAUTIOUS.index(SubscriptionStatus(ours.status)):
            place = (subscription.c.subscriber_id == kept, subscription.c.list_id == list_id)
            connection.execute(sa.update(subscription).where(*place).values(values))


def _merge_suppressions(connection: sa.Connection, gone: int, kept: int) -> None:
    """Never mail the address that is kept, if the other must not be mailed."""

    def hashed(person: int) -> sa.ScalarSelect[bytes]:
        return sa.select(subscriber.c.address_hash).where(subscriber.c.id == person).scalar_subquery()

    both = connection.scalar(sa.select(suppression.c.reason).where(suppression.c.address_hash == hashed(kept)))
    if both is not None:
        return
    carried = sa.select(hashed(kept), suppression.c.reason, suppression.c.at).where(
        suppression.c.address_hash == hashed(gone)
    )
    connection.execute(sa.insert(suppression).from_select(["address_hash", "reason", "at"], carried))
