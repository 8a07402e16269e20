"""An edition as a web page: its own clean HTML, the same for everybody, with every kind of block."""

import datetime as dt
import itertools
import re
import unicodedata
from dataclasses import replace
from typing import Any
from xml.etree.ElementTree import Element

import html5lib
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from newsletter.edition.files import read_edition
from newsletter.edition.model import Edition
from newsletter.errors import CompileError, EditionInvalidError
from newsletter.project import open_project
from newsletter.rendering.article import Article, make_article, web_page
from tests.frame.tree import ROOT
from tests.rendering.composing import EVERY_KIND, Bench, Blocks

NOT_ASCII = "Ζωή 🌍 عربي"


def article(bench: Bench, blocks: Blocks, **edition: Any) -> Article:
    """These blocks as a web page."""
    path = bench.folder / "edition.yaml"
    data = {"title": "Demo", "subject": "Demo", "blocks": blocks} | edition
    file = replace(read_edition(path, bench.root), edition=Edition.model_validate(data))
    return make_article(file, bench.project())[0]


def tree(html: str) -> Element:
    """The page around these blocks, as a strict parser reads it: any mistake in the HTML is an error."""
    page = f"<!doctype html><html lang=en><head><title>x</title></head><body><h1>x</h1>\n{html}</body></html>"
    found: Element = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(page)
    return found


def texts(html: str) -> str:
    return " ".join("".join(tree(html).find("body").itertext()).split())  # type: ignore[union-attr]


def outline(html: str) -> list[int]:
    return [int(each.tag[1]) for each in tree(html).iter() if re.fullmatch("h[1-6]", str(each.tag))]


def test_every_kind_of_block_arrives_as_the_html_that_says_what_it_is(bench: Bench) -> None:
    page = tree(article(bench, EVERY_KIND).html)
    said = " ".join("".join(page.itertext()).split())
    for words in ("Body one.", "Heading two", "Heading three", "Organisation", "Headline", "Topic", "Body two."):
        assert words in said
    for words in ("Caption", "Label two", "Quote", "Name", "Role", "Links", "Note", "Event", "Place", "Body three."):
        assert words in said
    for words in ("42", "Figure", "Video", "Callout", "Body four.", "Left.", "Right."):
        assert words in said
    assert {each.get("href") for each in page.iter("a")} == {
        f"https://www.example.org/{number}" for number in ("one", "two", "three", "four", "five", "six")
    }
    tags = {str(each.tag) for each in page.iter()}
    assert {"section", "figure", "figcaption", "blockquote", "cite", "dl", "dt", "dd", "time", "aside", "hr"} <= tags
    assert {"table", "iframe", "script", "style", "video", "form"}.isdisjoint(tags)
    assert page.find(".//time").get("datetime") == "2026-04-15T14:00:00+02:00"  # type: ignore[union-attr]
    images = list(page.iter("img"))
    assert [each.get("alt") for each in images] == ["Alt one", "Alt two", ""]  # the video's link says its title
    assert all(re.fullmatch(r"/images/a-[0-9a-f]{10}\.png", each.get("src", "")) for each in images)
    assert all(each.get("width") and each.get("height") for each in images)


def test_nothing_in_a_page_is_styled_scripted_or_fetched_from_elsewhere(bench: Bench) -> None:
    for each in tree(article(bench, EVERY_KIND).html).find("body").iter():  # type: ignore[union-attr]
        assert not [name for name in each.attrib if name == "style" or name.startswith("on")]
        assert each.get("src", "/images/").startswith("/images/")


def test_slots_show_their_defaults_and_no_address(bench: Bench) -> None:
    body = 'Dear {{ first_name | default("**friend** & <co>") }}, {{ email }}{{ attributes.role | default("you") }}!'
    page = article(bench, [{"kind": "text", "body": body}], preheader='For {{ first_name | default("all") }}')
    assert texts(page.html) == "x Dear **friend** & <co>, you!"
    assert page.description == "For all"


def test_blocks_with_a_condition_show_only_if_it_holds_for_nobody_in_particular(bench: Bench) -> None:
    bench.picture("secret.png", "#ff0000")
    shown = article(
        bench,
        [
            {"kind": "text", "body": "For researchers.", "when": '"researcher" in tags'},
            {"kind": "image", "src": "images/secret.png", "alt": "", "when": 'country == "KE"'},
            {"kind": "text", "body": "For others.", "when": '"researcher" not in tags'},
            {
                "kind": "columns",
                "columns": [
                    [{"kind": "text", "body": "Hidden.", "when": "first_name"}],
                    [{"kind": "text", "body": "There."}],
                ],
            },
        ],
    )
    assert texts(shown.html) == "x For others. There."
    assert shown.pictures == ()


def test_headings_go_down_one_level_at_a_time(bench: Bench) -> None:
    spotlight = {"kind": "spotlight", "organisation": "O"}
    assert outline(article(bench, [{"kind": "heading", "text": "a", "level": 3}, spotlight]).html) == [1, 2, 3]
    assert outline(article(bench, [spotlight, {"kind": "heading", "text": "a", "level": 3}]).html) == [1, 2, 2]
    for page in (EVERY_KIND, list(reversed(EVERY_KIND))):
        levels = outline(article(bench, page).html)
        assert levels[0] == 1
        assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_a_heading_that_is_empty_for_everybody_is_left_out(bench: Bench) -> None:
    page = article(bench, [{"kind": "heading", "text": "{{ first_name }}"}, {"kind": "text", "body": "Words."}])
    assert outline(page.html) == [1]


@pytest.mark.parametrize("slug", ["data-sharing", "collection-and-use"])
def test_our_own_editions_are_valid_html(slug: str) -> None:
    project = open_project(ROOT, {})
    page, pictures = make_article(read_edition(project.edition_file(slug), project.root), project)
    levels = outline(page.html)
    assert levels.count(1) == 1
    assert "Dear friend," in texts(page.html)
    assert "For researchers" not in page.html
    assert page.series == "Meet the Data Champions"
    assert page.pictures == tuple(picture.name for picture in pictures)
    assert page.picture == page.pictures[0]
    assert page.picture_alt


@pytest.mark.parametrize("slug", ["kitchen-sink", "kitchen-sink-arabic"])
def test_every_option_is_valid_html_in_both_directions(bench: Bench, slug: str) -> None:
    file = read_edition(ROOT / "tests" / "fixtures" / "editions" / slug / "edition.yaml", ROOT)
    page, _ = make_article(file, bench.project())
    assert page.direction == ("rtl" if page.language == "ar" else "ltr")
    assert outline(page.html)[:2] == [1, 2]
    assert page.date == dt.date(2026, 3, 31)
    assert "مشاهدة الفيديو" in page.html or page.language != "ar"


def test_the_same_edition_gives_the_same_bytes_which_can_be_read_back(bench: Bench) -> None:
    page = article(bench, EVERY_KIND, title=NOT_ASCII, date="2026-03-31", series="S")
    again = article(bench, EVERY_KIND, title=NOT_ASCII, date="2026-03-31", series="S")
    assert page.dump() == again.dump()
    assert Article.load(page.dump()) == page
    with pytest.raises(CompileError):
        Article.load(b'{"slug": "x"}')


def test_pictures_can_stand_at_another_address_and_words_stay_as_they_are(bench: Bench) -> None:
    block = {"kind": "text", "body": 'Write <img src="/images/a.png"> or src="/images/b.png".'.replace("<", "\\<")}
    page = article(bench, [block, {"kind": "image", "src": "images/a.png", "alt": "A"}])
    html = page.html_at("https://news.example.org/n&m")
    assert f'<img src="https://news.example.org/n&amp;m/images/{page.picture}"' in html
    assert 'src="/images/b.png"' in html
    assert "&lt;img" in html
    assert tree(html)


def test_a_missing_picture_is_told(bench: Bench) -> None:
    with pytest.raises(EditionInvalidError, match=r"nowhere\.png"):
        article(bench, [{"kind": "image", "src": "images/nowhere.png", "alt": ""}])


@pytest.mark.parametrize(("public", "images", "page", "pictures"), [
    (True, "link", True, 2), (True, "embed", True, 1), (False, "link", False, 2), (False, "embed", False, 0),
])  # fmt: skip
def test_what_goes_to_the_web_with_a_mailing(
    bench: Bench, public: bool, images: str, page: bool, pictures: int
) -> None:
    """With a mailing: pages of public editions; pictures of pages, and of messages that do not carry them."""
    bench.picture("hidden.png", "#123456")
    bench.toml += f'\n[sending]\nimages = "{images}"\n'
    composition = bench.compose(
        [
            {"kind": "image", "src": "images/a.png", "alt": ""},
            {"kind": "image", "src": "images/hidden.png", "alt": "", "when": '"a" in tags'},
        ],
        public=public,
    )
    before = composition.digest
    made, kept = web_page(composition, bench.project())
    assert (made is not None, len(kept)) == (page, pictures)
    assert composition.digest == before


ANY = st.text(
    st.one_of(st.sampled_from("<>&\"'`/\\={}[]()!-*_ \n"), st.characters(exclude_categories=["Cs", "Cc"])), max_size=60
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=ANY)
def test_no_text_becomes_markup(shared_bench: Bench, text: str) -> None:
    """Whatever stands in texts, bodies aside, is text; and the page stays valid."""
    words = " ".join(unicodedata.normalize("NFC", text).split()).replace("{", "(").replace("}", ")") or "x"
    try:
        page = article(
            shared_bench,
            [
                {"kind": "heading", "text": words},
                {"kind": "spotlight", "organisation": words, "topics": [words], "headline": words},
                {"kind": "quote", "text": words, "name": words},
                {"kind": "stats", "items": [{"value": words, "label": words}]},
                {"kind": "image", "src": "images/a.png", "alt": words, "caption": words},
            ],
        )
    except ValueError:  # characters that no edition may hold
        reject()
    read = tree(page.html)
    (heading,) = read.iter("h2")
    assert "".join(heading.itertext()) == words
    (image,) = read.iter("img")
    assert image.get("alt") == words
    assert {str(each.tag) for each in read.find("body").iter()} <= {  # type: ignore[union-attr]
        *("body", "h1", "h2", "h3", "section", "p", "ul", "li", "figure", "blockquote", "figcaption", "cite"),
        *("dl", "div", "dt", "dd", "img"),
    }
