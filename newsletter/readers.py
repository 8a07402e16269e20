"""The front door for readers, who come with the links of their messages: leave, choose, see, delete."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from newsletter.door import Door
from newsletter.errors import AddressError, TokenError
from newsletter.project import Project

if TYPE_CHECKING:
    import sqlalchemy as sa

    from newsletter.audience.choosing import Chosen
    from newsletter.audience.leaving import Left
    from newsletter.audience.privacy import Erased
    from newsletter.database.connection import Database
    from newsletter.feedback.choosing import Wishes
    from newsletter.letters.queue import LetterKind
    from newsletter.sending.links import ReaderLink
    from newsletter.tokens import Signer

ACCESS: Final = "access"
ERASE: Final = "erase"
"""The purposes of the links that come by letter: to see what is held, and to have it deleted."""

_OWN_LIMITS: Final = ((3, dt.timedelta(hours=24)), (10, dt.timedelta(days=30)))
"""How many links to what is held go to a reader who asks for them with a link of a message."""

_ASKS_A_DAY: Final = 20
"""How often links to one address are asked for by anybody before nobody looks whether there may be one."""


@dataclass(frozen=True, slots=True)
class Reached:
    """Whom a link reaches.

    Attributes:
        chosen: How they have chosen until now; None if there is nobody any more.
        masked: Their address so that only they know it; empty if there is nobody.
        list_slug: The list that the link names; None if there is none such.
        list_title: Its name for people; empty if there is none such.
    """

    chosen: "Chosen | None"
    masked: str
    list_slug: str | None
    list_title: str


@dataclass(frozen=True, slots=True)
class LetterLink:
    """What a link that came by letter names.

    Attributes:
        subscriber: Who asked for it.
        letter: The letter.
    """

    subscriber: int
    letter: int


class Readers(Door):
    """What readers do themselves."""

    def __init__(
        self,
        project: Project,
        database: "Callable[[], AbstractContextManager[Database]]",
        clock: Callable[[], dt.datetime],
        erase: "Callable[[str], Erased]",
    ) -> None:
        super().__init__(project, database, clock)
        self._erase = erase

    @cached_property
    def _signer(self) -> "Signer":
        from newsletter.tokens import Signer

        return Signer(self._project.secret_key())

    # Links of messages

    def link(self, purpose: str, token: str) -> "ReaderLink":
        """What the link of a message names; asks no database.

        Args:
            purpose: `unsubscribe` or `preferences`.
            token: May be anything.

        Raises:
            TokenError: It was changed or cut, or was made for something else.
        """
        from newsletter.sending.links import read_link

        return read_link(self._signer, purpose, token, now=self._clock())

    def reach(self, link: "ReaderLink") -> Reached:
        """Whom a link reaches; of a test's only the list, since whoever holds it need not be that reader."""
        from newsletter.audience.choosing import read_chosen
        from newsletter.audience.lists import slug_of
        from newsletter.audience.merged import become
        from newsletter.audience.subscribers import masked

        with self._database() as database, database.read() as connection:
            slug = slug_of(connection, link.list_id)
            person = become(connection, [link.subscriber]).get(link.subscriber, link.subscriber)
            chosen = None if link.test else read_chosen(connection, person)
        return Reached(chosen, masked(chosen.email) if chosen else "", slug, self.list_title(slug))

    def list_title(self, slug: str | None) -> str:
        """A list's name for people; its short name if newsletter.toml does not have it any more."""
        kept = self._project.settings.lists.get(slug or "")
        return slug or "" if kept is None else kept.title

    def preferences_token(self, link: "ReaderLink") -> str:
        """The token by which the reader of a link chooses, as it stands in the same message."""
        from newsletter.sending.links import PREFERENCES
        from newsletter.sending.testing import TEST

        purpose = TEST + PREFERENCES if link.test else PREFERENCES
        return self._signer.sign(purpose, link.subscriber, link.list_id, link.mailing)

    # Leaving

    def leave(self, wishes: "Sequence[tuple[ReaderLink, str]]") -> "list[Left | None]":
        """Take the readers of links off the lists that these name, all in one transaction that is on the disk then.

        Args:
            wishes: The links, each with how its reader said so, for the record.

        Returns:
            For each link how its reader left; None for those who were not on the list.
        """
        from newsletter.feedback.leaving import leave_by_links

        with self._database() as database, database.write() as connection:
            return leave_by_links(connection, wishes, now=self._clock())

    def leave_everything(self, person: int, wording: str, link: "ReaderLink") -> "list[Left]":
        """Take somebody off all lists; those that they were on.

        Args:
            person: Whom the link reaches; not that of a test.
            wording: How they said so, for the record.
            link: The link of a message that they came with.
        """
        from newsletter.audience.leaving import Leaving
        from newsletter.feedback.leaving import leave_lists

        mailings = {(person, link.list_id): link.mailing}
        with self._database() as database, database.write() as connection:
            return leave_lists(connection, [Leaving(person, None, wording)], mailings=mailings, now=self._clock())

    def undo_token(self, left: "Left") -> str | None:
        """What takes a leaving back within a day; None for somebody who had not confirmed that they want the list."""
        from newsletter.audience.leaving import UNDO, UNDO_LASTS

        if not left.was_active:
            return None
        return self._signer.sign(UNDO, left.subscriber, left.list_id, left.record, expires=self._clock() + UNDO_LASTS)

    def undo(self, person: int, tokens: Sequence[str], wording: str, link: "ReaderLink | None" = None) -> list[str]:
        """Take leavings back, each once; the titles of the lists that the reader is on again.

        Args:
            person: Whom the link reaches; not that of a test.
            tokens: As `undo_token` made them; one that is none, too old, or somebody else's does nothing.
            wording: What they agreed to, for the record.
            link: The link of a message by which they left, if they did.
        """
        from newsletter.audience.leaving import UNDO, Undo
        from newsletter.audience.lists import slug_of
        from newsletter.feedback.leaving import take_back

        now = self._clock()
        leavings: list[Undo] = []
        for token in tokens:
            try:
                each = Undo(*self._signer.read(UNDO, token, now=now))
            except TokenError:
                continue
            if each.subscriber == person:
                leavings.append(each)
        if not leavings:
            return []
        number = None if link is None else link.mailing
        with self._database() as database, database.write() as connection:
            return [
                self.list_title(slug_of(connection, each.list_id))
                for each in leavings
                if take_back(connection, each, mailing_id=number, now=now, wording=wording)
            ]

    # Choosing

    def mistakes(self, details: Mapping[str, str]) -> list[str]:
        """Those of somebody's first_name, last_name and language that cannot be right."""
        from newsletter.audience.choosing import is_right

        return [name for name, value in details.items() if not is_right(name, value)]

    def pause_until(self, day: dt.date) -> dt.datetime:
        """When a pause until a day ends.

        Raises:
            AudienceError: That day is not in the future, or too far away.
        """
        from newsletter.audience.pausing import until_day

        return until_day(day, now=self._clock(), zone=self._project.settings.newsletter.timezone)

    def pause_for(self, months: int) -> dt.datetime:
        """When a pause of so many months ends."""
        from newsletter.audience.pausing import day_in

        return self.pause_until(day_in(months, now=self._clock(), zone=self._project.settings.newsletter.timezone))

    def local_day(self, moment: dt.datetime) -> dt.date:
        """The day of a moment where the newsletter is at home; on that of the end of a pause mail begins again."""
        from zoneinfo import ZoneInfo

        return moment.astimezone(ZoneInfo(self._project.settings.newsletter.timezone)).date()

    def choose(
        self, person: int, wishes: "Wishes", *, wording: Callable[[str], str], link: "ReaderLink | None" = None
    ) -> "tuple[list[str], list[Left]]":
        """Do as somebody wishes, all or nothing.

        Only lists that everybody may sign up for can be joined; nobody whose address must never be mailed joins any.

        Args:
            person: Whom the link that they came with reaches; not that of a test.
            wishes: What they want.
            wording: What they agreed to, for the title of a list, in the words of the page.
            link: The link of a message that they came with, if they did.

        Returns:
            The titles of the lists that they joined, and how they left others.

        Raises:
            AudienceError: A name or the language cannot be right; nothing was changed.
        """
        from newsletter.audience.choosing import read_chosen
        from newsletter.feedback.choosing import choose

        with self._database() as database, database.write() as connection:
            known = read_chosen(connection, person)
            if known is None:
                return [], []
            joined, left = choose(
                connection,
                known,
                wishes,
                open_lists={slug for slug, kept in self._project.settings.lists.items() if kept.sign_up},
                wording=lambda slug: wording(self.list_title(slug)),
                mailings={} if link is None else {(person, link.list_id): link.mailing},
                now=self._clock(),
            )
            return [self.list_title(slug) for slug in joined], left

    # Seeing and deleting

    def is_address(self, email: str) -> bool:
        """Whether mail can be sent to this."""
        from newsletter.audience.subscribers import read_address

        try:
            read_address(email)
        except AddressError:
            return False
        return True

    def send_access(self, email: str) -> None:
        """Send the owner of an address a link to what is held about them, if there is anybody and they may have one.

        Nothing tells the caller whether there is, and it takes as long: that somebody asked is counted either way.

        Raises:
            AddressError: That is no address.
        """
        from newsletter.audience.allowances import Use, spend
        from newsletter.audience.choosing import read_chosen
        from newsletter.audience.subscribers import id_of, read_address
        from newsletter.letters.queue import LetterKind, may_have

        address, secret, now = read_address(email), self._project.secret_key(), self._clock()
        often = [Use("access", address.key, _ASKS_A_DAY, dt.timedelta(days=1))]
        with self._database() as database, database.write() as connection:
            if spend(connection, often, secret=secret, now=now) is not None:
                return
            may = may_have(connection, address.hashed(secret), now=now)  # asked of all, so that it takes as long
            known = read_chosen(connection, id_of(connection, address) or 0)
            if may and known is not None and known.suppressed is None:
                self._write(connection, LetterKind.ACCESS, known)

    def send_access_to(self, person: int) -> bool:
        """Send somebody whose message brought them here a link to what is held about them; whether they may have one.

        They may have more of these than whoever only typed an address, since they hold one of our messages.
        """
        from newsletter.audience.choosing import read_chosen
        from newsletter.audience.subscribers import read_address
        from newsletter.letters.queue import LetterKind, may_have

        secret, now = self._project.secret_key(), self._clock()
        with self._database() as database, database.write() as connection:
            known = read_chosen(connection, person)
            if known is None or known.suppressed is not None:
                return False
            hashed = read_address(known.email).hashed(secret)
            if not may_have(connection, hashed, now=now, kinds=[LetterKind.ACCESS], limits=_OWN_LIMITS):
                return False
            self._write(connection, LetterKind.ACCESS, known)
            return True

    def _write(self, connection: "sa.Connection", kind: "LetterKind", known: "Chosen") -> None:
        """Put a letter to somebody into the queue."""
        from newsletter.letters.queue import write_letter

        write_letter(
            connection,
            kind,
            known.email,
            secret=self._project.secret_key(),
            now=self._clock(),
            subscriber_id=known.subscriber,
            language=known.language,
        )

    def letter_link(self, purpose: str, token: str) -> LetterLink:
        """What a link that came by letter names; asks no database.

        Args:
            purpose: `ACCESS` or `ERASE`.
            token: May be anything.

        Raises:
            TokenError: It was changed or cut, has expired, or was made for something else.
        """
        ids = self._signer.read(purpose, token, now=self._clock())
        if len(ids) != 2:
            raise TokenError("This link is not one of a letter. Open the link in the newest letter.")
        return LetterLink(*ids)

    def chosen(self, person: int) -> "Chosen | None":
        """How somebody has chosen until now; None if there is nobody, such as after erasure."""
        from newsletter.audience.choosing import read_chosen

        with self._database() as database, database.read() as connection:
            return read_chosen(connection, person)

    def report(self, person: int) -> dict[str, object] | None:
        """Everything that is held about somebody, as plain values; None if there is nobody any more."""
        from newsletter.audience.privacy import person_report

        known = self.chosen(person)
        if known is None:
            return None
        with self._database() as database:
            return person_report(database, known.email, secret=self._project.secret_key())

    def ask_erasure(self, link: LetterLink) -> bool:
        """Send somebody who came by a letter another, whose link deletes all; whether one leaves.

        One letter brings one other at most, so that nobody is bombed by whoever finds an old link.
        """
        from newsletter.audience.choosing import read_chosen
        from newsletter.letters.queue import LetterKind, use

        with self._database() as database, database.write() as connection:
            known = read_chosen(connection, link.subscriber)
            if known is None or known.suppressed is not None or not use(connection, link.letter, now=self._clock()):
                return False
            self._write(connection, LetterKind.ERASE, known)
            return True

    def erase(self, link: LetterLink) -> "Erased | None":
        """Delete everything about somebody; None if that is done already."""
        known = self.chosen(link.subscriber)
        return None if known is None else self._erase(known.email)
