"""Slots travel through templates, Markdown and the compiler as words, and come back with a context."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.errors import CompileError
from newsletter.expressions import lift
from newsletter.rendering.pieces import Context, Fill
from newsletter.rendering.slots import Marks


@given(st.text(alphabet="qz01slotbex ", max_size=40), st.text(alphabet="QZ0slot", max_size=20))
def test_marker_words_never_occur_in_the_edition(text: str, other: str) -> None:
    """Even in a text that tries to look like one; and the same text gets the same words."""
    marks = Marks.unlike(text + other)
    assert marks.prefix not in (text + other).lower()
    assert Marks.unlike(text + other).prefix == marks.prefix


@pytest.mark.parametrize(
    ("page", "context"),
    [
        ("<p>Dear {}</p>", Context.HTML),
        ("{}", Context.HTML),
        ('<img alt="for {}" src="x">', Context.ATTRIBUTE),
        ('<a href="https://e.org/?n={}&x=1">x</a>', Context.URL),
        ('<a title="a" href="https://e.org/{}">x</a>', Context.URL),
        ("<!--[if mso]><td>{}<![endif]-->", Context.HTML),
        ('<!--[if mso]><td title="{}"><![endif]-->', Context.ATTRIBUTE),
    ],
)
def test_html_tells_the_context_of_a_slot(page: str, context: Context) -> None:
    """The surroundings in the finished page decide the escaping."""
    marks = Marks("qz0slot")
    word = lift("{{ first_name }}", marks.mark)
    before, after = page.split("{}")
    wanted = [piece for piece in (before, Fill("first_name", context), after) if piece]
    assert list(marks.cut_html(page.replace("{}", word))) == wanted


def test_a_slot_outside_of_any_value_is_refused() -> None:
    """There is no escaping that would be safe there."""
    marks = Marks("qz0slot")
    word = lift("{{ first_name }}", marks.mark)
    with pytest.raises(CompileError):
        marks.cut_html(f"<p {word}>")


def test_links_of_the_reader_are_whole_addresses() -> None:
    """They are made by us, so in an href they are an attribute's value and not a part of a URL."""
    marks = Marks("qz0slot")
    word = marks.link("unsubscribe")
    assert marks.cut_html(f'<a href="{word}">{word}</a>') == (
        '<a href="',
        Fill("unsubscribe", Context.ATTRIBUTE, link=True),
        '">',
        Fill("unsubscribe", Context.HTML, link=True),
        "</a>",
    )


def test_plain_text_escapes_what_stands_in_an_address() -> None:
    """A name in a URL is percent-encoded, the same name in a sentence is not."""
    marks = Marks("qz0slot")
    word = lift("{{ first_name }}", marks.mark)
    assert marks.cut_text(f"{word}: https://e.org/?n={word} {word}") == (
        Fill("first_name", Context.PLAIN),
        ": https://e.org/?n=",
        Fill("first_name", Context.URL),
        " ",
        Fill("first_name", Context.PLAIN),
    )


def test_one_slot_used_often_is_one_word() -> None:
    """So the digest does not depend on how often, and eleven slots do not run into one another."""
    marks = Marks("qz0slot")
    words = [lift("{{ attributes.a" + str(number) + " }}", marks.mark) for number in range(12)]
    assert lift("{{ attributes.a3 }}", marks.mark) == words[3]
    assert marks.cut_header("".join(words)) == tuple(Fill(f"attributes.a{n}", Context.HEADER) for n in range(12))
