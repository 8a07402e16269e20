"""Any text that a writer may write reaches the reader, in HTML and in plain text, wherever in an edition it stands."""

import re
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from newsletter.edition.model import Edition
from tests.rendering.composing import Bench, one_spaced, page_of, text_of, tree, words

TRICKY = (
    *("<", ">", "&", '"', "'", "`", "\\", "&amp;", "&lt;b&gt;", "<b>", "</td>", "<!--", "-->", "<![CDATA[", "]]>"),
    *("{", "}", "}}", "%}", "{ x }", "$1", "%s", "#", "*", "_", "~", "|", "=", "-", "--", "...", "1.", "’"),
    *("qz0slots1x", "qz0slot", "mj-text", "<mj-text>", "https://www.example.org/?a=1&b=2"),
    *("é", "e\u0301", "\u00a0", "\u200d", "👩🏽\u200d💻", "❤\ufe0f", "אבג", "العربية", "日本語", "ไทย", "हिन्दी"),
    *("\u2003", "ﬁ", "ß", "\u034f", "\u200b", "\u00ad", "𝔘"),
)
"""What breaks templates, parsers, compilers, slots and lines."""

TEXT = st.lists(
    st.one_of(
        st.sampled_from(TRICKY),
        st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn", "Co")), min_size=1, max_size=8),
    ),
    min_size=1,
    max_size=5,
).map(" ".join)


def every_kind(texts: list[str]) -> list[dict[str, Any]]:
    """One block of each kind, each of its fields with a text of its own."""
    text = iter(texts)
    return [
        {"kind": "heading", "text": next(text)},
        {
            "kind": "spotlight",
            "organisation": next(text),
            "headline": next(text),
            "topics": [next(text), next(text)],
            "body": markdown(next(text)),
            "link": {"label": next(text), "url": "https://www.example.org/a"},
            "image": {"src": "images/a.png", "alt": next(text)},
        },
        {"kind": "image", "src": "images/a.png", "alt": next(text), "caption": next(text)},
        {"kind": "button", "label": next(text), "url": "https://www.example.org/b"},
        {"kind": "quote", "text": next(text), "name": next(text), "role": next(text)},
        {
            "kind": "links",
            "title": next(text),
            "items": [{"label": next(text), "url": "https://www.example.org/c", "note": next(text)}],
        },
        {"kind": "event", "title": next(text), "starts": "2026-04-15", "place": next(text)},
        {"kind": "stats", "items": [{"value": next(text), "label": next(text)}]},
        {"kind": "video", "url": "https://www.example.org/d", "thumbnail": "images/a.png", "title": next(text)},
        {"kind": "callout", "title": next(text), "body": markdown(next(text))},
        {
            "kind": "columns",
            "columns": [[{"kind": "quote", "text": next(text)}], [{"kind": "text", "body": markdown(next(text))}]],
        },
    ]


COUNT = 26


def markdown(text: str) -> str:
    """The text as Markdown that means just this text."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", text)


def test_the_texts_fill_every_field() -> None:
    every_kind([str(number) for number in range(COUNT)])
    with pytest.raises(StopIteration):
        every_kind([str(number) for number in range(COUNT - 1)])


def composed(text: str) -> str:
    """The text as the model keeps it: composed (NFC) and on one line."""
    return one_spaced(Edition.model_validate({"title": text, "subject": "S", "blocks": [{"kind": "divider"}]}).title)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(st.lists(TEXT, min_size=6, max_size=6, unique=True))
def test_every_text_reaches_the_reader(shared_bench: Bench, texts: list[str]) -> None:
    texts = [one_spaced(text) for text in texts]
    numbered = [f"{texts[number % 6]} {number}" for number in range(COUNT)]
    try:
        wanted = [composed(text) for text in numbered]
        preheader = composed(texts[0])
        made = shared_bench.compose(
            every_kind(numbered), title=texts[0], series=texts[1], subject=texts[2], preheader=texts[0]
        )
    except ValidationError:
        assume(False)  # not a text that an edition may hold
        raise
    page, plain = page_of(made), one_spaced(text_of(made))
    document = tree(page)
    alts = [one_spaced(image.get("alt", "")) for image in document.iter("img")]
    shown = words(page)
    assert [text for text in [*wanted, composed(texts[1]), preheader] if text not in shown and text not in alts] == []
    assert [text for text in [*wanted, composed(texts[1]), preheader] if text not in plain] == []
    assert one_spaced(document.findtext(".//title") or "") == composed(texts[2])
    assert "".join(str(piece) for piece in made.subject) == composed(texts[2])
