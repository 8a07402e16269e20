"""A project whose letters are tested: people, forms, letters in every state, and a clock that tests set."""

import contextlib
import datetime as dt
from collections.abc import Mapping
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from newsletter.app import Newsletter
from newsletter.audience.consent import Consent
from newsletter.audience.lists import find_list, subscribe
from newsletter.audience.subscribers import Details, read_address, save_subscriber
from newsletter.database.outside import form_entry, letter
from newsletter.database.schema import ConsentMethod, SubscriptionStatus
from newsletter.errors import AddressError
from newsletter.letters import Letters
from newsletter.letters.queue import LetterKind, write_letter
from newsletter.project import open_project
from newsletter.tokens import Signer

NOW = dt.datetime(2026, 11, 23, 9, 30, tzinfo=dt.UTC)
ALL = tuple(LetterKind)
WITH_LINK = tuple(kind for kind in LetterKind if kind is not LetterKind.ENTRY)

SETTINGS = """
[newsletter]
name = "Data for Change"
organisation = "Safe Online"
base_url = "https://news.example.org"

[identity]
from = "Data for Change <news@example.org>"
reply_to = "The team <team@example.org>"
postal_address = "1 Example Street\\nExample Town"

[lists.community]
title = "Stories & *more* {{x}}"

[forms.updates]
title = "Community [Updates] {{ form }}"
fields = [
  { name = "email", label = "Your *email* address", kind = "email", required = false },
  { name = "news", label = "Your news {{ or }} <b>", kind = "paragraph", required = false },
  { name = "topics", label = "Topics", kind = "choice", options = ["Data", "Law"], required = false },
  { name = "agree", label = "May we write?", kind = "checkbox", required = false },
]
"""
"""A project whose titles and questions would be Markdown, slots and tags if anything read them as such."""

KEY = "a key for tests that is long enough to be one"


class Clock:
    """A time that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> dt.datetime:
        return self.now

    def pass_(self, **length: float) -> None:
        """Let time pass, such as `minutes=10`."""
        self.now += dt.timedelta(**length)


class Post:
    """A project and its letters.

    Attributes:
        root: Its folder.
        newsletter: Opened, with the clock.
        clock: The clock.
    """

    def __init__(self, root: Path, database_url: str, more: str = "", environ: Mapping[str, str] | None = None) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        (root / "newsletter.toml").write_text(SETTINGS + more, encoding="utf-8")
        self.clock = Clock()
        self.environ = {"NEWSLETTER_SECRET_KEY": KEY, "NEWSLETTER_DATABASE__URL": database_url, **(environ or {})}
        self.newsletter = self.again()
        self._open = contextlib.ExitStack()
        self._open.enter_context(self.newsletter.kept_open())  # as in a server: opening takes longer than all else

    def close(self) -> None:
        """Let go of the database."""
        self._open.close()

    def again(self) -> Newsletter:
        """The project opened once more, as another process has it."""
        return Newsletter(open_project(self.root, self.environ), self.clock)

    @property
    def letters(self) -> Letters:
        return self.newsletter.letters

    @property
    def secret(self) -> bytes:
        return KEY.encode()

    @property
    def signer(self) -> Signer:
        return Signer(self.secret)

    def person(self, email: str, status: str = "active") -> int:
        """Somebody on the list «community»."""
        with self.newsletter.database() as database, database.write() as connection:
            return self._add(connection, email, status)

    def _add(self, connection: sa.Connection, email: str, status: str) -> int:
        person, _ = save_subscriber(connection, Details(email=email), secret=self.secret, now=self.clock.now)
        agreed = Consent("By hand.", ConsentMethod.COMMAND, self.clock.now)
        subscribe(connection, person, "community", agreed, SubscriptionStatus(status))
        return person

    def write_many(self, number: int, kind: LetterKind = LetterKind.ACCESS) -> None:
        """Letters to so many people, in one transaction."""
        with self.newsletter.database() as database, database.write() as connection:
            about = find_list(connection, "community")
            for each in range(1, number + 1):
                email = f"reader{each}@example.com"
                person = self._add(connection, email, "pending" if kind is LetterKind.CONFIRM else "active")
                more = {"subscriber_id": person, "list_id": about}
                write_letter(connection, kind, email, secret=self.secret, now=self.clock.now, **more)

    def entry(self, **answers: object) -> int:
        """What somebody filled in."""
        values = {"form": "updates", "at": self.clock.now, "answers": answers}
        values["expires_at"] = self.clock.now + dt.timedelta(days=180)
        with contextlib.suppress(AddressError):
            values["address_hash"] = read_address(str(answers.get("email"))).hashed(self.secret)
        with self.newsletter.database() as database, database.write() as connection:
            made = sa.insert(form_entry).values(values).returning(form_entry.c.id)
            return int(connection.execute(made).scalar_one())

    def write(self, kind: LetterKind, email: str = "", *, person: int | None = None, **more: Any) -> int:
        """A letter of a kind to somebody for whom it makes sense; its row."""
        email = email or ("team@example.org" if kind is LetterKind.ENTRY else f"{kind}@example.com")
        if kind is LetterKind.ENTRY:
            more.setdefault("details", {"form": "updates"})
            more["details"].setdefault("entry", self.entry(email="visitor@example.net", news="We met."))
        elif person is None:
            person = self.person(email, "pending" if kind is LetterKind.CONFIRM else "active")
        with self.newsletter.database() as database, database.write() as connection:
            about = find_list(connection, "community") if kind in {LetterKind.CONFIRM, LetterKind.ALREADY} else None
            return write_letter(
                connection,
                kind,
                email,
                secret=self.secret,
                now=self.clock.now,
                subscriber_id=person,
                list_id=about,
                **more,
            )

    def row(self, number: int) -> sa.Row[Any]:
        """A letter's row."""
        with self.newsletter.database() as database, database.read() as connection:
            return connection.execute(sa.select(letter).where(letter.c.id == number)).one()

    def states(self) -> list[str]:
        """The states of all letters, oldest first."""
        with self.newsletter.database() as database, database.read() as connection:
            return list(connection.scalars(sa.select(letter.c.state).order_by(letter.c.id)))

    def change(self, number: int, **values: object) -> None:
        """Leave a letter's row as a crash might."""
        with self.newsletter.database() as database, database.write() as connection:
            connection.execute(sa.update(letter).where(letter.c.id == number).values(values))

    def messages(self) -> list[EmailMessage]:
        """Everything in the outbox, by the order of the letters."""
        return [read(path.read_bytes()) for path in sorted((self.root / "outbox" / "letters").glob("*.eml"))]

    def receive(self, kind: LetterKind, **more: Any) -> EmailMessage:
        """Write a letter, deliver it, and open it."""
        number = self.write(kind, **more)
        self.letters.deliver_due()
        (path,) = (self.root / "outbox" / "letters").glob(f"*-{number:08}.eml")
        return read(path.read_bytes())


def by_smtp(port: int) -> str:
    """Settings for a mail server on this machine."""
    return f"""
[sender]
kind = "smtp"

[sender.smtp]
host = "127.0.0.1"
port = {port}
security = "none"
"""


def read(content: bytes) -> EmailMessage:
    """A message as a foreign parser has it."""
    return message_from_bytes(content, policy=policy.default)  # type: ignore[return-value]


def part(message: EmailMessage, kind: str) -> str:
    """The text of a part, `plain` or `html`."""
    body = message.get_body((kind,))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


__all__ = ["ALL", "NOW", "WITH_LINK", "Clock", "LetterKind", "Post", "by_smtp", "part", "read"]
