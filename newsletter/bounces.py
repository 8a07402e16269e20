"""The front door to what comes back by mail: read it from a mailbox or a pipe, look at it, list it; wiring only."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from newsletter.door import Door
from newsletter.errors import MailboxError, NewsletterError, UsageError

if TYPE_CHECKING:
    from newsletter.database.connection import Database
    from newsletter.feedback.bounces.listing import Returned
    from newsletter.feedback.bounces.taking import Taken
    from newsletter.feedback.bounces.verdicts import Verdict
    from newsletter.feedback.bounces.waiting import Waiting


@dataclass(slots=True)
class Reading:
    """What a reading of all mailboxes came to.

    Attributes:
        results: How many messages had which result.
        suppressed: How many addresses are mailed no more.
        misread: Messages that the program failed at: a mistake in it. They are left for people.
    """

    results: Counter[str] = field(default_factory=Counter)
    suppressed: int = 0
    misread: int = 0

    @property
    def read(self) -> int:
        """How many messages were read."""
        return self.results.total() + self.misread

    def as_json(self) -> dict[str, object]:
        """The same as plain values."""
        from newsletter.feedback.bounces.taking import Result

        results = {result.value: self.results[result.value] for result in Result}
        return {"read": self.read, **results, "misread": self.misread, "suppressed": self.suppressed}


class Bounces(Door):
    """What comes back by mail to one project.

    Args:
        project: Whose settings and key are used.
        database: Opens its database.
        clock: Tells the time.
    """

    def read(self, progress: Callable[[int], object] = lambda _: None) -> Reading:
        """Read all that waits in the mailbox and the Maildir of the settings, and put it away.

        A message is put away only after what follows from it is on the disk. To read one again changes nothing.

        Args:
            progress: Told how many messages are done.

        Raises:
            UsageError: The settings have neither.
            MailboxError: One of them cannot be read.
            DatabaseUnavailableError: The database is busy; what was not put away is read the next time.
        """
        done = Reading()
        with self._database() as database:
            for waiting in self._waiting():
                try:
                    taken = self._take(database, waiting.content)
                except NewsletterError:
                    raise
                except Exception:  # noqa: BLE001 - one message must not keep all others from being read
                    done.misread += 1
                    waiting.put_away(for_people=True)
                    continue
                waiting.put_away(for_people=taken.result == "letter")
                done.results[taken.result] += 1
                done.suppressed += taken.suppressed
                progress(done.read)
        return done

    def take(self, content: bytes, *, recipients: Sequence[str] = ()) -> "Taken":
        """Take one message that a mail server hands over.

        Args:
            content: The message; more than its first million bytes is not looked at.
            recipients: The addresses of its envelope, where the server tells them.

        Raises:
            DatabaseUnavailableError: The database is busy; the server is to try again.
        """
        with self._database() as database:
            return self._take(database, content, recipients)

    def last(self, most: int = 50) -> "list[Returned]":
        """What came back by mail lately, newest first."""
        from newsletter.feedback.bounces.listing import list_returned

        with self._database() as database, database.read() as connection:
            return list_returned(connection, most)

    def _take(self, database: "Database", content: bytes, recipients: Sequence[str] = ()) -> "Taken":
        from newsletter.feedback.bounces.taking import take

        secret, settings = self._project.secret_key(), self._project.settings.feedback
        with database.write() as connection:
            return take(connection, content, secret=secret, settings=settings, now=self._clock(), recipients=recipients)

    def _waiting(self) -> "Iterator[Waiting]":
        """All that waits, wherever the settings say."""
        from newsletter.feedback.bounces.mailboxes import waiting_at
        from newsletter.feedback.bounces.maildirs import waiting_in

        settings = self._project.settings.feedback
        if settings.maildir is None and settings.mailbox.host is None:
            raise UsageError(
                "newsletter.toml does not say where messages come back to. Set [feedback.mailbox] host, or [feedback] "
                "maildir: docs/how-to/read-bounces.md"
            )
        if settings.maildir is not None:
            yield from waiting_in(self._project.root / settings.maildir)
        if settings.mailbox.host is not None:
            yield from waiting_at(settings.mailbox, self._project.imap_password)


def look(paths: Sequence[Path]) -> "list[tuple[Path, Verdict]]":
    """What files with messages say, without a project and without any consequence.

    Args:
        paths: Files, or folders whose files are meant.

    Raises:
        MailboxError: One cannot be read.
    """
    from newsletter.feedback.bounces.parts import READ
    from newsletter.feedback.bounces.reading import read_message

    found = []
    for path in paths:
        try:
            files = sorted(each for each in path.iterdir() if each.is_file()) if path.is_dir() else [path]
            for file in files:
                with file.open("rb") as opened:
                    found.append((file, read_message(opened.read(READ))))
        except OSError as error:
            what = f"The file {path} cannot be read: {error.strerror}."
            raise MailboxError(f"{what} Name files that hold one message each, or a folder of them.") from error
    return found
