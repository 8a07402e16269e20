"""Takes people from a CSV file, row by row, so that one bad row costs nobody else their place.

The first row names the fields: `email`, and any of `first_name`, `last_name`, `language`, `country`, `joined`, `tags`
and `attributes.<name>`. Tags in a cell are separated by `;` or `,`. A file can be imported again at any time: what is
there already is unchanged, who left a list or must never be mailed is refused and stays out.
"""

import csv
import difflib
import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TextIO

import sqlalchemy as sa

from newsletter.audience.lists import Consent, find_list, subscribe
from newsletter.audience.subscribers import Change, Details, save_subscriber
from newsletter.database.schema import ConsentMethod
from newsletter.errors import AudienceError, Finding

FIELDS = ("email", "first_name", "last_name", "language", "country", "joined", "tags")
"""The columns a file may have, beside `attributes.<name>`."""

_LONGEST_LINE = 100_000
"""Characters in one line; a longer one is no list of people."""

_MOST_LINES = 20
"""Lines of one row, where a quoted cell has line breaks; beyond, a quote was forgotten."""


@dataclass(frozen=True, slots=True)
class RowOutcome:
    """What became of one row.

    Attributes:
        line: Where the row begins in the file, counted from 1.
        change: None for a row that was refused.
        reason: Why it was refused, one or more sentences.
    """

    line: int
    change: Change | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ImportCounts:
    """How many rows came to which end; together, all rows of the file."""

    new: int
    updated: int
    unchanged: int
    refused: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvImport:
    """Where the people of a file go, and by whose word.

    Attributes:
        connection: A writing transaction; the import happens as a whole when it is committed.
        to_list: The list they agreed to be on; None only keeps their details.
        secret: The project's secret key.
        now: When they came.
    """

    connection: sa.Connection
    to_list: str | None
    secret: bytes
    now: datetime

    def run(self, path: Path, on_row: Callable[[RowOutcome], None] = lambda _: None) -> ImportCounts:
        """Bring in everybody in a file; memory stays the same however long it is.

        Args:
            path: UTF-8, with or without a byte order mark.
            on_row: Called with each row's outcome, in order.

        Raises:
            AudienceError: The file cannot be read, or its first row does not name the fields; nothing was imported.
            ListNotFoundError: There is no such list.
        """
        if self.to_list is not None:
            find_list(self.connection, self.to_list)
        consent = Consent(f"imported from {path.name}", ConsentMethod.IMPORT, self.now)
        counts = dict.fromkeys([*Change, None], 0)
        try:
            with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
                rows = _rows(file)
                header = _header(path, rows)
                for line, cells in rows:
                    outcome = self._take(line, header, cells, consent)
                    counts[outcome.change] += 1
                    on_row(outcome)
        except OSError as error:
            raise AudienceError(f"«{path}» cannot be read: {error.strerror}. Check the name of the file.") from error
        return ImportCounts(counts[Change.NEW], counts[Change.UPDATED], counts[Change.UNCHANGED], counts[None])

    def _take(self, line: int, header: list[str], cells: list[str] | str, consent: Consent) -> RowOutcome:
        """Bring one row in, all of it or nothing."""
        try:
            details = _details(header, cells)
            with self.connection.begin_nested():
                person, change = save_subscriber(self.connection, details, secret=self.secret, now=self.now)
                if self.to_list is not None:
                    added = subscribe(self.connection, person, self.to_list, consent)
                    if change is Change.UNCHANGED and added is Change.NEW:
                        change = Change.UPDATED
        except AudienceError as error:
            return RowOutcome(line, None, str(error))
        return RowOutcome(line, change)


def _rows(file: TextIO) -> Iterator[tuple[int, list[str] | str]]:
    """Each row with its line: its cells, or, where it cannot be told apart, the reason.

    A forgotten quote would swallow the rest of the file. So a row ends where all its quotes are closed, within a few
    lines; where that does not work out, only its first line is lost, and the next are rows of their own again.
    """
    waiting: deque[str] = deque()
    number = 1
    while taken := _next_line(file, waiting):
        lines = [taken]
        while (cells := _cells(lines)) is None and len(lines) < _MOST_LINES and (taken := _next_line(file, waiting)):
            lines.append(taken)
        if not isinstance(cells, list):
            waiting.extendleft(reversed(lines[1:]))
            del lines[1:]
            yield number, cells or 'A quote (") is opened and never closed.'
        elif any(cells):  # an empty line is no row
            yield number, cells
        number += len(lines)


def _next_line(file: TextIO, waiting: deque[str]) -> str:
    """The next line with its end; cut, where it is far too long; empty after the last."""
    if waiting:
        return waiting.popleft()
    line = file.readline(_LONGEST_LINE)
    if len(line) == _LONGEST_LINE:
        while (rest := file.readline(_LONGEST_LINE)) and not rest.endswith(("\n", "\r")):
            pass
    return line


def _cells(lines: list[str]) -> list[str] | str | None:
    """The cells of a row, the reason why there are none, or None if a quote is still open."""
    if len(lines[-1]) == _LONGEST_LINE:
        return f"The line is longer than {_LONGEST_LINE} characters."
    try:
        return [cell.strip() for cell in next(csv.reader(lines, strict=True), [])]
    except csv.Error as error:
        return None if "unexpected end of data" in str(error) else 'A quote (") stands where none belongs.'


def _header(path: Path, rows: Iterator[tuple[int, list[str] | str]]) -> list[str]:
    """The names of the columns.

    Raises:
        AudienceError: There are none, or a name is unknown, missing or there twice; tells all of it.
    """
    line, names = next(rows, (1, "The file is empty."))
    if isinstance(names, str):
        raise AudienceError(f"«{path.name}» cannot be imported: {names} Its first row must name the columns.")
    findings = []

    def found(rule: str, what: str, fix: str = "") -> None:
        findings.append(Finding(rule=rule, what=what, fix=fix, file=path.name, line=line))

    for place, name in enumerate(names):
        family, _, attribute = name.partition(".")
        if name in names[:place]:
            found("duplicate-column", f"The column «{name}» is there twice.", "Keep one of them.")
        elif name not in FIELDS and not (family == "attributes" and attribute.isidentifier()):
            near = difflib.get_close_matches(re.sub(r"[ -]+", "_", name.casefold()), FIELDS, n=1)
            fix = f"Did you mean {near[0]}?" if near else f"Write attributes.<name>, or one of: {', '.join(FIELDS)}."
            found("unknown-column", f"The column «{name}» is not known.", fix)
    if "email" not in names:
        found("missing-column", "There is no column «email».", "The first row must name the columns.")
    if findings:
        raise AudienceError(findings=findings)
    return names


def _details(header: list[str], cells: list[str] | str) -> Details:
    """What a row says.

    Raises:
        AudienceError: The row does not fit the columns, or a cell cannot be read.
    """
    if isinstance(cells, str):
        raise AudienceError(cells)
    if len(cells) != len(header):
        raise AudienceError(f"The row has {len(cells)} cells, and there are {len(header)} columns.")
    if any("\udc80" <= character <= "\udcff" for cell in cells for character in cell):
        raise AudienceError("The row is not UTF-8. Save the file as CSV UTF-8 and import it again.")
    said = {name: cell for name, cell in zip(header, cells, strict=True) if cell}
    joined = said.get("joined")
    try:
        day = date.fromisoformat(joined) if joined else None
    except ValueError as error:
        raise AudienceError(f"joined «{joined}» is not a date like 2026-01-31.") from error
    return Details(
        email=said.get("email", ""),
        first_name=said.get("first_name"),
        last_name=said.get("last_name"),
        language=said.get("language"),
        country=said.get("country"),
        joined=day,
        tags=tuple(tag for part in said.get("tags", "").split(";") for tag in part.split(",")),
        attributes={
            name.removeprefix("attributes."): cell for name, cell in said.items() if name.startswith("attributes.")
        },
    )
