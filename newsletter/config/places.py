"""Where each setting was written: a small scanner of TOML keeps what `tomllib` forgets, the line and column of keys."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from newsletter.errors import Finding, Severity

Path = tuple[str | int, ...]
"""Keys and list positions (from 0) that lead to a setting."""

DEEPEST: Final = 20
"""Tables and lists inside one another; nothing here needs more than five."""

_BLANK = re.compile(r"[ \t]*")
_SPACE = re.compile(r"(?:[ \t\n]+|#[^\n]*)*")
_BARE = re.compile(r"[^\s=.\[\]{},#\"']+")
_VALUE = re.compile(r"[^\n,\]}#]*")
_BASIC = re.compile(r'"(?:[^"\\\n]|\\[^\n])*("?)')
_LITERAL = re.compile(r"'[^'\n]*('?)")
_LONG = {
    '"""': re.compile(r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*("{3,5})?', re.DOTALL),
    "'''": re.compile(r"'''(?:[^']|'{1,2}(?!'))*('{3,5})?"),
}


@dataclass(frozen=True, slots=True)
class Places:
    """The places of settings, in a file and in the environment.

    Attributes:
        file: The file's name as its writer knows it.
        keys: Line and column of each key and table, both from 1.
        variables: For settings that the environment gave, the variable.
    """

    file: str = "newsletter.toml"
    keys: Mapping[Path, tuple[int, int]] = field(default_factory=dict)
    variables: Mapping[Path, str] = field(default_factory=dict)

    def find(self, path: Sequence[str | int]) -> tuple[int, int] | None:
        """Line and column of a setting; None if the file leaves it out."""
        numbered = tuple(int(key) if isinstance(key, str) and key.isdecimal() else key for key in path)
        return self.keys.get(tuple(path)) or self.keys.get(numbered)

    def variable(self, path: Sequence[str | int]) -> str | None:
        """The environment's variable that gave a setting or what it lies in."""
        around = (tuple(path[:end]) for end in range(len(path), 0, -1))
        return next((self.variables[part] for part in around if part in self.variables), None)

    def finding(
        self, path: Sequence[str | int], *, rule: str, what: str, fix: str = "", severity: Severity = Severity.MUST_FIX
    ) -> Finding:
        """A problem with a setting, at its place or the nearest one around it, or at its variable."""
        if variable := self.variable(path):
            return Finding(rule=rule, what=what, fix=fix, severity=severity, file=variable)
        ends = range(len(path), 0, -1)
        line, column = next((place for n in ends if (place := self.find(path[:n]))), (None, None))
        return Finding(rule=rule, what=what, fix=fix, severity=severity, file=self.file, line=line, column=column)


class TooDeepError(Exception):
    """Keys, lists or tables lie too deep inside one another; `offset` says where."""

    def __init__(self, offset: int) -> None:
        self.offset = offset
        super().__init__(offset)


class Scan:
    """One walk over a TOML text. It takes any text: what is no TOML is skipped to the end of its line.

    Attributes:
        keys: The offset of each key and table, where it first stands.
        twice: For each key or table written again: its path, where first, where again.
        starts: Where each statement begins.
        unclosed: Where the first string begins that never ends.
    """

    def __init__(self, text: str) -> None:
        """Walk over a text whose lines end in LF.

        Raises:
            TooDeepError: Something lies more than `DEEPEST` deep.
        """
        self.text = text
        self.keys: dict[Path, int] = {}
        self.twice: list[tuple[Path, int, int]] = []
        self.starts: list[int] = []
        self.unclosed: int | None = None
        self._given: set[Path] = set()  # values and [tables], which may stand only once
        self._lengths: dict[Path, int] = {}  # of [[tables]]
        self._lines = [0, *(match.end() for match in re.finditer("\n", text))]
        self._walk()

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset, both from 1."""
        line = bisect_right(self._lines, offset)
        return line, offset - self._lines[line - 1] + 1

    def offset(self, line: int, column: int) -> int:
        """The offset of a line and column; the reverse of `position`."""
        return self._lines[min(line, len(self._lines)) - 1] + column - 1

    def places(self) -> dict[Path, tuple[int, int]]:
        """Line and column of every key."""
        return {path: self.position(offset) for path, offset in self.keys.items()}

    def _walk(self) -> None:
        table: Path = ()
        at = self._skip(_SPACE, 0)
        while at < len(self.text):
            self.starts.append(at)
            if self.text[at] == "[":
                table, at = self._header(at)
            else:
                at = self._pair(at, table, 0)
            end = self.text.find("\n", at)
            at = self._skip(_SPACE, len(self.text) if end < 0 else end)

    def _header(self, at: int) -> tuple[Path, int]:
        many = self.text.startswith("[[", at)
        keys, end = self._key(self._skip(_BLANK, at + 1 + many))
        path: Path = ()
        for name, _ in keys:
            path = (*path, name)
            if path in self._lengths and not (many and len(path) == len(keys)):
                path = (*path, self._lengths[path] - 1)
        if not keys:
            return (), end
        if many:
            self.keys.setdefault(path, at)
            number = self._lengths.get(path, 0)
            self._lengths[path] = number + 1
            path = (*path, number)
        self._add(path, at)
        return path, end

    def _pair(self, at: int, table: Path, depth: int) -> int:
        """A key, `=` and a value, beginning at `at`; returns where it ends."""
        keys, end = self._key(at)
        path = table
        for number, (name, offset) in enumerate(keys):
            path = (*path, name)
            if number < len(keys) - 1:
                self.keys.setdefault(path, offset)
        end = self._skip(_BLANK, end)
        if not keys or not self.text.startswith("=", end):
            return end
        self._add(path, keys[-1][1])
        return self._value(self._skip(_BLANK, end + 1), path, depth)

    def _add(self, path: Path, offset: int) -> None:
        if path in self._given:
            self.twice.append((path, self.keys[path], offset))
        self._given.add(path)
        self.keys.setdefault(path, offset)

    def _key(self, at: int) -> tuple[list[tuple[str, int]], int]:
        """The parts of a dotted key with their offsets, and where it ends."""
        keys: list[tuple[str, int]] = []
        while True:
            at = self._skip(_BLANK, at)
            start = at
            if self.text.startswith(('"', "'"), at):
                at = self._string(at)
                keys.append((self.text[start + 1 : max(at - 1, start + 1)], start))
            elif match := _BARE.match(self.text, at):
                at = match.end()
                keys.append((match[0], start))
            else:
                return keys, at
            if len(keys) > DEEPEST:
                raise TooDeepError(start)
            at = self._skip(_BLANK, at)
            if not self.text.startswith(".", at):
                return keys, at
            at += 1

    def _value(self, at: int, path: Path, depth: int) -> int:
        if depth > DEEPEST:
            raise TooDeepError(at)
        if self.text.startswith(('"', "'"), at):
            return self._string(at)
        if self.text.startswith("[", at):
            return self._inside(at + 1, "]", path, depth)
        if self.text.startswith("{", at):
            return self._inside(at + 1, "}", path, depth)
        return self._skip(_VALUE, at)

    def _inside(self, at: int, close: str, path: Path, depth: int) -> int:
        """The entries of a list, or the pairs of an inline table, up to the closing bracket."""
        for number in _counted():
            at = self._skip(_SPACE, at)
            if at >= len(self.text):
                return at
            if self.text[at] == close:
                return at + 1
            start = at
            if close == "]":
                self.keys.setdefault((*path, number), at)
                at = self._value(at, (*path, number), depth + 1)
            else:
                at = self._pair(at, path, depth + 1)
            at = self._skip(_SPACE, at)
            if self.text.startswith(",", at):
                at += 1
            elif at == start:
                return at
        return at

    def _string(self, at: int) -> int:
        """Where the string that begins at `at` ends."""
        long = _LONG.get(self.text[at : at + 3])
        match = (long or (_BASIC if self.text[at] == '"' else _LITERAL)).match(self.text, at)
        if match is None:  # cannot be: each pattern takes its own quote and nothing more
            return at + 1
        if not match[1] and self.unclosed is None:
            self.unclosed = at
        return match.end()

    def _skip(self, pattern: re.Pattern[str], at: int) -> int:
        match = pattern.match(self.text, at)
        return match.end() if match else at


def _counted() -> Iterator[int]:
    number = 0
    while True:
        yield number
        number += 1
