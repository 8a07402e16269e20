"""Interpreter two of the expression language: compiles a checked expression to a condition of SQL on `subscriber`.

It picks the same people as interpreter one (`newsletter.expressions.evaluation`), on SQLite and on PostgreSQL; a
property test holds it to that. How it works:

- A value is *sorted*: up to four expressions of SQL, one for each sort that it can have (text, number, true or false,
  date), each NULL where the value is not of that sort. Values of different sorts then never meet.
- A condition is true, or false, or NULL, and NULL counts as false. `and`, `or` and WHERE agree with that by themselves;
  `not` first makes NULL false.
- Texts are compared by code point: SQLite's BINARY is the rule there, on PostgreSQL every comparison says COLLATE "C".
- Numbers are compared exactly. SQLite does so; on PostgreSQL they are `numeric`, made from the nearest `double`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final

import sqlalchemy as sa

from newsletter.audience.casing import Case, in_cases
from newsletter.database.schema import subscriber, subscriber_tag
from newsletter.errors import UsageError
from newsletter.expressions import Expression, parse_expression
from newsletter.expressions.tree import (
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
)

Truth = sa.ColumnElement[bool]

_PLAIN_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LARGEST: Final = 2**63
_LARGEST_FLOAT: Final = 1.7976931348623157e308
_EXACT: Final = 2**53
"""Up to here every whole number is a `double`; from here on every `double` is a whole number."""

_ORDERS: Final[Mapping[Order, Callable[[Any, Any], Truth]]] = {
    "==": lambda left, right: left == right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}


@dataclass(frozen=True, slots=True)
class _Sorted:
    """A value: for each sort that it can have, an expression that is NULL where the value is not of that sort."""

    text: sa.ColumnElement[str] | None = None
    number: sa.ColumnElement[Any] | None = None
    truth: sa.ColumnElement[Any] | None = None
    date: sa.ColumnElement[date] | None = None

    def parts(self) -> list[sa.ColumnElement[Any]]:
        """The expressions that there are."""
        return [part for part in (self.text, self.number, self.truth, self.date) if part is not None]


def condition(expression: Expression, dialect: str) -> Truth:
    """The condition on `subscriber` that holds for the people for whom the expression does.

    It is NULL for some of the others: use it in WHERE, or with `surely`.

    Args:
        expression: What people wrote after `--where`.
        dialect: The database's name for SQLAlchemy, `sqlite` or `postgresql`.
    """
    return _Compiler(dialect).condition(expression.tree)


def surely(held: Truth) -> Truth:
    """The same condition, false where it was NULL."""
    return sa.func.coalesce(held, sa.false(), type_=sa.Boolean)


def choice(where: str | None, segment: str | None, segments: Mapping[str, str]) -> str | None:
    """The source of one expression for `--where` and `--segment` together; None where neither is given.

    Raises:
        UsageError: newsletter.toml has no such segment.
        ExpressionError: The expression cannot be understood.
    """
    if segment is not None and segment not in segments:
        known = f"It has: {', '.join(segments)}." if segments else "It has none yet: write them below [segments]."
        raise UsageError(f"There is no segment «{segment}» in newsletter.toml. {known}")
    sources = [source for source in (segments[segment] if segment else None, where) if source is not None]
    for source in sources:
        parse_expression(source)  # each for itself: together they must not mean something new
    return sources[0] if len(sources) == 1 else " and ".join(f"({source})" for source in sources) or None


class _Compiler:
    """Walks one tree for one kind of database."""

    def __init__(self, dialect: str) -> None:
        self._dialect = dialect
        self._sqlite = dialect == "sqlite"

    def condition(self, node: Node) -> Truth:  # noqa: C901, PLR0911 - one answer for each kind of node
        match node:
            case Comparison(order, left, right):
                return self._comparison(order, left, right)
            case Membership(value, Choices(values)):
                return self._among(self._value(value), values)
            case Membership(value, Field("tags")):
                return self._tagged(self._value(value).text)
            case Membership(value, (Field() | Attribute() | Constant() | Filtered()) as container):
                return self._inside(self._value(value).text, self._value(container).text)
            case Negation(part):
                return sa.not_(surely(self.condition(part)))
            case Every(parts):
                return sa.and_(*(self.condition(part) for part in parts))
            case Either(parts):
                return sa.or_(*(self.condition(part) for part in parts))
            case Field("tags"):
                return sa.exists().where(subscriber_tag.c.subscriber_id == subscriber.c.id)
            case Constant(value):
                return sa.true() if value else sa.false()
            case Field() | Attribute() | Filtered():
                return self._there(self._value(node))
        raise AssertionError(node)

    def _comparison(self, order: Order, left: Operand, right: Operand) -> Truth:
        first = self._value(left)
        if right == Constant(None):
            return sa.and_(*(part.is_(None) for part in first.parts()))
        second, compare = self._value(right), _ORDERS[order]
        ways = []
        if first.text is not None and second.text is not None:
            ways.append(compare(self._by_code_point(first.text), second.text))
        if first.number is not None and second.number is not None:
            ways.append(compare(first.number, second.number))
        if order == "==" and first.truth is not None and second.truth is not None:
            ways.append(first.truth == second.truth)
        if first.date is not None and second.date is not None:
            ways.append(compare(first.date, second.date))
        return sa.or_(sa.false(), *ways)

    def _among(self, value: _Sorted, choices: tuple[Written, ...]) -> Truth:
        ways = []
        for choice_ in choices:
            constant = self._constant(choice_)
            for part, wanted in (
                (None if value.text is None else self._by_code_point(value.text), constant.text),
                (value.number, constant.number),
                (value.truth, constant.truth),
                (value.date, constant.date),
            ):
                if part is not None and wanted is not None:
                    ways.append(part == wanted)
        return sa.or_(sa.false(), *ways)

    def _tagged(self, tag: sa.ColumnElement[str] | None) -> Truth:
        if tag is None:
            return sa.false()
        has = self._by_code_point(subscriber_tag.c.tag) == tag
        return sa.exists().where(subscriber_tag.c.subscriber_id == subscriber.c.id, has)

    def _inside(self, needle: sa.ColumnElement[str] | None, hay: sa.ColumnElement[str] | None) -> Truth:
        if needle is None or hay is None:
            return sa.false()
        place = sa.func.instr if self._sqlite else sa.func.strpos
        return place(self._by_code_point(hay), needle, type_=sa.Integer) > 0

    def _there(self, value: _Sorted) -> Truth:
        ways = []
        if value.text is not None:
            ways.append(value.text != sa.literal("", sa.Text))
        if value.number is not None:
            ways.append(value.number != sa.literal(0))
        if value.truth is not None:
            ways.append(value.truth == sa.true())
        if value.date is not None:
            ways.append(value.date.is_not(None))
        return sa.or_(sa.false(), *ways)

    def _value(self, node: Operand) -> _Sorted:
        match node:
            case Field("joined"):
                return _Sorted(date=subscriber.c.joined)
            case Field(name):
                return _Sorted(text=subscriber.c[name])
            case Attribute(name):
                return self._json_value(name) if self._sqlite else self._json_value_of_postgresql(name)
            case Constant(value):
                return self._constant(value)
            case Filtered():
                return self._filtered(node)
        raise AssertionError(node)  # conditions refuse the filters for showing

    def _constant(self, value: Written | None) -> _Sorted:  # noqa: PLR0911 - one answer for each sort
        match value:
            case None:
                return _Sorted()
            case bool():
                return _Sorted(truth=sa.true() if value else sa.false())
            case str():
                return _Sorted(text=sa.literal(value, sa.Text))
            case date():
                return _Sorted(date=sa.literal(value, sa.Date))
            case int() | float() if not self._sqlite:
                exact = Decimal(value) if isinstance(value, int) or _EXACT <= abs(value) < _LARGEST else None
                return _Sorted(number=sa.literal(exact or Decimal(repr(value)), sa.Numeric))
            case int():
                return _Sorted(number=sa.literal(value, sa.BigInteger))
            case _:
                return _Sorted(number=sa.literal(value, sa.Float))

    def _filtered(self, node: Filtered) -> _Sorted:
        """A value with filters behind it.

        Only the first default that is not empty can stand in, and what comes after it changes its case as well. So
        one default is left of any number, and the SQL grows no faster than the expression.
        """
        chain: list[Filtered] = []
        inner: Operand = node
        while isinstance(inner, Filtered):
            chain.insert(0, inner)
            inner = inner.value
        value = self._value(inner)
        cases: list[Case] = []
        instead: Written | None = None
        for each in chain:
            if each.filter == "default":
                instead = each.argument if instead in {None, ""} else instead
                continue
            case: Case = "upper" if each.filter == "upper" else "lower"
            if [case] != cases[-1:]:  # twice the same is once
                cases.append(case)
            if isinstance(instead, str):
                instead = instead.upper() if case == "upper" else instead.lower()
        text = None if value.text is None else in_cases(cases, value.text, self._dialect)
        changed = _Sorted(text, value.number, value.truth, value.date)
        return changed if instead is None else self._default(changed, instead)

    def _default(self, value: _Sorted, argument: Written) -> _Sorted:
        """`argument` where the value is nothing or the empty text."""
        missing = sa.and_(
            *(part.is_(None) for part in (value.number, value.truth, value.date) if part is not None),
            sa.true() if value.text is None else sa.func.coalesce(value.text, "", type_=sa.Text) == "",
        )
        instead = self._constant(argument)

        def part(of: sa.ColumnElement[Any] | None, other: sa.ColumnElement[Any] | None) -> Any:
            return of if other is None else sa.case((missing, other), else_=of)

        text = None if value.text is None else sa.func.nullif(value.text, "", type_=sa.Text)
        return _Sorted(
            part(text, instead.text), part(value.number, instead.number), part(value.truth, instead.truth), value.date
        )

    def _by_code_point(self, text: sa.ColumnElement[str]) -> sa.ColumnElement[str]:
        return text if self._sqlite else sa.collate(text, "C")

    def _json_value(self, name: str) -> _Sorted:
        """A field of `attributes` in SQLite."""
        kind: sa.ColumnElement[str]
        value: sa.ColumnElement[Any]
        if _PLAIN_NAME.fullmatch(name):
            path = sa.literal(f'$."{name}"', sa.Text)
            kind = sa.func.json_type(subscriber.c.attributes, path, type_=sa.Text)
            value = sa.func.json_extract(subscriber.c.attributes, path, type_=sa.types.NullType)
        else:  # a path of SQLite cannot say every name
            each = sa.func.json_each(subscriber.c.attributes).table_valued("key", "value", "type")
            found = sa.select(each).where(each.c.key == name)
            kind = found.with_only_columns(sa.type_coerce(each.c.type, sa.Text)).scalar_subquery()
            value = found.with_only_columns(each.c.value).scalar_subquery()
        # A whole number beyond 64 bits is told as an integer and given as a real.
        whole = sa.and_(kind == "integer", sa.func.typeof(value) == "integer")
        finite = sa.and_(kind == "real", value >= -_LARGEST_FLOAT, value <= _LARGEST_FLOAT)
        return _Sorted(
            text=sa.type_coerce(sa.case((kind == "text", value)), sa.Text),
            number=sa.case((sa.or_(whole, finite), value)),
            truth=sa.case((kind == "true", sa.true()), (kind == "false", sa.false())),
        )

    def _json_value_of_postgresql(self, name: str) -> _Sorted:
        """A field of `attributes` in PostgreSQL."""
        path = sa.literal(name, sa.Text)
        kind = sa.func.json_typeof(sa.func.json_extract_path(subscriber.c.attributes, path), type_=sa.Text)
        value = sa.func.json_extract_path_text(subscriber.c.attributes, path, type_=sa.Text)
        exact, double = sa.cast(value, sa.Numeric), sa.cast(value, sa.Double)
        whole = value.regexp_match("^-?[0-9]+$")
        # A large `double` is whole, and its decimal digits are not all told: half of it fits into a bigint.
        large = sa.cast(sa.cast(double / sa.literal(2.0, sa.Double), sa.BigInteger), sa.Numeric) * 2
        number = sa.case(
            (sa.and_(whole, exact >= -_LARGEST, exact <= _LARGEST - 1), exact),
            (whole, sa.null()),
            (sa.func.abs(exact) > sa.cast(sa.literal(repr(_LARGEST_FLOAT), sa.Text), sa.Numeric), sa.null()),
            (sa.and_(sa.func.abs(double) >= float(_EXACT), sa.func.abs(double) < float(_LARGEST)), large),
            else_=sa.cast(sa.cast(double, sa.Text), sa.Numeric),
        )
        return _Sorted(
            text=sa.case((kind == "string", value)),
            number=sa.case((kind == "number", number)),
            truth=sa.case((kind == "boolean", value == "true")),
        )
