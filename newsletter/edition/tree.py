"""A YAML file as a small tree, every part knowing its place, for files that people write and strangers may send.

Only the parser of ruamel.yaml is used, never its constructor: nothing is looked up, shared or made from the file, and
plain values stay the text that was typed (`value: 12` is "12", `title: Yes` is "Yes"). Anchors and tags are refused.
"""

import bisect
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    DocumentStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceStartEvent,
)

from newsletter.edition.model import Loc
from newsletter.edition.problems import Problem

DEEPEST: Final = 20
"""Collections inside one another; an edition needs nine."""
MOST_NODES: Final = 10_000
TOO_DEEP: Final = "too deep"
TOO_MANY: Final = "too many nodes"
SIGN: Final = "yaml-sign"
"""The rule of a problem whose words only the whole line can give: an anchor, alias, tag or bracket for a text."""
UNREADABLE: Final = '"\ufdd0"'
"""Stands where a repair took out what could not be read; no file that is read holds this character."""

_NOTHING: Final = frozenset({"", "~", "null", "Null", "NULL"})
_ESCAPE = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))", re.DOTALL)
_SURROGATES = re.compile("[\ud800-\udbff][\udc00-\udfff]")


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text. `style` is `'`, `"`, `|`, `>` or None for no quotes; `start` and `end` are offsets in the file."""

    start: int
    end: int
    text: str
    style: str | None = None

    @property
    def value(self) -> str | None:
        """The text; None where nothing stands."""
        return None if self.style is None and self.text in _NOTHING else self.text


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    start: int
    end: int
    items: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Entry:
    """A field: where its name begins, and its value."""

    start: int
    value: "Node"


@dataclass(frozen=True, slots=True)
class Mapping:
    """Fields by their names."""

    start: int
    end: int
    entries: dict[str, Entry]


@dataclass(frozen=True, slots=True)
class Unread:
    """A part that is wrong in itself, so that nothing can be said about what it holds."""

    start: int
    end: int


Node = Scalar | Sequence | Mapping | Unread


class BrokenError(Exception):
    """The file cannot be read further.

    Attributes:
        problem: In the parser's words.
        at: Where it noticed.
        opened: Where what it was reading had begun, if it says so.
    """

    def __init__(self, problem: str, at: int, opened: int | None = None) -> None:
        self.problem, self.at, self.opened = problem, at, opened
        super().__init__(problem)


@dataclass
class _Open:
    """A collection whose end has not come yet."""

    start: int
    items: list[Node] | None = None
    entries: dict[str, Entry] = field(default_factory=dict)
    key: tuple[str, int] | None = None
    unread: bool = False

    def close(self, end: int) -> Node:
        if self.unread:
            return Unread(self.start, end)
        if self.items is not None:
            return Sequence(self.start, end, tuple(self.items))
        return Mapping(self.start, end, self.entries)


class Builder:
    """Makes the tree of one file; `problems` holds what it could read past."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.problems: list[Problem] = []
        self._open: list[_Open] = []
        self._root: Node | None = None
        self._nodes = 0

    def build(self) -> Node | None:
        """The tree; None if the file holds nothing.

        Raises:
            BrokenError: The file cannot be read to its end.
        """
        documents = 0
        for event in _events(self.text):
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    what = "A line of --- or ... ends the edition here, but something follows."
                    fix = "Take it out: a file holds one edition. For a line between two parts use kind: divider."
                    self.problems.append(Problem("yaml", what, fix, event.start_mark.index))
                    break
                if event.version or event.tags:
                    what = "A line that begins with % gives orders to the YAML reader, which do not work here."
                    self.problems.append(Problem("yaml", what, "Take it out.", self.text.find("%")))
            elif isinstance(event, NodeEvent):
                self._node(event)
            elif isinstance(event, CollectionEndEvent):
                done = self._open.pop()
                self._place(done.close(event.end_mark.index))
        return self._root

    def _node(self, event: Any) -> None:
        start, end = event.start_mark.index, event.end_mark.index
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise BrokenError(TOO_MANY, start)
        marked = event.anchor is not None or getattr(event, "tag", None) is not None
        if marked:
            self.problems.append(Problem(SIGN, "", "", start))  # the words come from `slips`, which sees the line
        if isinstance(event, AliasEvent):
            self._place(Unread(start, end))
        elif isinstance(event, ScalarEvent):
            self._place(
                Unread(start, end) if marked or self.text[start:end] == UNREADABLE else _scalar(event, start, end)
            )
        else:
            if len(self._open) >= DEEPEST:
                raise BrokenError(TOO_DEEP, start)
            items: list[Node] | None = [] if isinstance(event, SequenceStartEvent) else None
            self._open.append(_Open(start, items, unread=marked))

    def _place(self, node: Node) -> None:
        """Put a finished part where it belongs."""
        if not self._open:
            self._root = node
            return
        parent = self._open[-1]
        if parent.items is not None:
            parent.items.append(node)
        elif parent.key is not None:
            name, start = parent.key
            parent.key = None
            if name in parent.entries:
                line = self.text.count("\n", 0, parent.entries[name].start) + 1
                what = f"«{name[:60]}» stands here a second time; the first is in line {line}."
                self.problems.append(Problem("duplicate-field", what, "Keep one of the two.", start))
            else:
                parent.entries[name] = Entry(start, node)
        elif isinstance(node, Scalar):
            parent.key = (node.text, node.start)
        else:
            if not parent.unread and not isinstance(node, Unread):
                self.problems.append(Problem(SIGN, "", "", parent.start))
            parent.unread = True
            parent.key = ("", node.start)


def _events(text: str) -> Iterator[Any]:
    try:
        yield from YAML(typ="safe", pure=True).parse(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = mark.index if mark else 0
        opened = error.context_mark.index if error.context_mark else None
        raise BrokenError(f"{error.context or ''}: {error.problem or ''}", min(at, len(text)), opened) from None
    except (YAMLError, ValueError, OverflowError) as error:  # an escape such as \UFFFFFFFF is a ValueError
        raise BrokenError(str(error), 0) from None


def _scalar(event: Any, start: int, end: int) -> Scalar:
    text = str(event.value)
    if event.style == '"':  # JSON writes characters beyond U+FFFF as two halves
        text = _SURROGATES.sub(lambda pair: pair[0].encode("utf-16-le", "surrogatepass").decode("utf-16-le"), text)
    elif event.style in {"|", ">"}:
        text = text.rstrip("\n")  # the end of the last line is no part of the text
    return Scalar(start, end, text, event.style)


@dataclass(frozen=True)
class Document:
    """A file that was read as far as possible.

    Attributes:
        text: The file, with small repairs where it could not be read otherwise.
        root: What it holds.
        original: The file as it was, with the same lines.
    """

    text: str
    root: Node | None
    original: str

    def position(self, at: int) -> tuple[int, int]:
        """Line and column, both from 1, of an offset in `text`, in the file as it was before repairs."""
        line = bisect.bisect_right(self._starts, at) - 1
        column = at - self._starts[line]
        if self._mended is not None:
            column = _column_before(self._mended[0][line], self._mended[1][line], column)
        return line + 1, column + 1

    @cached_property
    def _mended(self) -> tuple[list[str], list[str]] | None:
        """The lines as they were and as they are, if they differ."""
        return None if self.original == self.text else (self.original.split("\n"), self.text.split("\n"))

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(match.end() for match in re.finditer("\n", self.text))]

    def line_at(self, at: int) -> str:
        """What stands in a line from an offset on."""
        return self.text[at:].partition("\n")[0].strip()

    def at(self, loc: Loc) -> tuple[Node | None, int]:
        """The part that a way leads to, or the last part on it that is there; and its place."""
        node, place = self.root, self.root.start if self.root else 0
        for step in loc:
            if isinstance(node, Mapping) and isinstance(step, str) and step in node.entries:
                entry = node.entries[step]
                node, place = entry.value, entry.start
                if isinstance(node, Scalar) and node.value is not None:
                    place = node.start
            elif isinstance(node, Sequence) and isinstance(step, int) and 0 <= step < len(node.items):
                node = node.items[step]
                place = node.start
            else:
                break
        return node, place

    def way_to(self, line: int) -> Loc:
        """The way to the innermost part of a list that a line, from 1, stands in."""
        way: list[str | int] = []
        node, found = self.root, 0
        while isinstance(node, Mapping | Sequence):
            parts: list[tuple[str | int, int, Node]]
            if isinstance(node, Mapping):
                parts = [(name, entry.start, entry.value) for name, entry in node.entries.items()]
            else:
                parts = [(number, item.start, item) for number, item in enumerate(node.items)]
            started = [part for part in parts if self.position(part[1])[0] <= line]
            if not started:
                break
            step, _, node = started[-1]
            way.append(step)
            found = len(way) if isinstance(step, int) else found
        return tuple(way[:found])

    def inside(self, scalar: Scalar, offset: int) -> int:
        """Where the character at `offset` of a scalar's text stands in the file."""
        if scalar.style is None and self.text.startswith(scalar.text, scalar.start):
            return scalar.start + min(offset, len(scalar.text))
        # Every style keeps the visible characters in their order; only blanks and line ends are added or folded.
        wanted = sum(not character.isspace() for character in scalar.text[:offset])
        seen, last, at = 0, scalar.start, scalar.start
        for at, visible in _characters(self.text, scalar):
            if visible:
                if seen == wanted:
                    break
                seen, last = seen + 1, at
        blanks = len(scalar.text[:offset]) - len(scalar.text[:offset].rstrip(" "))
        if offset < len(scalar.text) and not scalar.text[offset].isspace():
            return at
        return min(last + 1 + blanks, scalar.end) if wanted else at


def _characters(text: str, scalar: Scalar) -> Iterator[tuple[int, bool]]:
    """The characters of a scalar as its file spells them: place, and whether it is more than a blank."""
    at, end = scalar.start, scalar.end
    if scalar.style in {"|", ">"}:
        at = text.find("\n", at, end) + 1
    elif scalar.style is not None:
        at, end = at + 1, end - 1
    while at < end:
        step = 1
        character = text[at]
        if scalar.style == "'" and character == "'":
            step = 2
        elif scalar.style == '"' and (escape := _ESCAPE.match(text, at)):
            step = len(escape[0])
            digits = escape[1] or escape[2] or escape[3]
            character = chr(int(digits, 16)) if digits else escape[4].translate(_BLANK_ESCAPES)
        yield at, not character.isspace()
        at += step


_BLANK_ESCAPES: Final = str.maketrans(
    {
        "t": "\t",
        "n": "\n",
        "r": "\r",
        "v": "\v",
        "f": "\f",
        "N": "\x85",
        "_": "\xa0",
        "L": "\u2028",
        "P": "\u2029",
        "0": "0",
        " ": " ",
    }
)


def _column_before(old: str, new: str, column: int) -> int:
    """Where a column of a repaired line was before: repairs put in or take out something at one place or two."""
    start = _alike(old, new)
    if column <= start:
        return column
    end = min(_alike(old[::-1], new[::-1]), len(old) - start, len(new) - start)
    if column >= len(new) - end:
        return column - len(new) + len(old)
    kept = old[start : len(old) - end]
    inside = new.find(kept, start, len(new) - end) - start
    return min(max(column - inside, start), len(old)) if kept and inside >= 0 else start


def _alike(one: str, other: str) -> int:
    """How many characters two texts have in common at their beginning."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (mine, yours) in pairs if mine != yours), min(len(one), len(other)))


def plain(node: Node | None) -> object:
    """The tree as Python's own texts, lists and dicts."""
    match node:
        case Scalar():
            return node.value
        case Sequence(items=items):
            return [plain(item) for item in items]
        case Mapping(entries=entries):
            return {name: plain(entry.value) for name, entry in entries.items()}
        case _:
            return None
