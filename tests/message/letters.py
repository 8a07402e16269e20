"""What the tests of messages share: real settings, a small letter as composing would make it, a writer, readers."""

import datetime as dt
import functools
import hashlib
from dataclasses import dataclass, field
from email import message_from_string
from email.message import EmailMessage
from email.policy import SMTPUTF8
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from newsletter.config import Settings, load_settings
from newsletter.expressions import parse_expression
from newsletter.rendering.composition import Person, Picture, Variant
from newsletter.rendering.pieces import Context, Fill, Pieces
from newsletter.sending.message import MessageWriter, Reader
from newsletter.tokens import Signer

TOML = """
[newsletter]
name = "Data for Change"
organisation = "Safe Online"
base_url = "{base_url}"
language = "en"
timezone = "Europe/Zurich"

[identity]
from = '{sender}'
{reply_to}
postal_address = '''
Safe Online
1 Example Street
1200 Exampletown'''

[lists.community]
title = "Data for Change community"

[sending]
images = "link"
{feedback_id}
"""

NAME = 'first_name | default("friend")'


@dataclass(frozen=True)
class Letter:
    """What a composition offers to those who write messages, without any MJML."""

    subject: Pieces = ("Data sharing for ", Fill(NAME, Context.HEADER))
    html: Pieces = (
        '<!doctype html>\n<html lang="en" dir="ltr"><head><title>Data sharing</title></head><body><p>Dear ',
        Fill(NAME, Context.HTML),
        ',</p>\n<p title="',
        Fill(NAME, Context.ATTRIBUTE),
        '"><a href="https://example.org/search?q=',
        Fill(NAME, Context.URL),
        '&amp;lang=en">search</a></p>\n<p>You get ',
        Fill("list_title", Context.HTML, link=True),
        '. <a href="',
        Fill("unsubscribe", Context.ATTRIBUTE, link=True),
        '">Unsubscribe</a> <a href="',
        Fill("preferences", Context.ATTRIBUTE, link=True),
        '">Preferences</a></p></body></html>\n',
    )
    text: Pieces = (
        "Dear ",
        Fill(NAME, Context.PLAIN),
        ",\n\nhttps://example.org/search?q=",
        Fill(NAME, Context.URL),
        "&lang=en\n\n.\n..\nFrom here on, équité \nYou get ",
        Fill("list_title", Context.PLAIN, link=True),
        ". Unsubscribe: ",
        Fill("unsubscribe", Context.PLAIN, link=True),
        "\n",
    )
    sender: str | None = None
    reply_to: str | None = None
    conditions: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    embedded: bool = False
    shown: dict[tuple[bool, ...], Pieces] = field(default_factory=dict)
    slug: str = "data-sharing"
    title: str = "Data Sharing"
    language: str = "en"

    @property
    def digest(self) -> str:
        return hashlib.sha256(repr((self.subject, self.html, self.text)).encode("utf-8", "replace")).hexdigest()

    def key_for(self, person: Person) -> tuple[bool, ...]:
        return tuple(parse_expression(condition).test(person) for condition in self.conditions)

    def variant(self, key: tuple[bool, ...]) -> Variant:
        return Variant(key=key, html=self.shown.get(key, self.html), text=self.text, mjml="")


NOW = dt.datetime(2026, 3, 5, 9, 7, 2, tzinfo=dt.timezone(dt.timedelta(hours=1)))


@functools.cache
def make_settings(
    sender: str = "Safe Online <news@example.org>",
    reply_to: str | None = None,
    feedback_id: str | None = None,
    base_url: str = "https://news.example.org",
) -> Settings:
    """Settings as they come from a file."""
    toml = TOML.format(
        sender=sender,
        base_url=base_url,
        reply_to=f"reply_to = '{reply_to}'" if reply_to else "",
        feedback_id=f'feedback_id = "{feedback_id}"' if feedback_id else "",
    )
    with TemporaryDirectory() as folder:
        path = Path(folder) / "newsletter.toml"
        path.write_text(toml, encoding="utf-8")
        return load_settings(path, {})


def make_writer(letter: Letter | None = None, settings: Settings | None = None, **more: Any) -> MessageWriter:
    """A writer for a mailing to the list «community»."""
    arguments: dict[str, Any] = {
        "signer": Signer(b"k" * 32),
        "mailing_id": 7,
        "list_slug": "community",
        "list_id": 3,
        "list_title": "Data for Change community",
    }
    return MessageWriter(letter or Letter(), settings or make_settings(), **arguments | more)  # type: ignore[arg-type]


def reader(email: str = "ana@example.com", delivery_id: int = 1001, **person: Any) -> Reader:
    """A reader with an address and, if wanted, names and more."""
    everything = {"email": email, "tags": (), "attributes": {}} | person
    return Reader(subscriber_id=42, delivery_id=delivery_id, email=email, person=everything)


def parsed(content: bytes) -> EmailMessage:
    """The message as the standard library reads it."""
    message = message_from_string(content.decode("utf-8"), policy=SMTPUTF8)
    assert isinstance(message, EmailMessage)
    return message
