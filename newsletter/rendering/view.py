"""What templates see of an edition: plain mappings with every slot lifted out and every picture prepared.

The same walk serves both parts of a message; only the body (HTML or plain text) and the pictures differ.
"""

import contextlib
import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime, get_datetime_format
from markupsafe import Markup
from pydantic import BaseModel

from newsletter.edition.blocks import Block, ColumnsBlock, EventBlock, ImageRef
from newsletter.edition.files import EditionFile
from newsletter.edition.prose import Body
from newsletter.edition.text import parse_body
from newsletter.errors import Finding, ImageError
from newsletter.expressions import lift
from newsletter.rendering.composition import Picture
from newsletter.rendering.images import prepare_picture
from newsletter.rendering.slots import Marks

CONTENT_WIDTH: Final = 536  # of a body of 600 px, in CSS pixels
COLUMN_WIDTHS: Final = {2: 256, 3: 162}

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
    for tag in (language.replace("-", "_"), language.split("-", maxsplit=1)[0]):
        with contextlib.suppress(ValueError, UnknownLocaleError):
            return Locale.parse(tag)
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
    locale: Locale
    own: Mapping[str, str] = field(default_factory=dict)
    """What stands in texts for a value of the reader's own, and its name; a letter has some."""
    _bodies: dict[str, Body] = field(default_factory=dict)  # read once, for both parts of the message

    def text(self, value: str) -> str:
        """A text with its slots lifted out."""
        lifted = lift(value, self.marks.mark)
        for sign, name in self.own.items():
            if sign in lifted:
                lifted = lifted.replace(sign, self.marks.link(name))
        return lifted

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
                body = self._body(self.text(value))
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

    def _body(self, source: str) -> Body:
        if source not in self._bodies:
            self._bodies[source] = parse_body(source)
        return self._bodies[source]

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
        """When an event is, in the edition's language: `Saturday 12 December 2026, 14:00 – 15:30 (GMT+03:00)`."""
        starts, ends = block.starts, block.ends
        if not isinstance(starts, dt.datetime):
            return self._from_to(*(self._day(day) for day in (starts, ends) if day is not None))
        starts = _local(starts, self.timezone)
        zone = "UTC" if starts.utcoffset() == dt.timedelta() else format_datetime(starts, "ZZZZ", locale=self.locale)
        if not isinstance(ends, dt.datetime):
            return f"{self._moment(starts, self._clock(starts))} ({zone})"
        ends = _local(ends, starts.tzinfo or self.timezone).astimezone(starts.tzinfo)
        if ends.date() == starts.date():
            return f"{self._moment(starts, self._from_to(self._clock(starts), self._clock(ends)))} ({zone})"
        return f"{self._from_to(*(self._moment(at, self._clock(at)) for at in (starts, ends)))} ({zone})"

    def _day(self, day: dt.date) -> str:
        return format_date(day, "full", locale=self.locale)

    def _clock(self, moment: dt.datetime) -> str:
        return format_datetime(moment, "HH:mm", locale=self.locale)

    def _moment(self, moment: dt.datetime, clock: str) -> str:
        """Day and time, put together as the language does: with its own comma, or with none."""
        pattern = str(get_datetime_format("full", self.locale)).replace("'", "")
        return pattern.replace("{0}", clock).replace("{1}", self._day(moment))

    def _from_to(self, *ends: str) -> str:
        if len(ends) == 1:
            return ends[0]
        pattern = str(self.locale.interval_formats.get(None, "{0} – {1}"))
        return pattern.replace("{0}", ends[0]).replace("{1}", ends[1])


def _local(moment: dt.datetime, zone: dt.tzinfo) -> dt.datetime:
    """The moment with a zone: its own where it has one, else the project's."""
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)
