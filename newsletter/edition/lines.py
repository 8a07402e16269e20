"""A YAML file seen as lines, as its writer sees it: what leads each line, which field it names, and what follows."""

import re
from dataclasses import dataclass

ROW = re.compile(
    r"""(?P<lead>[ \t]*(?:-[ \t]+)*)(?:(?P<key>[\w-]+|"[^"]*"|'[^']*')[ \t]*:(?=[ \t]|$)[ \t]*)?(?P<value>.*)"""
)
COMMENT = re.compile(r"(?<!\s)\s+#(?:\s.*)?$")


@dataclass(frozen=True, slots=True)
class Row:
    """One line: what leads it (blanks and dashes), the field's name if there is one, and what follows."""

    number: int
    start: int
    text: str
    lead: str
    key: str | None
    value: str
    column: int  # of what follows the lead
    value_column: int

    @property
    def blank(self) -> bool:
        """Whether it says nothing, or only a note."""
        return not self.text.strip() or self.text.lstrip().startswith("#")

    @property
    def dash(self) -> bool:
        """Whether it begins a part of a list."""
        return "-" in self.lead

    @property
    def name(self) -> str:
        """What to call it in a sentence."""
        return f"«{self.key}»" if self.key else "this line"

    @property
    def indent(self) -> int:
        """How many blanks or tabs stand before it."""
        return len(self.text) - len(self.text.lstrip())

    def bare_value(self) -> str:
        """The value without a note behind it."""
        return COMMENT.sub("", self.value).rstrip()

    def quoted(self) -> str:
        """The value as it must be written with quotes around it."""
        value = self.bare_value()
        wrapped = len(value) > 2 and value[0] in "\"'" and value[-1] == value[0] and self.key != "when"
        inner = value[1:-1] if wrapped else value
        if '"' not in inner and "\\" not in inner:
            return f'"{inner}"'
        if "'" not in inner:
            return f"'{inner}'"
        return "'" + inner.replace("'", "''") + "'"

    def written(self, value: str) -> str:
        """The line with another value, without what leads it."""
        return f"{self.key}: {value}" if self.key else f"- {value}"


class Lines:
    """A file by lines."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines = text.split("\n")
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line) + 1)

    def number(self, at: int) -> int:
        """The number, from 0, of the line that an offset is in."""
        return min(self.text.count("\n", 0, at), len(self.lines) - 1)

    def row(self, number: int) -> Row:
        """A line taken apart."""
        line = self.lines[number]
        match = ROW.fullmatch(line)
        lead, key, value = (match["lead"], match["key"], match["value"]) if match else ("", None, line)
        column = len(lead)
        return Row(number, self.starts[number], line, lead, key, value, column, len(line) - len(value))

    def above(self, number: int) -> Row | None:
        """The nearest line above that says something."""
        return next((row for n in range(number - 1, max(number - 200, -1), -1) if not (row := self.row(n)).blank), None)

    def mended(self, number: int, line: str) -> str:
        """The file with one line written anew."""
        return "\n".join([*self.lines[:number], line, *self.lines[number + 1 :]])


def capital(words: str) -> str:
    """The words as they begin a sentence."""
    return words[:1].upper() + words[1:]


def shown(line: str) -> str:
    """A line as a sentence may show it."""
    return line if len(line) <= 100 else f"{line[:60]} … {line[-20:]}"
