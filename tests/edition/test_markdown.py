"""The Markdown dialect of bodies: what it knows, what it refuses and where, and its HTML and plain text."""

import pytest

from newsletter.edition.prose import Anchor, Body, Paragraph, Words
from newsletter.edition.text import body_problems, parse_body


def problems(text: str) -> list[tuple[int, int, str]]:
    """Line, column and first words of each problem."""
    return [
        (text.count("\n", 0, p.offset) + 1, p.offset - text.rfind("\n", 0, p.offset), f"{p.what} {p.fix}")
        for p in body_problems(text)
    ]


@pytest.mark.parametrize(
    ("source", "html"),
    [
        ("One\ntwo\n\nThree", "<p>One two</p><p>Three</p>"),
        (
            "*a* _b_ **c** __d__ ***e***",
            "<p><em>a</em> <em>b</em> <strong>c</strong> <strong>d</strong> <em><strong>e</strong></em></p>",
        ),
        ("one  \ntwo\\\nthree", "<p>one<br>two<br>three</p>"),
        ("[a *b*](https://example.org/?c=d&e=f)", '<p><a href="https://example.org/?c=d&amp;e=f">a <em>b</em></a></p>'),
        ("[a](<https://example.org/(x)>)", '<p><a href="https://example.org/(x)">a</a></p>'),
        ("<https://example.org/a>", '<p><a href="https://example.org/a">https://example.org/a</a></p>'),
        ("<team@example.org>", '<p><a href="mailto:team@example.org">team@example.org</a></p>'),
        ("- a\n- b", "<ul><li>a</li><li>b</li></ul>"),
        ("- a\n\n- b", "<ul><li><p>a</p></li><li><p>b</p></li></ul>"),
        ("1. a\n2. b", "<ol><li>a</li><li>b</li></ol>"),
        ("3. a\n4. b", '<ol start="3"><li>a</li><li>b</li></ol>'),
        ("- a\n  - b\n    1. c", "<ul><li>a<ul><li>b<ol><li>c</li></ol></li></ul></li></ul>"),
        ("a < b & c > d \"e\" 'f'", "<p>a &lt; b &amp; c &gt; d \"e\" 'f'</p>"),
        ("&amp; &copy; &#233; &nosuch;", "<p>&amp; © é &amp;nosuch;</p>"),
        ("a&nbsp;b\u00a0c", "<p>a\u00a0b\u00a0c</p>"),
        ("\\*a\\* \\# \\[b\\](c) \\<d\\> \\`e\\`", "<p>*a* # [b](c) &lt;d&gt; `e`</p>"),
        ("#hashtag, snake_case_name, 5 * 3 * 2, [Draft]", "<p>#hashtag, snake_case_name, 5 * 3 * 2, [Draft]</p>"),
        ("https://example.org as it is", "<p>https://example.org as it is</p>"),
        ("日本語 **太字** です", "<p>日本語 <strong>太字</strong> です</p>"),
    ],
)
def test_html(source, html):
    assert problems(source) == []
    assert parse_body(source).html() == html


@pytest.mark.parametrize(
    ("source", "plain"),
    [
        ("One\ntwo\n\nThree", "One two\n\nThree"),
        ("*a* **b**", "_a_ *b*"),
        ("one  \ntwo\\\nthree", "one\ntwo\nthree"),
        ("[Read](https://example.org/a).", "Read (https://example.org/a)."),
        ("[Foo](https://example.org/Foo_(bar))", "Foo <https://example.org/Foo_(bar)>"),
        ("<https://example.org/a>", "https://example.org/a"),
        ("[https://example.org](https://example.org)", "https://example.org"),
        ("<team@example.org>", "team@example.org"),
        ("[Write](mailto:team@example.org)", "Write (team@example.org)"),
        ("[Write](mailto:team@example.org?subject=Hi)", "Write (mailto:team@example.org?subject=Hi)"),
        ("[Call](tel:+41-22-555-0100)", "Call (+41-22-555-0100)"),
        ("- a\n- b", "* a\n* b"),
        ("Text\n\n- a\n\n- b\n\nText", "Text\n\n* a\n\n* b\n\nText"),
        ("9. a\n10. b\n    - c", "9. a\n10. b\n    * c"),
        ("- a\n\n  b\n- c", "* a\n\n  b\n\n* c"),
        ("- \n- b", "*\n* b"),
        ("a &lt; b", "a < b"),
    ],
)
def test_plain_text(source, plain):
    assert parse_body(source).plain() == plain


def test_plain_text_is_filled_and_lists_hang():
    body = parse_body("- " + "word " * 9 + "\n\n  " + "x" * 30 + " " + "y" * 10)
    assert body.plain(22) == "\n".join(
        ["* word word word word", "  word word word word", "  word", "", "  " + "x" * 30, "  " + "y" * 10]
    )


def test_an_address_is_never_broken_or_lost():
    url = "https://example.org/" + "a-b_c." * 40
    body = parse_body(f"See [the long story of it all]({url}) and [more]({url}x).")
    assert [word.strip("().,") for word in body.plain().split() if "://" in word] == [url.rstrip("."), f"{url}x"]
    assert body.addresses == (url, f"{url}x")


def test_wide_letters_count_twice():
    assert parse_body("日本 日本 日本").plain(10) == "日本 日本\n日本"


def test_a_blank_that_does_not_break_does_not_break():
    assert parse_body("aaa bbb\u00a0ccc").plain(8) == "aaa\nbbb\u00a0ccc"


REFUSED = [
    ("Text\n\n# Title", 3, 1, "heading"),
    ("Title\n=====", 2, 1, "heading"),
    ("Text\n---", 2, 1, "heading"),
    ("Text\n\n    four blanks", 3, 5, "program code"),
    ("```\nx\n```", 1, 1, "program code"),
    ("~~~\nx", 1, 1, "program code"),
    ("a `code` b", 1, 3, "program code"),
    ("a <b>bold</b>", 1, 3, "HTML"),
    ("a <!-- note -->", 1, 3, "HTML"),
    ("<div>\nx\n</div>", 1, 1, "HTML"),
    ("Text\n> quote", 2, 1, "kind: quote"),
    ("a\n\n***\n\nb", 3, 1, "kind: divider"),
    ("a | b\n--|--\n1 | 2", 1, 1, "Tables"),
    ("a ![alt](https://example.org/x.png)", 1, 3, "kind: image"),
    ("a ~~b~~", 1, 3, "struck"),
    ("a\n\n[x]: https://example.org", 3, 1, "[words](https://…)"),
    ("- a\n  - b\n    - c\n      - d", 4, 7, "Lists"),
    ("see [](https://example.org)", 1, 5, "no words"),
    ('[a](https://example.org "title")', 1, 5, "not be shown"),
    ("see [a](www.example.org)", 1, 9, "https://www.example.org"),
    ("see [a](javascript:alert(1))", 1, 9, "cannot begin"),
    ("see [a](java&#115;cript:alert(1))", 1, 9, "cannot begin"),
    ("see <javascript:alert(1)>", 1, 6, "cannot begin"),
    ("see [a](data:text/html,x)", 1, 9, "cannot begin"),
    ("see [a]( https://user@example.org)", 1, 18, "name or password"),
    ("see [a] (https://example.org)", 1, 7, "looks like a link"),
    ("see [a](https://example.org/a b)", 1, 7, "looks like a link"),
    ("a **bold ** word", 1, 3, "no partner"),
    ("a &#x202E; b", 1, 3, "direction of writing"),
    ("a &#8232; b", 1, 3, "line break"),
]


@pytest.mark.parametrize(("source", "line", "column", "sentence"), REFUSED)
def test_all_else_is_refused_at_its_place_with_advice(source, line, column, sentence):
    found = problems(source)
    assert len(found) == 1
    assert found[0][:2] == (line, column)
    assert sentence in found[0][2]


@pytest.mark.parametrize(("source", "line", "column", "sentence"), REFUSED)
def test_what_is_refused_still_makes_harmless_html(source, line, column, sentence):
    html = parse_body(source).html()
    assert "<script" not in html
    assert 'href="javascript:' not in html
    assert "<b>" not in html
    assert "<img" not in html


def test_html_is_cleaned_even_if_an_address_was_never_judged():
    body = Body((Paragraph((Anchor("javascript:alert(1)", (Words("a <b>"),)),)),))
    assert body.html() == "<p><a>a &lt;b&gt;</a></p>"


def test_all_problems_of_a_body_are_told_in_order():
    source = "# A\n\nHi {{ frist_name }} ~~x~~\n\n- [a](/b)\n\n> {{ first_name }} <i>c</i>"
    assert [found[:2] for found in problems(source)] == [(1, 1), (3, 7), (3, 21), (5, 7), (7, 1), (7, 20)]


def test_places_are_those_of_the_text_with_its_slots():
    """Slots are words of another length while Markdown is read."""
    source = '{{ first_name | default("my dear friend") }} **and** {{ email }} `x`'
    assert problems(source)[0][:2] == (1, source.index("`") + 1)


def test_slots_may_stand_in_texts_and_in_addresses_where_they_may():
    assert problems("*{{ first_name }}* [for {{ first_name }}](https://example.org/{{ email }}) {{ country }}") == []
    assert [found[:2] for found in problems("[x](https://{{ country }}.example.org/)")] == [(1, 13)]
    assert [found[:2] for found in problems("a [x]({{ country }})")] == [(1, 7)]
    assert [found[:2] for found in problems("a [x](mailto:{{ email }})")] == [(1, 14)]


def test_a_body_that_seems_to_be_nothing_but_links_is_not_even_read():
    assert "opening brackets" in problems("[" * 1_001)[0][2]


def test_many_problems_are_cut_short():
    assert len(problems("`a` " * 200)) <= 20


def test_words_of_slots_travel_through_unharmed():
    body = parse_body("Hi **qz0s1x**, [qz0s2x](https://example.org/qz0s3x?a=qz0s4x).\n\n1. qz0s5x")
    assert body.html() == (
        '<p>Hi <strong>qz0s1x</strong>, <a href="https://example.org/qz0s3x?a=qz0s4x">qz0s2x</a>.</p><ol><li>qz0s5x</li></ol>'
    )
    assert body.plain() == "Hi *qz0s1x*, qz0s2x (https://example.org/qz0s3x?a=qz0s4x).\n\n1. qz0s5x"
