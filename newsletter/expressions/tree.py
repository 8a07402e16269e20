"""What an expression is once it is checked: small frozen nodes, free of Jinja, that every interpreter walks.

The rules that an interpreter must follow stand in the docstring of `newsletter.expressions`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

Value = str | int | float | bool | date | tuple[str, ...] | None
"""What an expression can be for one person."""

Written = str | int | float | bool | date
"""What can be written down, apart from `none`."""

Person = Mapping[str, object]
"""One reader as plain data: the names of `FIELDS`, and `attributes`: a mapping to texts, numbers, bools and None."""


class Kind(StrEnum):
    """What sort of value stands somewhere, as far as it is known before any person is."""

    TEXT = "text"
    TAGS = "tags"
    DATE = "date"
    NUMBER = "number"
    TRUTH = "truth"
    """True or false: a comparison, or the words `true` and `false`."""
    NOTHING = "nothing"
    """The word `none`."""
    ANY = "any"
    """An own attribute: text, number, true, false or nothing, known only with the person."""


FIELDS: Mapping[str, Kind] = MappingProxyType(
    {
        "email": Kind.TEXT,
        "first_name": Kind.TEXT,
        "last_name": Kind.TEXT,
        "language": Kind.TEXT,
        "country": Kind.TEXT,
        "tags": Kind.TAGS,
        "joined": Kind.DATE,
    }
)
"""The names that every subscriber has, with their kinds. A subscriber's own fields are `attributes.NAME`."""

Order = Literal["==", "<", "<=", ">", ">="]
FilterName = Literal["default", "title", "upper", "lower", "date"]
FILTERS: tuple[FilterName, ...] = ("default", "title", "upper", "lower", "date")
DATE_FORMATS = ("short", "medium", "long", "full")


@dataclass(frozen=True, slots=True)
class Field:
    """A field that every subscriber has; `name` is one of `FIELDS`."""

    name: str


@dataclass(frozen=True, slots=True)
class Attribute:
    """A field of this project's own: `attributes.NAME`."""

    name: str


@dataclass(frozen=True, slots=True)
class Constant:
    """A value that is written down. A date stands here where the source has an ISO text next to a date field."""

    value: Written | None


@dataclass(frozen=True, slots=True)
class Choices:
    """A written list, only ever the right side of a `Membership`; none of its values is None."""

    values: tuple[Written, ...]


@dataclass(frozen=True, slots=True)
class Filtered:
    """A value changed for showing. `argument` is what stands in the brackets, or the filter's own default."""

    filter: FilterName
    value: "Operand"
    argument: str | int | float | bool | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two values compared. `!=` is a `Negation` of `==`; `== none` has `Constant(None)` on the right."""

    order: Order
    left: "Operand"
    right: "Operand"


@dataclass(frozen=True, slots=True)
class Membership:
    """`value in container`: a tag in the tags, a value in a written list, or a text inside a text."""

    value: "Operand"
    container: "Operand | Choices"


@dataclass(frozen=True, slots=True)
class Negation:
    """True where `part` is not."""

    part: "Node"


@dataclass(frozen=True, slots=True)
class Every:
    """True where all of two or more parts are."""

    parts: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Either:
    """True where one or more of two or more parts are."""

    parts: "tuple[Node, ...]"


Operand = Field | Attribute | Constant | Filtered
Condition = Comparison | Membership | Negation | Every | Either
Node = Operand | Condition


def kind_of(node: Node) -> Kind:
    """The kind of a checked node's value."""
    match node:
        case Field(name):
            return FIELDS[name]
        case Attribute():
            return Kind.ANY
        case Constant(value):
            return kind_of_constant(value)
        case Filtered(filter="date"):
            return Kind.TEXT
        case Filtered(value=inner):
            return kind_of(inner)
        case _:
            return Kind.TRUTH


def kind_of_constant(value: object) -> Kind:
    """The kind of a written value."""
    match value:
        case None:
            return Kind.NOTHING
        case bool():
            return Kind.TRUTH
        case str():
            return Kind.TEXT
        case date():
            return Kind.DATE
        case _:
            return Kind.NUMBER


def written(node: Operand | Choices) -> str:  # noqa: PLR0911 - one answer for each kind of node
    """A value as one writes it in an expression, for use in a hint."""
    match node:
        case Field(name):
            return name
        case Attribute(name):
            return f"attributes.{name}" if name.isidentifier() else f"attributes[{written(Constant(name))}]"
        case Constant(value) if isinstance(value, str):
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        case Constant(value) if isinstance(value, date):
            return f'"{value.isoformat()}"'
        case Constant(value):
            return str(value).lower()
        case Choices(values):
            return f"[{', '.join(written(Constant(value)) for value in values)}]"
        case Filtered(name, value, argument):
            return f"{written(value)} | {name}" + ("" if argument is None else f"({written(Constant(argument))})")
