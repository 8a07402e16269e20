"""The Markdown dialect of bodies: paragraphs, emphasis, links, lists and line breaks; all else is told as a problem.

The whole of CommonMark is read on purpose, with tables and struck-out words on top: only what was recognised can be
refused with a sentence that says which block or sign to use instead. What a body looks like once read is in `prose`.
"""

import itertools
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

from newsletter.edition.addresses import address_problem
from newsletter.edition.problems import AT_MOST, Problem, judge_slots, unusable
from newsletter.edition.prose import Anchor, Body, Inline, LineBreak, Listing, Paragraph, Part, Stress, Words
from newsletter.expressions import lift

RULE: Final = "markdown"
DEEPEST_LIST: Final = 3
MOST_LINKS: Final = 1_000
"""Opening brackets in one body: finding out which of them are links takes time that grows with their square."""

_BROKEN_LINK = re.compile(r"\]\s?\(\s?(?:https?:|mailto:|tel:|www\.)", re.IGNORECASE)

_INSTEAD: Final = {
    "heading_open": ("This would be a heading.", "Use a block of its own for it: kind: heading."),
    "code_block": ("Four blanks or a tab at the start make this program code.", "Take the blanks out."),
    "fence": ("This would be program code.", "Take the signs ``` or ~~~ out."),
    "code_inline": (
        "Words between ` and ` would be program code.",
        "Write quotes or **bold**, or \\` for the sign itself.",
    ),
    "html_block": (
        "HTML does not work here.",
        "Write **bold**, *italic* or [words](https://…); or \\< for the sign itself.",
    ),
    "html_inline": (
        "HTML does not work here.",
        "Write **bold**, *italic* or [words](https://…); or \\< for the sign itself.",
    ),
    "blockquote_open": (
        "This would be a quotation.",
        "Use a block of its own for it: kind: quote; or write \\> for the sign itself.",
    ),
    "hr": (
        "This would be a dividing line.",
        "Use a block of its own for it: kind: divider; or put a \\ before the signs.",
    ),
    "table_open": (
        "Tables do not work here: phones cannot show them.",
        "Write a list, or use kind: stats for figures.",
    ),
    "image": ("Pictures do not work here.", "Use a block of its own for it: kind: image."),
    "s_open": ("Words cannot be struck out.", "Take the signs ~~ out."),
}
_UNDERLINED: Final = (
    "A line of = or - right under a text would make it a heading.",
    "Use kind: heading or kind: divider instead, or leave an empty line before a list.",
)


def _dialect() -> MarkdownIt:
    markdown = MarkdownIt("commonmark").enable(["table", "strikethrough"]).disable("text_join")
    # Addresses stay as they were written: we judge them ourselves, with a sentence instead of leaving the link unmade.
    for name, rule in {
        "validateLink": lambda _: True,
        "normalizeLink": lambda address: address,
        "normalizeLinkText": lambda address: address,
    }.items():
        setattr(markdown, name, rule)
    return markdown


_MARKDOWN: Final = _dialect()


def parse_body(source: str, *, slot: re.Pattern[str] | None = None) -> Body:
    """Read a body whose slots have been lifted out.

    Args:
        source: The Markdown, ASCII words of letters and digits in the place of slots.
        slot: Finds such a word; needed only to judge whether slots in addresses stand where they may.
    """
    return _Reader(source, slot).read()


def body_problems(text: str) -> tuple[Problem, ...]:
    """Everything wrong with a body as its writer wrote it, slots included; offsets are in that text."""
    if text.count("[") > MOST_LINKS:
        what = f"There are more than {MOST_LINKS:,} opening brackets in this text, as if it were full of links."
        return (Problem("too-long", what, "Split it into several blocks.", text.index("[")),)
    problems, text = judge_slots(text)
    lifted, slot = _lifted(text)
    return tuple(sorted((*problems, *parse_body(lifted, slot=slot).problems), key=lambda problem: problem.offset))


def _lifted(text: str) -> tuple[str, re.Pattern[str]]:
    """The text with a word of the same length for each slot, and what finds these words."""
    letters = itertools.product(string.ascii_lowercase, repeat=4)  # the shortest slot has five characters
    word = next(word for word in map("".join, letters) if word not in text)
    lifted = lift(text, lambda slot: word.ljust(slot.end - slot.start, "0"))
    return lifted, re.compile(f"{word}0*")


@dataclass
class _Reader:
    """One reading of one source."""

    source: str
    slot: re.Pattern[str] | None
    problems: list[Problem] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    cursor: int = 0
    end: int = 0

    def read(self) -> Body:
        self.starts = [0, *(match.end() for match in re.finditer("\n", self.source))]
        env: dict[str, dict[str, dict[str, object]]] = {}
        tokens = iter(_MARKDOWN.parse(self.source, env))
        parts = self._parts(tokens, "", 0)
        for reference in env.get("references", {}).values():
            self._refuse(
                reference.get("map"),
                "This defines a link away from its place.",
                "Write links where they belong: [words](https://…).",
            )
        self.problems.sort(key=lambda problem: problem.offset)
        return Body(parts, tuple(self.problems))

    # Blocks

    def _parts(self, tokens: Iterator[Token], closing: str, depth: int) -> tuple[Part, ...]:
        """Paragraphs and lists up to the closing token, whatever else stands there reduced to its paragraphs."""
        parts: list[Part] = []
        for token in tokens:
            if token.type == closing:
                break
            if token.type == "paragraph_open":
                parts.append(self._paragraph(next(tokens), tight=token.hidden))
                next(tokens)
            elif token.type in {"bullet_list_open", "ordered_list_open"}:
                parts.append(self._list(token, tokens, depth + 1))
            elif token.type == "inline":
                parts.append(self._paragraph(token))
            elif token.type == "heading_open" and token.markup in {"=", "-"}:
                self._refuse([token.map[1] - 1] if token.map else None, *_UNDERLINED)
            elif token.type in _INSTEAD:
                self._refuse(token.map, *_INSTEAD[token.type])
                if token.type in {"code_block", "fence", "html_block"}:
                    parts.append(Paragraph((Words(" ".join(token.content.split())),)))
        return tuple(parts)

    def _list(self, opening: Token, tokens: Iterator[Token], depth: int) -> Listing:
        if depth == DEEPEST_LIST + 1:
            what = f"Lists stand more than {DEEPEST_LIST} deep inside one another here."
            self._refuse(opening.map, what, "Take one level out.")
        closing = opening.type.replace("_open", "_close")
        items: list[tuple[Part, ...]] = []
        for token in tokens:
            if token.type == closing:
                break
            items.append(self._parts(tokens, "list_item_close", depth))
        start = int(opening.attrs.get("start", 1)) if opening.type == "ordered_list_open" else None
        return Listing(tuple(items), start)

    def _refuse(self, lines: object, what: str, fix: str) -> None:
        """Tell a problem at the first sign of the first of these lines."""
        first = lines[0] if isinstance(lines, list) and lines else 0
        start = self.starts[min(first, len(self.starts) - 1)]
        while self.source[start : start + 1] in {" ", "\t"}:
            start += 1
        self._tell(start, what, fix)

    def _tell(self, offset: int, what: str, fix: str, rule: str = RULE) -> None:
        if len(self.problems) < 4 * AT_MOST:
            self.problems.append(Problem(rule, what, fix, offset))

    # Inside a paragraph

    def _paragraph(self, inline: Token, *, tight: bool = False) -> Paragraph:
        first, last = inline.map or [0, len(self.starts)]
        self.cursor = max(self.starts[first], self.cursor if first else 0)
        self.end = self.starts[last] if last < len(self.starts) else len(self.source)
        return Paragraph(self._inlines(iter(inline.children or []), ""), tight)

    def _seek(self, sign: str) -> int:
        """Go on behind the next place where this stands: inline tokens do not know their places themselves."""
        found = self.source.find(sign, self.cursor, self.end)
        if found < 0:
            return self.cursor
        self.cursor = found + len(sign)
        return found

    def _inlines(self, tokens: Iterator[Token], closing: str) -> tuple[Inline, ...]:
        parts: list[Inline] = []
        for token in tokens:
            if token.type == closing:
                break
            parts += self._inline(token, tokens)
        return tuple(parts)

    def _inline(self, token: Token, tokens: Iterator[Token]) -> list[Inline]:
        if token.type == "text":
            return [self._words(token.content)]
        if token.type == "text_special":
            at = self._seek(token.markup)
            self.problems += [problem.moved(at) for problem in unusable(token.content)]
            return [Words(token.content)]
        if token.type in {"softbreak", "hardbreak"}:
            self._seek("\n")
            return [LineBreak() if token.type == "hardbreak" else Words(" ")]
        if token.type in {"strong_open", "em_open"}:
            self._seek(token.markup)
            inner = self._inlines(tokens, token.type.replace("_open", "_close"))
            self._seek(token.markup)
            return [Stress(inner, strong=token.type == "strong_open")]
        if token.type == "link_open":
            return self._anchor(token, tokens)
        if token.type in _INSTEAD:
            sign = {"image": "![", "html_inline": token.content}.get(token.type, token.markup)
            at = self._seek(sign)
            if not sign.startswith("</"):  # its opening tag was told already
                self._tell(at, *_INSTEAD[token.type])
            if token.type == "code_inline":
                self._seek(token.markup)
        return [Words(token.content)] if token.content else []

    def _words(self, text: str) -> Words:
        at = self._seek(text)
        if (lone := text.find("**")) >= 0:
            fix = "Write **bold** with no blank inside the signs, or \\*\\* for the signs themselves."
            self._tell(at + lone, "These ** have no partner.", fix)
        if broken := _BROKEN_LINK.search(text):
            fix = "Write [words](https://…): no blank between ] and (, and none inside the address."
            self._tell(at + broken.start(), "This looks like a link, but is none.", fix)
        return Words(text)

    def _anchor(self, opening: Token, tokens: Iterator[Token]) -> list[Inline]:
        """A link; only its words if its address cannot be one."""
        address, alone = str(opening.attrs.get("href", "")), opening.info == "auto"
        start = place = self._seek("<" if alone else "[")
        inner = self._inlines(tokens, "link_close")
        if not alone:
            place = self._seek("](") + 2
            place += len(self.source[place : self.end]) - len(self.source[place : self.end].lstrip(" \n<"))
            if not any(not isinstance(part, Words) or part.text.strip() for part in inner):
                self._tell(start, "This link has no words.", "Write [words](https://…).")
            if opening.attrs.get("title"):
                self._tell(
                    place, "The words after this address would not be shown.", "Take them out, with their quotes."
                )
        else:
            place += 1
        slots = [match.span() for match in self.slot.finditer(address)] if self.slot else []
        if problem := address_problem(address, slots):
            offset = 0 if self.source[place : place + 1] != address[:1] else problem.offset
            self._tell(place + offset, problem.what, problem.fix, problem.rule)
            return list(inner)
        return [Anchor(address, inner)]
