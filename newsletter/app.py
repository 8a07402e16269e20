"""The product's front door: opens a project and offers one method for each thing that people do with it.

Command line and web call this and nothing below it. There is no logic here, only wiring; what is heavy is imported by
the method that uses it, so that a command loads no more than its own work.
"""

import contextlib
import dataclasses
import datetime as dt
import difflib
import functools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from newsletter.errors import DatabaseError, Finding, ListNotFoundError
from newsletter.project import Project, open_project

if TYPE_CHECKING:
    from newsletter.access import Access
    from newsletter.audience.lists import ListStanding
    from newsletter.audience.privacy import Erased, Handed
    from newsletter.audience.subscribers import Subscriber
    from newsletter.backups import Backups
    from newsletter.bounces import Bounces
    from newsletter.certificates import Certificates
    from newsletter.database.connection import Database
    from newsletter.doctor.doctor import Doctor
    from newsletter.forms import Forms
    from newsletter.imports import Imports
    from newsletter.letters import Letters
    from newsletter.mailings import Mailings
    from newsletter.people import People
    from newsletter.publications import Publications
    from newsletter.readers import Readers
    from newsletter.rendering.composition import Composition
    from newsletter.returns import Returns
    from newsletter.sending.building import Built
    from newsletter.sign_ups import SignUps
    from newsletter.trials import Trials


class Newsletter:
    """One project, opened."""

    def __init__(self, project: Project, clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC)) -> None:
        self.project = project
        self._clock = clock
        self._kept: Database | None = None

    @classmethod
    def open(cls, directory: Path | None = None, environ: Mapping[str, str] | None = None) -> "Newsletter":
        """The project in a folder, or in the one above it, and so on.

        Raises:
            ProjectNotFoundError: There is none.
            ConfigError: Its settings cannot be used.
        """
        return cls(open_project(directory, os.environ if environ is None else environ))

    def now(self) -> dt.datetime:
        """The time by this project's clock."""
        return self._clock()

    # Editions

    def editions(self) -> list[str]:
        """The slugs of all editions."""
        return self.project.edition_slugs()

    def start_edition(self, title: str, *, copy_from: str | None = None, slug: str | None = None) -> Path:
        """Make a new edition's file; says where.

        Raises:
            UsageError: There is such an edition already.
            EditionNotFoundError: There is no edition to copy from.
        """
        from newsletter.starter import start_edition

        return start_edition(self.project, title, copy_from=copy_from, slug=slug)

    def check(self, slug: str) -> tuple[Finding, ...]:
        """Everything that is wrong with an edition.

        Raises:
            EditionNotFoundError: There is no such edition.
        """
        from newsletter.rendering.checking import check

        return check(slug, self.project)

    def compose(self, slug: str) -> "tuple[Composition, tuple[Finding, ...]]":
        """One edition rendered for all readers, and what a check says about it.

        Raises:
            EditionNotFoundError: There is no such edition.
            EditionInvalidError: It has mistakes, or a picture cannot be used.
            TemplateError: A template of the project is wrong.
            ConfigError: A brand colour cannot be read.
        """
        from newsletter.edition.files import read_edition
        from newsletter.rendering.checking import check_composed
        from newsletter.rendering.compose import compose

        file = read_edition(self.project.edition_file(slug), self.project.root)
        composition = compose(file, self.project)
        return composition, check_composed(file, self.project, composition)

    def build(self, slug: str, out: Path, *, reader: str | None = None) -> "Built":
        """Write an edition as one reader gets it.

        Args:
            slug: The edition.
            out: The folder to write to.
            reader: The address of a subscriber; None for somebody of whom nothing is known.

        Raises:
            EditionError: As for `compose`.
            SubscriberNotFoundError: Nobody has that address.
        """
        from newsletter.sending.building import NOBODY, build

        composition, findings = self.compose(slug)
        person = NOBODY if reader is None else self.subscriber(reader).person
        return build(composition, self.project.settings, findings, out, person=person, now=self._clock())

    # People

    @property
    def subscribers(self) -> "People":
        """Everything that is done with subscribers."""
        from newsletter.people import People

        return People(self.project, self.database, self._clock)

    @property
    def imports(self) -> "Imports":
        """Everything that is done with files of subscribers."""
        from newsletter.imports import Imports

        return Imports(self.project, self.database, self._clock, self.list_title)

    @property
    def mailings(self) -> "Mailings":
        """Everything that is done with mailings."""
        from newsletter.mailings import Mailings

        return Mailings(self.project, self.database, self._clock, self.compose, self.list_title)

    @property
    def certificates(self) -> "Certificates":
        """Proofs of what became of mailings."""
        from newsletter.certificates import Certificates

        return Certificates(self.project, self.database, self._clock)

    @property
    def trials(self) -> "Trials":
        """Everything that is done to try an edition out before it is sent."""
        from newsletter.trials import Trials

        return Trials(self.project, self.database, self._clock, self.compose, self.list_title)

    @property
    def doctor(self) -> "Doctor":
        """Looks whether everything is in order for sending, and makes the keys that sign."""
        from newsletter.doctor.doctor import Doctor

        return Doctor(self.project, self._clock)

    @property
    def sign_ups(self) -> "SignUps":
        """Everything that happens when somebody signs up."""
        from newsletter.sign_ups import SignUps

        return SignUps(self.project, self.database, self._clock)

    @property
    def readers(self) -> "Readers":
        """Everything that readers do themselves by the links in their messages."""
        from newsletter.readers import Readers

        return Readers(self.project, self.database, self._clock, self.erase_person)

    @property
    def publications(self) -> "Publications":
        """The editions on the web."""
        from newsletter.publications import Publications

        return Publications(self.project, self.database, self._clock)

    @property
    def forms(self) -> "Forms":
        """The project's forms, and what they took."""
        from newsletter.forms import Forms

        return Forms(self.project, self.database, self._clock)

    @property
    def returns(self) -> "Returns":
        """What came back about messages: events, bounces, complaints, and reports made of them."""
        from newsletter.returns import Returns

        return Returns(self.project, self.database, self._clock)

    @property
    def bounces(self) -> "Bounces":
        """What came back by mail."""
        from newsletter.bounces import Bounces

        return Bounces(self.project, self.database, self._clock)

    @property
    def access(self) -> "Access":
        """Other programs: the tokens that they come with, and the webhooks that tell them."""
        from newsletter.access import Access

        return Access(self.project, self.database, self._clock)

    @functools.cached_property
    def letters(self) -> "Letters":
        """Single messages: links to confirm, to see one's data; what forms took, to the team."""
        from newsletter.letters import Letters

        return Letters(self.project, self.database, self._clock)

    @contextlib.contextmanager
    def kept_open(self) -> "Iterator[None]":
        """Keep the database open meanwhile, for a server that asks often.

        Raises:
            DatabaseError: As for `database`.
        """
        with self.database() as database:
            self._kept = database
            try:
                yield
            finally:
                self._kept = None

    @contextlib.contextmanager
    def database(self) -> "Iterator[Database]":
        """The project's database, open, with the project's lists in it.

        Raises:
            DatabaseError: It cannot be opened, or may not belong to the secret key that is there.
        """
        if self.project.restoring:
            raise DatabaseError(
                "A restore is under way, or was broken off before its end. If it is not running any more, run it "
                "again:  newsletter restore FILE --yes"
            )
        if self._kept is not None:
            yield self._kept
            return
        with self._any_database() as database:
            yield database

    @contextlib.contextmanager
    def _any_database(self) -> "Iterator[Database]":
        from newsletter.audience.lists import ensure_lists, lacks_lists
        from newsletter.database.connection import open_database

        with open_database(self.project.database_url) as database:
            with database.read() as connection:
                new = lacks_lists(connection, self.project.settings.lists)
            if new:  # only then: a writer would wait for an import to end
                with database.write() as connection:
                    ensure_lists(connection, self.project.settings.lists)
            yield database

    def reach_database(self) -> None:
        """See that the database answers.

        Raises:
            DatabaseError: It does not.
        """
        from newsletter.audience.lists import lacks_lists

        with self.database() as database, database.read() as connection:
            lacks_lists(connection, self.project.settings.lists)

    def lists(self) -> "list[ListStanding]":
        """The project's lists."""
        from newsletter.audience.lists import standings

        with self.database() as database, database.read() as connection:
            return standings(connection, self.project.settings.lists)

    def subscriber(self, address: str) -> "Subscriber":
        """The person with an address.

        Raises:
            SubscriberNotFoundError: Nobody has it.
        """
        from newsletter.audience.subscribers import find_subscriber

        with self.database() as database, database.read() as connection:
            return find_subscriber(connection, address)

    # Privacy

    def export_person(self, email: str) -> dict[str, object]:
        """Everything that is held about a person, as plain values.

        Raises:
            SubscriberNotFoundError: Nobody has that address, and it is not suppressed either.
        """
        from newsletter.audience.privacy import person_report

        with self.database() as database:
            return person_report(database, email, secret=self.project.secret_key())

    def erase_person(self, email: str) -> "Erased":
        """Erase a person everywhere, and see that the address is never added again.

        Raises:
            AddressError: That is no address.
        """
        from newsletter.audience.privacy import erase, expire_pending, files_with

        now = self._clock()
        letters = self._forget_letters(email)
        with self.database() as database:
            expire_pending(database, now=now)
            done = erase(database, email, secret=self.project.secret_key(), now=now, forget=self._forget)
            own = "" if database.path is None else database.path.name
        folder = self.project.root / "subscribers"
        here = [path for path in files_with(folder, email) if not own or not path.name.startswith(own)]
        still = tuple(
            f"{path.relative_to(self.project.root)} still holds this address: delete the line, or the file."
            for path in here
        )
        return dataclasses.replace(done, removed=(*letters, *done.removed), remains=(*still, *done.remains))

    def expire(self) -> None:
        """Let go what was kept long enough: unconfirmed sign-ups, entries of forms, words of mail servers."""
        from newsletter.audience.privacy import expire_pending

        with self.database() as database:
            expire_pending(database, now=self._clock())
        for room in (self.sign_ups, self.forms, self.returns, self.letters, self.access):
            room.expire()

    def _forget(self, messages: "Sequence[Handed]") -> list[str]:
        """Delete the files that the outbox keeps of these messages."""
        from newsletter.sending.senders.outbox import OutboxSender
        from newsletter.sending.senders.protocol import Origin

        outbox = OutboxSender.open(self.project)
        mine = [message for message in messages if message.sender == outbox.kind]
        gone = [outbox.forget(Origin(each.mailing, each.edition, each.created_at), each.delivery) for each in mine]
        return [str(path) for path in gone if path is not None]

    def _forget_letters(self, email: str) -> list[str]:
        """Delete the files that the outbox keeps of letters to an address, or of what its owner wrote into forms."""
        from newsletter.audience.subscribers import read_address
        from newsletter.sending.senders.outbox import OutboxSender

        return [str(path) for path in OutboxSender.open(self.project).forget_letters(read_address(email).key)]

    @property
    def backups(self) -> "Backups":
        """Backups of the database, and how they are brought back."""
        from newsletter.backups import Backups

        return Backups(self.project, self.database, self._any_database, self._clock)

    def list_title(self, slug: str) -> str:
        """A list's name for people.

        Raises:
            ListNotFoundError: newsletter.toml has no such list.
        """
        kept = self.project.settings.lists.get(slug)
        if kept is None:
            lists = list(self.project.settings.lists)
            near = difflib.get_close_matches(slug, lists, n=1)
            fix = f"Did you mean {near[0]}?" if near else f"newsletter.toml has: {', '.join(lists)}."
            raise ListNotFoundError(f"There is no list «{slug}». {fix}")
        return kept.title
