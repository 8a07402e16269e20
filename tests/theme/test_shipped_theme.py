"""The theme as it is shipped: complete, the same in all languages, and within what mail programs take."""

import re
import tomllib
from pathlib import Path

import pytest

from newsletter.edition.blocks import KINDS
from newsletter.rendering.theme import default_templates, open_theme
from tests.rendering.composing import EVERY_KIND, Bench, page_of, tree

TEMPLATES = Path(__file__).parents[2] / "templates"
WORDS = {path.stem: tomllib.loads(path.read_text(encoding="utf-8")) for path in TEMPLATES.glob("words/*.toml")}
SOURCES = {path.relative_to(TEMPLATES).as_posix(): path.read_text(encoding="utf-8") for path in TEMPLATES.rglob("*.j2")}


def test_every_kind_of_block_has_both_templates() -> None:
    assert {Path(name).name.split(".")[0] for name in SOURCES if name.startswith("blocks/")} == set(KINDS)
    for kind in KINDS:
        assert {f"blocks/{kind}.mjml.j2", f"blocks/{kind}.txt.j2"} <= SOURCES.keys()


@pytest.mark.parametrize("language", sorted(WORDS))
def test_every_language_has_the_same_words_with_the_same_placeholders(language: str) -> None:
    def shape(words: dict[str, str]) -> dict[str, list[str]]:
        return {key: sorted(re.findall(r"\{\w*\}", word)) for key, word in words.items()}

    assert shape(WORDS[language]) == shape(WORDS["en"])
    assert all(word.strip(" \n") == word and word for word in WORDS[language].values())


def test_every_word_is_used_and_every_word_used_is_there() -> None:
    text = "".join(SOURCES.values())
    used = set(re.findall(r"\bwords\.(\w+)", text)) | {"callout_info", "callout_success", "callout_warning"}
    assert used == WORDS["en"].keys()


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_no_template_does_what_the_house_forbids(name: str) -> None:
    """Nothing unescaped, nothing shouted, nothing from the web, no side but start and end."""
    source = SOURCES[name]
    for forbidden in (
        r"\|\s*safe",
        r"autoescape",
        r"text-transform",
        r"@import",
        r"@font-face",
        r"url\(",
        r"https?://",
    ):
        assert not re.search(forbidden, source), forbidden
    for side in re.findall(r"(?:margin|padding|border|text-align|align|float)[-:=\"' ]*(left|right)", source):
        assert name == "head.mjml.j2", side  # where both sides are said at once


def styles(page: str) -> list[str]:
    return re.findall(r"<style[^>]*>(.*?)</style>", page, flags=re.DOTALL)


@pytest.mark.parametrize("language", ["en", "ar"])
def test_gmail_takes_the_styles(bench: Bench, language: str) -> None:
    """At most 8,192 characters in one `<style>`, all together not much more, and no at-rule inside another."""
    page = page_of(bench.compose(EVERY_KIND, language=language, preheader="P"))
    assert max(map(len, styles(page))) < 8_192
    assert sum(map(len, styles(page))) < 8_192
    for style in styles(page):
        depth = 0
        for part in re.findall(r"@|[{}]", style):
            assert not (part == "@" and depth), style
            depth += {"{": 1, "}": -1}.get(part, 0)
        assert depth == 0


@pytest.mark.parametrize(("language", "direction"), [("en", "ltr"), ("ar", "rtl"), ("he", "rtl"), ("az-Arab", "rtl")])
def test_every_page_says_its_language_and_direction(bench: Bench, language: str, direction: str) -> None:
    """On the page, and on each part of it: mail programs take the page's own tags away."""
    page = tree(page_of(bench.compose(EVERY_KIND, language=language, preheader="P")))
    body = page.find("body")
    assert body is not None
    assert len(body)
    for element in (page, *body):
        assert (element.get("lang"), element.get("dir")) == (language, direction)


def test_a_page_holds_what_every_mail_program_asks_for(bench: Bench) -> None:
    page = tree(page_of(bench.compose(EVERY_KIND, subject="The subject")))
    metas = {meta.get("name") for meta in page.iter("meta")}
    assert {"viewport", "color-scheme", "supported-color-schemes", "format-detection"} <= metas
    assert "x-apple-disable-message-reformatting" in metas
    assert page.findtext(".//title") == "The subject"
    assert [heading.text for heading in page.iter("h1")] == ["Demo"]
    (article,) = page.findall(".//*[@role='article']")
    assert (article.get("aria-roledescription"), article.get("aria-label")) == ("email", "The subject")


def test_a_page_tells_readers_their_rights(bench: Bench) -> None:
    bench.toml += '\n[footer]\nheading = "Stay in the loop"\npurpose = ["Why we write."]\n'
    page = page_of(bench.compose(EVERY_KIND))
    for wanted in (
        *("Stay in the loop", "Why we write.", "Sent by", "Safe Online", "1 Example Street", "Community"),
        *("https://news.example.org/u/AbCd", "https://news.example.org/p/AbCd", "https://news.example.org/e/demo"),
    ):
        assert wanted in page
    assert "https://news.example.org/e/demo" not in page_of(bench.compose(EVERY_KIND, public=False))


# Words


def test_a_language_without_words_speaks_english_and_is_told(bench: Bench) -> None:
    theme = open_theme(bench.root / "templates")
    assert theme.words("tlh") == theme.words("en") == WORDS["en"]
    assert theme.words("pt-BR") == WORDS["pt"]
    assert theme.speaks("pt-BR")
    assert not theme.speaks("tlh")


def test_a_project_changes_one_word_and_keeps_the_others(bench: Bench) -> None:
    bench.template("words/fr.toml", 'unsubscribe = "Partir"\n')
    bench.template("words/fr-ch.toml", 'view = "Regarder"\n')
    bench.template("words/tlh.toml", 'view = "Qel"\n')
    theme = open_theme(bench.root / "templates")
    assert theme.words("fr") == WORDS["fr"] | {"unsubscribe": "Partir"}
    assert theme.words("fr-CH") == WORDS["fr"] | {"unsubscribe": "Partir", "view": "Regarder"}
    assert theme.words("tlh") == WORDS["en"] | {"view": "Qel"}


# One project's own templates


def test_a_project_replaces_one_template_and_keeps_the_others(bench: Bench) -> None:
    bench.template(
        "blocks/quote.mjml.j2",
        '{% import "parts.mjml.j2" as part with context %}\n'
        '<mj-text padding="{{ part.room() }}"><p>OURS: {{ block.text }}</p>{{ part.aside(block.name) }}</mj-text>\n',
    )
    blocks = [{"kind": "quote", "text": "So it is.", "name": "Ana"}, {"kind": "heading", "text": "Next"}]
    before = page_of(Bench.compose(bench, blocks))
    assert "OURS: So it is." in before
    assert "<h2" in before


def test_a_template_may_make_rows_of_its_own(bench: Bench) -> None:
    bench.template(
        "blocks/heading.mjml.j2",
        '<mj-section css-class="own"><mj-column><mj-text>{{ block.text }}</mj-text></mj-column></mj-section>',
    )
    text = {"kind": "text", "body": "Around."}
    page = page_of(bench.compose([text, {"kind": "heading", "text": "H"}, text]))
    assert re.findall(r'<div class="(sf|own)"', page) == ["sf", "own", "sf"]


def test_a_changed_template_counts_at_once(bench: Bench) -> None:
    """The theme is kept between two composings, but never an old one."""
    blocks = [{"kind": "text", "body": "Words."}]
    for word in ("one", "two", "three"):
        bench.template("blocks/text.mjml.j2", f"<mj-text>{word} {{{{ block.body }}}}</mj-text>")
        assert f"{word} <p>Words.</p>" in page_of(bench.compose(blocks))
    (bench.root / "templates" / "blocks" / "text.mjml.j2").unlink()
    assert "three <p>" not in page_of(bench.compose(blocks))


def test_the_shipped_theme_is_found() -> None:
    assert default_templates().joinpath("edition.mjml.j2").is_file()
