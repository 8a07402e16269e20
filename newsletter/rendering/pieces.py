"""Finished content as static text and the places that differ from reader to reader."""

from dataclasses import dataclass
from enum import StrEnum


class Context(StrEnum):
    """Where a fill stands, which decides how its value is escaped."""

    HTML = "html"
    """Between tags."""
    ATTRIBUTE = "attribute"
    """Inside a quoted HTML attribute that is no link."""
    URL = "url"
    """Inside a link's path, query or fragment, in HTML or in plain text."""
    PLAIN = "plain"
    """In the plain-text part."""
    HEADER = "header"
    """In a message header."""


@dataclass(frozen=True, slots=True)
class Fill:
    """A place that is filled for each reader.

    Attributes:
        name: The source of an expression, for example `first_name | default("friend")`; or, with `link`, the name of
            one of the reader's own links (`unsubscribe`, `preferences`), whose value is a whole URL made by us.
        context: Decides the escaping.
        link: Whether `name` is one of the reader's own links.
    """

    name: str
    context: Context
    link: bool = False


Pieces = tuple[str | Fill, ...]
"""Static text, already escaped for its place, and fills, in reading order."""
