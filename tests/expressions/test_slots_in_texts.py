"""Finding the slots in a text, and refusing everything that only looks like one."""

import time

import pytest

from newsletter.errors import ExpressionError
from newsletter.expressions import Slot, lift, parse_text, text_errors


def test_a_text_is_cut_into_literal_text_and_slots() -> None:
    text = 'Dear {{ first_name | default("friend") }},{{email}}'
    before, name, comma, email = parse_text(text)
    assert (before, comma) == ("Dear ", ",")
    assert isinstance(name, Slot)
    assert isinstance(email, Slot)
    assert name.source == name.expression.source == 'first_name | default("friend")'
    assert text[name.start : name.end] == '{{ first_name | default("friend") }}'
    assert name.expression.text({}) == "friend"
    assert (email.source, email.end) == ("email", len(text))


@pytest.mark.parametrize(
    "text", ["", "plain", "{ first_name }", "100 % {", "}", "a } } b", "{ {x} }", "50%}", "line\nline"]
)
def test_a_text_without_slots_stays_as_it_is(text: str) -> None:
    assert parse_text(text) == ((text,) if text else ())
    assert lift(text, lambda _: "!") == text


def test_lift_replaces_each_slot_by_its_mark() -> None:
    marks: list[Slot] = []

    def mark(slot: Slot) -> str:
        marks.append(slot)
        return f"slot{len(marks)}x"

    assert lift("{{ first_name }}{{ last_name }} & {{ first_name }}", mark) == "slot1xslot2x & slot3x"
    assert [slot.source for slot in marks] == ["first_name", "last_name", "first_name"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{{ "}}" }}', "}}"),
        ("{{ '{{ x }}' }}", "{{ x }}"),
        ('{{ first_name | default("}} \\" }}") }}', '}} " }}'),
        ('{{ first_name | default("it\'s") }}', "it's"),
        ('{{first_name|default("a}b")}}', "a}b"),
        ('{{\tfirst_name\xa0|default("x") }}', "x"),
        ('{{ "{%" }}', "{%"),
    ],
)
def test_signs_between_quotes_do_not_end_a_slot(text: str, shown: str) -> None:
    (slot,) = parse_text(text)
    assert isinstance(slot, Slot)
    assert slot.expression.text({}) == shown


@pytest.mark.parametrize(
    ("text", "caret", "what", "fix"),
    [
        ("Hi {{ firstname }}!", "firstname", "«firstname»", "first_name"),
        ("Hi {{ first_name", "{{", "never closed", "}}"),
        ("Hi {{ first_name }", "{{", "never closed", "}}"),
        ("Hi {{\nfirst_name }}", "{{", "one line", "same line"),
        ("Hi {{ first_name\r\n}}", "{{", "one line", "same line"),
        ("Hi {{ }}", "{{", "empty", "first_name"),
        ("Hi {{}}", "{{", "empty", "first_name"),
        ("Hi {{- first_name }}", "-", "Signs next to the braces", "sign"),
        ("Hi {{ first_name -}}", "-", "Signs next to the braces", "sign"),
        ("Hi {{{ first_name }}}", "{{{", "two braces", "one on each side"),
        ("Hi {% if tags %}", "{%", "Template statements", "block's `when:`"),
        ("Hi {# note #}", "{#", "comments", "#"),
        ("Hi {first_name }}", "}}", "no opening", "{{"),
        ('{{ first_name | default("friend) }}, hello', '"', "never closed", 'closing "'),
        ('{{ first_name | default("friend) }}, say "hello" }}', '"friend', "before the slot ends", "closing quote"),
        ('{{ first_name | default("a) }} {{ last_name | default("b) }}', '"a', "before the slot ends", "closing quote"),
        ("{{ first_name | default(“friend”) }}", "“", "typographic", '"friend"'),
        ("{{ first_name's }}", "'", "never closed", "'"),
        ('{{ country == "KE" }}', "country", "condition", "block's `when:`"),
        ("{{ not tags }}", "not", "condition", "block's `when:`"),
        ("{{ true }}", "true", "condition", "block's `when:`"),
        ("{{ " + "x" * 1500 + " }}", "{{", "1,000 characters", ""),
        ("{{   " + '"' + "x" * 999 + '" }}', "", "1,000 are the most", ""),
        ("a {{ 7*7 }}", "7*7", "not computed", ""),
    ],
)  # fmt: skip
def test_what_is_no_slot_is_refused_at_its_place_in_the_text(text: str, caret: str, what: str, fix: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_text(text)
    assert what in caught.value.what
    assert fix in caught.value.fix
    assert caught.value.source == text
    assert text[caught.value.offset :].startswith(caret)


def test_all_problems_of_a_text_are_told_each_once() -> None:
    text = "{{ bad }} {{ first_name }} {{ worse }}\n{{ open \n\n{{ tags }} {% x %} {{ country == }}"
    errors = text_errors(text)
    assert [text[error.offset :][:5] for error in errors] == ["bad }", "worse", "{{ op", "{% x ", "== }}"]


def test_a_slot_that_breaks_the_line_is_one_problem_not_two() -> None:
    assert len(text_errors("{{ first_name\n}} and {{ last_name }}")) == 1


def test_a_text_with_very_many_slots_is_refused() -> None:
    assert len(parse_text("{{email}}" * 1000)) == 1000
    with pytest.raises(ExpressionError, match="more than 1,000 slots"):
        parse_text("{{email}}" * 1001)


@pytest.mark.parametrize(
    "text",
    ["{" * 200_000, "{{ '" * 50_000, '{{ "\\' * 50_000, "}" * 200_000, "{{" + "'}}" * 50_000, "{{ " + "\\" * 200_000],
)
def test_hostile_texts_take_no_time(text: str) -> None:
    began = time.process_time()
    with pytest.raises(ExpressionError):
        parse_text(text)
    assert time.process_time() - began < 0.25
