"""Random expressions mean what a second, simpler interpreter says; random text raises nothing but ExpressionError."""

import math
import string
from collections.abc import Callable
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from newsletter.errors import ExpressionError
from newsletter.expressions import Slot, lift, parse_expression, parse_text, text_errors
from newsletter.expressions.showing import title
from tests.expressions.spoken import ATTRIBUTES, Person, Spoken, conditions, names, people

quick = settings(max_examples=150, deadline=None)


@quick
@given(conditions, st.lists(people, min_size=1, max_size=5))
def test_a_condition_means_what_the_reference_says(spoken: Spoken, persons: list[Person]) -> None:
    source, reference = spoken
    expression = parse_expression(source)
    for person in persons:
        assert expression.test(person) is bool(reference(person)), (source, person)
        assert bool(expression.evaluate(person)) is expression.test(person)


@quick
@given(names("text") | names("date") | names("any"), people)
def test_a_value_is_what_the_reference_says(spoken: Spoken, person: Person) -> None:
    source, reference = spoken
    expression = parse_expression(source)
    value = expression.evaluate(person)
    assert value == reference(person)
    assert expression.test(person) is bool(value)
    if value is None or isinstance(value, str):
        assert expression.text(person) == (value or "")


WORDS = """
first_name tags attributes and or not in is if else default date none true 5 1.5 0x1f "x" ' " \\ ( ) [ ] { } {{ }} {% %}
{# | . , = == != < > - + ~ * ** / // % : ; & ! “ ” ² é _
"""
words = st.sampled_from([*WORDS.split(), "\n", "\r\n", "\t", " ", "\xa0", "\u200b", "\x00", "\ud800"])
soup = st.lists(words, max_size=25).map(" ".join) | st.lists(words, max_size=40).map("".join) | st.text(max_size=60)

anybody = st.dictionaries(
    st.sampled_from(["email", "first_name", "last_name", "language", "country", "tags", "joined", "attributes"]),
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=8)
        | st.dates()
        | st.datetimes()
        | st.binary(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*ATTRIBUTES, "z"]), inner, max_size=3)
        ),
        max_leaves=4,
    ),
)


def outcome(read: Callable[[str], Any], text: str) -> Any:
    """What reading gave, or the only error it may raise."""
    try:
        return read(text)
    except ExpressionError as error:
        return error


@settings(max_examples=400, deadline=None)
@given(soup, anybody)
@example("{{ 7*7 }}", {})
@example("a" * 60_000, {})
@example("\r", {})
def test_any_text_is_an_expression_or_an_expression_error(source: str, person: Person) -> None:
    read = outcome(parse_expression, source)
    if isinstance(read, ExpressionError):
        assert 0 <= read.offset <= len(source)
        assert read.what
    else:
        read.evaluate(person)
        assert isinstance(read.test(person), bool)
        assert isinstance(read.text(person), str)


@settings(max_examples=400, deadline=None)
@given(st.lists(soup | st.sampled_from(["{{ first_name }}", '{{ "}}" }}', "{{tags}}"]), max_size=4).map("".join))
@example("{{ first_name }}" * 3)
def test_any_text_is_cut_into_pieces_that_make_it_up_again_or_refused(text: str) -> None:
    pieces, errors = outcome(parse_text, text), text_errors(text)
    assert all(0 <= each.offset <= len(text) and each.source == text for each in errors)
    if isinstance(pieces, ExpressionError):
        assert (pieces.what, pieces.fix, pieces.offset) == (errors[0].what, errors[0].fix, errors[0].offset)
        return
    assert not errors
    assert "".join(piece if isinstance(piece, str) else text[piece.start : piece.end] for piece in pieces) == text
    assert lift(text, lambda slot: text[slot.start : slot.end]) == text
    for piece in pieces:
        if isinstance(piece, Slot):
            assert text[piece.start :].startswith("{{")
            assert text[: piece.end].endswith("}}")
            assert parse_expression(piece.source) == piece.expression
        else:
            assert piece
            assert not any(sign in piece for sign in ("{{", "{%", "{#", "}}"))


EVERYTHING = [
    "tags",
    "joined",
    "first_name",
    "first_name | title",
    "joined | date",
    "joined | date('short')",
    "joined >= '2026-01-31'",
    "first_name in country",
    "attributes.a",
    "attributes.b | default(1)",
    "attributes.a | date('full')",
    "attributes.a | upper",
    "attributes.a < attributes.b",
    "attributes.a >= 1",
    "attributes.a in attributes.b",
    "attributes.a in tags",
    "attributes.a in [1, 'x', true]",
]


@quick
@given(anybody)
def test_every_expression_has_an_answer_for_whatever_stands_in_a_person(person: Person) -> None:
    for source in EVERYTHING:
        expression = parse_expression(source)
        expression.evaluate(person)
        assert isinstance(expression.test(person), bool)
        assert isinstance(expression.text(person), str)


@quick
@given(st.floats() | st.integers())
def test_numbers_are_shown_without_a_needless_fraction(number: float) -> None:
    shown = parse_expression("attributes.a").text({"attributes": {"a": number}})
    assert not shown.endswith(".0")
    if math.isfinite(number) and abs(number) < 2**63:
        assert type(number)(shown) == number


@quick
@given(st.text(alphabet=string.ascii_letters + "éßŉǆıİΣσς '’-\u0301", max_size=20) | st.text(max_size=20))
def test_title_changes_case_only_and_only_once(name: str) -> None:
    assert title(name).casefold() == name.casefold() or "İ" in name or "ı" in name
    assert title(title(name)) == title(name)
