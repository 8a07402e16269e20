"""Keeps editions as web pages, frozen with their mailings, and says which of them everybody may read now.

The page of an edition is shown once a message of it has left, or once somebody published it by hand after that. Of
several versions the newest counts; one that was withdrawn counts no more. Drafts, tests, editions that are not public
and mailings that were undone in time have no page, because nothing here ever takes a page from an edition's file.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import sqlalchemy as sa

from newsletter.database.outside import article, picture
from newsletter.database.schema import DeliveryState, MailingState, composition, delivery, mailing
from newsletter.errors import CompileError, EditionNotFoundError
from newsletter.rendering.composition import Composition, Picture

_MAY_HAVE_LEFT: Final = (DeliveryState.CLAIMED, DeliveryState.ACCEPTED, DeliveryState.UNKNOWN)


class Showing(StrEnum):
    """Whether everybody may read an edition's page."""

    SHOWN = "shown"
    WAITING = "waiting"
    """For the mailing that brings it."""
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The page of an edition.

    Attributes:
        id: The row of the version that counts.
        edition: The edition's slug.
        showing: Whether it is shown.
        first_at: When the edition left for the first time; None if it has not.
        changed_at: When the page became what it is.
        corrected: Whether readers could see something else at this address before.
        by_hand: Whether somebody published this version by hand.
    """

    id: int
    edition: str
    showing: Showing
    first_at: datetime | None
    changed_at: datetime
    corrected: bool
    by_hand: bool


@dataclass(frozen=True, slots=True)
class _Version:
    """One row of `article`, without its data.

    Attributes:
        left_at: When a mailing of just this version first left.
    """

    id: int
    edition: str
    digest: str | None
    made_at: datetime
    published_at: datetime | None
    withdrawn_at: datetime | None
    left_at: datetime | None

    @property
    def since(self) -> datetime | None:
        """When it was last put before readers; None if it waits."""
        return max((at for at in (self.published_at, self.left_at) if at is not None), default=None)

    @property
    def is_visible(self) -> bool:
        return self.withdrawn_at is None and self.since is not None


@dataclass(frozen=True, slots=True)
class _Edition:
    """All versions of one edition's page, and when mailings of it left first."""

    slug: str
    first_at: datetime | None
    versions: list[_Version] = field(default_factory=list)


# What a mailing brings


def keep(  # noqa: PLR0913 what is kept, and for which mailing
    connection: sa.Connection,
    edition: str,
    digest: str,
    *,
    data: bytes | None,
    pictures: Iterable[Picture],
    now: datetime,
) -> None:
    """Keep the page and the pictures that come with a mailing, which has not left yet.

    Args:
        connection: The writing transaction in which the mailing is ordered.
        edition: The edition's slug.
        digest: Of the composition, which is stored already.
        data: The page; None for an edition that is not public.
        pictures: What mails and page fetch from us.
        now: The time.
    """
    keep_pictures(connection, pictures)
    of_mailing = sa.select(mailing.c.id).where(
        mailing.c.digest == article.c.digest, mailing.c.state != MailingState.CANCELLED
    )
    waiting = (article.c.edition == edition, article.c.digest.is_not(None), article.c.published_at.is_(None))
    left = sa.select(mailing.c.digest).where(_has_left())
    ordered_anew = sa.or_(article.c.digest == digest, ~of_mailing.exists())
    connection.execute(sa.delete(article).where(*waiting, article.c.digest.not_in(left), ordered_anew))
    there = connection.scalar(sa.select(article.c.id).where(article.c.digest == digest))
    if data is not None and there is None:
        connection.execute(sa.insert(article).values(edition=edition, digest=digest, data=data, made_at=now))


def keep_pictures(connection: sa.Connection, pictures: Iterable[Picture]) -> None:
    """Keep what messages or pages fetch from us; the name of a picture says what is in it, so one that is there stays.

    Args:
        connection: A writing transaction.
        pictures: The pictures.
    """
    wanted = {each.name: each for each in pictures}
    there = set(connection.scalars(sa.select(picture.c.name).where(picture.c.name.in_(wanted))))
    rows = [
        {"name": name, "media_type": each.media_type, "content": each.content}
        for name, each in wanted.items()
        if name not in there
    ]
    if rows:
        connection.execute(sa.insert(picture), rows)


# By hand


def publish(  # noqa: PLR0913 what is published, of what, and when
    connection: sa.Connection,
    edition: str,
    digest: str,
    *,
    data: bytes,
    pictures: Iterable[Picture],
    now: datetime,
) -> bool:
    """Show this page of an edition that has left; says whether readers see something else than before.

    Args:
        connection: A writing transaction.
        edition: The edition's slug.
        digest: Of the composition of which the page is.
        data: The page.
        pictures: What it shows.
        now: The time.
    """
    keep_pictures(connection, pictures)
    found = next((each for each in _editions(connection) if each.slug == edition), None)
    versions = found.versions if found is not None else []
    visible = _visible(versions)
    if visible and _data(connection, [visible[-1].id])[visible[-1].id] == data:
        return False
    if visible and visible[-1].since is not None:  # it is the newest, whatever the clocks of two machines say
        now = max(now, visible[-1].since + timedelta(seconds=1))
    frozen = connection.scalar(sa.select(composition.c.digest).where(composition.c.digest == digest))
    same = next((each for each in versions if each.digest == frozen), None)
    if same is None:
        values = {"edition": edition, "digest": frozen, "data": data, "made_at": now, "published_at": now}
        connection.execute(sa.insert(article).values(**values))
        return True
    changes: dict[str, object] = {"withdrawn_at": None}
    if visible or same.since is None or _data(connection, [same.id])[same.id] != data:
        changes |= {"data": data, "published_at": now}
    connection.execute(sa.update(article).where(article.c.id == same.id).values(**changes))
    return True


def withdraw(connection: sa.Connection, edition: str, *, now: datetime) -> None:
    """Show the page of an edition no more, nor one that waits for a mailing; mailings are not touched.

    Raises:
        EditionNotFoundError: It has no page.
    """
    kept = (article.c.edition == edition, article.c.withdrawn_at.is_(None))
    if not connection.execute(sa.update(article).where(*kept).values(withdrawn_at=now)).rowcount:
        raise EditionNotFoundError(f"No web page shows «{edition}». See what there is:  newsletter archive list")


def has_left(connection: sa.Connection, edition: str) -> bool:
    """Whether a message of an edition may have reached anybody."""
    return connection.scalar(sa.select(mailing.c.id).where(mailing.c.edition == edition, _has_left())) is not None


# What there is to read


def pages(connection: sa.Connection) -> tuple[list[Page], datetime | None]:
    """The pages of all editions, also those that are not shown, and when anything that readers may see last changed.

    Returns:
        The pages, the newest edition first; and the moment, None if nobody ever saw anything.
    """
    editions = _editions(connection)
    found = [_page(connection, each) for each in editions]
    moments = [
        at
        for each in editions
        for version in each.versions
        for at in (version.since, version.withdrawn_at)
        if at is not None
    ]
    newest_first = sorted(found, key=lambda page: (page.first_at or page.changed_at, page.edition), reverse=True)
    return newest_first, max(moments, default=None)


def read_article(connection: sa.Connection, row: int) -> bytes:
    """The data of one version."""
    return _data(connection, [row])[row]


def read_picture(connection: sa.Connection, name: str) -> tuple[str, bytes] | None:
    """A kept picture: its media type and its bytes."""
    found = connection.execute(sa.select(picture.c.media_type, picture.c.content).where(picture.c.name == name)).first()
    return None if found is None else (found.media_type, found.content)


def older_pictures(connection: sa.Connection) -> dict[str, Picture]:
    """The pictures that messages fetch which left before pictures were kept on their own; by name."""
    kept = set(connection.scalars(sa.select(picture.c.name)))
    found: dict[str, Picture] = {}
    for digest in connection.scalars(sa.select(mailing.c.digest).where(_has_left()).distinct()).all():
        data = connection.execute(sa.select(composition.c.data).where(composition.c.digest == digest)).scalar_one()
        try:
            stored = Composition.load(data)
        except CompileError:  # of a version that stored it in another way
            continue
        if not stored.embedded:
            found |= {each.name: each for each in stored.pictures if each.name not in kept}
    return found


def _has_left() -> sa.ColumnElement[bool]:
    """Whether anybody may have a message of a mailing: neither held, nor undone or stopped before the first left."""
    gone = sa.select(delivery.c.id).where(delivery.c.mailing_id == mailing.c.id, delivery.c.state.in_(_MAY_HAVE_LEFT))
    return sa.and_(mailing.c.started_at.is_not(None), mailing.c.state != MailingState.HELD, gone.exists())


def _editions(connection: sa.Connection) -> list[_Edition]:
    """Everything that is known of pages, by edition."""
    first: dict[str, datetime] = {}
    left: dict[str, datetime] = {}
    for row in connection.execute(
        sa.select(mailing.c.edition, mailing.c.digest, mailing.c.started_at).where(_has_left())
    ):
        for known, name in ((first, row.edition), (left, row.digest)):
            known[name] = min(row.started_at, known.get(name, row.started_at))
    found: dict[str, _Edition] = {}
    columns = [column for column in article.c if column.name != "data"]
    for row in connection.execute(sa.select(*columns).order_by(article.c.id)):
        version = _Version(
            row.id, row.edition, row.digest, row.made_at, row.published_at, row.withdrawn_at, left.get(row.digest)
        )
        found.setdefault(row.edition, _Edition(row.edition, first.get(row.edition))).versions.append(version)
    return list(found.values())


def _visible(versions: Iterable[_Version]) -> list[_Version]:
    """The versions that readers may see or may have seen at the edition's address, the one that counts last."""
    return sorted((each for each in versions if each.is_visible), key=lambda each: (each.since, each.id))


def _page(connection: sa.Connection, edition: _Edition) -> Page:
    visible = _visible(edition.versions)
    newest = visible[-1] if visible else edition.versions[-1]
    changed = newest.since or newest.made_at
    corrected = newest.published_at is not None and newest.digest is None and newest.published_at > newest.made_at
    if len(visible) > 1:
        data = _data(connection, [each.id for each in visible])
        for before, after in itertools.pairwise(visible):
            if data[before.id] != data[after.id]:
                corrected, changed = True, after.since or after.made_at
        if data[visible[0].id] == data[newest.id] and not corrected:
            changed = visible[0].since or changed
    showing = Showing.SHOWN if visible else Showing.WAITING
    if all(each.withdrawn_at is not None for each in edition.versions):
        showing = Showing.WITHDRAWN
    return Page(
        id=newest.id,
        edition=edition.slug,
        showing=showing,
        first_at=edition.first_at,
        changed_at=changed,
        corrected=corrected,
        by_hand=newest.published_at is not None,
    )


def _data(connection: sa.Connection, rows: Sequence[int]) -> dict[int, bytes]:
    found = connection.execute(sa.select(article.c.id, article.c.data).where(article.c.id.in_(rows)))
    return {row.id: bytes(row.data) for row in found}
