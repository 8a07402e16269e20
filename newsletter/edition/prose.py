"""What a body says once its Markdown is read: paragraphs and lists, written as clean HTML and as plain text."""

import html
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import nh3

from newsletter.edition.problems import Problem

SCHEMES: Final = frozenset({"http", "https", "mailto", "tel"})

_TAGS: Final = {"p", "br", "strong", "em", "a", "ul", "ol", "li"}
_ATTRIBUTES: Final = {"a": {"href"}, "ol": {"start"}}
_BLANKS = re.compile(r"[ \t\n]+")


@dataclass(frozen=True, slots=True)
class Words:
    """Text as readers see it."""

    text: str


@dataclass(frozen=True, slots=True)
class LineBreak:
    """A new line inside a paragraph."""


@dataclass(frozen=True, slots=True)
class Stress:
    """Words that stand out, slightly or strongly."""

    parts: "tuple[Inline, ...]"
    strong: bool


@dataclass(frozen=True, slots=True)
class Anchor:
    """Words that link to an address."""

    address: str
    parts: "tuple[Inline, ...]"


Inline = Words | LineBreak | Stress | Anchor


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph; `tight` in a list whose items stand close together."""

    parts: tuple[Inline, ...]
    tight: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """A list with bullets, or with numbers from `start`."""

    items: "tuple[tuple[Part, ...], ...]"
    start: int | None = None


Part = Paragraph | Listing


@dataclass(frozen=True, slots=True)
class Body:
    """A body that was read.

    Attributes:
        parts: Its paragraphs and lists.
        problems: What the dialect does not know, and addresses that cannot be; offsets are in the source that was read.
    """

    parts: tuple[Part, ...]
    problems: tuple[Problem, ...] = ()

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses of all links, in reading order."""
        return tuple(_addresses(self.parts))

    def html(self) -> str:
        """The body as HTML: `p br strong em a[href] ul ol[start] li` only, escaped, and cleaned once more by nh3."""
        written = "".join(_html(part) for part in self.parts)
        clean = nh3.clean(written, tags=_TAGS, attributes=_ATTRIBUTES, url_schemes=set(SCHEMES), link_rel=None)
        return clean.replace("&nbsp;", "\u00a0")

    def plain(self, width: int = 72) -> str:
        """The body as plain text, lines filled to a width; addresses are never lost and never broken.

        Args:
            width: In columns of a fixed-width font, where letters of East Asia take two.
        """
        return "\n".join(line.rstrip() for line in _lines(self.parts, width))


def _addresses(parts: Iterable[Part | Inline]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, Anchor):
            yield part.address
        if isinstance(part, Listing):
            for item in part.items:
                yield from _addresses(item)
        elif not isinstance(part, Words | LineBreak):
            yield from _addresses(part.parts)


def _html(part: Part) -> str:
    if isinstance(part, Paragraph):
        inner = _inline_html(part.parts)
        return inner if part.tight else f"<p>{inner}</p>"
    items = "".join(f"<li>{''.join(map(_html, item))}</li>" for item in part.items)
    if part.start is None:
        return f"<ul>{items}</ul>"
    return f"<ol>{items}</ol>" if part.start == 1 else f'<ol start="{part.start}">{items}</ol>'


def _inline_html(parts: Iterable[Inline]) -> str:
    written: list[str] = []
    for part in parts:
        match part:
            case Words(text):
                written.append(html.escape(text, quote=False))
            case LineBreak():
                written.append("<br>")
            case Stress(inner, strong):
                tag = "strong" if strong else "em"
                written.append(f"<{tag}>{_inline_html(inner)}</{tag}>")
            case Anchor(address, inner):
                written.append(f'<a href="{html.escape(address)}">{_inline_html(inner)}</a>')
    return "".join(written)


def _lines(parts: Iterable[Part], width: int) -> Iterator[str]:
    before: Part | None = None
    for part in parts:
        if before is not None and not (isinstance(before, Paragraph) and before.tight):
            yield ""
        before = part
        if isinstance(part, Paragraph):
            for line in _plain(part.parts).split("\n"):
                yield from fill(line, width)
        else:
            yield from _list_lines(part, width)


def _list_lines(listing: Listing, width: int) -> Iterator[str]:
    loose = any(isinstance(part, Paragraph) and not part.tight for item in listing.items for part in item)
    for number, item in enumerate(listing.items):
        sign = "* " if listing.start is None else f"{listing.start + number}. "
        if loose and number:
            yield ""
        for at, line in enumerate(_lines(item, max(width - len(sign), 20)) if item else [""]):
            yield f"{' ' * len(sign) if at else sign}{line}"


def _plain(parts: Iterable[Inline]) -> str:
    """Inline parts as plain text; a line ends only where a `LineBreak` stands.

    Strong words stand between asterisks and stressed ones between low lines, as people have always written in mail.
    """
    written: list[str] = []
    for part in parts:
        match part:
            case Words(text):
                written.append(_BLANKS.sub(" ", text))
            case LineBreak():
                written.append("\n")
            case Stress(inner, strong):
                sign = "*" if strong else "_"
                written.append(f"{sign}{_plain(inner)}{sign}")
            case Anchor(address, inner):
                written.append(link_text(_plain(inner), address))
    return "".join(written)


def link_text(label: str, address: str) -> str:
    """A link in plain text: `label (address)`, or the address alone where the label says the same."""
    shown = address
    if address.lower().startswith(("mailto:", "tel:")) and "?" not in address:
        shown = address.partition(":")[2]
    if label.strip() in {address, shown}:
        return shown
    return f"{label} <{shown}>" if "(" in shown or ")" in shown else f"{label} ({shown})"


def fill(text: str, width: int) -> list[str]:
    """One line of text as lines of at most `width` columns; words and addresses stay whole."""
    lines: list[str] = []
    used = 0
    for word in text.split(" "):
        columns = _columns(word)
        if not word:
            continue
        if lines and used + 1 + columns <= width:
            lines[-1] += f" {word}"
            used += 1 + columns
        else:
            lines.append(word)
            used = columns
    return lines or [""]


def _columns(word: str) -> int:
    if word.isascii():
        return len(word)
    return sum(
        2 if unicodedata.east_asian_width(c) in "WF" else unicodedata.category(c) not in {"Mn", "Me", "Cf"}
        for c in word
    )
