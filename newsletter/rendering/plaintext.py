"""The plain-text part, written from the model by its own templates and never scraped from HTML."""

import re
import textwrap
from dataclasses import dataclass
from typing import Final

from newsletter.rendering.slots import Marks

WIDTH: Final = 72

_TOO_MANY_BLANKS = re.compile(r"\n{4,}")
_TRAILING = re.compile(r"[ \t]+(?=\n)")


@dataclass(frozen=True, slots=True)
class TextSegment:
    """A stretch of plain text that is shown when all its conditions hold."""

    conditions: tuple[int, ...]
    text: str


def wrap(text: str, width: int = WIDTH, indent: str = "", first: str | None = None) -> str:
    """Text filled to a width, each of its lines for itself; a long word or URL is never broken.

    Args:
        text: May hold several lines.
        width: In characters.
        indent: Stands before each line.
        first: Stands before the first line instead.
    """
    filled = [
        textwrap.fill(
            line,
            width,
            initial_indent=(indent if first is None or number else first),
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for number, line in enumerate(text.split("\n"))
    ]
    return "\n".join(filled)


def gap_after(kind: str, *, in_column: bool) -> str:
    """The end of a block's last line, and the empty lines after it: two, but one under a heading and in columns."""
    return "\n\n" if kind == "heading" or in_column else "\n\n\n"


def cut_blocks(text: str, marks: Marks) -> tuple[TextSegment, ...]:
    """What the text templates made, cut where conditional blocks begin and end."""
    segments: list[TextSegment] = []
    blocks: list[int] = []
    end = 0

    def add(part: str) -> None:
        if part:
            segments.append(TextSegment(marks.conditions_of(blocks), part))

    for match in marks.block.finditer(text):
        add(text[end : match.start()])
        if match[1] == "b":
            blocks.append(int(match[2]))
        else:
            blocks.pop()
        end = match.end()
    add(text[end:])
    return tuple(segments)


def finish(text: str) -> str:
    """The text as it is sent: no blanks at line ends, at most two empty lines together, one newline at the end."""
    text = _TRAILING.sub("", text.replace("\r\n", "\n"))
    return _TOO_MANY_BLANKS.sub("\n\n\n", text).strip("\n") + "\n"
