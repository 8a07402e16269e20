"""The front door to trying an edition out before it is sent: test sends, personas, rehearsals; wiring only."""

import datetime as dt
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from newsletter.door import Door
from newsletter.errors import Finding, SubscriberNotFoundError, UsageError
from newsletter.project import Project

if TYPE_CHECKING:
    from newsletter.audience.subscribers import Subscriber
    from newsletter.database.connection import Database
    from newsletter.rendering.composition import Composition
    from newsletter.sending.mailings import Mailing
    from newsletter.sending.message import MessageWriter
    from newsletter.sending.personas import Persona
    from newsletter.sending.rehearsal import Rehearsed
    from newsletter.sending.run import Progress
    from newsletter.sending.senders.protocol import Origin, Sender
    from newsletter.sending.testing import Tried, View

_MOST_PEOPLE: Final = 20_000
"""Subscribers of a list that are looked through for variants which nobody else would see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialOrder:
    """What somebody wants to see first.

    Attributes:
        to: The addresses that the test goes to, several with commas between.
        reader: The address of a subscriber as whom the edition is shown.
        persona: The name of a persona as whom it is shown; without either, the first persona.
        all_branches: Show one of each variant instead.
        list_slug: The list in whose name the message comes; the first of newsletter.toml if None.
    """

    to: Sequence[str]
    reader: str | None = None
    persona: str | None = None
    all_branches: bool = False
    list_slug: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a test send did.

    Attributes:
        edition: The edition's slug.
        title: The edition's title.
        digest: Of the composition.
        list_slug: The list in whose name it came.
        sender: The kind of sender that carried it.
        tried: What became of each message.
        findings: What a check says about the edition, and what no reader would see.
        variants: How many variants there are, if they were counted.
        place: Where the messages are, for a sender that writes files.
    """

    edition: str
    title: str
    digest: str
    list_slug: str
    sender: str
    tried: tuple["Tried", ...]
    findings: tuple[Finding, ...]
    variants: int | None = None
    place: Path | None = None


class Trials(Door):
    """Trying out the editions of one project.

    Args:
        project: Whose settings, key and personas are used.
        database: Opens its database.
        clock: Tells the time.
        compose: Renders an edition for all readers, and says what a check finds.
        list_title: A list's name for people; says no to one that the project does not have.
    """

    def __init__(
        self,
        project: Project,
        database: "Callable[[], AbstractContextManager[Database]]",
        clock: Callable[[], dt.datetime],
        compose: "Callable[[str], tuple[Composition, tuple[Finding, ...]]]",
        list_title: Callable[[str], str],
    ) -> None:
        super().__init__(project, database, clock)
        self._compose = compose
        self._list_title = list_title

    def personas(self) -> "dict[str, Persona]":
        """The readers who do not exist, by name; the first is taken where a test names nobody.

        Raises:
            ConfigError: personas.toml has mistakes.
        """
        from newsletter.sending.personas import read_personas

        return read_personas(self._project.root)

    def test(
        self,
        slug: str,
        order: TrialOrder,
        *,
        tell: Callable[[Sequence[Finding]], None] = lambda _: None,
        progress: Callable[[int, int], None] = lambda _done, _all: None,
    ) -> Trial:
        """Send an edition as it is to those who are to look at it; nobody else gets it.

        Nothing is written down, but the pictures that such a message fetches from the web.

        Args:
            slug: The edition.
            order: To whom, and as whom.
            tell: Told the findings before anything is sent.
            progress: Told how many messages are done, and of how many.

        Raises:
            UsageError: Two ways to choose the reader at once; no such persona; no address.
            SubscriberNotFoundError: Nobody has that address; tells the nearest.
            EditionError: The edition cannot be composed.
            ListNotFoundError: There is no such list.
            ConfigError: personas.toml has mistakes.
            SenderUnavailableError: The sender does not work now; nothing was sent.
        """
        from newsletter.audience.lists import find_list
        from newsletter.sending.publishing import keep_pictures
        from newsletter.sending.senders import open_sender
        from newsletter.sending.senders.protocol import Origin
        from newsletter.sending.testing import TrialWriter, read_addressees, send_tests, trial_number
        from newsletter.sending.writers import suited

        if sum((order.reader is not None, order.persona is not None, order.all_branches)) > 1:
            raise UsageError(
                "Choose one of --as, --persona and --all-branches: each says as whom the edition is shown."
            )
        list_slug = order.list_slug or next(iter(self._project.settings.lists))
        self._list_title(list_slug)  # says no before there is any work
        composition, findings = self._compose(slug)
        with self._database() as database:
            with database.read() as connection:
                list_id = find_list(connection, list_slug)
                addressees = read_addressees(connection, order.to, secret=self._project.secret_key())
            if not addressees:
                raise UsageError("Say where the test goes:  --to you@example.org")
            views, variants, unseen = self._views(slug, composition, order, database)
            if not composition.embedded:  # so that the test shows them
                with database.write() as connection:
                    keep_pictures(connection, composition.pictures)
        findings = (*findings, *unseen)
        tell(findings)
        now = self._clock()
        origin = Origin(trial_number(now), slug, now, test=True)

        with closing(open_sender(self._project, self._project.settings.sender.kind)) as sender:

            def writer_for(mark: str) -> TrialWriter:
                whole = self._writer(composition, origin.mailing, list_slug, list_id, mark)
                return TrialWriter(suited(whole, sender.capabilities).write, whole.subject_for)

            tried = send_tests(sender, writer_for, views, addressees, origin, now=now, progress=progress)
            place = _place(sender, origin)
        return Trial(
            edition=slug,
            title=composition.title,
            digest=composition.digest,
            list_slug=list_slug,
            sender=sender.kind,
            tried=tuple(tried),
            findings=findings,
            variants=variants,
            place=place,
        )

    def rehearse(  # noqa: PLR0913 what people can say about a rehearsal
        self,
        slug: str,
        *,
        list_slug: str,
        where: str | None = None,
        limit: int | None = None,
        keep: Path | None = None,
        tell: Callable[[Sequence[Finding]], None] = lambda _: None,
        stop: Callable[[], bool] = lambda: False,
        progress: "Callable[[Progress], None]" = lambda _: None,
    ) -> "tuple[Rehearsed, tuple[Finding, ...]]":
        """Carry out a whole mailing into a catcher on this machine; nothing leaves it, and nothing is written down.

        Args:
            slug: The edition.
            list_slug: To whom.
            where: An expression that chooses among the list; None for everybody.
            limit: The most people; None for all.
            keep: A folder for the largest messages.
            tell: Told the findings before it begins.
            stop: Whether to stop at the next chance.
            progress: Told how far it is, often.

        Raises:
            EditionError: The edition cannot be composed.
            AudienceError: Nobody is chosen.
            ListNotFoundError: There is no such list.
            ExpressionError: The choice cannot be understood.
            NewsletterError: As for a mailing.
        """
        from newsletter.expressions import parse_expression
        from newsletter.sending.rehearsal import Rehearsal
        from newsletter.sending.senders import open_sender

        if limit is not None and limit < 1:
            raise UsageError("A rehearsal needs somebody. Say --limit 1 at least, or leave it out.")
        self._list_title(list_slug)  # says no before there is any work
        composition, findings = self._compose(slug)
        tell(findings)

        def writer_for(mailing: "Mailing") -> "MessageWriter":
            return self._writer(composition, mailing.id, list_slug, mailing.list_id, "")

        with self._database() as database:
            rehearsal = Rehearsal(
                source=database,
                composition=composition,
                list_slug=list_slug,
                where=None if where is None else parse_expression(where),
                limit=limit,
                chunk=self._project.settings.sending.chunk,
                rate=self._project.settings.sending.rate,
                writer_for=writer_for,
                sender_to=lambda host, port: open_sender(self._at_home(host, port), "smtp"),
                clock=self._clock,
                stop=stop,
                progress=progress,
            )
            return rehearsal.hold(keep), findings

    def _at_home(self, host: str, port: int) -> Project:
        """The project with its mail server on this machine: no name, no password, no encryption."""
        settings = self._project.settings
        here = {"host": host, "port": port, "security": "none", "username": ""}
        smtp = settings.sender.smtp.model_copy(update=here)
        sender = settings.sender.model_copy(update={"kind": "smtp", "smtp": smtp})
        environ = {name: value for name, value in self._project.environ.items() if name != "NEWSLETTER_SMTP_PASSWORD"}
        return replace(self._project, settings=settings.model_copy(update={"sender": sender}), environ=environ)

    def _views(
        self, slug: str, composition: "Composition", order: TrialOrder, database: "Database"
    ) -> "tuple[list[View], int | None, tuple[Finding, ...]]":
        """As whom to show the edition; how many variants there are, if counted; and what nobody would see."""
        from newsletter.sending.personas import find_persona
        from newsletter.sending.testing import View

        if order.reader is not None:
            reader = self._subscriber(order.reader, database)
            return [View(name=reader.email, person=reader.person, subscriber=reader.id)], None, ()
        personas = self.personas()
        if order.all_branches:
            return self._branches(slug, composition, order, database, list(personas.values()))
        persona = find_persona(personas, order.persona)
        return [View(name=f"persona «{persona.name}»", person=persona.person)], None, ()

    def _branches(
        self,
        slug: str,
        composition: "Composition",
        order: TrialOrder,
        database: "Database",
        personas: "Sequence[Persona]",
    ) -> "tuple[list[View], int | None, tuple[Finding, ...]]":
        from itertools import islice

        from newsletter.audience.lists import people
        from newsletter.edition.files import read_edition
        from newsletter.sending.branches import find_branches
        from newsletter.sending.unseen import unseen_blocks

        with database.read() as connection:
            some = islice(people(connection, order.list_slug), _MOST_PEOPLE) if order.list_slug is not None else ()
            branches = find_branches(composition, personas, some)
        file = read_edition(self._project.edition_file(slug), self._project.root)
        return list(branches.views), branches.variants, unseen_blocks(branches, file)

    def _subscriber(self, typed: str, database: "Database") -> "Subscriber":
        from newsletter.audience.resembling import nearest_address
        from newsletter.audience.subscribers import find_subscriber

        with database.read() as connection:
            try:
                return find_subscriber(connection, typed)
            except SubscriberNotFoundError as error:
                near = nearest_address(connection, typed)
                fix = f"Did you mean {near}?" if near else "To test as somebody who does not exist, say --persona NAME."
                raise SubscriberNotFoundError(f"Nobody with the address {typed.strip()} is known. {fix}") from error

    def _writer(
        self, composition: "Composition", number: int, list_slug: str, list_id: int, mark: str
    ) -> "MessageWriter":
        """A writer whose links are test links."""
        from newsletter.sending.message import MessageWriter
        from newsletter.sending.testing import TrialSigner

        return MessageWriter(
            composition,
            self._project.settings,
            signer=TrialSigner(self._project.secret_key()),
            mailing_id=number,
            list_slug=list_slug,
            list_id=list_id,
            list_title=self._list_title(list_slug),
            subject_prefix=mark,
        )


def _place(sender: "Sender", origin: "Origin") -> Path | None:
    """Where the messages are, for a sender that writes files."""
    from newsletter.sending.senders.outbox import OutboxSender

    if not isinstance(sender, OutboxSender):
        return None
    folder = sender.folder(origin)
    return folder if folder.exists() else None
