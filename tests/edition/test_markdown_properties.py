"""Whatever is written in a body reaches readers as it was meant, and nothing else does."""

import re
import string

import html5lib
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.edition.text import body_problems, parse_body

ALLOWED = {"p", "br", "strong", "em", "a", "ul", "ol", "li"}
LETTERS = st.characters(
    codec="utf-8",
    exclude_categories=["Cc", "Cs", "Cn"],
    exclude_characters="\ufeff\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
)
MARKDOWN = st.lists(
    st.sampled_from(
        [
            "*",
            "**",
            "_",
            "[",
            "](",
            ")",
            "<",
            ">",
            "`",
            "~~",
            "#",
            "- ",
            "1. ",
            "\n",
            "\n\n",
            "  \n",
            "\\",
            "&",
            "&amp;",
            "&#106;",
            "!",
            "|",
            "\n---",
            "\n|-|-|",
            "    ",
            "\t",
            "> ",
            "https://example.org/",
            "javascript:",
            "<b>",
            "<!--",
            "a@example.org",
            '"',
            "'",
            "(",
            "{",
            "é",
            "日",
            "\u00a0",
            "word",
            " ",
        ]
    ),
    max_size=30,
).map("".join)


def dom(html: str):
    return html5lib.parseFragment(html, namespaceHTMLElements=False)


def visible(html: str) -> str:
    return "".join(dom(html).itertext())


def folded(text: str) -> str:
    return re.sub(r"[ \t\n]+", " ", text).strip()


def escaped(text: str) -> str:
    return "".join(f"\\{c}" if c in string.punctuation else c for c in text)


@settings(deadline=None)
@given(st.text(LETTERS, max_size=80))
def test_escaped_text_is_seen_as_it_is(text):
    body = parse_body(escaped(text.strip()))
    text = re.sub(r"\s*\n\s*", "\n", text)
    assert body.problems == () or not text.strip()
    assert folded(visible(body.html())) == folded(text)
    assert folded(body.plain()) == folded(text)


@settings(deadline=None)
@given(MARKDOWN)
def test_html_holds_nothing_but_what_is_allowed(source):
    html = parse_body(source).html()
    for element in dom(html).iter():
        assert element.tag in ALLOWED | {"DOCUMENT_FRAGMENT"}
        assert set(element.attrib) <= {"a": {"href"}, "ol": {"start"}}.get(element.tag, set())
        assert re.match(r"https?:|mailto:|tel:|\Z", element.attrib.get("href", "").lower())
    assert "\n" not in html


@settings(deadline=None)
@given(MARKDOWN)
def test_problems_lie_inside_the_text_and_are_the_same_each_time(source):
    found = body_problems(source)
    assert all(0 <= problem.offset <= len(source) for problem in found)
    assert found == body_problems(source)
    assert parse_body(source).html() == parse_body(source).html()


@settings(deadline=None)
@given(MARKDOWN, MARKDOWN)
def test_the_word_of_a_slot_survives_wherever_it_stands(before, after):
    body = parse_body(f"{before}qz7slots3x{after}", slot=re.compile("qz7slots3x"))
    if not body.problems:
        assert "qz7slots3x" in body.html()
        assert "qz7slots3x" in body.plain()


@settings(deadline=None)
@given(MARKDOWN)
def test_no_address_is_lost_in_plain_text(source):
    body = parse_body(source)
    plain = body.plain(20)
    for address in body.addresses:
        assert address.removeprefix("mailto:") in plain


@settings(deadline=None)
@given(MARKDOWN)
def test_what_is_told_does_not_depend_on_how_long_a_slot_is(source):
    short, long = "{{ email }} ", "{{ email | default('somebody') }} "
    source = source.replace("{", "").strip()
    one = [(p.rule, max(p.offset - len(short), -1)) for p in body_problems(short + source)]
    other = [(p.rule, max(p.offset - len(long), -1)) for p in body_problems(long + source)]
    assert one == other
