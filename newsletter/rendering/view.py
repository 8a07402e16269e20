"""What templates see of an edition: plain mappings with every slot lifted out and every picture prepared.

The same walk serves both parts of a message; only the body (HTML or plain text) and the pictures differ.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from babel import Locale
from babel.dates import format_date, format_datetime
from markupsafe import Markup
from pydantic import BaseModel

from newsletter.edition.blocks import Block, ColumnsBlock, EventBlock, ImageRef
from newsletter.edition.files import EditionFile
from newsletter.edition.text import parse_body
from newsletter.errors import Finding, ImageError
from newsletter.expressions import lift
from newsletter.rendering.composition import Picture
from newsletter.rendering.images import prepare_picture
from newsletter.rendering.slots import Marks

CONTENT_WIDTH: Final = 536  # of a body of 600 px, in CSS pixels
COLUMN_WIDTHS: Final = {2: 256, 3: 162}
HEAVY_PICTURE: Final = 1_000_000  # bytes; email-standards 63

_RIGHT_TO_LEFT: Final = frozenset({"ar", "arc", "ckb", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"})

Medium = Literal["html", "text"]
Loc = tuple[str | int, ...]


def direction(language: str) -> Literal["ltr", "rtl"]:
    """Which way a language is written."""
    parts = language.replace("_", "-").lower().split("-")
    if "arab" in parts or "hebr" in parts:
        return "rtl"
    return "rtl" if parts[0] in _RIGHT_TO_LEFT and "latn" not in parts else "ltr"


def locale_of(language: str) -> Locale:
    """Babel's locale for a language tag, English where Babel has none."""
    try:
        return Locale.parse(language.replace("-", "_"))
    except (ValueError, LookupError):
        try:
            return Locale.parse(language.split("-", maxsplit=1)[0])
        except (ValueError, LookupError):
            return Locale("en")


@dataclass
class Pictures:
    """The images that an edition shows, each prepared once.

    Attributes:
        address: Gives the URL under which a prepared picture is shown.
        prepared: In order of first use.
        findings: What is wrong with them.
    """

    address: Callable[[Picture], str]
    prepared: dict[str, Picture] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def show(self, path: Path, alt: str, width: int) -> dict[str, object]:
        """What a template needs to show a picture.

        Raises:
            ImageError: The picture cannot be used.
        """
        picture = prepare_picture(path, max_width=width)
        self.prepared.setdefault(picture.name, picture)
        return {"src": self.address(picture), "alt": alt, "width": picture.width, "height": picture.height}


@dataclass
class BlockViews:
    """Makes the views of an edition's blocks."""

    file: EditionFile
    marks: Marks
    pictures: Pictures
    timezone: dt.tzinfo

    def text(self, value: str) -> str:
        """A text with its slots lifted out."""
        return lift(value, self.marks.mark)

    def view(self, block: Block, loc: Loc, medium: Medium, width: int) -> dict[str, Any]:
        """The mapping that a block's template sees as `block`."""
        view: dict[str, Any] = {"kind": block.kind}
        for name in type(block).model_fields:
            if name not in {"kind", "when", "silence", "columns"}:
                view[name] = self._value(name, getattr(block, name), (*loc, name), medium, width)
        if block.kind == "image":
            view["image"] = self._picture(block.src, block.alt, (*loc, "src"), medium, width)
        if block.kind == "video":
            thumbnail = block.thumbnail
            alt = self.text(block.title)
            if isinstance(thumbnail, str):
                view["thumbnail"] = self._picture(thumbnail, alt, (*loc, "thumbnail"), medium, width)
        if isinstance(block, EventBlock):
            view["date_text"] = self._date_range(block)
        return view

    def width_inside(self, block: ColumnsBlock) -> int:
        """How wide content is in each column."""
        return COLUMN_WIDTHS[len(block.columns)]

    def _value(self, name: str, value: object, loc: Loc, medium: Medium, width: int) -> object:
        if isinstance(value, str):
            if name == "body":
                body = parse_body(self.text(value))
                return Markup(body.html()) if medium == "html" else body.plain()  # noqa: S704 cleaned by nh3
            return self.text(value)
        if isinstance(value, ImageRef):
            return self._picture(value.src, value.alt, (*loc, "src"), medium, width)
        if isinstance(value, BaseModel):
            return {
                part: self._value(part, getattr(value, part), (*loc, part), medium, width)
                for part in type(value).model_fields
            }
        if isinstance(value, list | tuple):
            return [self._value(name, item, (*loc, number), medium, width) for number, item in enumerate(value)]
        return value

    def _picture(self, src: str, alt: str, loc: Loc, medium: Medium, width: int) -> dict[str, object]:
        alt = self.text(alt)
        if medium == "text":
            return {"src": "", "alt": alt, "width": 0, "height": 0}
        try:
            shown = self.pictures.show(self.file.folder / src, alt, width)
        except ImageError as error:
            self.pictures.findings.append(self.file.finding(loc, "image", str(error), ""))
            return {"src": "", "alt": alt, "width": width, "height": width}
        return shown

    def _date_range(self, block: EventBlock) -> str:
        """When an event is, in the edition's language: `Saturday, 12 December 2026, 14:00 – 15:30 (GMT+03:00)`."""
        locale = locale_of(self.file.edition.language or "en")
        starts, ends = block.starts, block.ends
        if not isinstance(starts, dt.datetime):
            days = [format_date(day, "full", locale=locale) for day in (starts, ends) if day is not None]
            return " – ".join(days)
        starts = _local(starts, self.timezone)
        text = f"{format_date(starts, 'full', locale=locale)}, {_clock(starts, locale)}"
        if isinstance(ends, dt.datetime):
            ends = _local(ends, starts.tzinfo or self.timezone)
            day = "" if ends.date() == starts.date() else f"{format_date(ends, 'full', locale=locale)}, "
            text += f" – {day}{_clock(ends, locale)}"
        return f"{text} ({format_datetime(starts, 'ZZZZ', locale=locale)})"


def _local(moment: dt.datetime, zone: dt.tzinfo) -> dt.datetime:
    """The moment with a zone: its own where it has one, else the project's."""
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def _clock(moment: dt.datetime, locale: Locale) -> str:
    return format_datetime(moment, "HH:mm", locale=locale)
