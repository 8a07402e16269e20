"""What a project says about itself in newsletter.toml reaches the reader as it was written, in both parts."""

import json

import pytest

from tests.rendering.composing import EVERY_KIND, Bench, one_spaced, page_of, text_of, tree, words

TRICKY = "R&D <b>“x”</b> {{ email }} \\n %s é 日本 العربية"


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


@pytest.fixture
def tricky(bench: Bench) -> Bench:
    """A project whose every text tries to be something else."""
    bench.toml = f"""
[newsletter]
name = {quoted("Name " + TRICKY)}
organisation = {quoted("Organisation " + TRICKY)}
base_url = "https://news.example.org"

[identity]
from = "News <news@example.org>"
postal_address = {quoted("Street " + TRICKY)}

[brand.fonts]
heading = "Noto Sans, 'Gill Sans', serif"

[footer]
heading = {quoted("Heading " + TRICKY)}
text = {quoted("Text " + TRICKY)}
purpose_title = {quoted("Title " + TRICKY)}
purpose = [{quoted("Purpose " + TRICKY)}]
links = [{{label = {quoted("Link " + TRICKY)}, url = "https://www.example.org/?a=1&b=2"}}]
social = [{{label = {quoted("Social " + TRICKY)}, url = "https://www.example.org/#é"}}]

[lists.community]
title = "Community"
"""
    return bench


@pytest.mark.parametrize("language", ["en", "ar"])
def test_every_text_of_the_settings_reaches_the_reader(tricky: Bench, language: str) -> None:
    made = tricky.compose(EVERY_KIND, language=language)
    page, text = page_of(made), text_of(made)
    for begins in ("Name", "Organisation", "Street", "Heading", "Text", "Title", "Purpose", "Link", "Social"):
        assert one_spaced(f"{begins} {TRICKY}") in words(page), begins
        assert one_spaced(f"{begins} {TRICKY}") in one_spaced(text), begins
    hrefs = {link.get("href") for link in tree(page).iter("a")}
    assert {"https://www.example.org/?a=1&b=2", "https://www.example.org/#é"} <= hrefs
    assert "https://www.example.org/?a=1&b=2" in text


def test_the_words_of_a_logo_reach_the_reader(tricky: Bench) -> None:
    tricky.toml += f'\n[brand]\nlogo = "editions/demo/images/a.png"\nlogo_alt = {quoted(TRICKY)}\n'
    images = tree(page_of(tricky.compose([{"kind": "divider"}]))).iter("img")
    assert [image.get("alt") for image in images] == [TRICKY]
