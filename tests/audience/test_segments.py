"""Both interpreters of the expression language pick the same people, on both databases."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from newsletter.audience.casing import in_cases
from newsletter.audience.segments import choice, condition
from newsletter.audience.subscribers import read_subscribers
from newsletter.database.connection import Database
from newsletter.database.schema import subscriber, subscriber_tag
from newsletter.errors import ExpressionError, UsageError
from newsletter.expressions import parse_expression
from tests.expressions.spoken import Person, Spoken, conditions, people

# The database is the same for all examples of a test: each leaves it as it was.
sparing = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

ODD: Any = [2**63 - 1, -(2**63), 2**63, 2**53, 2**53 + 1, 9007199254740992.0, 1e300, 0.1, -0.0, 1e-7, [1], {"b": 1}]
STRANGE = ["ΟΔΟΣ", "Σ", "αΣ.", "ŉ", "İ", "ı", "ﬃ", "ǅ", "Maße", "a'b", "%", "_", "\U0001f600", "\uffff", "z"]


@contextmanager
def holding(database: Database, persons: Sequence[Person]) -> Iterator[tuple[sa.Connection, list[int]]]:
    """A transaction in which these people are subscribers, taken back at the end; and their ids."""
    with database.write() as connection, connection.begin_nested() as attempt:
        ids = []
        for number, person in enumerate(persons):
            key = f"{number}@example.org"
            fields = {name: person.get(name) for name in ("first_name", "last_name", "language", "country")}
            fields |= {"email": person.get("email", key), "email_key": key, "address_hash": key.encode()}
            fields |= {"joined": person.get("joined") or date(2026, 1, 31), "attributes": person.get("attributes", {})}
            row = sa.insert(subscriber).values(fields).returning(subscriber.c.id)
            ids.append(connection.execute(row).scalar_one())
            for tag in dict.fromkeys(person.get("tags", ())):
                connection.execute(sa.insert(subscriber_tag).values(subscriber_id=ids[-1], tag=tag))
        yield connection, ids
        attempt.rollback()


def both(connection: sa.Connection, ids: list[int], source: str) -> tuple[list[int], list[int]]:
    """Whom each of the interpreters picks."""
    expression = parse_expression(source)
    where = condition(expression, connection.dialect.name)
    by_sql = sorted(connection.scalars(sa.select(subscriber.c.id).where(where)))
    known = read_subscribers(connection, ids)
    return by_sql, [one for one in ids if expression.test(known[one].person)]


@sparing
@given(spoken=conditions, persons=st.lists(people, min_size=1, max_size=6))
def test_random_conditions_pick_the_same_people_in_sql_and_in_python(
    database: Database, spoken: Spoken, persons: list[Person]
) -> None:
    with holding(database, persons) as (connection, ids):
        by_sql, by_python = both(connection, ids, spoken[0])
        assert by_sql == by_python, spoken[0]


ORDERS = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
VALUES = st.sampled_from([*ODD[:10], 3, "3", "Ä", "ä", True, False, None, *STRANGE])


@sparing
@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=6), ORDERS, st.sampled_from(ODD[:2] + ODD[3:10]))
@example([(2**53 + 1, 2.0**53), (2**53, 2.0**53), (2**63 - 1, 2.0**63)], "==", 2.0**53)
def test_own_fields_of_all_sorts_compare_exactly(
    database: Database, pairs: list[tuple[Any, Any]], order: str, number: float
) -> None:
    persons = [{"attributes": {"a": left, "b": right}} for left, right in pairs]
    if isinstance(number, float) and ("e" in repr(number) or math.isinf(number)):
        number = 9007199254740992.0
    with holding(database, persons) as (connection, ids):
        for source in (f"attributes.a {order} attributes.b", f"attributes.a {order} {number}"):
            by_sql, by_python = both(connection, ids, source)
            assert by_sql == by_python, (source, pairs)


@pytest.mark.parametrize("value", [*ODD, *STRANGE, "", 0, 0.0, True, False, None])
def test_any_value_of_an_own_field_means_the_same(database: Database, value: Any) -> None:
    with holding(database, [{"attributes": {"a": value, "x y": value, "b": "a"}}]) as (connection, ids):
        for field in ("attributes.a", 'attributes["x y"]'):
            for rest in (
                "",
                " == none",
                " | default(1) == 1",
                ' | default("") == ""',
                " == true",
                " in [1, 0.1, true]",
            ):
                by_sql, by_python = both(connection, ids, field + rest)
                assert by_sql == by_python, field + rest


@pytest.mark.parametrize("case", ["upper", "lower"])
def test_capital_and_small_letters_are_pythons_for_every_character(database: Database, case: str) -> None:
    """Also beside a sigma, whose small form depends on what stands around it."""
    changing = [chr(c) for c in range(1, 0x110000) if not 0xD800 <= c <= 0xDFFF and chr(c) != getattr(chr(c), case)()]
    around = "aA.'-:\u0301\u00ad\u0345ªǅ1 Σσς𝒜\U0001e922ʰ\u2019é"
    texts = ["", *changing, *STRANGE, *(f"{x}Σ{y}" for x in ["", *around] for y in ["", *around])]
    texts += [f"x{a}{b}Σ{c}" for a in around for b in around for c in ("", "a", ".b")]
    with database.read() as connection:
        text = sa.bindparam("text", type_=sa.Text)
        asked = sa.select(in_cases([case], text, connection.dialect.name))  # type: ignore[list-item]
        step = 1 if connection.dialect.name == "sqlite" else 700  # joined by what stands alone, for speed
        for start in range(0, len(texts), step):
            joined = "\n".join(texts[start : start + step])
            assert connection.scalar(asked, {"text": joined}) == getattr(joined, case)()


@pytest.mark.parametrize(
    "source",
    [
        '"" in country',
        "first_name in first_name",
        'first_name | upper | lower | default("") | default("É") | lower in ["é", "ΟΔΟΣ"]',
        "attributes.a" + ' | default("x") | upper' * 20 + ' == "X"',
        "not (not (tags and joined))",
        "not (" * 19 + "tags" + ")" * 19,
        "first_name" + " | upper | lower" * 20 + ' == "οδος"',
        'not ("it\'s" in tags) and country != none or true',
        "attributes.a in tags or attributes.a in attributes.b",
    ],
)
def test_corners(database: Database, source: str) -> None:
    persons: list[Person] = [{}, {"country": ""}, *({"first_name": name, "tags": (name,)} for name in STRANGE)]
    persons += [{"attributes": {"a": name, "b": 1}, "tags": ("it's",)} for name in ("", "it's", "X")]
    with holding(database, persons) as (connection, ids):
        by_sql, by_python = both(connection, ids, source)
        assert by_sql == by_python


def test_a_saved_segment_and_a_condition_hold_together() -> None:
    saved = {"kenya": 'country == "KE" or country == "UG"'}
    assert choice(None, None, saved) is None
    assert choice("tags", None, saved) == "tags"
    assert choice(None, "kenya", saved) == saved["kenya"]
    assert choice("tags", "kenya", saved) == '(country == "KE" or country == "UG") and (tags)'
    with pytest.raises(UsageError, match="kenya"):
        choice(None, "kenia", saved)
    with pytest.raises(ExpressionError):
        choice('tags) or ("x" in tags', "kenya", saved)
