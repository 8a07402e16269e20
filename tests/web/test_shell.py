"""The shell around all pages: host names, sizes, HEAD, headers, and refusals that help."""

import pytest

from newsletter.web.public.shell import HEADERS, LONGEST_BODY
from newsletter.web.public.words import choose_language
from tests.web.served import Project


def test_every_answer_has_the_headers_that_keep_readers_safe(project: Project) -> None:
    with project.client() as client:
        for path in ("/", "/nothing-here", "/assets/pages.css", "/assets/palette.css"):
            answer = client.get(path)
            assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
            assert answer.headers["strict-transport-security"].startswith("max-age=")
            assert "set-cookie" not in answer.headers
            assert "server" not in answer.headers


def test_a_page_that_is_not_there_says_so_in_words(here: Project) -> None:
    with here.client() as client:
        answer = client.get("/nothing-here")
    assert answer.status_code == 404
    assert "There is no such page" in answer.text
    assert answer.headers["cache-control"] == "no-store"


def test_head_is_get_without_the_body(here: Project) -> None:
    with here.client() as client:
        full, head = client.get("/assets/pages.css"), client.head("/assets/pages.css")
    assert head.status_code == full.status_code == 200
    assert head.content == b""
    assert head.headers == full.headers


@pytest.mark.parametrize("host", ["evil.example", "news.example.org.evil.example", "", "news.example.org@evil.example"])
def test_no_page_answers_for_another_name(here: Project, host: str) -> None:
    with here.client() as client:
        answer = client.get("/", headers={"Host": host})
    assert answer.status_code == 421
    assert "evil" not in answer.text


@pytest.mark.parametrize(
    "host", ["news.example.org", "NEWS.example.org:443", "localhost:8600", "127.0.0.1:8600", "[::1]:80"]
)
def test_our_own_names_are_answered(here: Project, host: str) -> None:
    with here.client() as client:
        assert client.get("/assets/pages.css", headers={"Host": host}).status_code == 200


def test_a_body_that_is_too_long_is_refused_before_it_is_read(here: Project) -> None:
    with here.client() as client:
        answer = client.post("/subscribe", content=b"x" * (LONGEST_BODY + 1))
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("wanted", "accepted", "otherwise", "chosen"),
    [
        (None, "", "en", "en"),
        ("en-GB", "de", "de", "en"),
        ("de", "en", "en", "de"),
        (None, "xx, de-AT;q=0.8, en;q=0.5", "en", "de"),
        (None, "", "pt-BR", "pt"),
        (None, "xx, en;q=0.5", "en", "en"),
        ("../../etc", "*;q=0.1, ;;;q=x, en;q=", "zz", "en"),
    ],
)
def test_the_language_is_one_that_there_are_words_for(
    wanted: str | None, accepted: str, otherwise: str, chosen: str
) -> None:
    assert choose_language(wanted, accepted, otherwise).language == chosen
