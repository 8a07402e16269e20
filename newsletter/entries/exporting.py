"""Writes entries of a form to a file that a spreadsheet opens without running anything."""

import csv
import json
from collections.abc import Iterable, Sequence
from typing import Final, TextIO

from newsletter.audience.exporting import guarded
from newsletter.config.pages import FormTable
from newsletter.entries.keeping import Entry

_COLUMNS: Final = ("entry", "at", "expires_at")


def answer_names(form: FormTable | None, entries: Iterable[Entry]) -> list[str]:
    """The columns for answers: the form's questions in their order, then what older entries have besides."""
    names = [] if form is None else [question.name for question in form.fields]
    found = dict.fromkeys(names)
    for entry in entries:
        found |= dict.fromkeys(entry.answers)
    return list(found)


def write_csv(entries: Iterable[Entry], names: Sequence[str], file: TextIO) -> int:
    """Write entries as CSV, one a row; says how many.

    A cell that a spreadsheet would run gets an apostrophe before it (email-standards 136).

    Args:
        entries: Which.
        names: The columns for answers, as `answer_names` tells them.
        file: Opened with `newline=""`.
    """
    writer = csv.writer(file, lineterminator="\r\n")  # RFC 4180 section 2
    writer.writerow([guarded(name) for name in (*_COLUMNS, *names)])
    number = 0
    for number, entry in enumerate(entries, 1):  # noqa: B007 - the last one is how many
        cells = [str(entry.id), entry.at.isoformat(), entry.expires_at.isoformat()]
        cells += [_cell(entry.answers.get(name, "")) for name in names]
        writer.writerow([guarded(cell) for cell in cells])
    return number


def write_json(entries: Iterable[Entry], file: TextIO) -> int:
    """Write entries as a JSON array, one a line; says how many."""
    number = 0
    file.write("[")
    for number, entry in enumerate(entries, 1):
        file.write("\n" if number == 1 else ",\n")
        file.write(json.dumps(entry.as_json(), ensure_ascii=False))
    file.write("\n]\n")
    return number


def _cell(answer: str | bool) -> str:  # noqa: FBT001 - an answer is a tick or a text
    if isinstance(answer, bool):
        return "yes" if answer else "no"
    return answer
