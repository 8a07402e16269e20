"""The kinds of blocks that an edition is made of, each with the fields that its writer may use."""

import datetime as dt
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from newsletter.edition.fields import (
    Address,
    Alt,
    BodyText,
    Condition,
    Label,
    Level,
    Line,
    Lines,
    Moment,
    PicturePath,
    RuleName,
    refuse,
)
from newsletter.edition.problems import Problem


class Part(BaseModel):
    """What everything in an edition has in common: it never changes, and knows no fields but its own."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _leave_out_empty(cls, values: Any) -> Any:
        """An optional field with nothing in it counts as one that is not there."""
        if not isinstance(values, dict):
            return values
        optional = {field.alias or name for name, field in cls.model_fields.items() if not field.is_required()}
        return {name: value for name, value in values.items() if name not in optional or value not in (None, "")}


class Link(Part):
    """A link with the words that stand on it."""

    label: Label
    """The words on the link."""
    url: Address
    """Where it leads: https, mailto or tel."""


class ImageRef(Part):
    """A picture of this edition."""

    src: PicturePath
    """The picture's file inside the edition's folder, like images/name.png."""
    alt: Alt
    """What the picture shows, in words, for those who do not see it; "" if it only decorates."""


class LinkItem(Part):
    """One line of a list of links."""

    label: Label
    """The words on the link."""
    url: Address
    """Where it leads: https, mailto or tel."""
    note: Line | None = None
    """A sentence about it."""


class Stat(Part):
    """One figure."""

    value: Label
    """The figure as readers see it, like 1,240 or 3 in 4."""
    label: Label
    """What the figure counts."""


class AnyBlock(Part):
    """What every block takes."""

    named_by: ClassVar[str | None] = None
    """The field that tells blocks of this kind apart in messages to the writer."""

    when: Condition | None = None
    """Show the block only to readers for whom this is true, like '"researcher" in tags'."""
    silence: tuple[RuleName, ...] = Field(default=(), max_length=50)
    """Names of checks that should not speak about this block."""


class TextBlock(AnyBlock):
    """Paragraphs of text."""

    kind: Literal["text"]
    """The kind of block."""
    body: BodyText
    """The text, in Markdown: paragraphs, *emphasis*, **strong words**, [links](https://…), lists and line breaks."""


class HeadingBlock(AnyBlock):
    """A heading."""

    named_by = "text"
    kind: Literal["heading"]
    """The kind of block."""
    text: Line
    """The words of the heading."""
    level: Level = 2
    """2 for a part of the edition, 3 for a part of a part."""


class SpotlightBlock(AnyBlock):
    """A card about one organisation and its work."""

    named_by = "organisation"
    kind: Literal["spotlight"]
    """The kind of block."""
    organisation: Label
    """Whose work it is."""
    headline: Line | None = None
    """What it is about, in a few words."""
    topics: tuple[Label, ...] = Field(default=(), max_length=20)
    """Topics, shown as small tags."""
    body: BodyText | None = None
    """Text, in Markdown."""
    link: Link | None = None
    """Where to read more."""
    image: ImageRef | None = None
    """A picture."""


class ImageBlock(AnyBlock):
    """A picture."""

    named_by = "src"
    kind: Literal["image"]
    """The kind of block."""
    src: PicturePath
    """The picture's file inside the edition's folder, like images/name.png."""
    alt: Alt
    """What the picture shows, in words, for those who do not see it; "" if it only decorates."""
    caption: Line | None = None
    """A line under the picture."""
    url: Address | None = None
    """Where a click on the picture leads."""


class ButtonBlock(AnyBlock):
    """A button."""

    named_by = "label"
    kind: Literal["button"]
    """The kind of block."""
    label: Label
    """The words on the button; begin with a verb."""
    url: Address
    """Where it leads: https, mailto or tel."""


class QuoteBlock(AnyBlock):
    """Somebody's own words."""

    named_by = "name"
    kind: Literal["quote"]
    """The kind of block."""
    text: Lines
    """What was said, without quotation marks."""
    name: Label | None = None
    """Who said it."""
    role: Label | None = None
    """What that person does, and where."""


class LinksBlock(AnyBlock):
    """A list of links."""

    named_by = "title"
    kind: Literal["links"]
    """The kind of block."""
    title: Line | None = None
    """A heading over the list."""
    items: tuple[LinkItem, ...] = Field(min_length=1, max_length=50)
    """The links."""


class EventBlock(AnyBlock):
    """Something that happens on a day."""

    named_by = "title"
    kind: Literal["event"]
    """The kind of block."""
    title: Line
    """What happens."""
    starts: Moment
    """When it begins: a day, or a day and time, with or without time zone, like 2026-03-31 14:00+02:00."""
    ends: Moment | None = None
    """When it ends."""
    place: Line | None = None
    """Where it happens."""
    url: Address | None = None
    """Where to read more or sign up."""
    body: BodyText | None = None
    """Text, in Markdown."""

    @field_validator("ends")
    @classmethod
    def _after_it_starts(cls, ends: Moment | None, info: ValidationInfo) -> Moment | None:
        starts = info.data.get("starts")
        if ends is None or starts is None:
            return ends
        if isinstance(starts, dt.datetime) and isinstance(ends, dt.datetime):
            if (starts.tzinfo is None) != (ends.tzinfo is None):
                what = "Of starts and ends, one has a time zone and the other has none."
                raise refuse(Problem("event-time", what, "Give a time zone to both or to neither."))
            early = ends < starts
        else:
            early = _day(ends) < _day(starts)
        if early:
            raise refuse(Problem("event-time", "The event ends before it starts.", "Check both dates."))
        return ends


def _day(moment: dt.date) -> dt.date:
    return moment.date() if isinstance(moment, dt.datetime) else moment


class StatsBlock(AnyBlock):
    """A few figures side by side."""

    kind: Literal["stats"]
    """The kind of block."""
    items: tuple[Stat, ...] = Field(min_length=1, max_length=12)
    """The figures."""


class VideoBlock(AnyBlock):
    """A picture that leads to a video; mail cannot play videos itself."""

    named_by = "title"
    kind: Literal["video"]
    """The kind of block."""
    url: Address
    """Where the video is."""
    thumbnail: PicturePath
    """The picture's file inside the edition's folder, like images/name.png."""
    title: Line
    """What the video is."""


class CalloutBlock(AnyBlock):
    """A box that stands out."""

    named_by = "title"
    kind: Literal["callout"]
    """The kind of block."""
    title: Line | None = None
    """A heading in the box."""
    body: BodyText
    """Text, in Markdown."""
    tone: Literal["info", "warning", "success"] = "info"
    """What sort of news it is, which decides the colour."""


class DividerBlock(AnyBlock):
    """A line between two parts."""

    kind: Literal["divider"]
    """The kind of block."""


BlockInColumn = Annotated[
    TextBlock
    | HeadingBlock
    | SpotlightBlock
    | ImageBlock
    | ButtonBlock
    | QuoteBlock
    | LinksBlock
    | EventBlock
    | StatsBlock
    | VideoBlock
    | CalloutBlock
    | DividerBlock,
    Field(discriminator="kind"),
]
"""Any block but columns."""

Column = Annotated[tuple[BlockInColumn, ...], Field(min_length=1, max_length=20)]


class ColumnsBlock(AnyBlock):
    """Two or three columns of blocks side by side, one under the other on phones."""

    kind: Literal["columns"]
    """The kind of block."""
    columns: tuple[Column, ...] = Field(min_length=2, max_length=3)
    """The columns, each a list of blocks."""


Block = Annotated[
    TextBlock
    | HeadingBlock
    | SpotlightBlock
    | ImageBlock
    | ButtonBlock
    | QuoteBlock
    | LinksBlock
    | EventBlock
    | StatsBlock
    | VideoBlock
    | CalloutBlock
    | ColumnsBlock
    | DividerBlock,
    Field(discriminator="kind"),
]
"""One part of an edition; its `kind` picks model and template."""

KINDS: Final[dict[str, type[AnyBlock]]] = {
    kind.model_fields["kind"].annotation.__args__[0]: kind  # type: ignore[union-attr]
    for kind in AnyBlock.__subclasses__()
}
"""Each kind's name and model."""
