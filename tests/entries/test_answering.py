"""Reading what visitors fill in: kept as it was typed, or refused question by question, and never an accident."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from newsletter.config.pages import FormTable
from newsletter.entries.answering import address_in, read_answers

FORM = FormTable.model_validate(
    {
        "title": "A form",
        "fields": [
            {"name": "copy", "label": "Your name", "longest": 40},
            {"name": "email", "label": "Your email address", "kind": "email"},
            {"name": "json", "label": "What about?", "kind": "paragraph", "longest": 200, "required": False},
            {"name": "when", "label": "When?", "kind": "choice", "options": ["Mornings", "Evenings"]},
            {"name": "agreed", "label": "Write to me", "kind": "checkbox"},
            {"name": "more", "label": "Call me as well", "kind": "checkbox", "required": False},
            {"name": "page", "label": "Your page", "kind": "url", "required": False},
            {"name": "phone", "label": "Your number", "kind": "phone", "required": False},
        ],
    }
)
GOOD = {"copy": "Ann", "email": "ann@example.org", "when": "Mornings", "agreed": "yes"}
TYPED = st.text(st.characters(), max_size=60) | st.sampled_from(
    ["=1+1", "\r\n.\r\n", "<script>alert(1)</script>", "{{ 7*7 }}", "http://[", "javascript:alert(1)", "\x00", "\ud800"]
)


def wrong(**typed: object) -> dict[str, str]:
    """What is wrong with a good entry in which some answers are others."""
    answers, problems = read_answers(FORM, {**GOOD, **typed})
    assert bool(problems) != bool(answers)
    return {problem.name: problem.what for problem in problems}


def test_answers_come_in_the_order_of_the_questions_and_open_ones_are_left_out() -> None:
    answers, problems = read_answers(FORM, {"agreed": "on", **GOOD, "phone": "  ", "not_asked": "x"})
    assert list(answers.items()) == [
        ("copy", "Ann"),
        ("email", "ann@example.org"),
        ("when", "Mornings"),
        ("agreed", True),
        ("more", False),
    ]
    assert problems == ()
    assert address_in(FORM, answers) == "ann@example.org"


def test_all_that_is_wrong_is_told_at_once_and_in_order() -> None:
    answers, problems = read_answers(FORM, {"copy": "x" * 41, "phone": "call me"})
    assert answers == {}
    assert [(problem.name, problem.what) for problem in problems] == [
        ("copy", "too_long"),
        ("email", "missing"),
        ("when", "unchosen"),
        ("agreed", "unticked"),
        ("phone", "phone"),
    ]
    assert problems[0].gaps == {"most": "40", "has": "41"}


@pytest.mark.parametrize(
    ("name", "typed", "what"),
    [
        ("copy", "Ann\nBcc: everybody@example.org", "lines"),  # no header can be begun from here (item 138)
        ("copy", "Ann\u2028Bcc", "lines"),
        ("copy", "Ann\tSmith", "lines"),
        ("copy", "A\x00nn", "unseen"),
        ("copy", "A\u202enn", "unseen"),
        ("copy", "\ud800", "missing"),
        ("copy", "\u200b \u00ad", "missing"),
        ("copy", b"a file", "unseen"),
        ("copy", ["Ann", "Bob"], "unseen"),
        ("json", "x\x1b[2J", "unseen"),
        ("email", "ann", "email"),
        ("email", "ann@example.org, bob@example.org", "email"),
        ("email", "a" * 300 + "@example.org", "email"),
        ("when", "Nights", "unchosen"),
        ("page", "www.example.org", "url"),
        ("page", "javascript:alert(1)//https://example.org", "url"),
        ("page", "https://ann:pw@example.org", "url"),
        ("page", "https://example.org:x", "url"),
        ("page", "https://[", "url"),
        ("page", 'https://example.org/"onclick=', "url"),
        ("phone", "123", "phone"),
        ("phone", "+" + "1" * 40, "phone"),
    ],
)
def test_an_answer_that_cannot_be_kept_is_refused(name: str, typed: object, what: str) -> None:
    assert wrong(**{name: typed}) == {name: what}


@pytest.mark.parametrize(
    ("name", "typed", "kept"),
    [
        ("copy", "  Ann  ", "Ann"),
        ("copy", "Ame\u0301lie", "Amélie"),
        ("copy", "<b>آن\u200cماری</b> & =1+1", "<b>آن\u200cماری</b> & =1+1"),
        ("json", "One\r\ntwo\rthree\x0bfour\u2029five\tsix", "One\ntwo\nthree\nfour\nfive\tsix"),
        ("email", "Ann.Smith+news@Example.org", "Ann.Smith+news@Example.org"),
        ("page", "HTTPS://Example.org/a?b=c#d", "HTTPS://Example.org/a?b=c#d"),
        ("phone", "+254 (0)20 123-4567 ext. 89", "+254 (0)20 123-4567 ext. 89"),
    ],
)
def test_an_answer_is_kept_as_it_was_typed(name: str, typed: str, kept: str) -> None:
    assert read_answers(FORM, {**GOOD, name: typed})[0][name] == kept


@given(st.dictionaries(st.sampled_from([ask.name for ask in FORM.fields]), TYPED), st.booleans())
@example({"page": "https://\u2100.example"}, True)
@example({"email": "a@\ufe0f.example"}, True)
def test_any_text_in_any_field_is_kept_as_it_is_or_refused(typed: dict[str, str], rest_is_good: bool) -> None:
    answers, problems = read_answers(FORM, {**GOOD, **typed} if rest_is_good else typed)
    assert bool(answers) != bool(problems)
    for name, answer in answers.items():
        if isinstance(answer, bool) or name not in typed:
            continue
        meant = unicodedata.normalize("NFC", typed[name]).strip()
        assert answer.split() == meant.split()  # but for the kind of its line ends
        answer.encode()
