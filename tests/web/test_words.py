"""The words of the pages: every language says all that English says, and visitors get the language they ask for."""

import re
import tomllib
import unicodedata
from functools import cache
from pathlib import Path

import pytest

from newsletter.tokens import Signer
from newsletter.web.public import words
from newsletter.web.public.words import FALLBACK, direction_of, languages, words_of
from tests.web.served import Project

ROOT = Path(words.__file__).parent / "words"
ALL = sorted(path.name for path in ROOT.iterdir() if path.is_dir())
OTHERS = [language for language in ALL if language != FALLBACK]

JOINERS_AND_DIRECTIONS = frozenset("\u200c\u200d\u200e\u200f\u061c\u2066\u2067\u2068\u2069")
"""Invisible, yet needed by some languages; whatever else is invisible was not meant."""


@cache
def said(language: str) -> dict[str, dict[str, object]]:
    """What a folder says: file, key, text, in their order."""
    return {path.name: tomllib.loads(path.read_text(encoding="utf-8")) for path in sorted((ROOT / language).iterdir())}


def texts(language: str) -> list[tuple[str, str]]:
    """Every text of a language, with its place."""
    return [(f"{file}: {key}", str(text)) for file, keys in said(language).items() for key, text in keys.items()]


def gaps(text: str) -> list[str]:
    """The gaps of a text, in any order, as often as they occur."""
    return sorted(re.findall(r"\{[^{}]*\}", text))


def numbers(text: str) -> list[int]:
    """The numbers of a text, in any order and any digits; one and two may be in the words (a month, two months)."""
    return sorted(number for number in map(int, re.findall(r"\d+", text)) if number > 2)


@pytest.mark.parametrize("language", OTHERS)
def test_a_language_has_the_files_and_keys_of_english_in_their_order(language: str) -> None:
    assert list(said(language)) == list(said(FALLBACK))
    for file, keys in said(FALLBACK).items():
        assert list(said(language)[file]) == list(keys), file


@pytest.mark.parametrize("language", OTHERS)
def test_a_text_has_the_gaps_and_numbers_of_the_english_one(language: str) -> None:
    english = dict(texts(FALLBACK))
    for place, text in texts(language):
        assert gaps(text) == gaps(english[place]), place
        assert numbers(text) == numbers(english[place]), place


@pytest.mark.parametrize("language", ALL)
def test_a_text_says_something_and_holds_nothing_that_is_no_text(language: str) -> None:
    for file, keys in said(language).items():
        for key, text in keys.items():
            place = f"{file}: {key}"
            assert isinstance(text, str), place
            assert text, place
            assert text == text.strip(), place
            assert not set("<>") & set(text), place
            assert not set("{}") & set(re.sub(r"\{[a-z_]+\}", "", text)), place
            odd = {sign for sign in text if unicodedata.category(sign) in {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}}
            assert odd <= JOINERS_AND_DIRECTIONS, place
            assert text == unicodedata.normalize("NFC", text), place


def test_every_language_has_a_name_of_its_own() -> None:
    names = {language: said(language)["signing_up.toml"]["own_name"] for language in ALL}
    assert len(set(names.values())) == len(ALL)
    assert set(ALL) == languages()


@pytest.mark.parametrize("language", ALL)
def test_pages_come_in_the_language_that_the_browser_asks_for(here: Project, language: str) -> None:
    person = here.add_person("ada@example.com", "community")
    signer = Signer(here.newsletter.project.secret_key())
    leave = "/u/" + signer.sign("unsubscribe", person, here.list_id(), 7)
    choose = "/p/" + signer.sign("preferences", person, here.list_id(), 7)
    told = words_of(language)
    expected = {
        "/": told("archive.latest"),
        "/subscribe": told("signing_up.data_rights"),
        leave: told("leaving.forwarded"),
        choose: told("preferences.keep"),
        "/access": told("themselves.access"),
        "/nothing-here": told("site.not_found"),
    }
    with here.client(headers={"Accept-Language": f"xx, {language};q=0.9, en;q=0.1"}) as client:
        for path, sentence in expected.items():
            page = client.get(path)
            assert page.headers["content-language"] == language, path
            assert f'<html lang="{language}" dir="{direction_of(language)}">' in page.text, path
            assert sentence.replace("'", "&#39;").replace('"', "&#34;") in page.text, path


@pytest.mark.parametrize("language", ALL)
def test_a_form_names_every_language_and_stays_in_its_own(here: Project, language: str) -> None:
    with here.client() as client:
        page = client.get("/subscribe", params={"lang": language}).text
        answer = client.post("/subscribe", data={"lang": language, "email": "", "list": "community"})
    for each in ALL:
        chosen = " selected" if each == language else ""
        assert f'<option value="{each}" lang="{each}"{chosen}>{words_of(each)("signing_up.own_name")}' in page
    assert answer.status_code == 422
    assert words_of(language)("signing_up.email_missing").replace("'", "&#39;") in answer.text
