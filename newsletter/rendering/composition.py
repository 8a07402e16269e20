"""What composing makes: an edition rendered for all readers at once, with slots where readers differ.

A `Composition` is plain data that can be stored and read back; a `Variant` is what one set of readers (those for whom
the same conditional blocks show) sees: static text and fills in alternation, compiled once however many readers.
"""

import base64
import functools
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Final, Protocol, TypeVar

from newsletter.edition.files import EditionFile
from newsletter.errors import CompileError
from newsletter.expressions import parse_expression
from newsletter.rendering.mjml import Segment, compile_mjml, join
from newsletter.rendering.pieces import Context, Fill, Pieces
from newsletter.rendering.plaintext import TextSegment, finish
from newsletter.rendering.slots import Marks

__all__ = ["NOBODY", "Composition", "Context", "Fill", "Person", "Picture", "Pieces", "Variant"]

Person = Mapping[str, object]
"""A reader as expressions see one: email, first_name, last_name, language, country, tags, joined, attributes."""

NOBODY: Final[Person] = {
    "email": "reader@example.org",
    "first_name": None,
    "last_name": None,
    "language": None,
    "country": None,
    "tags": (),
    "joined": None,
    "attributes": {},
}
"""A reader of whom nothing is known but an address."""


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
    content: bytes = field(repr=False)
    media_type: str
    width: int
    height: int

    @property
    def content_id(self) -> str:
        """The Content-ID (RFC 2392) by which HTML names the picture when it travels inside the message."""
        return f"{self.name}@stayintheloop"


def address_of(picture: Picture, *, embedded: bool, base_url: str) -> str:
    """The URL under which a reader's mail program finds a picture: inside the message (RFC 2392), or on the web."""
    return f"cid:{picture.content_id}" if embedded else f"{base_url}/images/{picture.name}"


@dataclass(frozen=True, slots=True)
class Variant:
    """What the readers see for whom the same conditional blocks show.

    Attributes:
        key: For each condition of the composition, whether it holds.
        html: The HTML part.
        text: The plain-text part, each line ended by a line feed.
        mjml: The MJML that became the HTML, for `newsletter build`.
    """

    key: tuple[bool, ...]
    html: Pieces
    text: Pieces
    mjml: str


class _Conditional(Protocol):
    """A segment of either kind."""

    @property
    def conditions(self) -> tuple[int, ...]: ...


_S = TypeVar("_S", bound=_Conditional)


@dataclass(frozen=True)
class Composition:
    """An edition rendered once for all readers; `rendering/compose.py` makes it.

    Attributes:
        slug: The edition's name in addresses and file names.
        title: The edition's title; its slots are marker words, as in all texts here.
        language: BCP 47 tag, for example `en` or `ar`.
        direction: `ltr` or `rtl`.
        subject: The subject line; static text is not yet encoded.
        sender: From, as `Name <address>` in the edition; None means the project's.
        reply_to: The same for Reply-To.
        pictures: Every image of the edition, its header and its footer.
        embedded: Whether pictures travel inside the message (`cid:`), or are fetched from the web.
        html_segments: The MJML, cut where conditional blocks begin and end.
        text_segments: The plain text, cut in the same way.
        marks: What the marker words in all of these stand for.
        file: The edition that it was made of; it is not stored.
    """

    slug: str
    title: str
    language: str
    direction: str
    subject: Pieces
    sender: str | None
    reply_to: str | None
    pictures: tuple[Picture, ...] = field(repr=False)
    embedded: bool
    html_segments: tuple[Segment, ...] = field(repr=False)
    text_segments: tuple[TextSegment, ...] = field(repr=False)
    marks: Marks = field(repr=False)
    file: EditionFile | None = field(default=None, repr=False, compare=False)
    _variants: dict[tuple[bool, ...], Variant] = field(default_factory=dict, repr=False, compare=False)

    @property
    def conditions(self) -> tuple[str, ...]:
        """The sources of the `when:` expressions, each once, in order of first use."""
        return tuple(self.marks.conditions)

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 over everything that decides what readers get, in hexadecimal."""
        return hashlib.sha256(self.dump()).hexdigest()

    def key_for(self, person: Person) -> tuple[bool, ...]:
        """Which of the conditions hold for this reader."""
        return tuple([condition.test(person) for condition in self._tests])

    @functools.cached_property
    def _tests(self) -> tuple["_Test", ...]:
        return tuple(parse_expression(source) for source in self.marks.conditions)

    def variant(self, key: tuple[bool, ...]) -> Variant:
        """What readers with this key see; compiled at the first call, then kept.

        Raises:
            CompileError: The compiler refused, or changed what was written.
        """
        if key not in self._variants:
            self._variants[key] = self._compile(key)
        return self._variants[key]

    def readable(self, mjml: str) -> str:
        """A variant's MJML with its slots written as the writer wrote them, for people to read."""
        return self.marks.readable(mjml)

    def address_of(self, picture: Picture, base_url: str) -> str:
        """The URL under which a reader's mail program finds a picture."""
        return address_of(picture, embedded=self.embedded, base_url=base_url)

    def _compile(self, key: tuple[bool, ...]) -> Variant:
        segments = _shown(self.html_segments, key)
        page = compile_mjml(segments, language=self.language, direction=self.direction)
        text = finish("".join(segment.text for segment in _shown(self.text_segments, key)))
        return Variant(
            key=key,
            html=self.marks.cut_html(page),
            text=self.marks.cut_text(text),
            mjml=join(segments),
        )

    def dump(self) -> bytes:
        """The composition as bytes that `load` reads; the same composition always gives the same bytes."""
        data = {name: getattr(self, name) for name in _PLAIN_FIELDS}
        data["subject"] = [piece if isinstance(piece, str) else asdict(piece) for piece in self.subject]
        data["pictures"] = [
            asdict(picture) | {"content": base64.b64encode(picture.content).decode()} for picture in self.pictures
        ]
        data["html_segments"] = [asdict(segment) for segment in self.html_segments]
        data["text_segments"] = [asdict(segment) for segment in self.text_segments]
        data["marks"] = asdict(self.marks)
        return json.dumps(data, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def load(cls, stored: bytes) -> "Composition":
        """The composition that `dump` wrote.

        Raises:
            CompileError: These bytes are not a composition of this version.
        """
        try:
            data = json.loads(stored)
            marks = data.pop("marks")
            return cls(
                subject=tuple(_piece(piece) for piece in data.pop("subject")),
                pictures=tuple(
                    Picture(**picture | {"content": base64.b64decode(picture["content"])})
                    for picture in data.pop("pictures")
                ),
                html_segments=tuple(
                    Segment(tuple(s["conditions"]), s["mjml"], s["words"], tuple(s["links"]))
                    for s in data.pop("html_segments")
                ),
                text_segments=tuple(TextSegment(tuple(s["conditions"]), s["text"]) for s in data.pop("text_segments")),
                marks=Marks(**marks | {"fills": [(name, link) for name, link in marks["fills"]]}),
                **data,
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CompileError("The stored composition cannot be read by this version.") from error


class _Test(Protocol):
    """A condition, ready to be asked."""

    def test(self, person: Person, /) -> bool: ...


_PLAIN_FIELDS = ("slug", "title", "language", "direction", "sender", "reply_to", "embedded")


def _piece(stored: str | dict[str, object]) -> str | Fill:
    if isinstance(stored, str):
        return stored
    return Fill(str(stored["name"]), Context(str(stored["context"])), bool(stored["link"]))


def _shown(segments: Iterable[_S], key: tuple[bool, ...]) -> list[_S]:
    return [segment for segment in segments if all(key[condition] for condition in segment.conditions)]
