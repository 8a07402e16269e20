"""Any value in any context stays that value: html5lib, urllib and our eyes are the judges."""

import unicodedata
from urllib.parse import parse_qs, unquote, urlsplit

import html5lib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.errors import ExpressionError
from newsletter.rendering.escaping import clean, escape, escape_own, fill_pieces, one_spaced
from newsletter.rendering.pieces import Context, Fill

ANYTHING = st.text(st.characters(), max_size=80)  # half characters too
TRICKY = st.lists(
    st.sampled_from(
        [
            "<",
            ">",
            "&",
            '"',
            "'",
            "`",
            "\\",
            "-->",
            "<!--",
            "]]>",
            "</p>",
            "&amp;",
            "\u0338",
            "\r\n",
            "\0",
            "é",
            "%2e",
            "/",
            "?",
            "#",
            ".",
            "{{ 7*7 }}",
            "\u202e",
            "\u2028",
            "javascript:",
        ]
    ),
    max_size=12,
).map("".join)
VALUE = st.one_of(ANYTHING, TRICKY)


def page(source: str) -> "html5lib.treebuilders.etree.Element":
    return html5lib.parse(f"<!doctype html><title>t</title>{source}", namespaceHTMLElements=False)


@settings(deadline=None)
@given(VALUE)
def test_cleaning_leaves_one_line_of_composed_unicode(value: str) -> None:
    cleaned = clean(value)
    assert clean(cleaned) == cleaned
    assert unicodedata.is_normalized("NFC", cleaned)
    assert len(cleaned.splitlines()) <= 1
    assert not any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in cleaned)
    cleaned.encode("utf-8")


@pytest.mark.parametrize(
    ("value", "cleaned"),
    [
        ("Ana\r\nBcc: eve@example.com", "Ana Bcc: eve@example.com"),
        ("a\0b\x85c\u2028d", "a b c d"),
        ("\u202egnp.exe", "gnp.exe"),
        ("\u2067abc", "abc"),
        ("\ufeffAna\ufffd\ud83d", "Ana"),
        ("Zoe\u0308", "Zo\u00eb"),
        ("👩‍👩‍👧‍👦", "👩‍👩‍👧‍👦"),
        ("\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",) * 2,  # the flag of England
        ("می‌خواهم",) * 2,  # Persian needs the zero-width non-joiner
        ("\u200fשלום\u200f",) * 2,
    ],
)
def test_what_cleaning_takes_out_and_what_it_keeps(value: str, cleaned: str) -> None:
    assert clean(value) == cleaned


@settings(deadline=None)
@given(VALUE)
def test_a_value_between_tags_is_text_and_nothing_else(value: str) -> None:
    body = page(f"<p>[{escape(value, Context.HTML)}]</p>").find("body")
    [paragraph] = body
    assert paragraph.tag == "p"
    assert len(paragraph) == 0
    assert paragraph.text == f"[{clean(value)}]"


@settings(deadline=None)
@given(VALUE, st.sampled_from("\"'"))
def test_a_value_in_an_attribute_stays_in_it(value: str, quote: str) -> None:
    [image] = page(f"<img alt={quote}{escape(value, Context.ATTRIBUTE)}{quote}>").find("body")
    assert image.attrib == {"alt": clean(value)}


@settings(deadline=None)
@given(VALUE)
def test_a_value_in_a_comment_for_outlook_does_not_end_it(value: str) -> None:
    body = page(f"<!--[if mso]><td>{escape(value, Context.HTML)}</td><![endif]--><p>after</p>").find("body")
    assert [element.tag for element in body if isinstance(element.tag, str)] == ["p"]


@settings(deadline=None)
@given(VALUE)
def test_a_value_in_a_url_stays_in_its_place(value: str) -> None:
    escaped = escape(value, Context.URL)
    parts = urlsplit(f"https://example.org/{escaped}/x?a={escaped}&b=2#{escaped}")
    shown = "" if clean(value) in {".", ".."} else clean(value)
    assert (parts.scheme, parts.netloc) == ("https", "example.org")
    assert [unquote(segment) for segment in parts.path.split("/")[1:]] == [shown, "x"]
    assert parse_qs(parts.query, keep_blank_values=True) == {"a": [shown], "b": ["2"]}
    assert unquote(parts.fragment) == shown


@pytest.mark.parametrize("value", [".", "..", "\u202e.."])
def test_a_value_cannot_walk_up_the_path(value: str) -> None:
    assert escape(value, Context.URL) == ""


@settings(deadline=None)
@given(VALUE)
def test_a_value_in_plain_text_or_a_header_stays_on_its_line(value: str) -> None:
    assert escape(value, Context.PLAIN) == clean(value)
    assert escape(value, Context.HEADER) == one_spaced(clean(value))


def test_what_looks_like_a_slot_stays_literal() -> None:
    person = {"first_name": "{{ 7*7 }}"}
    assert fill_pieces((Fill("first_name", Context.HTML),), person, {}) == "{{ 7*7 }}"


def test_filling_evaluates_each_fill_for_the_person() -> None:
    pieces = ("<p>", Fill('first_name | default("friend")', Context.HTML), " ", Fill("country", Context.HTML), "</p>")
    assert fill_pieces(pieces, {"first_name": "A<b"}, {}) == "<p>A&lt;b </p>"
    assert fill_pieces(pieces, {"country": "KE"}, {}) == "<p>friend KE</p>"


def test_our_own_links_stay_whole() -> None:
    url = "https://news.example.org/u/a?b=1&c=2"
    assert escape_own(url, Context.ATTRIBUTE) == "https://news.example.org/u/a?b=1&amp;c=2"
    assert escape_own(url, Context.HTML) == "https://news.example.org/u/a?b=1&amp;c=2"
    assert escape_own(url, Context.URL) == "https://news.example.org/u/a?b=1&amp;c=2"
    assert escape_own(url, Context.PLAIN) == url


def test_our_own_text_is_escaped_like_any_other() -> None:
    pieces = (Fill("list_title", Context.HTML, link=True), "|", Fill("list_title", Context.PLAIN, link=True))
    assert fill_pieces(pieces, {}, {"list_title": "Q&A <all>"}) == "Q&amp;A &lt;all&gt;|Q&A <all>"


def test_a_fill_outside_the_language_is_told() -> None:
    with pytest.raises(ExpressionError):
        fill_pieces((Fill("import os", Context.HTML),), {}, {})
