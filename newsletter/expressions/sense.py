"""Refuses comparisons and filters that could never mean anything, judged by the kinds of the values alone.

Errors raised here have no place yet; the caller knows it.
"""

import difflib
import re
from datetime import date

from newsletter.errors import ExpressionError
from newsletter.expressions.slips import quoted
from newsletter.expressions.tree import (
    DATE_FORMATS,
    FIELDS,
    Choices,
    Comparison,
    Constant,
    Filtered,
    FilterName,
    Kind,
    Membership,
    Operand,
    Order,
    Written,
    kind_of,
    written,
)

_MIRRORED: dict[Order, Order] = {"==": "==", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TEXTUAL = (Kind.TEXT, Kind.ANY)


def comparison(order: Order, left: Operand, right: Operand) -> Comparison:
    """Two values compared; something written down always comes to stand on the right.

    Raises:
        ExpressionError: The two could never be equal, or have no order.
    """
    if isinstance(left, Constant):
        left, right, order = right, left, _MIRRORED[order]
    if isinstance(left, Constant):
        _refuse_constants(right)
    kinds = kind_of(left), kind_of(right)
    if Kind.TAGS in kinds:
        text = written(right) if kinds[1] is Kind.TEXT else '"researcher"'
        fix = "Write not tags." if Kind.NOTHING in kinds else f"Write {text} in tags."
        raise ExpressionError("tags are several, so they are not compared with one value.", fix=fix)
    if isinstance(right, Constant):
        return Comparison(order, left, _comparable(order, left, right))
    if Kind.DATE in kinds and kinds[0] != kinds[1]:
        raise ExpressionError("A date is compared with a date.", fix='Write joined >= "2026-01-31".')
    return Comparison(order, left, right)


def _comparable(order: Order, left: Operand, right: Constant) -> Constant:
    """`right` as it can be compared with `left`."""
    if right.value is None or isinstance(right.value, bool):
        if order != "==":
            raise ExpressionError(f"Nothing is smaller or larger than {written(right)}.", fix="Write == or !=.")
        if right.value is None:
            return right
    return Constant(_fitting(left, right.value))


def membership(value: Operand, container: Operand | Choices) -> Membership:
    """A tag among the tags, a value in a written list, or a text inside a text.

    Raises:
        ExpressionError: It could never be there.
    """
    kind = kind_of(value)
    if isinstance(container, Choices):
        if isinstance(value, Constant):
            _refuse_constants(value)
        if kind is Kind.TAGS:
            each = [f"{written(Constant(choice))} in tags" for choice in container.values[:3]]
            raise ExpressionError(
                "tags are several, so they are not one of a list.", fix=f"Write {' or '.join(each) or 'not tags'}."
            )
        return Membership(value, Choices(tuple(_fitting(value, choice) for choice in container.values)))
    if isinstance(container, Constant):
        if isinstance(value, Constant):
            _refuse_constants(container)
        raise ExpressionError(
            "After in stands a list, the tags or a text field.",
            fix=f"Write {written(value)} in [{written(container)}].",
        )
    if kind_of(container) is Kind.DATE:
        raise ExpressionError("A date holds nothing.", fix='Compare it: joined >= "2026-01-31".')
    if kind not in _TEXTUAL:
        fix = (
            f'Write it in quotes: "{written(value)}".'
            if kind is Kind.NUMBER
            else 'Write "researcher" in tags, or "@example.org" in email.'
        )
        raise ExpressionError(f"Only a text can be in {written(container)}.", fix=fix)
    return Membership(value, container)


def _fitting(left: Operand, value: Written) -> Written:
    """A written value as it can equal `left`: next to a date, an ISO text is a date."""
    constant = Constant(value)
    match kind_of(left), value:
        case Kind.DATE, str() if _ISO_DATE.fullmatch(value):
            try:
                return date.fromisoformat(value)
            except ValueError:
                raise ExpressionError(
                    f"There is no {value} in the calendar.", fix="Check the month and the day."
                ) from None
        case Kind.DATE, _:
            what = f"{quoted(str(value)) if isinstance(value, str) else written(constant)} is no date."
            raise ExpressionError(what, fix='Write year-month-day in quotes: "2026-01-31".')
        case Kind.TEXT, bool():
            fix = f"Write {written(left)} alone, or not {written(left)}."
            raise ExpressionError(f"{written(left)} is a text, never {written(constant)}.", fix=fix)
        case Kind.TEXT, int() | float():
            raise ExpressionError(
                f"{written(left)} is a text, never a number.", fix=f'Put the number in quotes: "{written(constant)}".'
            )
    return value


def _refuse_constants(constant: Operand) -> None:
    if isinstance(constant, Constant):
        value = constant.value
        fix = (
            f"Write {value} without quotes."
            if value in FIELDS
            else 'Write a name on one side, without quotes: country == "KE".'
        )
        raise ExpressionError("Both sides are written down, so this is the same for everybody.", fix=fix)


def filtering(name: FilterName, value: Operand, arguments: list[Operand]) -> Filtered:
    """A value with a filter behind it.

    Raises:
        ExpressionError: The filter does not go with the value, or its brackets hold what does not go with it.
    """
    if isinstance(value, Constant):
        raise ExpressionError(
            "A filter after a fixed value does nothing.",
            fix="Put a name before it, without quotes: first_name | upper.",
        )
    argument = _argument(name, arguments)
    match kind_of(value), name:
        case Kind.TAGS, "default":
            raise ExpressionError(
                "tags have no default.", fix="Give the block `when: tags` to show it to those who have some."
            )
        case Kind.TAGS, _:
            raise ExpressionError(
                f"The filter {name} cannot be used on tags.",
                fix="Write tags alone: they are shown with commas between them.",
            )
        case Kind.DATE, "default":
            raise ExpressionError(
                "A date needs its format before its default.", fix='Write joined | date("long") | default("…").'
            )
        case Kind.DATE, "title" | "upper" | "lower":
            raise ExpressionError(f"The filter {name} cannot be used on a date.", fix='Write joined | date("long").')
        case Kind.TEXT, "date":
            raise ExpressionError(
                "The filter date formats dates, and this is a text.", fix="Use it on joined, or on an own field."
            )
        case Kind.TEXT, "default" if not isinstance(argument, str):
            raise ExpressionError(
                "The default of a text is a text.", fix=f'Put it in quotes: default("{written(Constant(argument))}").'
            )
    return Filtered(name, value, argument)


def _argument(name: FilterName, arguments: list[Operand]) -> str | int | float | bool | None:
    if name in {"title", "upper", "lower"}:
        if arguments:
            raise ExpressionError(f"The filter {name} takes nothing in brackets.", fix=f"Write | {name}.")
        return None
    if name == "date" and not arguments:
        return "medium"
    example = (
        'default("friend"); it stands in for a missing value and for an empty text'
        if name == "default"
        else 'date("long")'
    )
    if len(arguments) != 1:
        raise ExpressionError(f"The filter {name} takes one value in brackets.", fix=f"Write {example}.")
    constant = arguments[0]
    if not isinstance(constant, Constant) or constant.value is None or isinstance(constant.value, date):
        raise ExpressionError(f"What {name} takes is written down, not looked up.", fix=f"Write {example}.")
    if name == "date" and constant.value not in DATE_FORMATS:
        near = difflib.get_close_matches(str(constant.value)[:60], DATE_FORMATS, n=1)
        fix = (
            f"Did you mean {near[0]}?"
            if near
            else f"Write one of {', '.join(DATE_FORMATS)}; the rest follows the reader's language."
        )
        raise ExpressionError(f"There is no date format {quoted(str(constant.value))}.", fix=fix)
    return constant.value
