"""The edition: one issue of the newsletter, as it is once its file has been read and found right."""

from collections.abc import Iterator

from pydantic import Field

from newsletter.edition.blocks import AnyBlock, Block, ColumnsBlock, Part
from newsletter.edition.fields import Day, LanguageTag, Line, Mailbox, Name

Loc = tuple[str | int, ...]
"""The way from an edition to a part of it: fields and numbers in lists, as in `("blocks", 2, "image", "src")`."""


class Edition(Part):
    """One issue of the newsletter."""

    title: Name
    """The edition's name, as the archive on the web shows it."""
    series: Name | None = None
    """The series that the edition belongs to."""
    subject: Line
    """The subject line of the message."""
    preheader: Line | None = None
    """What inboxes show after the subject."""
    language: LanguageTag | None = None
    """The language's code, like en, fr, pt-BR or ar; without it, the project's."""
    date: Day | None = None
    """The day that readers see on the edition, like 2026-03-31."""
    public: bool = True
    """Whether everybody may read the edition on the web."""
    from_: Mailbox | None = Field(default=None, alias="from")
    """Whom the message comes from, like Data Team <team@example.org>; without it, the project's."""
    reply_to: Mailbox | None = None
    """Where answers go; without it, the project's."""
    blocks: tuple[Block, ...] = Field(min_length=1, max_length=200)
    """The parts of the edition, from top to bottom."""

    def walk(self) -> Iterator[tuple[Loc, AnyBlock]]:
        """Every block in reading order, those in columns after the block that holds them, each with the way to it."""
        for number, block in enumerate(self.blocks):
            yield ("blocks", number), block
            if isinstance(block, ColumnsBlock):
                for at, column in enumerate(block.columns):
                    for inner, part in enumerate(column):
                        yield ("blocks", number, "columns", at, inner), part
