"""Random expressions mean what a second, simpler interpreter says; random text raises nothing but ExpressionError."""

import math
import string
from collections.abc import Callable
from datetime import date
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from newsletter.errors import ExpressionError
from newsletter.expressions import Slot, lift, parse_expression, parse_text, text_errors
from newsletter.expressions.showing import title

Person = dict[str, Any]
Spoken = tuple[str, Callable[[Person], Any]]
"""An expression as written, and what it is for a person, by the reference."""

quick = settings(max_examples=150, deadline=None)

# Few values, so that random people and random expressions meet.
TEXTS = st.sampled_from(
    ["", "KE", "ke", "K", "É", "e\u0301", "ß", "it's", 'say "x"', "\\", "a b", "𝒜", "\uffff", "}}", "{{"]
)
NUMBERS = st.sampled_from([0, 1, -1, 36, 36.5, 1.0, -0.5])
DAYS = st.sampled_from([date(2026, 1, 31), date(2026, 2, 1), date(1999, 12, 31)])
ATTRIBUTES = ["a", "b", "x y", "é"]

people = st.fixed_dictionaries(
    {},
    optional={
        "email": TEXTS,
        "first_name": st.none() | TEXTS,
        "country": st.none() | TEXTS,
        "tags": st.lists(TEXTS, max_size=3).map(tuple),
        "joined": st.none() | DAYS,
        "attributes": st.dictionaries(st.sampled_from(ATTRIBUTES), st.none() | TEXTS | NUMBERS | st.booleans()),
    },
)


def wrote(value: object) -> st.SearchStrategy[str]:
    """The ways to write a constant."""
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\")
        return st.sampled_from(['"' + escaped.replace('"', '\\"') + '"', "'" + escaped.replace("'", "\\'") + "'"])
    if isinstance(value, date):
        return st.just(f'"{value.isoformat()}"')
    return st.just(str(value).lower() if isinstance(value, bool) else str(value))


@st.composite
def constants(draw: st.DrawFn, values: st.SearchStrategy[Any]) -> Spoken:
    value = draw(values)
    return draw(wrote(value)), lambda _: value


@st.composite
def names(draw: st.DrawFn, kind: str) -> Spoken:
    """A name of a kind, perhaps filtered."""
    if kind == "text":
        name = draw(st.sampled_from(["email", "first_name", "country"]))
        source, value = name, lambda person: person.get(name)
    elif kind == "date":
        return "joined", lambda person: person.get("joined")
    else:
        name = draw(st.sampled_from(ATTRIBUTES))
        plain = f"attributes.{name}" if name.isidentifier() else f'attributes["{name}"]'
        source, value = (
            draw(st.sampled_from([plain, f"attributes['{name}']"])),
            lambda person: person.get("attributes", {}).get(name),
        )
    for chosen in draw(st.lists(st.sampled_from(["default", "upper", "lower"]), max_size=2)):
        value = change(chosen, value, default := draw(TEXTS))
        source += f" | {chosen}" + (f"({draw(wrote(default))})" if chosen == "default" else "")
    return source, value


def change(chosen: str, inner: Callable[[Person], Any], default: str) -> Callable[[Person], Any]:
    def changed(person: Person) -> Any:
        value = inner(person)
        if chosen == "default":
            return default if value in (None, "") else value
        return getattr(value, chosen)() if isinstance(value, str) else value

    return changed


def sort(value: object) -> str:
    return "number" if type(value) in (int, float) else type(value).__name__


def compare(order: str, a: Any, b: Any) -> bool:
    """The reference for two values."""
    if order == "!=":
        return not compare("==", a, b)
    if a is None or b is None or sort(a) != sort(b):
        return False
    if order == "==":
        return bool(a == b)
    if isinstance(a, bool):
        return False
    signs = {-1: ("<", "<="), 0: ("<=", ">="), 1: (">", ">=")}
    if isinstance(a, str):  # by code point, spelt out
        a, b = [ord(c) for c in a], [ord(c) for c in b]
    return order in signs[(a > b) - (a < b)]


ORDERS = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])


@st.composite
def comparisons(draw: st.DrawFn) -> Spoken:
    kind = draw(st.sampled_from(["text", "date", "any"]))
    left = draw(names(kind))
    written = {"text": TEXTS, "date": DAYS, "any": TEXTS | NUMBERS}[kind]
    same = names("text") | names("any") if kind != "date" else names("date")
    right = draw(constants(written) | same)
    order = draw(ORDERS)
    if draw(st.booleans()):
        left, right = right, left
    return f"{left[0]} {order} {right[0]}", lambda person: compare(order, left[1](person), right[1](person))


@st.composite
def nothings(draw: st.DrawFn) -> Spoken:
    name = draw(names("text") | names("date") | names("any"))
    if draw(st.booleans()):
        return f"{name[0]} == none", lambda person: name[1](person) is None
    return f"{name[0]} != None", lambda person: name[1](person) is not None


@st.composite
def memberships(draw: st.DrawFn) -> Spoken:
    kind = draw(st.sampled_from(["text", "date", "any"]))
    if draw(st.booleans()):
        name = draw(names(kind))
        written = {"text": TEXTS, "date": DAYS, "any": TEXTS | NUMBERS | st.booleans()}[kind]
        values = draw(st.lists(written, max_size=3))
        source = f"{name[0]} %s [{', '.join(draw(wrote(value)) for value in values)}]"
        return negatable(draw, source, lambda person: any(compare("==", name[1](person), value) for value in values))
    needle = draw(constants(TEXTS) | names("text") | names("any"))
    if draw(st.booleans()):
        return negatable(draw, f"{needle[0]} %s tags", lambda person: needle[1](person) in person.get("tags", ()))
    hay = draw(names("text") | names("any"))

    def inside(person: Person) -> bool:
        small, large = needle[1](person), hay[1](person)
        return isinstance(small, str) and isinstance(large, str) and large.find(small) >= 0

    return negatable(draw, f"{needle[0]} %s {hay[0]}", inside)


def negatable(draw: st.DrawFn, source: str, test: Callable[[Person], bool]) -> Spoken:
    if draw(st.booleans()):
        return source.replace("%s", "in", 1), test
    return source.replace("%s", "not in", 1), lambda person: not test(person)


@st.composite
def alone(draw: st.DrawFn) -> Spoken:
    bare = st.just(("tags", lambda person: person.get("tags")))
    source, value = draw(names("text") | names("date") | names("any") | bare | constants(st.booleans()))
    return source, lambda person: bool(value(person))


def joined_up(inner: st.SearchStrategy[Spoken]) -> st.SearchStrategy[Spoken]:
    def join(word: str, parts: list[Spoken]) -> Spoken:
        how = any if word == "or" else all
        return f" {word} ".join(f"({source})" for source, _ in parts), lambda person: how(
            [test(person) for _, test in parts]
        )

    def negate(part: Spoken) -> Spoken:
        return f"not ({part[0]})", lambda person: not part[1](person)

    return inner.map(negate) | st.builds(join, st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3))


conditions = st.recursive(alone() | comparisons() | nothings() | memberships(), joined_up, max_leaves=5)


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
