"""People: how an address is compared, what is kept about a person, and how it gets in and out of the database.

**The normal form of an address** (`email_key`) decides whether two addresses are one: the domain lower-cased and in its
ASCII (IDNA) form, the part before the @ in Unicode normal form C and case-folded. Nothing else is folded: dots and `+`
parts mean different mailboxes with most providers. Mail goes to the address as it was typed.

**The keyed hash of an address** lets a suppression outlive the person's data: it can be compared, and not read back.
"""

import hmac
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from enum import StrEnum

import sqlalchemy as sa

from newsletter.database.schema import SuppressionReason, subscriber, subscriber_tag, suppression
from newsletter.errors import AddressError, AudienceError, SubscriberNotFoundError

_LONGEST = 200
"""Characters in a name, tag or attribute; far above any real one, far below what hurts."""

HIDDEN = "\N{BULLET}"
"""Stands for a letter that is not shown."""

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_COUNTRY = re.compile(r"[A-Za-z]{2}")
_ATTRIBUTE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Address:
    """An address that can be mailed.

    Attributes:
        email: What mail is sent to: the part before the @ as typed, the domain lower-cased, in Unicode.
        key: The normal form, by which addresses are compared.
    """

    email: str
    key: str

    @property
    def mailbox(self) -> str:
        """What many providers make of it, who leave out dots and what follows a +: to count by, never to compare."""
        local, _, domain = self.key.rpartition("@")
        return f"{local.partition('+')[0].replace('.', '') or local}@{domain}"

    def hashed(self, secret: bytes) -> bytes:
        """The keyed hash (HMAC-SHA256) under which a suppression is kept."""
        return hmac.digest(secret, b"suppression\0" + self.key.encode(), "sha256")


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """What somebody tells us about a person; None, or an empty collection, where nothing was said."""

    email: str
    first_name: str | None = None
    last_name: str | None = None
    language: str | None = None
    country: str | None = None
    joined: date | None = None
    tags: tuple[str, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscriber:
    """A person as the database knows one."""

    id: int
    email: str
    first_name: str | None
    last_name: str | None
    language: str | None
    country: str | None
    joined: date
    tags: tuple[str, ...]
    attributes: Mapping[str, object]

    @property
    def person(self) -> dict[str, object]:
        """The same as expressions see it."""
        return {
            "email": self.email,
            "first_name": self.first_name,
            "last_name": self.last_name,
            "language": self.language,
            "country": self.country,
            "joined": self.joined,
            "tags": self.tags,
            "attributes": dict(self.attributes),
        }


class Change(StrEnum):
    """What putting something into the database did."""

    NEW = "new"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


def read_address(typed: str) -> Address:
    """Check an address and find its normal form.

    No question is asked over the network; whether the mailbox exists, only mailing it can tell.

    Raises:
        AddressError: It is not an address that can be mailed; says why.
    """
    from email_validator import EmailNotValidError, validate_email  # noqa: PLC0415 - reading a list needs none of it

    try:
        checked = validate_email(typed.strip(), check_deliverability=False, strict=True)
    except EmailNotValidError as error:
        shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in typed.strip()[:80])
        raise AddressError(f"«{shown}» is not an email address that can be mailed. {error}") from error
    local = unicodedata.normalize("NFC", checked.local_part.casefold())
    return Address(checked.normalized, f"{local}@{checked.ascii_domain.lower()}")


def masked(email: str) -> str:
    """An address so that its owner knows it and nobody else learns it: `r•••@e••••••.org`."""
    local, _, domain = email.rpartition("@")
    *names, top = domain.split(".")
    hidden = [f"{name[:1]}{HIDDEN * max(len(name) - 1, 1)}" for name in names]
    return f"{local[:1]}{HIDDEN * 3}@{'.'.join([*hidden, top])}"


def save_subscriber(connection: sa.Connection, details: Details, *, secret: bytes, now: datetime) -> tuple[int, Change]:
    """Add a person, or bring one up to date: what was said is set, tags are added, what was not said stays.

    Args:
        connection: A writing transaction.
        details: What is known.
        secret: The project's secret key, for the keyed hash.
        now: Its date becomes the day of joining, where none was said.

    Returns:
        The person's id, and what changed.

    Raises:
        AddressError: The address cannot be mailed.
        AudienceError: A detail cannot be right, or the address is suppressed; says which.
    """
    address = read_address(details.email)
    details = checked_details(details)
    hashed = address.hashed(secret)
    reason = connection.scalar(sa.select(suppression.c.reason).where(suppression.c.address_hash == hashed))
    if reason is not None:
        raise AudienceError(f"{address.email} must never be mailed again ({reason}), and was not added.")
    known = connection.execute(sa.select(subscriber).where(subscriber.c.email_key == address.key)).mappings().first()
    said = {
        name: value
        for name in ("first_name", "last_name", "language", "country", "joined")
        if (value := getattr(details, name)) is not None
    }
    if known is None:
        row = {"joined": now.astimezone(UTC).date(), **said, "attributes": dict(details.attributes)}
        row |= {"email": address.email, "email_key": address.key, "address_hash": hashed}
        person = connection.scalars(sa.insert(subscriber).returning(subscriber.c.id), [row]).one()
        _add_tags(connection, person, details.tags)
        return person, Change.NEW
    said["attributes"] = {**known["attributes"], **details.attributes}
    changes = {name: value for name, value in said.items() if known[name] != value}
    if changes:
        connection.execute(sa.update(subscriber).where(subscriber.c.id == known["id"]).values(changes))
    tagged = _add_tags(connection, known["id"], details.tags)
    return known["id"], Change.UPDATED if changes or tagged else Change.UNCHANGED


def _add_tags(connection: sa.Connection, person: int, tags: Sequence[str]) -> bool:
    """Give a person the tags it does not have; says whether there were any."""
    if not tags:
        return False
    has = set(connection.scalars(sa.select(subscriber_tag.c.tag).where(subscriber_tag.c.subscriber_id == person)))
    missing = [{"subscriber_id": person, "tag": tag} for tag in dict.fromkeys(tags) if tag not in has]
    if missing:
        connection.execute(sa.insert(subscriber_tag), missing)
    return bool(missing)


def checked_details(details: Details) -> Details:
    """The same details, tidied: spaces around them gone, codes in their usual case.

    Raises:
        AudienceError: Something cannot be right; tells all of it.
    """
    details = replace(
        details,
        first_name=_tidy(details.first_name),
        last_name=_tidy(details.last_name),
        language=_tidy(details.language),
        country=(_tidy(details.country) or "").upper() or None,
        tags=tuple(tag for typed in details.tags if (tag := _tidy(typed))),
        attributes={name: text for name, typed in details.attributes.items() if (text := _tidy(typed))},
    )
    texts = {name: getattr(details, name) or "" for name in ("first_name", "last_name", "language", "country")}
    texts |= {f"tag {number}": tag for number, tag in enumerate(details.tags, 1)}
    texts |= {f"attributes.{name}": text for name, text in details.attributes.items()}
    problems = []
    for name, text in texts.items():
        if len(text) > _LONGEST:
            problems.append(f"{name} is longer than {_LONGEST} characters")
        elif any(unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} for c in text):
            problems.append(f"{name} has a line break or another character that cannot be shown")
    if details.language and not _LANGUAGE.fullmatch(details.language):
        problems.append(f"language «{details.language[:20]}» is not a language code like en or pt-BR")
    if details.country and not _COUNTRY.fullmatch(details.country):
        problems.append(f"country «{details.country[:20]}» is not a two-letter code like KE")
    problems += [
        f"attributes.{name[:20]} is not a name of letters, digits and _"
        for name in details.attributes
        if not _ATTRIBUTE.fullmatch(name)
    ]
    if problems:
        raise AudienceError("; ".join(problems) + ".")
    return details


def _tidy(text: str | None) -> str | None:
    """Text in Unicode normal form C without spaces around it, None for none."""
    return unicodedata.normalize("NFC", text.strip()) or None if text else None


def find_subscriber(connection: sa.Connection, typed: str) -> Subscriber:
    """The person with an address, however it is typed.

    Raises:
        AddressError: That is no address.
        SubscriberNotFoundError: Nobody has it.
    """
    address = read_address(typed)
    person = connection.scalar(sa.select(subscriber.c.id).where(subscriber.c.email_key == address.key))
    if person is None:
        raise SubscriberNotFoundError(
            f"Nobody with the address {address.email} is known. "
            f"Add them with: newsletter subscribers add {address.email}"
        )
    return read_subscribers(connection, [person])[person]


def id_of(connection: sa.Connection, address: Address) -> int | None:
    """The id of the person with an address; None if nobody has it."""
    found: int | None = connection.scalar(sa.select(subscriber.c.id).where(subscriber.c.email_key == address.key))
    return found


def read_subscribers(connection: sa.Connection, ids: Iterable[int]) -> dict[int, Subscriber]:
    """The people with these ids, at most some thousands; who is not there any more is left out."""
    wanted = list(ids)
    tags: dict[int, list[str]] = {}
    tagged = sa.select(subscriber_tag).where(subscriber_tag.c.subscriber_id.in_(wanted)).order_by(subscriber_tag.c.tag)
    for person, tag in connection.execute(tagged):
        tags.setdefault(person, []).append(tag)
    rows = connection.execute(sa.select(subscriber).where(subscriber.c.id.in_(wanted)).order_by(subscriber.c.id))
    return {
        row.id: Subscriber(
            id=row.id,
            email=row.email,
            first_name=row.first_name,
            last_name=row.last_name,
            language=row.language,
            country=row.country,
            joined=row.joined,
            tags=tuple(tags.get(row.id, ())),
            attributes=row.attributes,
        )
        for row in rows
    }


def suppress(
    connection: sa.Connection, typed: str, reason: SuppressionReason, *, secret: bytes, now: datetime
) -> Change:
    """Never mail an address again, whether we know the person or not; a second time changes nothing.

    Raises:
        AddressError: That is no address.
    """
    hashed = read_address(typed).hashed(secret)
    if connection.scalar(sa.select(suppression.c.reason).where(suppression.c.address_hash == hashed)) is not None:
        return Change.UNCHANGED
    connection.execute(sa.insert(suppression).values(address_hash=hashed, reason=reason, at=now))
    return Change.NEW


def is_suppressed_address(connection: sa.Connection, typed: str, *, secret: bytes) -> bool:
    """Whether an address must never be mailed, whether anybody has it or not.

    Raises:
        AddressError: That is no address.
    """
    hashed = read_address(typed).hashed(secret)
    return connection.scalar(sa.select(suppression.c.reason).where(suppression.c.address_hash == hashed)) is not None
