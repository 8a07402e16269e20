"""Writes a list to a file that a spreadsheet opens without running anything, and that an import takes back."""

import csv
import json
from collections.abc import Iterable, Sequence
from typing import Final, TextIO

import sqlalchemy as sa

from newsletter.audience.subscribers import Subscriber
from newsletter.database.schema import subscriber

COLUMNS: Final = ("email", "first_name", "last_name", "language", "country", "joined", "tags")

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""A cell that begins so is run by spreadsheets."""


def attribute_names(connection: sa.Connection) -> list[str]:
    """The names of all own fields that anybody has, in alphabetical order."""
    if connection.dialect.name == "sqlite":
        each = sa.func.json_each(subscriber.c.attributes).table_valued("key")
    else:
        each = sa.func.json_object_keys(subscriber.c.attributes).table_valued("key").render_derived()
    found = connection.scalars(sa.select(each.c.key).distinct().select_from(subscriber.join(each, sa.true())))
    return sorted(str(name) for name in found)


def write_csv(people: Iterable[Subscriber], attributes: list[str], file: TextIO) -> int:
    """Write people as CSV, one at a time; says how many.

    Args:
        people: Who.
        attributes: The own fields to write, as `attribute_names` tells them.
        file: Opened with `newline=""`.
    """
    writer = csv.writer(file, lineterminator="\r\n")  # RFC 4180 section 2
    writer.writerow([*COLUMNS, *(guarded(f"attributes.{name}") for name in attributes)])
    number = 0
    for number, person in enumerate(people, 1):  # noqa: B007 - the last one is how many
        row = [person.email, person.first_name, person.last_name, person.language, person.country]
        row += [person.joined.isoformat(), _tag_cell(person.tags)]
        row += [_cell(person.attributes.get(name)) for name in attributes]
        writer.writerow([guarded(cell or "") for cell in row])
    return number


def write_json(people: Iterable[Subscriber], file: TextIO) -> int:
    """Write people as a JSON array, one a line; says how many."""
    number = 0
    file.write("[")
    for number, person in enumerate(people, 1):
        said = {**person.person, "joined": person.joined.isoformat(), "tags": list(person.tags)}
        file.write("\n" if number == 1 else ",\n")
        file.write(json.dumps(said, ensure_ascii=False))
    file.write("\n]\n")
    return number


def guarded(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula: an apostrophe before what would be one.

    A cell that already begins with apostrophes and such a sign gets one more, so that taking one away is always right.
    """
    return f"'{cell}" if cell.lstrip("'").startswith(_FORMULA) else cell


def _tag_cell(tags: Sequence[str]) -> str:
    """Tags as `a;b`; as a JSON list where that could be read as other tags."""
    plain = not any(tag.startswith("[") or any(sign in tag for sign in ';,"') for tag in tags)
    return ";".join(tags) if plain else json.dumps(list(tags), ensure_ascii=False)


def _cell(value: object) -> str:
    """An own field's value as text."""
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False)
