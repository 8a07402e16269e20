"""What composing makes: an edition rendered for all readers at once, with slots where readers differ.

A `Composition` is plain data that can be stored and read back; a `Variant` is what one set of readers (those for whom the
same conditional blocks show) sees: static text and fills in alternation, compiled once however many readers there are.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Context(StrEnum):
    """Where a fill stands, which decides how its value is escaped."""

    HTML = "html"
    """Between tags."""
    ATTRIBUTE = "attribute"
    """Inside a quoted HTML attribute that is no link."""
    URL = "url"
    """Inside a link's path, query or fragment, in HTML or in plain text."""
    PLAIN = "plain"
    """In the plain-text part."""
    HEADER = "header"
    """In a message header."""


@dataclass(frozen=True, slots=True)
class Fill:
    """A place that is filled for each reader.

    Attributes:
        name: The source of an expression, for example `first_name | default("friend")`; or, with `link`, the name of
            one of the reader's own links (`unsubscribe`, `preferences`), whose value is a whole URL made by us.
        context: Decides the escaping.
        link: Whether `name` is one of the reader's own links.
    """

    name: str
    context: Context
    link: bool = False


Pieces = tuple[str | Fill, ...]
"""Static text, already escaped for its place, and fills, in reading order."""


@dataclass(frozen=True, slots=True)
class Picture:
    """An image file, ready to be shown.

    Attributes:
        name: File name made of the original's stem and its content's digest; safe in URLs.
        content: The bytes that readers get.
        media_type: `image/jpeg`, `image/png` or `image/gif`.
        width: In CSS pixels as shown; the file holds up to twice as many.
        height: In CSS pixels as shown.
    """

    name: str
    content: bytes
    media_type: str
    width: int
    height: int

    @property
    def content_id(self) -> str:
        """The Content-ID (RFC 2392) by which HTML names the picture when it travels inside the message."""
        return f"{self.name}@stayintheloop"


@dataclass(frozen=True, slots=True)
class Variant:
    """What the readers see for whom the same conditional blocks show.

    Attributes:
        key: For each condition of the composition, whether it holds.
        html: The HTML part.
        text: The plain-text part, lines ended by `\\n`.
        mjml: The MJML that became the HTML, for `newsletter build`.
    """

    key: tuple[bool, ...]
    html: Pieces
    text: Pieces
    mjml: str


Person = Mapping[str, object]
"""A reader as expressions see one: email, first_name, last_name, language, country, tags, joined, attributes."""


class Composition(Protocol):
    """An edition rendered once for all readers; `rendering/compose.py` makes it.

    Attributes:
        slug: The edition's name in addresses and file names.
        title: The edition's title.
        language: BCP 47 tag, for example `en` or `ar`.
        subject: The subject line; static text is not yet encoded.
        sender: From, as `Name <address>` in the edition; None means the project's.
        reply_to: The same for Reply-To.
        conditions: The sources of the `when:` expressions, each once, in order of first use.
        pictures: Every image of the edition, header and footer.
        embedded: Whether pictures travel inside the message (`cid:`), or are fetched from the web.
        digest: SHA-256 over everything that decides what readers get, in hexadecimal.
    """

    slug: str
    title: str
    language: str
    subject: Pieces
    sender: str | None
    reply_to: str | None
    conditions: tuple[str, ...]
    pictures: tuple[Picture, ...]
    embedded: bool
    digest: str

    def key_for(self, person: Person) -> tuple[bool, ...]:
        """Which of the conditions hold for this reader."""
        ...

    def variant(self, key: tuple[bool, ...]) -> Variant:
        """What readers with this key see; compiled at the first call, then kept."""
        ...
