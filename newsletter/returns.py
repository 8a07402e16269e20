"""The front door to what comes back: events of SendGrid, the report of a mailing, and a way back for the wrongly lost.

What comes back by mail has a door of its own (`bounces.py`); what follows from either is the same.
"""

from typing import TYPE_CHECKING

from newsletter.door import Door
from newsletter.errors import ReportUnexpectedError, UsageError

if TYPE_CHECKING:
    from newsletter.audience.subscribers import Change
    from newsletter.feedback.events import Happened
    from newsletter.feedback.figures import MailingReport
    from newsletter.feedback.sendgrid import Taken


class Returns(Door):
    """What came back about the messages of one project.

    Args:
        project: Whose settings and key are used.
        database: Opens its database.
        clock: Tells the time.
    """

    def take_sendgrid(self, raw: bytes, signature: str, timestamp: str) -> "Taken":
        """Take what SendGrid's event webhook posted; when this returns, it is on the disk.

        Args:
            raw: The body as it came.
            signature: The header `X-Twilio-Email-Event-Webhook-Signature`.
            timestamp: The header `X-Twilio-Email-Event-Webhook-Timestamp`.

        Raises:
            ReportUnexpectedError: The settings have no key by which it could be believed.
            ReportForgedError: It is not SendGrid's, or too old.
            ReportMisreadError: It is SendGrid's, and cannot be understood.
            DatabaseUnavailableError: The database is busy; SendGrid tries again.
        """
        from newsletter.feedback.sendgrid import check_signature, read_post, take
        from newsletter.tokens import Signer

        settings, now = self._project.settings.feedback, self._clock()
        if settings.sendgrid_public_key is None:
            raise ReportUnexpectedError(
                "SendGrid reports events, and [feedback] sendgrid_public_key in newsletter.toml is not set. Copy the "
                "verification key from SendGrid: Settings, Mail Settings, Event Webhook, Signature Verification."
            )
        check_signature(raw, signature, timestamp, public_key=settings.sendgrid_public_key, now=now)
        events = read_post(raw)
        secret = self._project.secret_key()
        with self._database() as database, database.write() as connection:
            return take(connection, events, signer=Signer(secret), secret=secret, settings=settings, now=now)

    def report(self, mailing: int) -> "MailingReport":
        """What became of a mailing, and what came back.

        Raises:
            MailingNotFoundError: There is none with that id.
        """
        from newsletter.feedback.report import report

        with self._database() as database, database.read() as connection:
            return report(connection, mailing, now=self._clock())

    def report_page(self, mailing: int) -> str:
        """The same as one HTML page with charts, which needs nothing beside it.

        Raises:
            MailingNotFoundError: There is none with that id.
            ConfigError: The project's colours cannot be used.
        """
        from newsletter.feedback.report_page import page

        return page(self.report(mailing), self._project.settings)

    def events(
        self, *, after: int = 0, limit: int = 100, mailing: int | None = None, kind: str | None = None
    ) -> "list[Happened]":
        """What came back, in the order in which it reached us, a page at a time.

        Args:
            after: The last id that was seen; 0 to begin.
            limit: How many at most, up to 1,000.
            mailing: Only about this mailing.
            kind: Only of this kind.

        Raises:
            UsageError: There is no such kind.
        """
        from newsletter.database.outside import EventKind
        from newsletter.feedback.events import read_events

        if kind is not None and kind not in set(EventKind):
            raise UsageError(f"There is no kind of event «{kind[:40]}». There are: {', '.join(EventKind)}.")
        wanted = None if kind is None else EventKind(kind)
        most = max(1, min(limit, 1_000))
        with self._database() as database, database.read() as connection:
            return read_events(connection, after=after, limit=most, mailing=mailing, kind=wanted)

    def readmit(self, email: str) -> "Change":
        """Mail an address again that was given up because mail came back.

        Raises:
            AddressError: That is no address.
            SubscriberNotFoundError: Nobody has it.
            AudienceError: It must never be mailed for another reason.
        """
        from newsletter.feedback.standing import readmit

        with self._database() as database, database.write() as connection:
            return readmit(connection, email, secret=self._project.secret_key(), now=self._clock())

    def expire(self) -> None:
        """Let go of words that were kept long enough, and follow up what the ledger learned meanwhile."""
        from newsletter.database.schema import MailingState
        from newsletter.feedback.events import forget_words
        from newsletter.feedback.policy import settle_told
        from newsletter.feedback.refusals import follow_refusals
        from newsletter.sending.mailings import list_mailings

        now = self._clock()
        with self._database() as database, database.write() as connection:
            forget_words(connection, before=now - self._project.settings.feedback.keep)
            recent = [each.id for each in list_mailings(connection) if each.state is not MailingState.HELD]
            settle_told(connection, recent, now=now)
            follow_refusals(connection, settings=self._project.settings.feedback, now=now)
