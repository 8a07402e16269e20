"""A reader's own value stays a value: the page, its links and the plain text have the same shape whatever it holds."""

import datetime as dt
import functools
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote, urlsplit
from xml.etree.ElementTree import Element

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from newsletter.rendering.composition import Composition
from newsletter.rendering.escaping import clean, fill_pieces, one_spaced
from newsletter.rendering.pieces import Context, Fill
from newsletter.sending.building import preview_writer
from newsletter.sending.message import Reader
from tests.message.letters import parsed
from tests.oracle.dom import for_everyone, for_outlook
from tests.rendering.composing import NOBODY, OWN, Bench, page_of, tree

HARMLESS = "Qx7zQ"
NOW = dt.datetime(2026, 3, 31, 12, 0, tzinfo=dt.UTC)

VALUE = st.one_of(
    st.text(st.characters(), min_size=1, max_size=40),
    st.lists(
        st.sampled_from(
            [
                *("<", ">", "&", '"', "'", "`", "\\", "/", "?", "#", "%", "=", ";", ":", "@", "..", ".", " ", "\u00a0"),
                *("-->", "<!--", "<![endif]-->", "<!--[if mso]>", "]]>", "</a>", "</td></tr></table>", "<script>"),
                *(
                    '" onload="x',
                    "javascript:",
                    "&lt;",
                    "&#60;",
                    "&quot",
                    "%0d%0a",
                    "\r\n",
                    "\n\n",
                    "\0",
                    "\x1b",
                    "\u2028",
                ),
                *("{{ email }}", "{% raw %}", "qz0slots0x", "https://evil.example/", "//evil.example", "é", "\u202e"),
            ]
        ),
        min_size=1,
        max_size=8,
    ).map("".join),
)

N = "{{ first_name }}"
URL = "https://www.example.org/a/{{ first_name }}/b?n={{ first_name }}&m=1#{{ first_name }}"
BLOCKS: list[dict[str, Any]] = [
    {"kind": "text", "body": f"Dear {N}, **{N}** and [to {N}]({URL}), [mail](mailto:a@example.org?subject={N})"},
    {"kind": "heading", "text": f"For {N}"},
    {
        "kind": "spotlight",
        "organisation": N,
        "headline": f"{N} {N}",
        "topics": [N],
        "link": {"label": N, "url": URL},
        "image": {"src": "images/a.png", "alt": f"Shows {N}"},
    },
    {"kind": "image", "src": "images/a.png", "alt": N, "caption": N, "url": URL},
    {"kind": "button", "label": f"Join, {N}", "url": URL},
    {"kind": "quote", "text": N, "name": N, "role": N},
    {"kind": "links", "title": N, "items": [{"label": N, "url": URL, "note": N}]},
    {"kind": "event", "title": N, "starts": "2026-04-15", "place": N, "url": URL, "body": N},
    {"kind": "stats", "items": [{"value": N, "label": N}]},
    {"kind": "video", "title": N, "thumbnail": "images/a.png", "url": URL},
    {"kind": "callout", "title": N, "body": f"- {N}\n- [{N}]({URL})"},
]


Made = Callable[[], Composition]


@pytest.fixture(scope="module")
def made(shared_bench: Bench) -> Made:
    """An edition with a slot wherever one can stand; behind a call, as Hypothesis would print it each time."""
    composition = shared_bench.compose(BLOCKS, subject=f"For {N}, {N}!", preheader=f"News for {N}")
    return lambda: composition


def person(value: str) -> dict[str, Any]:
    return {**NOBODY, "first_name": value}


Node = tuple[Any, ...]


def flat(element: Element) -> Iterator[Node]:
    """The page as a list: each tag with its attributes, each text, each comment."""
    yield ("tag" if isinstance(element.tag, str) else "comment", str(element.tag), *sorted(element.attrib.items()))
    yield ("text", element.text or "")
    for child in element:
        yield from flat(child)
        yield ("text", child.tail or "")


@functools.cache
def harmless(made_page: str, seen: Any) -> list[Node]:
    return list(flat(tree(made_page, seen)))


def expected(node: Node, value: str) -> Node:
    """What a node of the harmless page must become; links are looked at apart."""
    if node[0] == "text":
        return ("text", node[1].replace(HARMLESS, value))
    return (*node[:2], *((name, name if name == "href" else text.replace(HARMLESS, value)) for name, text in node[2:]))


def without_links(node: Node) -> Node:
    if node[0] == "text":
        return node
    return (*node[:2], *((name, name if name == "href" else text) for name, text in node[2:]))


def links(nodes: list[Node]) -> list[str]:
    return [text for node in nodes if node[0] == "tag" for name, text in node[2:] if name == "href"]


def parts(link: str) -> tuple[Any, ...]:
    """A link taken apart, each part decoded for itself."""
    split = urlsplit(link)
    query = [tuple(unquote(part) for part in pair.split("=")) for pair in split.query.split("&")]
    path = [unquote(part) for part in split.path.split("/")]
    return (split.scheme, split.netloc, path, query, unquote(split.fragment))


def filled(part: Any, value: str) -> Any:
    if isinstance(part, str):
        return part.replace(HARMLESS, value)
    return type(part)(filled(inner, value) for inner in part)


@settings(max_examples=40, deadline=None)
@given(VALUE)
@example("</title><script>")
@example("--><p>x</p><!--")
@example('" onmouseover="x')
@example("..")
@example("https://evil.example/?a=b&c=d#e")
def test_the_page_keeps_its_shape(made: Made, value: str) -> None:
    """Two projections: what all others see, and what Outlook sees."""
    page, plain = page_of(made(), person=person(value)), page_of(made(), person=person(HARMLESS))
    shown = clean(value)
    in_link = "" if shown in {".", ".."} else shown
    for seen in (for_everyone, for_outlook):
        nodes, model = list(flat(tree(page, seen))), harmless(plain, seen)
        assert [without_links(node) for node in nodes] == [expected(node, shown) for node in model]
        assert [parts(link) for link in links(nodes)] == [filled(parts(link), in_link) for link in links(model)]


@settings(max_examples=60, deadline=None)
@given(VALUE)
def test_the_plain_text_keeps_its_lines_and_links(made: Made, value: str) -> None:
    text = made().variant(()).text
    ours, plain = (fill_pieces(text, person(name), OWN) for name in (value, HARMLESS))
    assert len(re.split(r"[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]", ours)) == plain.count("\n") + 1
    for fill in (piece for piece in text if isinstance(piece, Fill) and piece.context is Context.URL):
        assert re.fullmatch(r"[\w.~%-]*", fill_pieces((fill,), person(value), OWN), re.ASCII)


@pytest.fixture(scope="module")
def write(made: Made, shared_bench: Bench) -> Callable[[str], bytes]:
    """Writes the message for a reader of this name."""
    writer = preview_writer(made(), shared_bench.project().settings, "community")
    return lambda name: writer.write(Reader(0, 0, "reader@example.org", person(name)), NOW).content


@settings(max_examples=40, deadline=None)
@given(VALUE)
def test_the_subject_stays_one_header(write: Callable[[str], bytes], value: str) -> None:
    message = parsed(write(value))
    shown = one_spaced(clean(value))
    assert message["Subject"] == one_spaced(f"For {shown}, {shown}!")
    assert sorted(message.keys()) == sorted(parsed(write(HARMLESS)).keys())
    assert message.get_content_type() == "multipart/alternative"


def test_every_kind_of_place_is_tried(made: Made) -> None:
    """The slots of this edition stand in all five contexts."""
    variant = made().variant(())
    pieces = (*variant.html, *variant.text, *made().subject)
    assert {piece.context for piece in pieces if isinstance(piece, Fill) and not piece.link} == set(Context)
