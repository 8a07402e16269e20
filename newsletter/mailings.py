"""The front door to mailings: order one, see it through, pause, undo and settle it, be a worker; wiring only."""

import contextlib
import datetime as dt
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from newsletter.door import Door
from newsletter.errors import DatabaseError, EditionInvalidError, Finding, SendError, Severity, UsageError
from newsletter.project import Project

if TYPE_CHECKING:
    from newsletter.database.connection import Database
    from newsletter.rendering.composition import Composition
    from newsletter.sending.doubts import Doubt
    from newsletter.sending.mailing import Report
    from newsletter.sending.mailings import Mailing
    from newsletter.sending.orders import Order
    from newsletter.sending.run import Progress, Run, Writer
    from newsletter.sending.senders.protocol import Sender


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody wants to be sent.

    Attributes:
        edition: The edition's slug.
        list_slug: To whom; for a correction, None for the list of the mailing that it corrects.
        where: An expression that chooses among the list; None for everybody.
        hold: How long it can be undone; None for what the settings say.
        at: When it leaves; None for now.
        recipients_of: Only to those who had this mailing.
        recipients_state: And whose delivery was in this state.
    """

    edition: str
    list_slug: str | None
    where: str | None = None
    hold: dt.timedelta | None = None
    at: dt.datetime | None = None
    recipients_of: int | None = None
    recipients_state: str = "accepted"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a mailing would do, said before it is asked for.

    Attributes:
        title: The edition's.
        list_title: To whom.
        people: How many would get it.
        without: How many of those chosen have it already.
        sender: The kind of sender that would carry it.
        hold: How long it could be undone.
        at: When it would leave; None for now.
        recipients_of: The mailing that it corrects.
    """

    title: str
    list_title: str
    people: int
    without: int
    sender: str
    hold: dt.timedelta
    at: dt.datetime | None
    recipients_of: int | None


class Mailings(Door):
    """The mailings of one project.

    Args:
        project: Whose settings and key are used.
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

    def send(
        self,
        wish: Wish,
        *,
        confirm: Callable[[Plan], bool] = lambda _: True,
        stop: Callable[[], bool] = lambda: False,
        progress: "Callable[[Progress], None]" = lambda _: None,
    ) -> "Report | None":
        """Send an edition, or go on with a mailing of it that was stopped; None when `confirm` says no.

        What is to leave later is only written down: a worker sends it then.

        Raises:
            EditionInvalidError: Something must be fixed first.
            AlreadySentError: Everybody chosen has it already.
            SendError: It is to leave later, and has begun.
            NewsletterError: As for `newsletter.sending.mailing.send`.
        """
        from newsletter.sending.mailing import count_chosen, report, send
        from newsletter.sending.orders import place

        order = self._order(wish)
        kind = self._project.settings.sender.kind
        with self._database() as database:
            people, without = count_chosen(database, order)
            title = self._list_title(order.list_slug)
            plan = Plan(order.title, title, people, without, kind, order.hold, wish.at, wish.recipients_of)
            if people and not confirm(plan):
                return None
            if wish.at is not None:
                held = report(database, place(database, order, sender=kind, now=self._clock()))
                if held.mailing.state != "held":
                    raise SendError(
                        f"Mailing {held.mailing.id} of this edition is {held.mailing.state}: it has begun, and cannot "
                        f"be put off. Let it go on:  newsletter mailings resume {held.mailing.id}"
                    )
                return held
            with self._run(database, stop, progress) as run:
                return send(run, order)

    def resume(
        self,
        mailing: int,
        *,
        stop: Callable[[], bool] = lambda: False,
        progress: "Callable[[Progress], None]" = lambda _: None,
    ) -> "Report":
        """Go on with a mailing that was stopped or killed, as it was frozen.

        Raises:
            MailingNotFoundError: There is none with that id.
            NewsletterError: As for `newsletter.sending.mailing.resume`.
        """
        from newsletter.sending.mailing import resume

        with self._database() as database, self._run(database, stop, progress) as run:
            return resume(run, mailing)

    def work(
        self,
        *,
        drain: bool,
        stop: Callable[[], bool],
        progress: "Callable[[Progress], None]" = lambda _: None,
        notice: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Be a worker: send what is due, now and later; with `drain`, until nothing is left to send.

        Raises:
            MailingBusyError: Another process sends from this SQLite file.
            DatabaseError: The database cannot be used.
        """
        from newsletter.sending.mailing import work

        with self._database() as database, self._run(database, stop, progress) as run:
            work(replace(run, waits=None, patience=dt.timedelta(hours=24), notice=notice), drain=drain)

    def pause(self, mailing: int) -> "Report":
        """Let nothing more of a mailing leave for now.

        Raises:
            MailingNotFoundError: There is none with that id.
            SendError: It is not being sent.
        """
        from newsletter.sending.mailing import pause

        with self._database() as database:
            return pause(database, mailing)

    def cancel(self, mailing: int) -> "Report":
        """Send nothing more of a mailing.

        Raises:
            MailingNotFoundError: There is none with that id.
            SendError: It is sent already.
        """
        from newsletter.sending.mailing import cancel

        with self._database() as database:
            return cancel(database, mailing, now=self._clock())

    def report(self, mailing: int) -> "Report":
        """How a mailing stands.

        Raises:
            MailingNotFoundError: There is none with that id.
        """
        from newsletter.sending.mailing import report

        with self._database() as database:
            return report(database, mailing)

    def reports(self) -> "list[Report]":
        """How all mailings stand, newest first."""
        from newsletter.sending.mailing import report
        from newsletter.sending.mailings import list_mailings

        with self._database() as database:
            with database.read() as connection:
                found = list_mailings(connection)
            return [report(database, mailing.id) for mailing in found]

    def listed(self) -> "list[Mailing]":
        """All mailings, newest first, without counting their deliveries."""
        from newsletter.sending.mailings import list_mailings

        with self._database() as database, database.read() as connection:
            return list_mailings(connection)

    def unknowns(self, mailing: int) -> "list[Doubt]":
        """The deliveries of a mailing of which nobody knows whether they left.

        Raises:
            MailingNotFoundError: There is none with that id.
        """
        from newsletter.sending.doubts import doubts
        from newsletter.sending.mailings import read_mailing

        with self._database() as database, database.read() as connection:
            read_mailing(connection, mailing)
            return list(doubts(connection, mailing))

    def dispel(self, mailing: int, emails: Collection[str], *, arrived: bool) -> int:
        """Write down what a person found out about unknown deliveries; says about how many.

        Raises:
            MailingNotFoundError: There is none with that id.
            SubscriberNotFoundError: With one of the addresses nothing is unknown.
        """
        from newsletter.sending.doubts import dispel

        with self._database() as database:
            return dispel(database, mailing, emails, arrived=arrived, now=self._clock())

    def is_worker_here(self) -> bool:
        """Whether a process is there that sends what is due."""
        from newsletter.sending.presence import somebody_sends

        with self._database() as database:
            return somebody_sends(database)

    def moment(self, text: str) -> dt.datetime:
        """The moment that a text means, in the newsletter's time zone where it says none.

        Raises:
            UsageError: It is none, or past, or doubtful.
        """
        from newsletter.sending.scheduling import read_when

        return read_when(text, zone=self._project.settings.newsletter.timezone, now=self._clock())

    def _order(self, wish: Wish) -> "Order":
        """What a wish means, with the edition composed.

        Raises:
            EditionInvalidError: Something must be fixed first.
            MailingNotFoundError: There is no mailing to correct.
        """
        from newsletter.rendering.article import web_page
        from newsletter.sending.mailings import read_mailing
        from newsletter.sending.orders import Order

        list_slug = wish.list_slug
        if wish.recipients_of is None and wish.recipients_state != "accepted":
            raise UsageError(
                "--state says whom a correction goes to. Say which mailing, too:  --to-recipients-of MAILING"
            )
        if wish.recipients_of is not None:
            with self._database() as database, database.read() as connection:
                corrected = read_mailing(connection, wish.recipients_of).list_slug
            if list_slug not in {None, corrected}:
                raise UsageError(f"Mailing {wish.recipients_of} went to «{corrected}», not to «{list_slug}».")
            list_slug = corrected
        if list_slug is None:
            raise UsageError("Say to whom:  --list LIST")
        self._list_title(list_slug)
        composition, findings = self._compose(wish.edition)
        if must := [finding for finding in findings if finding.severity is Severity.MUST_FIX]:
            raise EditionInvalidError(findings=must)
        article, pictures = web_page(composition, self._project)
        return Order(
            edition=wish.edition,
            title=composition.title,
            digest=composition.digest,
            composition=composition.dump(),
            list_slug=list_slug,
            where=wish.where,
            hold=self._project.settings.sending.hold if wish.hold is None else wish.hold,
            at=wish.at,
            recipients_of=wish.recipients_of,
            recipients_state=wish.recipients_state,
            article=None if article is None else article.dump(),
            pictures=pictures,
        )

    @contextlib.contextmanager
    def _run(
        self, database: "Database", stop: Callable[[], bool], progress: "Callable[[Progress], None]"
    ) -> "Iterator[Run]":
        from newsletter.sending.run import Run
        from newsletter.sending.senders import open_sender

        settings = self._project.settings
        with contextlib.closing(open_sender(self._project, settings.sender.kind)) as sender:
            yield Run(
                database=database,
                sender=sender,
                writer_for=lambda mailing, stored: self._writer(sender, mailing, stored),
                worker=uuid.uuid4().hex,
                clock=self._clock,
                chunk=settings.sending.chunk,
                rate=settings.sending.rate,
                stop=stop,
                progress=progress,
            )
        if settings.sender.kind == "smtp":
            self._follow_refusals(database)

    def _follow_refusals(self, database: "Database") -> None:
        """Give up the addresses that mail servers said do not exist; what cannot be written now is taken next time."""
        from newsletter.feedback.refusals import follow_refusals

        with contextlib.suppress(DatabaseError), database.write() as connection:
            follow_refusals(connection, settings=self._project.settings.feedback, now=self._clock())

    def _writer(self, sender: "Sender", mailing: "Mailing", stored: bytes) -> "Writer":
        from newsletter.rendering.composition import Composition
        from newsletter.sending.writers import writer_of
        from newsletter.tokens import Signer

        return writer_of(
            Composition.load(stored),
            self._project.settings,
            sender.capabilities,
            signer=Signer(self._project.secret_key()),
            mailing_id=mailing.id,
            list_slug=mailing.list_slug,
            list_id=mailing.list_id,
            list_title=self._list_title(mailing.list_slug),
        )
