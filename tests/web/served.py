"""A project with public pages, to ask directly or through a real server, with a clock that tests set."""

import contextlib
import datetime as dt
import os
import socket
import threading
import time
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest
import sqlalchemy as sa
import uvicorn
from fastapi.testclient import TestClient

from newsletter.app import Newsletter
from newsletter.audience.consent import Consent
from newsletter.audience.lists import find_list, subscribe
from newsletter.audience.subscribers import Details, save_subscriber
from newsletter.database.schema import ConsentMethod, SubscriptionStatus, metadata
from newsletter.web.public import create_app

NOW = dt.datetime(2026, 11, 23, 9, 30, tzinfo=dt.UTC)

SETTINGS = """
[newsletter]
name = "Data for Change"
organisation = "Safe Online"
base_url = "{base_url}"

[identity]
from = "Data for Change <news@example.org>"
reply_to = "The team <team@example.org>"
postal_address = "1 Example Street, Example Town"

[lists.community]
title = "Community"
description = "Stories, about once a month."
sign_up = true
embed_on = ["https://www.example.org"]

[lists.donors]
title = "Donors"

[lists.events]
title = "Events"
sign_up = true

[forms.updates]
title = "Community Updates Form"
fields = [
  {{ name = "email", label = "Your email address", kind = "email" }},
  {{ name = "news", label = "Your news", kind = "paragraph" }},
]

[sending]
hold = "0 s"

[web]
patience = {patience}
work = {work}
"""
"""A project whose forms need neither time nor work: tests that are about these say otherwise."""

EDITION = """
title: {title}
subject: "{title}"
blocks:
  - kind: text
    body: |
      Dear {{{{ first_name | default("friend") }}}}, this is news.
"""


class Clock:
    """A time that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> dt.datetime:
        return self.now

    def pass_(self, **length: float) -> None:
        """Let time pass, such as `days=7`."""
        self.now += dt.timedelta(**length)


class Project:
    """A project in a folder, its people and messages.

    Attributes:
        root: Its folder.
        newsletter: Opened, with the clock.
        clock: The clock.
    """

    def __init__(
        self,
        root: Path,
        database_url: str,
        base_url: str = "https://news.example.org",
        more: str = "",
        *,
        patience: int = 0,
        work: int = 0,
    ) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        settings = SETTINGS.format(base_url=base_url, patience=patience, work=work)
        (root / "newsletter.toml").write_text(settings + more, encoding="utf-8")
        self.clock = Clock()
        environ = {
            "NEWSLETTER_SECRET_KEY": "a key for tests that is long enough to be one",
            "NEWSLETTER_DATABASE__URL": database_url,
            "PATH": os.environ.get("PATH", ""),
        }
        self.newsletter = Newsletter.open(root, environ)
        self.newsletter._clock = self.clock

    def add_edition(self, slug: str, text: str = "", **fields: str) -> None:
        """Write an edition's file; further fields stand at its top."""
        folder = self.root / "editions" / slug
        folder.mkdir(parents=True, exist_ok=True)
        top = "".join(f"{name}: {value}\n" for name, value in fields.items())
        source = text or EDITION.format(title=slug.replace("-", " ").title())
        (folder / "edition.yaml").write_text(top + source, encoding="utf-8")

    def add_person(self, email: str, *lists: str, status: str = "active", **details: str) -> int:
        """Add a person to lists; the id."""
        secret = self.newsletter.project.secret_key()
        with self.newsletter.database() as database, database.write() as connection:
            person, _ = save_subscriber(connection, Details(email=email, **details), secret=secret, now=self.clock.now)
            agreed = Consent("By hand.", ConsentMethod.COMMAND, self.clock.now)
            for slug in lists:
                subscribe(connection, person, slug, agreed, SubscriptionStatus(status))
            return person

    def list_id(self, slug: str = "community") -> int:
        """A list's row."""
        with self.newsletter.database() as database, database.read() as connection:
            return find_list(connection, slug)

    def status(self, email: str, slug: str = "community") -> str | None:
        """How somebody stands to a list."""
        standings = {each.list_slug: each.status for each in self.newsletter.subscribers.history(email).standings}
        return standings.get(slug)

    def messages(self) -> list[EmailMessage]:
        """Everything in the outbox, oldest first."""
        files = sorted((self.root / "outbox").rglob("*.eml"), key=lambda path: (path.stat().st_mtime_ns, path))
        return [message_from_bytes(path.read_bytes(), policy=policy.default) for path in files]  # type: ignore[misc]

    def letters(self) -> list[EmailMessage]:
        """Let the letters leave that are due, then everything in the outbox."""
        self.newsletter.letters.deliver_due()
        return self.messages()

    def rows(self) -> dict[str, list[tuple[object, ...]]]:
        """Every row of every table, to see that nothing changed."""
        with self.newsletter.database() as database, database.read() as connection:
            return {
                table.name: sorted(tuple(map(repr, row)) for row in connection.execute(sa.select(table)))
                for table in metadata.sorted_tables
            }

    @contextlib.contextmanager
    def client(self, **options: object) -> Iterator[TestClient]:
        """A browser without JavaScript that asks the application directly; no duties run beside it."""
        app = create_app(self.newsletter, duties=False)
        with TestClient(app, base_url="https://news.example.org", follow_redirects=False, **options) as client:  # type: ignore[arg-type]
            yield client

    @contextlib.contextmanager
    def server(self, port: int, *, duties: bool = True) -> Iterator[str]:
        """A real server in a thread, for browsers; its address."""
        config = uvicorn.Config(
            create_app(self.newsletter, duties=duties),
            host="127.0.0.1",
            port=port,
            log_level="warning",
            access_log=False,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        deadline = time.monotonic() + 30
        while not server.started:
            if not thread.is_alive() or time.monotonic() > deadline:
                raise RuntimeError("the server did not start")
            thread.join(0.02)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join(30)


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture
def project(database_url: str, tmp_path: Path) -> Project:
    """A project on each kind of database."""
    return Project(tmp_path / "project", database_url)


@pytest.fixture
def here(tmp_path: Path, empty_file: Path) -> Project:
    """The same on SQLite alone, for what no database changes."""
    path = tmp_path / "newsletter.db"
    path.write_bytes(empty_file.read_bytes())
    return Project(tmp_path / "project", f"sqlite:///{path}")
