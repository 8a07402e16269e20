"""Tells the rows of a CSV file apart, so that a forgotten quote or an endless line costs one row and not the rest."""

import csv
from collections import deque
from collections.abc import Iterator
from typing import TextIO

Row = tuple[int, list[str] | str]
"""The line on which a row begins, counted from 1, and its cells; or, where it cannot be told apart, the reason."""

LONGEST_LINE = 100_000
"""Characters in one line; a longer one is no list of people."""

_MOST_LINES = 20
"""Lines of one row, where a quoted cell has line breaks; beyond, a quote was forgotten."""

_CHUNK = 1 << 18


def csv_rows(file: TextIO, delimiter: str) -> Iterator[Row]:
    """Each row that says something.

    A forgotten quote would swallow the rest of the file. So a row ends where all its quotes are closed, within a few
    lines; where that does not work out, only its first line is lost, and the next are rows of their own again.

    Args:
        file: Opened with universal line ends.
        delimiter: What separates the cells.
    """
    source = _lines(file)
    waiting: deque[str] = deque()
    number = 1
    blank = f"{delimiter} \t"
    while (line := waiting.popleft() if waiting else next(source, None)) is not None:
        if '"' not in line and len(line) < LONGEST_LINE:
            if line.strip(blank):  # an empty line is no row
                yield number, line.split(delimiter)
            number += 1
            continue
        lines = [line]
        while (cells := _cells(lines, delimiter)) is None and len(lines) < _MOST_LINES:
            following = waiting.popleft() if waiting else next(source, None)
            if following is None:
                break
            lines.append(following)
        if not isinstance(cells, list):
            waiting.extendleft(reversed(lines[1:]))
            del lines[1:]
            yield number, cells or 'A quote (") is opened and never closed.'
        elif any(cell.strip() for cell in cells):
            yield number, cells
        number += len(lines)


def split_line(line: str, delimiter: str) -> list[str]:
    """The cells of one line, as well as they can be told."""
    cells = _cells([line], delimiter)
    return cells if isinstance(cells, list) else line.split(delimiter)


def _lines(file: TextIO) -> Iterator[str]:
    """The lines without their ends; one that is far too long is cut, so that no file fills the memory."""
    rest = ""
    while chunk := file.read(_CHUNK):
        lines = (rest + chunk).split("\n")
        rest = lines.pop()[:LONGEST_LINE]
        for line in lines:
            yield line if len(line) < LONGEST_LINE else line[:LONGEST_LINE]
    if rest:
        yield rest


def _cells(lines: list[str], delimiter: str) -> list[str] | str | None:
    """The cells of a row, the reason why there are none, or None if a quote is still open."""
    if len(lines[-1]) >= LONGEST_LINE:
        return f"The line is longer than {LONGEST_LINE} characters."
    ended = [f"{line}\n" for line in lines[:-1]] + lines[-1:]
    try:
        return next(csv.reader(ended, delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        return None if "unexpected end of data" in str(error) else 'A quote (") stands where none belongs.'
