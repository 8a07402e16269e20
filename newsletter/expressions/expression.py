"""An expression ready for use: checked once, then asked for one person after the other."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from newsletter.expressions.checking import check
from newsletter.expressions.evaluation import compile_test, compile_text, compile_value
from newsletter.expressions.reading import read
from newsletter.expressions.tree import (
    Attribute,
    Choices,
    Comparison,
    Constant,
    Either,
    Every,
    Field,
    Filtered,
    Kind,
    Membership,
    Negation,
    Node,
    Person,
    Value,
    kind_of,
    written,
)


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked expression. Two are equal if they are written alike.

    Attributes:
        source: As written.
        tree: The checked tree, for other interpreters.
        kind: The kind of its value, as far as that is known before any person is.
        names: The fields it looks at: names of `FIELDS`, and own fields as `attributes.NAME`.
        may_be_empty: Whether a reader who lacks a field would see nothing. `default("")` says that nothing is meant.
    """

    source: str
    tree: Node = field(compare=False)
    kind: Kind = field(init=False, compare=False)
    names: frozenset[str] = field(init=False, compare=False)
    may_be_empty: bool = field(init=False, compare=False)
    evaluate: Callable[[Person], Value] = field(init=False, compare=False, repr=False)
    """The value for a person. Never raises."""
    test: Callable[[Person], bool] = field(init=False, compare=False, repr=False)
    """Whether it holds for a person: a condition is true; a value is there, not empty and not zero. Never raises."""
    text: Callable[[Person], str] = field(init=False, compare=False, repr=False)
    """What a slot shows to a person. Never raises."""

    def __post_init__(self) -> None:
        derived = {
            "kind": kind_of(self.tree),
            "names": frozenset(_names(self.tree)),
            "may_be_empty": _may_be_empty(self.tree),
            "evaluate": compile_value(self.tree),
            "test": compile_test(self.tree),
            "text": compile_text(self.tree),
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    def __reduce__(self) -> tuple[Callable[[str], "Expression"], tuple[str]]:
        """Closures do not travel between processes; the source does."""
        return parse_expression, (self.source,)


def parse_expression(source: str) -> Expression:
    """Read and check an expression of the small language.

    Raises:
        ExpressionError: It is too long or too deep, uses what the language does not have, or could never mean anything;
            `offset` points at the word in `source`.
    """
    return Expression(source, check(read(source)))


def _names(node: Node | Choices) -> Iterator[str]:
    match node:
        case Field(name):
            yield name
        case Attribute():
            yield written(node)
        case Filtered(value=inner) | Negation(inner):
            yield from _names(inner)
        case Comparison(_, left, right) | Membership(left, right):
            yield from _names(left)
            yield from _names(right)
        case Every(parts) | Either(parts):
            for part in parts:
                yield from _names(part)


def _may_be_empty(node: Node) -> bool:  # noqa: PLR0911 - one answer for each kind of node
    match node:
        case Field("email"):
            return False
        case Field() | Attribute():
            return True
        case Constant(value):
            return value in {None, ""}
        case Filtered("default"):
            return False
        case Filtered("date", value) if kind_of(value) is Kind.ANY:
            return True  # even with a default, an own field may hold what is no date
        case Filtered(value=inner):
            return _may_be_empty(inner)
        case _:
            return False
