"""Makes a person of a row's cells, or says why that cannot be; says all that is wrong with a row at once."""

import json
import re
import unicodedata
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from newsletter.audience.importing.addresses import AddressReader
from newsletter.audience.importing.columns import Columns
from newsletter.errors import AddressError

_LONGEST = 200
"""Characters in a name, tag or attribute, as in `checked_details`."""

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_COUNTRY = re.compile(r"[A-Za-z]{2}")
_DAY = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[T ]\d\d?:.*)?")
_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_REMEMBERED = 5_000
"""Texts of one column that are kept, with what they were read as: names, codes and days come again and again."""

_GUARDED = re.compile(r"'+[=+\-@\t\r]")
"""What the export guards against being run as a formula: it put the first of the apostrophes there."""


class Person(NamedTuple):
    """What a row says of somebody; None, or empty, where it says nothing."""

    line: int
    email: str
    key: str
    hashed: bytes
    first_name: str | None
    last_name: str | None
    language: str | None
    country: str | None
    joined: str | None
    tags: tuple[str, ...]
    attributes: dict[str, str]

    def with_more(self, later: "Person") -> "Person":
        """The same person after another row: what that one says counts, and tags are added."""
        return self._replace(
            first_name=later.first_name or self.first_name,
            last_name=later.last_name or self.last_name,
            language=later.language or self.language,
            country=later.country or self.country,
            joined=later.joined or self.joined,
            tags=tuple(dict.fromkeys([*self.tags, *later.tags])),
            attributes={**self.attributes, **later.attributes},
        )


class Refusal(NamedTuple):
    """A row that cannot be taken: why, and the cell at fault as a person may see it."""

    line: int
    reason: str
    value: str = ""


class _CellError(Exception):
    """A cell cannot be right."""

    def __init__(self, reason: str, value: str) -> None:
        super().__init__(reason)
        self.value = value


class _Remembered(dict[str, str | None]):
    """What the cells of one column were read as; what is wrong is never kept, and asked anew."""

    def __init__(self, read: Callable[[str], str | None]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, cell: str) -> str | None:
        read = self._read(cell)
        if len(self) < _REMEMBERED:
            self[cell] = read
        return read


class PersonReader:
    """Reads the rows of one file.

    Args:
        columns: What the file's columns mean.
        tags: Given to everybody.
        addresses: Reads the addresses.
    """

    def __init__(self, columns: Columns, tags: tuple[str, ...], addresses: AddressReader) -> None:
        self._columns = columns
        self._addresses = addresses
        self._tags = tags
        self._width = len(columns.targets)
        place = {target: number for number, target in enumerate(columns.targets) if target}
        self._email = place["email"]
        self._first, self._last = place.get("first_name"), place.get("last_name")
        self._language, self._country = place.get("language"), place.get("country")
        self._first_names = _Remembered(partial(_text, name="first_name"))
        self._last_names = _Remembered(partial(_text, name="last_name"))
        self._languages = _Remembered(partial(_code, name="language", pattern=_LANGUAGE))
        self._countries = _Remembered(_country)
        self._days = _Remembered(_day)
        self._joined = tuple(number for number, target in enumerate(columns.targets) if target == "joined")
        self._tagged = place.get("tags")
        self._more = place.get("attributes")
        self._attributes = tuple(
            (target, number)
            for number, target in enumerate(columns.targets)
            if target and target.startswith("attributes.")
        )
        self._nameless = tuple(number for number, name in enumerate(columns.names) if not name)

    def read(self, line: int, cells: list[str] | str) -> Person | Refusal:
        """The person of one row."""
        if isinstance(cells, str):
            return Refusal(line, cells)
        if len(cells) != self._width:
            cells = self._fitting(cells)
        if said := self._unfit(cells):
            return Refusal(line, said)
        try:
            typed = cells[self._email].strip()
            if typed[:1] == "'":
                typed = _unguarded(typed)
            email, key = self._addresses.read(typed)
            return self._person(line, email, key, cells)
        except AddressError as error:
            if not typed:
                return Refusal(line, "There is no address in the row.")
            return Refusal(line, str(error), _shown(typed))
        except _CellError:
            return self._all_trouble(line, cells)

    def _unfit(self, cells: list[str]) -> str | None:
        """Why a row cannot be taken, whatever stands in its cells; None for one that can."""
        if len(cells) != self._width:
            has = "one cell" if len(cells) == 1 else f"{len(cells)} cells"
            return f"The row has {has}, and there are {self._width} columns."
        if self._columns.verdict is not None and (said := self._columns.verdict(cells)):
            return said
        for number in self._nameless:
            if cells[number].strip():
                return f"Cell {number + 1} is filled, and its column has no name."
        return None

    def _person(self, line: int, email: str, key: str, cells: list[str]) -> Person:
        first = None if self._first is None else self._first_names[cells[self._first]]
        last = None if self._last is None else self._last_names[cells[self._last]]
        language = None if self._language is None else self._languages[cells[self._language]]
        country = None if self._country is None else self._countries[cells[self._country]]
        joined = None
        for place in self._joined:  # of several, the last that is filled
            joined = self._days[cells[place]] or joined
        tags = self._tags if self._tagged is None else self._all_tags(cells[self._tagged])
        attributes = {}
        for name, place in self._attributes:
            if text := _text(cells[place], name):
                attributes[name.removeprefix("attributes.")] = text
        if self._more is not None:
            attributes |= _json_attributes(cells[self._more])
        return Person(
            line,
            email,
            key,
            self._addresses.hashed(key),
            first,
            last,
            language,
            country,
            joined,
            tags,
            attributes,
        )

    def _fitting(self, cells: list[str]) -> list[str]:
        """The row without empty cells beyond the last column, which spreadsheets leave behind."""
        while len(cells) > self._width and not cells[-1].strip():
            cells = cells[:-1]
        return cells

    def _all_tags(self, cell: str) -> tuple[str, ...]:
        if not cell:
            return self._tags
        found = [text for part in _tag_texts(cell) if (text := _tidy(part, "tags"))]
        return tuple(dict.fromkeys([*self._tags, *found]))

    def _all_trouble(self, line: int, cells: list[str]) -> Refusal:
        """Everything that is wrong with a row whose address is right."""
        reasons: dict[str, str] = {}

        def ask(read: Callable[[], object]) -> None:
            try:
                read()
            except _CellError as trouble:
                reasons.setdefault(str(trouble), trouble.value)

        def ask_each(read: Callable[[str], object], *places: int | None) -> None:
            for place in places:
                if place is not None:
                    ask(partial(read, cells[place]))

        ask_each(partial(_text, name="first_name"), self._first)
        ask_each(partial(_text, name="last_name"), self._last)
        ask_each(partial(_code, name="language", pattern=_LANGUAGE), self._language)
        ask_each(_country, self._country)
        ask_each(_day, *self._joined)
        ask_each(self._all_tags, self._tagged)
        for name, place in self._attributes:
            ask_each(partial(_text, name=name), place)
        ask_each(_json_attributes, self._more)
        values = [value for value in reasons.values() if value]
        return Refusal(line, " ".join(reasons), values[0] if values else "")


def _unguarded(text: str) -> str:
    """Text without the apostrophe that guards a spreadsheet against formulas.

    Raises:
        AddressError: Another apostrophe stands there, which belongs to a spreadsheet and not to an address.
    """
    if _GUARDED.match(text):
        return text[1:]
    raise AddressError("The address begins with an apostrophe, which spreadsheets put there. Take it away.")


def _text(cell: str, name: str) -> str | None:
    """A cell's text in Unicode normal form C, without spaces around it; None for none."""
    text = cell.strip()
    if not text:
        return None
    if text[0] == "'" and _GUARDED.match(text):
        text = text[1:]
    return _tidy(text, name)


def _tidy(text: str, name: str) -> str | None:
    """The same of what was part of a cell, where an apostrophe guards nothing."""
    text = text.strip()
    if not text:
        return None
    if len(text) <= _LONGEST and text.isascii() and text.isprintable():
        return text
    if "\ufffd" in text or any("\udc80" <= character <= "\udcff" for character in text):
        raise _CellError(
            "The row has characters that cannot be read. Save the file as CSV UTF-8 and import it again.", ""
        )
    text = unicodedata.normalize("NFC", text)
    if len(text) > _LONGEST:
        raise _CellError(f"{name} is longer than {_LONGEST} characters.", _shown(text))
    if any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in text):
        raise _CellError(f"{name} has a line break or another character that cannot be shown.", _shown(text))
    return text


def _code(cell: str, name: str, pattern: re.Pattern[str]) -> str | None:
    text = _text(cell, name)
    if text is None or pattern.fullmatch(text):
        return text
    like = "a language code like en or pt-BR" if name == "language" else "a two-letter code like KE"
    raise _CellError(f"{name} is not {like}.", _shown(text))


def _country(cell: str) -> str | None:
    code = _code(cell, "country", _COUNTRY)
    return code and code.upper()


def _day(cell: str) -> str | None:
    """A day as 2026-01-31, of a date or a moment; the time of day is not kept."""
    text = cell.strip()
    if not text:
        return None
    found = _DAY.fullmatch(text)
    if found is not None:
        year, month, day = (int(part) for part in found.groups())
        leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        if 1 <= month <= 12 and 1 <= day <= _DAYS[month - 1] and (day < 29 or month != 2 or leap) and year:
            return text[:10]
    raise _CellError("joined is not a date like 2026-01-31.", _shown(text))


def _tag_texts(cell: str) -> list[str]:
    """The tags of a cell: `a, b; c`, `"a","b"` as Mailchimp writes it, or a JSON list as Buttondown does."""
    text = cell.strip()
    if _GUARDED.match(text):
        text = text[1:]
    if text[:1] == "[":
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, list):
            return [str(tag.get("name", "") if isinstance(tag, dict) else tag) for tag in found]
    return [part.strip().strip('"') for part in re.split("[;,]", text)]


def _json_attributes(cell: str) -> dict[str, str]:
    """The attributes in a cell that holds a JSON object; what is nested stays JSON."""
    text = cell.strip()
    if text in {"", "{}", "null"}:
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise _CellError("attributes is not a JSON object.", _shown(text))
    kept = {}
    for name, value in found.items():
        if not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name):
            raise _CellError("The name of an attribute has other signs than letters, digits and _.", _shown(name))
        said = value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)
        if tidy := _tidy(said, f"attributes.{name}"):
            kept[name] = tidy
    return kept


def _shown(text: str) -> str:
    """A cell as it can be shown in a terminal."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:60])
