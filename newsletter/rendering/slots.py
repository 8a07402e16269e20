"""Marker words that stand in for slots and for the ends of blocks while templates, Markdown and MJML do their work.

No reader's value ever meets a template, Markdown or the compiler: each slot travels through all of them as one ASCII
word that nothing changes, and is put back at the end, in a finished page, where its surroundings tell its context.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from newsletter.errors import CompileError
from newsletter.expressions import Slot
from newsletter.rendering.pieces import Context, Fill, Pieces

_ATTRIBUTE_BEFORE = re.compile(r"""([a-zA-Z:-]+)="[^"]*\Z""")
_PLAIN_URL = re.compile(r"(?:https?://|mailto:|tel:)\S*")
_URL_ATTRIBUTES: Final = frozenset({"href", "src", "background"})


@dataclass
class Marks:
    """The marker words of one edition.

    Attributes:
        prefix: How each word begins; occurs nowhere in the edition's own text.
        fills: What each slot stands for: the name and whether it is one of the reader's own links.
        conditions: The sources of the `when:` expressions, each once.
        blocks: For each block, the number of its condition, if it has one.
    """

    prefix: str
    fills: list[tuple[str, bool]] = field(default_factory=list)
    conditions: list[str] = field(default_factory=list)
    blocks: list[int | None] = field(default_factory=list)

    @classmethod
    def unlike(cls, text: str) -> "Marks":
        """Marks whose words occur nowhere in this text; the same text always gets the same words."""
        lowered = text.lower()
        number = 0
        while (prefix := f"qz{number}slot") in lowered:
            number += 1
        return cls(prefix)

    @property
    def slot(self) -> re.Pattern[str]:
        """Finds a slot's word; group 1 is its number."""
        return re.compile(f"{self.prefix}s([0-9]+)x")

    @property
    def block(self) -> re.Pattern[str]:
        """Finds the word at a block's begin (group 1 is `b`) or end (`e`); group 2 is its number."""
        return re.compile(f"{self.prefix}([be])([0-9]+)x")

    def mark(self, slot: Slot) -> str:
        """The word for a slot of the writer's."""
        return self._word(slot.expression.source, link=False)

    def link(self, name: str) -> str:
        """The word for one of the reader's own links, such as `unsubscribe`."""
        return self._word(name, link=True)

    def _word(self, name: str, *, link: bool) -> str:
        if (name, link) not in self.fills:
            self.fills.append((name, link))
        return f"{self.prefix}s{self.fills.index((name, link))}x"

    def ends_of_block(self, condition: str | None) -> tuple[str, str]:
        """The words for the begin and the end of a block that shows when the condition holds."""
        number = len(self.blocks)
        if condition is None:
            self.blocks.append(None)
        else:
            if condition not in self.conditions:
                self.conditions.append(condition)
            self.blocks.append(self.conditions.index(condition))
        return f"{self.prefix}b{number}x", f"{self.prefix}e{number}x"

    def readable(self, text: str) -> str:
        """A text with its slots as their writer wrote them, and without the marks of blocks, for people to read."""
        return self.slot.sub(lambda match: f"{{{{ {self.fills[int(match[1])][0]} }}}}", self.block.sub("", text))

    def whole(self, page: str) -> bool:
        """Whether each block that begins in this page ends in it, and blocks lie inside one another or apart."""
        inside: list[str] = []
        for match in self.block.finditer(page):
            if match[1] == "b":
                inside.append(match[2])
            elif not inside or inside.pop() != match[2]:
                return False
        return not inside

    def lost(self, page: str) -> list[int]:
        """The numbers of the blocks that do not stand in this page."""
        there = {int(match[2]) for match in self.block.finditer(page)}
        return [number for number in range(len(self.blocks)) if number not in there]

    def conditions_of(self, blocks: Iterable[int]) -> tuple[int, ...]:
        """The numbers of the conditions under which what stands inside all these blocks shows, each once."""
        return tuple(dict.fromkeys(number for block in blocks if (number := self.blocks[block]) is not None))

    # Putting the slots back

    def cut_html(self, page: str) -> Pieces:
        """The finished HTML as static text and fills, each with the context in which it stands."""
        pieces: list[str | Fill] = []
        end = 0
        for match in self.slot.finditer(page):
            name, link = self.fills[int(match[1])]
            pieces += [page[end : match.start()], Fill(name, self._html_context(page, match.start(), link=link), link)]
            end = match.end()
        return _without_empty([*pieces, page[end:]])

    def _html_context(self, page: str, at: int, *, link: bool) -> Context:
        tag = page.rfind("<", 0, at)
        # No attribute and no text holds a bare angle bracket (rendering/mjml.py), so the last one tells where we are.
        if tag <= page.rfind(">", 0, at):
            return Context.HTML
        before = _ATTRIBUTE_BEFORE.search(page, tag, at)
        if before is None:
            raise CompileError("A slot stands inside a tag, outside of any attribute's value.")
        if before[1] in _URL_ATTRIBUTES and not link:
            return Context.URL
        return Context.ATTRIBUTE

    def cut_text(self, text: str) -> Pieces:
        """The finished plain text as static text and fills."""
        pieces: list[str | Fill] = []
        urls = [match.span() for match in _PLAIN_URL.finditer(text)]
        end = 0
        for match in self.slot.finditer(text):
            name, link = self.fills[int(match[1])]
            in_url = not link and any(start <= match.start() < stop for start, stop in urls)
            pieces += [text[end : match.start()], Fill(name, Context.URL if in_url else Context.PLAIN, link)]
            end = match.end()
        return _without_empty([*pieces, text[end:]])

    def cut_header(self, text: str) -> Pieces:
        """A header's text as static text and fills."""
        pieces: list[str | Fill] = []
        end = 0
        for match in self.slot.finditer(text):
            name, link = self.fills[int(match[1])]
            pieces += [text[end : match.start()], Fill(name, Context.HEADER, link)]
            end = match.end()
        return _without_empty([*pieces, text[end:]])


def _without_empty(pieces: list[str | Fill]) -> Pieces:
    return tuple(piece for piece in pieces if piece != "")
