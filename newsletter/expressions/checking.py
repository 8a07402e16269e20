"""Turns Jinja's tree into ours, accepting the small language only; all else is refused with a sentence and a place."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

from jinja2 import nodes

from newsletter.errors import ExpressionError
from newsletter.expressions import sense, vocabulary
from newsletter.expressions.reading import Reading
from newsletter.expressions.slips import quoted
from newsletter.expressions.tree import (
    FIELDS,
    FILTERS,
    Attribute,
    Choices,
    Comparison,
    Constant,
    Either,
    Every,
    Field,
    Filtered,
    Membership,
    Negation,
    Node,
    Operand,
    Order,
    Written,
    written,
)

MAX_NODES = 100
"""Names, values and operators in one expression."""

_ORDERS: dict[str, Order] = {"eq": "==", "ne": "==", "lt": "<", "lteq": "<=", "gt": ">", "gteq": ">="}
_WHOLE_NUMBERS = range(-(2**63), 2**63)  # what both databases keep exactly


def check(reading: Reading) -> Node:
    """Our tree for an expression whose grammar is right.

    Raises:
        ExpressionError: It uses what the small language does not have, or compares what can never be compared.
    """
    return _Checker(reading).node(reading.root)


class _Checker:
    """Walks one of Jinja's trees. Each method takes one of Jinja's nodes and returns ours, or raises."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._left = MAX_NODES

    def _error(self, what: str, fix: str, at: nodes.Node | int) -> ExpressionError:
        return self._reading.error(what, fix, at if isinstance(at, int) else _start(at))

    def _placed(self, error: ExpressionError, at: nodes.Node | int) -> ExpressionError:
        """An error of `sense` or `vocabulary`, which know no place, with its place."""
        return self._error(error.what, error.fix, at)

    @contextmanager
    def _at(self, place: int) -> Iterator[None]:
        try:
            yield
        except ExpressionError as error:
            raise self._placed(error, place) from None

    def _count(self, tree: nodes.Node) -> None:
        self._left -= 1
        if self._left < 0:
            fix = "Shorten it, or give people a tag and ask for the tag."
            raise self._error(f"This expression has more than {MAX_NODES} parts.", fix, tree)

    def node(self, tree: nodes.Node) -> Node:
        """A condition or a value."""
        if isinstance(tree, nodes.Or | nodes.And | nodes.Not | nodes.Compare):
            self._count(tree)
        match tree:
            case nodes.Or():
                return Either(tuple(self._condition(part) for part in _parts(tree)))
            case nodes.And():
                return Every(tuple(self._condition(part) for part in _parts(tree)))
            case nodes.Not(node=part) if not isinstance(part, nodes.Test):
                return Negation(self._condition(part))
            case nodes.Compare():
                return self._compared(tree)
            case _:
                return self._operand(tree)

    def _condition(self, tree: nodes.Node) -> Node:
        """What stands next to `and`, `or` and `not`."""
        node = self.node(tree)
        if isinstance(node, Constant) and not isinstance(node.value, bool):
            fix = 'Write country in ["KE", "UG"]; for a missing value write first_name | default("friend").'
            raise self._error(f"{written(node)} alone is neither true nor false.", fix, tree)
        self._refuse_showing(node, tree)
        return node

    def _refuse_showing(self, node: Node | Choices, tree: nodes.Node) -> None:
        """Refuse in conditions what depends on the reader's language, or on rules for names that no database has."""
        while isinstance(node, Filtered):
            if node.filter in {"title", "date"}:
                fix = "Leave it out." if node.filter == "title" else 'Compare the date itself: joined >= "2026-01-31".'
                raise self._error(f"The filter {node.filter} is for showing a value, not for deciding.", fix, tree)
            node = node.value

    def _operand(self, tree: nodes.Node) -> Operand:
        """A value: a name, something written down, or a name filtered."""
        self._count(tree)
        match tree:
            case nodes.Name(name=name):
                if name not in FIELDS:
                    raise self._placed(vocabulary.unknown_name(name), tree)
                return Field(name)
            case nodes.Getattr() | nodes.Getitem():
                return self._attribute(tree)
            case nodes.Const(value=value) | nodes.Neg(node=nodes.Const(value=value)):
                return self._constant(value, tree)
            case nodes.Filter():
                return self._filtered(tree)
        raise self._no_operand(tree)

    def _no_operand(self, tree: nodes.Node) -> ExpressionError:
        """The error for what is no value."""
        match tree:
            case nodes.Or() | nodes.And() if any(isinstance(part, nodes.Const) for part in _parts(tree)):
                fix = 'For several values write country in ["KE", "UG"].'
                return self._error("One comparison takes one value.", fix, tree)
            case nodes.Or() | nodes.And() | nodes.Not(node=nodes.Name() | nodes.Compare()) | nodes.Compare():
                fix = "Leave out == true, and join conditions with and, or, not."
                return self._error("A condition stands where a value should.", fix, tree)
            case nodes.List() | nodes.Tuple():
                fix = 'Write country in ["KE", "UG"], or "researcher" in tags.'
                return self._error("A list only stands after in.", fix, tree)
            case nodes.Not(node=part):
                tree = part
        return self._placed(vocabulary.unknown_construct(tree), tree.lineno if isinstance(tree, nodes.Test) else tree)

    def _attribute(self, tree: nodes.Getattr | nodes.Getitem) -> Attribute:
        """A field of the project's own: `attributes.NAME` or `attributes["NAME"]`."""
        match tree:
            case nodes.Getattr(attr=str(name)) | nodes.Getitem(arg=nodes.Const(value=str(name))) if name:
                pass
            case _:
                fix = 'Write attributes["my field"], or attributes.my_field.'
                place = self._reading.token_after(tree.lineno).lineno
                raise self._error("The name of an own field is a text.", fix, place)
        if isinstance(tree.node, nodes.Name) and tree.node.name == "attributes":
            return Attribute(name)
        fix = f"Write {name}." if name in FIELDS else "Write attributes.NAME with the name of an own field."
        raise self._error("Only attributes has fields inside.", fix, tree)

    def _constant(self, value: object, tree: nodes.Node) -> Constant:
        """Something written down."""
        if isinstance(tree, nodes.Neg):
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise self._error("Only a number has a minus before it.", "Take out the minus.", tree)
            value = -value
        if isinstance(value, float) and not math.isfinite(value):
            raise self._error("This number is too large.", "Write a smaller one.", tree)
        if isinstance(value, int) and value not in _WHOLE_NUMBERS:
            raise self._error("This number is too large.", "Put it in quotes if it is a code and not a number.", tree)
        if value is None or isinstance(value, str | int | float):
            return Constant(value)
        raise AssertionError(value)

    def _filtered(self, tree: nodes.Filter) -> Filtered:
        """A name with a filter behind it."""
        name = next((known for known in FILTERS if known == tree.name), None)
        if name is None:
            raise self._placed(vocabulary.unknown_filter(tree.name), tree.lineno)
        if tree.node is None or tree.dyn_args or tree.dyn_kwargs:
            raise self._error("Stars are no part of this language.", "Take out the star.", tree.lineno)
        given: list[nodes.Expr] = list(tree.args)
        for keyword in tree.kwargs:
            key = str(keyword.key)
            if name != "date" or key != "format":
                what = f"The filter {name} takes no {quoted(key)}."
                raise self._error(what, "Leave out the name and the = sign.", keyword.value)
            given.append(keyword.value)
        for argument in given:
            if isinstance(argument, nodes.Name) and argument.name not in FIELDS:
                fix = f'Put it in quotes: {name}("{argument.name[:30]}").'
                raise self._error(f"What {name} takes is written down, not looked up.", fix, argument)
        operand, arguments = self._operand(tree.node), [self._operand(argument) for argument in given]
        with self._at(tree.lineno):
            return sense.filtering(name, operand, arguments)

    def _compared(self, tree: nodes.Compare) -> Comparison | Membership | Negation:
        """A comparison, or a question for membership."""
        operator, right = tree.ops[0].op, tree.ops[0].expr
        place = self._operator_before(right)
        if len(tree.ops) > 1:
            fix = "Join two comparisons with and: 18 <= attributes.age and attributes.age < 65."
            raise self._error("One comparison has two sides.", fix, self._operator_before(tree.ops[1].expr))
        node: Comparison | Membership
        if operator in {"in", "notin"}:
            value = self._operand(tree.expr)
            container = self._choices(right) if isinstance(right, nodes.List | nodes.Tuple) else self._operand(right)
            self._refuse_showing(value, tree.expr)
            self._refuse_showing(container, right)
            with self._at(place):
                node = sense.membership(value, container)
        else:
            sides = self._operand(tree.expr), self._operand(right)
            self._refuse_showing(sides[0], tree.expr)
            self._refuse_showing(sides[1], right)
            with self._at(place):
                node = sense.comparison(_ORDERS[operator], *sides)
        return Negation(node) if operator in {"ne", "notin"} else node

    def _choices(self, tree: nodes.List | nodes.Tuple) -> Choices:
        """A written list."""
        values: list[Written] = []
        for item in tree.items:
            operand = self._operand(item)
            if not isinstance(operand, Constant):
                fix = f"Write it as a comparison of its own: … == {written(operand)}."
                raise self._error("A list holds written values only.", fix, item)
            if operand.value is None:
                raise self._error("none is not looked for in a list.", "Write country == none or country in […].", item)
            values.append(operand.value)
        return Choices(tuple(values))

    def _operator_before(self, tree: nodes.Node) -> int:
        """Where the operator stands to the left of an operand."""
        return self._reading.last_before(_start(tree), *_ORDERS, "in")


def _parts(tree: nodes.Or | nodes.And) -> list[nodes.Expr]:
    """The parts of `a or b or c`, which Jinja nests to the left; without recursion, for there may be hundreds."""
    parts: list[nodes.Expr] = []
    left: nodes.Expr = tree
    while isinstance(left, type(tree)):
        parts.append(left.right)
        left = left.left
    return [left, *reversed(parts)]


def _start(tree: nodes.Node) -> int:
    """Where the first word of a node stands."""
    while True:
        match tree:
            case (
                nodes.Getattr(node=inner) | nodes.Getitem(node=inner) | nodes.Call(node=inner) | nodes.Test(node=inner)
            ):
                tree = inner
            case nodes.Filter(node=inner) if inner is not None:
                tree = inner
            case nodes.BinExpr(left=inner) | nodes.Compare(expr=inner):
                tree = inner
            case nodes.CondExpr(expr1=inner):
                tree = inner
            case nodes.Concat(nodes=[inner, *_]) | nodes.Tuple(items=[inner, *_]):
                tree = inner
            case _:
                return tree.lineno
