"""Knows the slips people make when they write YAML, says what to write instead, and reads on as if they had.

The parser stops at the first thing it cannot read and notices it late. Here the lines around that place tell what was
meant; with that line put right the rest of the file can be read too, so that its writer hears of everything at once.
"""

import re
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from newsletter.edition.lines import ROW, Lines, Row, capital, shown
from newsletter.edition.tree import TOO_DEEP, TOO_MANY, UNREADABLE, BrokenError

RULE: Final = "yaml"

_CLOSED = re.compile(r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^']|'')*')\s*(?:#.*)?""")
_BLOCK_TEXT = re.compile(r"[|>][0-9+-]*\s*(?:#.*)?")
_WORD = re.compile(r"(?P<word>[A-Za-z_][\w-]*)(?P<colon>[ \t]*:)?[ \t]*(?P<rest>.*)")
_QUOTE_IT: Final = "Put the whole text in quotes: "
_SIGNS: Final = {"{": "a curly bracket", "[": "a square bracket", "*": "an asterisk", "!": "an exclamation mark"}
_SPECIAL: Final = frozenset("{[*&!@`%|>,?}]")
_ENDS: Final = {"[": "]", "{": "}"}


@dataclass(frozen=True, slots=True)
class Slip:
    """What was wrong in one line, and the file with it put right.

    Attributes:
        what: What is wrong, one sentence.
        fix: What to write instead.
        at: Where, as an offset in the file.
        mended: The file put right; None where that is not possible.
    """

    what: str
    fix: str
    at: int
    mended: str | None = None


def explain(text: str, error: BrokenError, names: AbstractSet[str]) -> Slip:
    """What was probably meant where the parser stopped.

    Args:
        text: The file.
        error: Where and why.
        names: The names of all fields that a file may have.
    """
    return _Explainer(text, error, names).explain()


def explain_sign(lines: Lines, at: int) -> Slip:
    """What to say of a text that begins with one of YAML's signs, which the parser took for more than text.

    Args:
        lines: The file.
        at: Where the sign is, as an offset in the file.
    """
    row = lines.row(lines.number(at))
    sign = lines.text[at : at + 1]
    what = f"{capital(row.name)} begins with {_SIGNS.get(sign, f'«{sign}»')}, which means something else in this file."
    if row.key and row.start + row.value_column == at:
        return Slip(what, _QUOTE_IT + shown(row.written(row.quoted())), at)
    if sign in "*&!":
        return Slip(
            f"«{lines.text[at : at + 30].split(maxsplit=1)[0]}» does not work in this file.",
            "Take it out, or put the text in quotes.",
            at,
        )
    return Slip(what, "Put the text in quotes.", at)


class _Explainer:
    """One explanation."""

    def __init__(self, text: str, error: BrokenError, names: AbstractSet[str]) -> None:
        self.lines = Lines(text)
        self.error = error
        self.names = names
        self.row = self.lines.row(self.lines.number(error.at))
        self.column = error.at - self.row.start

    def explain(self) -> Slip:
        ways: tuple[tuple[str, Callable[[], Slip]], ...] = (
            (TOO_DEEP, self._too_much),
            (TOO_MANY, self._too_much),
            ("'\\t'", self._tab),
            ("a quoted scalar: found unexpected end of stream", self._unclosed_to_the_end),
            ("quoted scalar", self._backslash),
            ("block scalar", self._text_behind_bar),
            ("flow", self._bracket),
            ("could not find expected ':'", self._no_field_there),
            ("cannot start any token", self._odd_sign),
        )
        for sign, way in ways:
            if sign in self.error.problem:
                return way()
        if self.row.text[: self.column].strip(" -") and not self._first_colon():
            return self._unclosed_above() or self._quote(self.row)
        if "mapping values are not allowed" in self.error.problem:
            return self._unexpected_colon()
        return self._misplaced()

    def _odd_sign(self) -> Slip:
        if self.row.key or self.row.dash:
            return self._quote(self.row)
        sign = self.lines.text[self.error.at : self.error.at + 1]
        return Slip(f"A line cannot begin with {sign}.", "Take the sign out, or put the text in quotes.", self.error.at)

    def _too_much(self) -> Slip:
        if self.error.problem == TOO_DEEP:
            what = "Lists and fields stand too deep inside one another here."
            return Slip(what, "An edition needs far fewer levels.", self.error.at)
        return Slip("This file has too many parts for one edition.", "Make several editions of it.", self.error.at)

    def _unclosed_to_the_end(self) -> Slip:
        opened = self.lines.row(self.lines.number(self.error.opened or 0))
        return self._unclosed(opened) or self._quote(opened)

    def _no_field_there(self) -> Slip:
        at = self.error.at if self.error.opened is None else self.error.opened
        return self._no_field(self.lines.row(self.lines.number(at)))

    def _first_colon(self) -> bool:
        """Whether the parser stopped at the colon behind this line's own field name."""
        return self.row.key is not None and self.row.column + len(self.row.key) >= self.column

    # Inside one line

    def _tab(self) -> Slip:
        row = self.row
        if row.text[: self.column].strip():
            line = row.text[: self.column] + row.text[self.column :].replace("\t", " ")
            return Slip(
                "There is a tab here.", "Write a blank instead.", self.error.at, self.lines.mended(row.number, line)
            )
        lines = self.lines.lines[:]
        tabbed = [n for n, line in enumerate(lines) if "\t" in line[: len(line) - len(line.lstrip())]]
        for number in tabbed:
            bare = lines[number].lstrip()
            above = next((line for line in reversed(lines[:number]) if line.strip()), "")
            outer = ROW.fullmatch(above)
            column = len(outer["lead"]) if outer else 0
            lines[number] = " " * (self._dash_column(lines[:number]) if bare.startswith("- ") else column) + bare
        more = (
            f" The same in {len(tabbed) - 1} more {'lines' if len(tabbed) > 2 else 'line'}." if len(tabbed) > 1 else ""
        )
        what = f"This line begins with a tab.{more}"
        return Slip(what, "Use blanks only: two more for each level.", self.error.at, "\n".join(lines))

    @staticmethod
    def _dash_column(lines: list[str]) -> int:
        """Where the dash of the list goes that these lines end in."""
        for line in reversed(lines):
            if line.lstrip().startswith("- "):
                return len(line) - len(line.lstrip())
            if line.rstrip().endswith(":"):
                return len(line) - len(line.lstrip()) + 2
        return 0

    def _quote(self, row: Row) -> Slip:
        """The value of this line needs quotes around it."""
        value = row.bare_value()
        if not value or not (row.key or row.dash):
            return self._misplaced()
        first, name, at = value[0], row.name, row.start + row.value_column
        if first in "\"'":
            what = f"{capital(name)} begins with a quote, but goes on after the closing one."
        elif first in _SPECIAL or value.startswith(("- ", "? ")):
            sign = _SIGNS.get(first, f"«{first}»")
            what = f"{capital(name)} begins with {sign}, which means something else in this file."
        else:
            what = f"A colon stands in {name} although the text has no quotes around it."
            at = self.error.at if row is self.row else at
        new = row.quoted()
        mended = self.lines.mended(row.number, row.text[: row.value_column] + new)
        return Slip(what, _QUOTE_IT + shown(row.written(new)), at, mended)

    def _backslash(self) -> Slip:
        row, value = self.row, self.row.bare_value()
        at = row.start + max(row.text.rfind("\\", 0, self.column), 0)
        what = "In a text in double quotes a backslash \\ begins a special sign, and there is none like this."
        if value.startswith('"') and _CLOSED.fullmatch(value) and "'" not in value:
            new = f"'{value[1:-1]}'"
            mended = self.lines.mended(row.number, row.text[: row.value_column] + new)
            return Slip(what, f"Use single quotes: {shown(row.written(new))}", at, mended)
        return Slip(what, "Write two backslashes for one.", at)

    def _text_behind_bar(self) -> Slip:
        row = self.row
        sign = row.value[:1]
        below = self.lines.row(row.number + 1) if row.number + 1 < len(self.lines.lines) else None
        what = f"After {sign} the text begins on the next line."
        fix = (
            f"Move the text to the next line, with more blanks before it than {row.name} has; or leave out the {sign}."
        )
        if below and not below.blank and below.column > row.column:
            line = row.text[: row.value_column] + sign
        else:
            line = row.text[: row.value_column] + row.quoted()
        return Slip(what, fix, self.error.at, self.lines.mended(row.number, line))

    def _bracket(self) -> Slip:
        opened = self.error.opened if self.error.opened is not None else self.error.at
        row = self.lines.row(self.lines.number(opened))
        sign = self.lines.text[opened : opened + 1]
        if row.number != self.row.number and sign in _ENDS and _ENDS[sign] not in row.value:
            line = row.text.rstrip() + _ENDS[sign]
            what = f"The bracket {sign} that opens here is not closed."
            return Slip(what, f"Write {_ENDS[sign]} where it ends.", opened, self.lines.mended(row.number, line))
        if (
            row.value.startswith(("{{", "["))
            and row.start + row.value_column == opened
            and row.key
            and "]" not in row.value[:-1]
        ):
            return self._quote(row)
        what = f"Something between {sign} and {_ENDS.get(sign, 'its end')} cannot be read."
        fix = "Put each text with a colon, comma, bracket or # in quotes, or write one field a line without brackets."
        if row.number != self.row.number or not row.key:
            return Slip(what, fix, self.error.at)
        line = row.text[: row.value_column] + UNREADABLE
        return Slip(what, fix, self.error.at, self.lines.mended(row.number, line))

    # Quotes over several lines

    def _unclosed_above(self) -> Slip | None:
        """The slip that a quote was opened in a line above and swallowed everything up to here."""
        row = self.row
        if (
            row.value[:1] not in {'"', "'"}
            or not _CLOSED.fullmatch(row.value)
            or self.column > len(row.text.rstrip()) - 1
        ):
            return None
        for number in range(row.number - 1, max(row.number - 200, -1), -1):
            slip = self._unclosed(self.lines.row(number), row.value[0])
            if slip:
                return slip
        return None

    def _unclosed(self, row: Row, quote: str = "") -> Slip | None:
        if row.value[:1] not in {'"', "'"} or (quote and row.value[0] != quote) or _CLOSED.fullmatch(row.value):
            return None
        if row.value.rstrip().count(row.value[0]) > 1:
            return None
        at = row.start + row.value_column
        what = f"The quote {row.value[0]} that opens here is never closed."
        fix = f"Write {row.value[0]} at the end of the text."
        return Slip(what, fix, at, self.lines.mended(row.number, row.text.rstrip() + row.value[0]))

    # Lines that do not fit together

    def _unexpected_colon(self) -> Slip:
        """The line's own name is not expected: the line above is incomplete, or this one is indented too far."""
        above = self.lines.above(self.row.number)
        if above is None:
            return self._misplaced()
        if above.key is None or above.key.startswith("-"):
            return self._no_field(above)
        if self.row.column > above.column:
            return self._indent(above.column, f"This line has more blanks before it than {above.name} above.")
        return self._misplaced()

    def _no_field(self, row: Row) -> Slip:
        """A line that is no field although one is expected."""
        at = row.start + row.column
        match = _WORD.fullmatch(row.text[row.column :])
        if row.text.strip().startswith("-") and not row.dash:
            column = row.text.index("-")
            line = f"{row.text[: column + 1]} {row.text[column + 1 :]}"
            fix = f"Write {shown(line.strip())}"
            return Slip(
                "A blank is missing after the dash.",
                fix,
                row.start + column,
                self.lines.mended(row.number, line),
            )
        if match and match["word"] in self.names:
            line = f"{row.text[: row.column]}{match['word']}: {match['rest']}"
            what = (
                "A blank is missing after the colon."
                if match["colon"]
                else f"A colon is missing after «{match['word']}»."
            )
            return Slip(what, f"Write {shown(line.strip())}", at, self.lines.mended(row.number, line))
        above = self.lines.above(row.number)
        while above and above.key is None and above.number > row.number - 100:
            above = self.lines.above(above.number)
        if above and above.key and not (above.dash and above.column > row.column):
            what = f"This line does not begin with a name and a colon, so it must belong to {above.name} above."
            fix = f"Put more blanks before it than {above.name} has."
            if _BLOCK_TEXT.fullmatch(above.value):
                fix = (
                    f"Put as many blanks before it as the other lines of the text have, two more than {above.name} has."
                )
            return self._deeper(row, above, what, fix)
        what = "This line is neither a field nor part of a list."
        return Slip(what, "Write a name, a colon, a blank and a text; or put more blanks before it.", at)

    def _deeper(self, row: Row, above: Row, what: str, fix: str) -> Slip:
        """Indent this line, and those after it that are no fields either, under the field above."""
        column = above.column + 2
        for number in range(above.number + 1, row.number):
            between = self.lines.row(number)
            if not between.blank:
                column = between.indent
                break
        lines = self.lines.lines[:]
        for number in range(row.number, len(lines)):
            other = self.lines.row(number)
            if other.key in self.names or (other.dash and other.key):
                break
            if lines[number].strip() and not lines[number].startswith(" " * column):
                lines[number] = " " * column + lines[number].lstrip()
        mended = None if lines == self.lines.lines else "\n".join(lines)
        return Slip(what, fix, row.start + row.indent, mended)

    def _misplaced(self) -> Slip:
        """A line whose indentation fits nothing above."""
        row = self.row
        if row.key is None and not row.dash:
            return self._no_field(row)
        if row.key and row.key.startswith("-"):
            return self._no_field(row)
        indent = row.indent
        columns: set[int] = set()
        for number in range(row.number - 1, max(row.number - 500, -1), -1):
            above = self.lines.row(number)
            if above.blank or (above.key is None and not above.dash):
                continue
            if row.dash and above.dash:
                columns.add(above.indent)
            elif not row.dash and above.key:
                columns.add(above.column)
        if not row.dash and row.key == "kind" and self._dash_column(self.lines.lines[: row.number]) == indent:
            line = f"{row.text[:indent]}- {row.text[indent:]}"
            fix = "Begin each block with a dash: - kind: …"
            return Slip(
                "A dash is missing before this block.",
                fix,
                row.start + indent,
                self._moved(row.number, 2, line, siblings=True),
            )
        if not columns:
            return Slip(
                "This line fits nothing above it.",
                "Compare the blanks before it with the lines above.",
                row.start + indent,
            )
        column = min(columns, key=lambda known: (abs(known - indent), -known))
        if column == indent:
            column = next((known for known in sorted(columns) if known > indent), indent)
        return self._indent(column, f"The blanks before this line do not fit: it begins in column {indent + 1}.")

    def _indent(self, column: int, what: str) -> Slip:
        row = self.row
        indent = row.indent
        fix = f"Let it begin in column {column + 1}, right under its neighbours."
        if column == indent:
            return Slip(what, "Compare the blanks before it with the lines above.", row.start + indent)
        line = " " * column + row.text.lstrip()
        return Slip(what, fix, row.start + indent, self._moved(row.number, column - indent, line))

    def _moved(self, number: int, by: int, line: str, *, siblings: bool = False) -> str:
        """The file with one line written anew, and the lines below that hang on it, or stand by it, moved along."""
        indent = self.row.indent
        lines = [*self.lines.lines[:number], line, *self.lines.lines[number + 1 :]]
        for below in range(number + 1, len(lines)):
            text = lines[below]
            outer = len(text) - len(text.lstrip()) - indent
            if text.strip() and (outer < 0 or (outer == 0 and (not siblings or text.lstrip().startswith("-")))):
                break
            lines[below] = " " * by + text if by > 0 else text[-by:] if not text[:-by].strip() else text.lstrip()
        return "\n".join(lines)
