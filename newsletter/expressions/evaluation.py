"""Interpreter one: compiles a checked tree, once, to closures that answer for one person at a time.

Nothing here raises, whatever stands in a person's fields; a value of a kind that a field cannot have counts as missing.
"""

import math
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime

from newsletter.expressions.showing import as_text, format_date, title
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
    Operand,
    Order,
    Person,
    Value,
    kind_of,
)

Evaluator = Callable[[Person], Value]
Test = Callable[[Person], bool]

_LISTS = (tuple, list)
_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_LARGEST = 2**63


def compile_text(node: Node) -> Callable[[Person], str]:
    """A function from a person to the text that a slot shows."""
    value_of = compile_value(node)
    if kind_of(node) is Kind.TEXT:

        def text(person: Person) -> str:
            return value_of(person) or ""  # type: ignore[return-value] # a text or None, by its kind

        return text
    return lambda person: as_text(value_of(person))


def compile_test(node: Node) -> Test:
    """A function from a person to whether the condition holds; a value holds if it is there, not empty and not zero."""
    match node:
        case Comparison(order, left, right):
            return _compile_comparison(order, left, right)
        case Membership(value, container):
            return _compile_membership(value, container)
        case Negation(part):
            test = compile_test(part)
            return lambda person: not test(person)
        case Every(parts):
            return _every(tuple(map(compile_test, parts)))
        case Either(parts):
            return _either(tuple(map(compile_test, parts)))
        case _:
            value_of = compile_value(node)
            return lambda person: bool(value_of(person))


def _every(tests: tuple[Test, ...]) -> Test:
    def every(person: Person) -> bool:
        for test in tests:  # noqa: SIM110 - a loop is faster than all() over a generator
            if not test(person):
                return False
        return True

    return every


def _either(tests: tuple[Test, ...]) -> Test:
    def either(person: Person) -> bool:
        for test in tests:  # noqa: SIM110 - a loop is faster than any() over a generator
            if test(person):
                return True
        return False

    return either


def compile_value(node: Node) -> Evaluator:  # noqa: PLR0911 - one answer for each kind of node
    """A function from a person to the value."""
    match node:
        case Field("tags"):
            return _tags
        case Field("joined"):
            return _joined
        case Field(name):
            return _field(name)
        case Attribute(name):
            return _attribute(name)
        case Constant(value):
            return lambda _: value
        case Filtered():
            return _compile_filter(node)
        case _:
            return compile_test(node)


def _field(name: str) -> Evaluator:
    def read(person: Person) -> Value:
        value = person.get(name)
        return value if isinstance(value, str) else None

    return read


def _tags(person: Person) -> tuple[str, ...]:
    tags = person.get("tags")
    return tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, _LISTS) else ()


def _joined(person: Person) -> date | None:
    joined = person.get("joined")
    if isinstance(joined, datetime):
        return joined.date()
    return joined if isinstance(joined, date) else None


def _attribute(name: str) -> Evaluator:
    def read(person: Person) -> Value:
        attributes = person.get("attributes")
        value = attributes.get(name) if isinstance(attributes, Mapping) else None
        if isinstance(value, str | bool):
            return value
        if isinstance(value, int):
            return value if -_LARGEST <= value < _LARGEST else None
        return value if isinstance(value, float) and math.isfinite(value) else None

    return read


def _compile_filter(node: Filtered) -> Evaluator:
    value_of, argument = compile_value(node.value), node.argument
    match node.filter:
        case "default":

            def default(person: Person) -> Value:
                value = value_of(person)
                return argument if value is None or value == "" else value

            return default
        case "date":

            def formatted(person: Person) -> str:
                day = _as_date(value_of(person))
                return "" if day is None else format_date(day, str(argument), person.get("language"))

            return formatted
        case "title" | "upper" | "lower":
            change: Callable[[str], str] = {"title": title, "upper": str.upper, "lower": str.lower}[node.filter]

            def changed(person: Person) -> Value:
                value = value_of(person)
                return change(value) if isinstance(value, str) else value

            return changed


def _as_date(value: Value) -> date | None:
    """A date, also where an own field holds one as ISO text."""
    if isinstance(value, str) and _ISO_DATE.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            return None
    return value if isinstance(value, date) else None


def _compile_comparison(order: Order, left: Operand, right: Operand) -> Test:
    first = compile_value(left)
    if order == "==" and isinstance(right, Constant):
        wanted = right.value
        if wanted is None:
            return lambda person: first(person) is None
        if isinstance(wanted, str | date):
            return lambda person: first(person) == wanted
    second, compare = compile_value(right), _COMPARE[order]
    return lambda person: compare(first(person), second(person))


def _sort(value: Value) -> type | None:
    """Values of different sorts are never equal and have no order. True is not 1."""
    if isinstance(value, bool):
        return bool
    if isinstance(value, int | float):
        return float
    return None if value is None else type(value)


def equal(left: Value, right: Value) -> bool:
    """Whether both are there, of one sort, and equal."""
    return left is not None and left == right and _sort(left) is _sort(right)


def _less(left: Value, right: Value) -> bool:
    sort = _sort(left)
    return sort in {str, float, date} and sort is _sort(right) and left < right  # type: ignore[operator] # one sort


_COMPARE: dict[Order, Callable[[Value, Value], bool]] = {
    "==": equal,
    "<": _less,
    "<=": lambda left, right: _less(left, right) or (equal(left, right) and not isinstance(left, bool)),
    ">": lambda left, right: _less(right, left),
    ">=": lambda left, right: _less(right, left) or (equal(left, right) and not isinstance(left, bool)),
}


def _compile_membership(value: Operand, container: Operand | Choices) -> Test:
    value_of = compile_value(value)
    if isinstance(container, Choices):
        pairs = frozenset((_sort(choice), choice) for choice in container.values)

        def chosen(person: Person) -> bool:
            found = value_of(person)
            return (_sort(found), found) in pairs

        return chosen
    if isinstance(value, Constant) and container == Field("tags"):
        return _tagged(value.value)
    container_of = compile_value(container)

    def inside(person: Person) -> bool:
        needle, hay = value_of(person), container_of(person)
        return isinstance(needle, str) and isinstance(hay, str | tuple) and needle in hay

    return inside


def _tagged(tag: object) -> Test:
    """The question that most conditions ask, answered without copying the tags."""

    def tagged(person: Person) -> bool:
        tags = person.get("tags")
        return isinstance(tags, _LISTS) and tag in tags

    return tagged
