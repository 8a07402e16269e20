"""The MJML that reaches the compiler is in the one form it gets right; each trap of the compiler is one test here."""

import html
import re
from collections.abc import Callable
from xml.etree.ElementTree import Element

import html5lib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mjml import mjml2html

from newsletter.errors import CompileError
from newsletter.rendering import mjml as room
from newsletter.rendering.mjml import Segment, StructureError, attribute, compile_mjml, serialise
from newsletter.rendering.slots import Marks

WRITABLE = st.characters(exclude_categories=("Cs", "Cc", "Co", "Cn"), exclude_characters="\u2028\u2029\ufeff")


def page(body: str, head: str = "") -> str:
    """A whole document around a body, or around content of a column."""
    if not body.startswith(("<mj-section", "<mj-wrapper", "<mj-raw", "qz")):
        body = f"<mj-section><mj-column>{body}</mj-column></mj-section>"
    return f'<mjml lang="en" dir="ltr"><mj-head><mj-title>T</mj-title>{head}</mj-head><mj-body>{body}</mj-body></mjml>'


def compiled(body: str, head: str = "") -> str:
    """The HTML of a body after the whole path."""
    segments = list(serialise(page(body, head), Marks("qz0slot")))
    return compile_mjml(segments, language="en", direction="ltr")


def tree(source: str) -> Element:
    """The parsed page, by a parser that is not ours."""
    return html5lib.parse(source, namespaceHTMLElements=False)


def refusal(body: str, head: str = "") -> str:
    """What the serialiser says about a body that it refuses."""
    with pytest.raises(StructureError) as caught:
        serialise(page(body, head), Marks("qz0slot"))
    return f"{caught.value.what} {caught.value.fix}"


# T1: attribute values are written with the escapes of another language


@pytest.mark.parametrize(
    "value", ['a" onerror="b', "a\\b", "\u00a0", "e\u0301", "👩\u200d💻", "❤\ufe0f", "ไม้", "a < b > c & d"]
)
def test_any_attribute_value_arrives_unchanged(value: str) -> None:
    """Quotes, backslashes, blanks that do not break, combining marks and joined emoji survive in an alt text."""
    image = tree(compiled(f'<mj-image src="x.png" width="100px" alt="{html.escape(value)}"/>')).find(".//img")
    assert image.get("alt") == value
    assert image.get("onerror") is None


def test_line_breaks_in_a_style_do_not_kill_it() -> None:
    """A style written over several lines becomes one line."""
    output = compiled('<mj-text><p style="color:#ff0000;\n  font-weight:bold">x</p></mj-text>')
    assert 'style="color:#ff0000; font-weight:bold"' in output


def test_a_title_with_quotes_stays_a_label() -> None:
    """The title becomes an attribute in the compiled page, so it is escaped as one."""
    segments = list(serialise(page("<mj-text>x</mj-text>").replace(">T<", ">Say &quot;hi&quot; \\<"), Marks("qz0slot")))
    article = tree(compile_mjml(segments, language="en", direction="ltr")).find(".//div[@role='article']")
    assert article.get("aria-label") == 'Say "hi" \\'


@given(st.text(WRITABLE, max_size=60))
@settings(max_examples=150, deadline=None)
def test_every_text_round_trips_through_attribute_and_body(text: str) -> None:
    """Whatever is written is what a foreign parser reads, in an alt text and in a paragraph."""
    escaped = html.escape(text)
    output = tree(compiled(f'<mj-text><p>{escaped}</p></mj-text><mj-image src="x" width="10px" alt="{escaped}"/>'))
    assert " ".join(output.find(".//img").get("alt").split(" ")) == re.sub(r"[ \t\r\n\f]+", " ", text)
    shown = "".join(output.find(".//p").itertext())
    assert shown == re.sub(r"[ \t\r\n\f]+", " ", text)


@given(st.text(WRITABLE, max_size=40))
def test_an_attribute_is_printable_ascii_without_anything_to_escape(text: str) -> None:
    """The written form holds no character that the compiler would escape in its own way."""
    written = attribute(text)
    assert re.fullmatch(r"(?:[ !#-%'-;=?-\[\]-~]|&#[0-9]+;)*", written)
    assert html.unescape(written) == re.sub(r"[ \t\r\n\f]+", " ", text)


# T2: a bare ">" after a letter with an accent ends the process of the compiler


@pytest.mark.parametrize("text", ["Actualité > Sport", "日本 > x", "price € > 5", "Lire la suite →>", "😀>"])
def test_an_angle_bracket_after_any_letter_is_text(text: str) -> None:
    """Also where the writer of a template left it bare."""
    assert "".join(tree(compiled(f"<mj-text><p>{text}</p></mj-text>")).find(".//p").itertext()) == text


def test_a_panic_of_the_compiler_becomes_our_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Should one get through all the same, the process goes on and the error can be caught."""
    bad = Segment((), page("<mj-text>Actualité > Sport</mj-text>"), "", ())
    with pytest.raises(CompileError, match="could not read"):
        compile_mjml([bad], language="en", direction="ltr")


def test_other_exits_are_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C during a compile is still Ctrl-C."""

    def interrupted(*_: object, **__: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(room, "mjml2html", interrupted)
    with pytest.raises(KeyboardInterrupt):
        compiled("<mj-text>x</mj-text>")


# T3: what the compiler refuses and a writer of templates may well write


@pytest.mark.parametrize(
    "body",
    [
        "<p>a<br>b</p>",
        "<p>a&nbsp;b &copy; &hellip;</p>",
        "<p>R&D and Q & A</p>",
        "<p>x<img src='a' alt='' width='1'></p>",
    ],
)
def test_conveniences_of_html_are_taken(body: str) -> None:
    """Void tags left open, named entities and bare ampersands."""
    assert tree(compiled(f"<mj-text>{body}</mj-text>")).find(".//p") is not None


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("<mj-text><p>open</mj-text>", "not well-formed"),
        ("<mj-text><b><i>x</b></i></mj-text>", "not well-formed"),
        ("<mj-text><p class=x>y</p></mj-text>", "not well-formed"),
        ("<mj-text>1 < 2</mj-text>", "not well-formed"),
        ("<mj-text><script>x</script></mj-text>", "does not work in mail"),
        ('<mj-text><p onclick="x">y</p></mj-text>', "does not work in mail"),
        ("<mj-text><iframe></iframe></mj-text>", "does not work in mail"),
        ("<mj-foo>x</mj-foo>", "not a component"),
        ("<mj-carousel></mj-carousel>", "not a component"),
        ('<mj-text padding-top="0px" colour="#fff">x</mj-text>', "no attribute «colour»"),
        ('<mj-text padding="10%">x</mj-text>', "percent"),
        ('<mj-image src="x" width="10px"/>', "alt text"),
        ('<mj-text><img src="x"/></mj-text>', "alt text"),
        ('<mj-text mj-class="a b">x</mj-text>', "Only one mj-class"),
        ("<mj-text>x</mj-text><mj-section></mj-section>", "cannot stand inside"),
        ("loose words", "stands between two components"),
    ],
)
def test_what_is_not_mjml_is_refused_in_words(body: str, says: str) -> None:
    """The compiler would leave it in the mail, or drop it, without a word."""
    assert says in refusal(body)


def test_styles_that_load_from_the_web_are_refused() -> None:
    """No request to any host of its own accord."""
    assert "load something" in refusal("<mj-text>x</mj-text>", "<mj-style>@import 'x';</mj-style>")


def test_comments_disappear_but_not_those_for_outlook() -> None:
    """A comment could hide anything; the ones that Outlook reads are part of the design."""
    output = compiled("<mj-text><p>a<!-- hidden -->b</p></mj-text><mj-raw><!--[if mso]><p>x</p><![endif]--></mj-raw>")
    assert "hidden" not in output
    assert "<!--[if mso]><p>x</p><![endif]-->" in output


# T4: blanks that begin with a line break are lost


def test_words_on_two_lines_stay_two_words() -> None:
    """A line break between two links is a blank."""
    output = compiled('<mj-text><p><a href="https://e.org/1">one</a>\n<a href="https://e.org/2">two</a></p></mj-text>')
    assert "".join(tree(output).find(".//p").itertext()) == "one two"


# T6: a length without a unit is miscounted


@pytest.mark.parametrize("padding", ["0 25px", "0px 25px"])
def test_a_bare_zero_counts(padding: str) -> None:
    """The picture is as wide as the space left for it."""
    assert 'width="550"' in compiled(f'<mj-image src="x" alt="" padding="{padding}"/>')


def test_short_colours_become_long() -> None:
    """Some mail programs read only six digits."""
    assert "background:#aabbcc" in compiled('<mj-button href="https://e.org" background-color="#abc">x</mj-button>')


# T7, T8: raw HTML that hides or swallows


def test_raw_html_in_a_wrapper_is_refused() -> None:
    """There, only Outlook would show it."""
    assert "cannot stand inside <mj-wrapper>" in refusal(
        "<mj-wrapper><mj-raw><p>X</p></mj-raw><mj-section></mj-section></mj-wrapper>"
    )


def test_raw_html_that_does_not_balance_is_refused() -> None:
    """It would swallow what follows and print it as text."""
    assert "not well-formed" in refusal("<mj-raw><div></mj-raw><mj-section></mj-section><mj-raw></div></mj-raw>")


# T5, T9 to T12 are kept out by the vocabulary


@pytest.mark.parametrize(
    ("body", "head"),
    [
        ("<mj-text>x</mj-text>", '<mj-style inline="inline">.a{color:red}</mj-style>'),
        ("<mj-section gutter='10px'></mj-section>", ""),
        ("<mj-wrapper gap='10px'><mj-section></mj-section></mj-wrapper>", ""),
        ("<mj-hero mode='fluid-height'></mj-hero>", ""),
        ("<mj-include path='x.mjml'/>", ""),
        ("<mj-text padding='1px' padding='2px'>x</mj-text>", ""),
        ("<mj-text>{% if a < b %}x{% endif %}</mj-text>", ""),
    ],
)
def test_what_the_compiler_gets_wrong_cannot_be_written(body: str, head: str) -> None:
    """Each of these compiles to something else than MJML's own compiler makes of it."""
    assert refusal(body, head)


# Around the call


def test_deep_nesting_is_refused_before_it_ends_the_process() -> None:
    """Thousands of levels would overflow the compiler's stack."""
    assert "nested more than" in refusal(f"<mj-text>{'<div>' * 9000}{'</div>' * 9000}</mj-text>")


def test_a_huge_document_is_refused() -> None:
    """Size is bounded before any work."""
    assert "characters of MJML" in refusal(f"<mj-text>{'x' * room.MAX_BYTES}</mj-text>")


def test_a_doctype_is_refused() -> None:
    """With it would come entities that grow without bound."""
    with pytest.raises(StructureError, match="doctype"):
        serialise('<!DOCTYPE x [<!ENTITY a "aaa">]><mjml></mjml>', Marks("qz0slot"))


@pytest.mark.parametrize(
    "change",
    [
        lambda page: page.replace("visible words", "visible w\u00f6rds"),
        lambda page: page.replace("visible words", ""),
        lambda page: page.replace("visible words", "<!-- visible words -->"),
        lambda page: page.replace("https://e.org/1", "https://evil.example/1"),
        lambda page: page.replace('<a href="https://e.org/1"', '<a href="https://e.org/1" onclick="x"'),
        lambda page: page.replace('alt="A\u00a0b"', 'alt="A\\u{a0}b"').replace('alt="', 'alt="\\'),
        lambda page: page.replace("<p>", "<mj-foo><p>"),
        lambda page: page.replace("<img ", "<img data-x='").replace("alt=", "blt="),
    ],
)
def test_a_compiler_that_changes_anything_is_caught(
    change: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lost, changed, hidden or added content never leaves unnoticed."""
    monkeypatch.setattr(room, "mjml2html", lambda source, fonts: change(mjml2html(source, fonts=fonts)))
    text = '<mj-text><p>visible words <a href="https://e.org/1">x</a></p></mj-text>'
    body = f'{text}<mj-image src="x" alt="A b" width="9px"/>'
    with pytest.raises(CompileError):
        compiled(body)


def test_the_same_page_unchanged_passes() -> None:
    """The checks themselves let good pages through."""
    text = '<mj-text><p>visible words <a href="https://e.org/?a=1&amp;b=2">x</a></p></mj-text>'
    body = f'{text}<mj-image src="x" alt="" width="9px"/>'
    assert "visible words" in compiled(body)
