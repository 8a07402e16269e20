"""How somebody stands while an import is thought through: as the database has them, and as the rows change them."""

import json
import zlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Self

from newsletter.audience.importing.people import Person

_TOLD = ("first_name", "last_name", "language", "country", "joined")


class Known:
    """A person in a batch.

    Attributes:
        changes: What the rows changed: for each field what was there and what is there now, as
            `attributes.<name>` for one attribute; the tags that were added; the list.
    """

    __slots__ = (
        *("id", "email", "key", "hashed", "first_name", "last_name", "language", "country", "joined", "attributes"),
        *("tags", "status", "changes"),
    )

    def __init__(self, values: Sequence[Any]) -> None:
        (
            self.id,
            self.email,
            self.key,
            self.hashed,
            self.first_name,
            self.last_name,
            self.language,
            self.country,
            self.joined,
            self.attributes,
        ) = values
        self.tags: set[str] = set()
        self.status: tuple[str, str] | None = None
        self.changes: dict[str, list[Any]] = {}

    @classmethod
    def stored(cls, row: Sequence[Any]) -> Self:
        """Somebody as the database driver gives them."""
        values = list(row)
        values[8] = str(values[8])
        if isinstance(values[9], str):
            values[9] = json.loads(values[9])
        return cls(values)

    def update(self, row: Person) -> bool:
        """Take over what a row says; whether that changes anything."""
        changed = False
        for name in _TOLD:
            said = getattr(row, name)
            before = getattr(self, name)
            if said is not None and said != before:
                self._note(name, before, said)
                setattr(self, name, said)
                changed = True
        for name, text in row.attributes.items():
            if self.attributes.get(name) != text:
                self._note(f"attributes.{name}", self.attributes.get(name), text)
                self.attributes = {**self.attributes, name: text}
                changed = True
        for tag in row.tags:
            if tag not in self.tags:
                self.tags.add(tag)
                self.changes.setdefault("tags", []).append(tag)
                changed = True
        return changed

    def join(self, status: str) -> None:
        """Take the list over."""
        self.status = (status, "")
        self.changes["list"] = [None, status]

    def _note(self, name: str, before: object, after: object) -> None:
        first = self.changes[name][0] if name in self.changes else before
        self.changes[name] = [first, after]


def mark(one: Known) -> int:
    """A number that changes when somebody's details do; never 0, which stands for somebody erased."""
    return mark_of(
        (one.email, one.first_name, one.last_name, one.language, one.country, one.joined), one.tags, one.attributes
    )


def mark_of(details: Sequence[str | None], tags: Collection[str], attributes: Mapping[str, object]) -> int:
    """The same of plain values: email, first and last name, language, country, day of joining."""
    text = "\x1f".join([text or "" for text in details])
    if tags:
        text += "\x1e" + "\x1f".join(sorted(tags))
    if attributes:
        text += "\x1d" + json.dumps(attributes, sort_keys=True)
    return zlib.crc32(text.encode("utf-8", "surrogatepass")) or 1
