"""The pages of forms: everything that was typed is kept and shown as text, robots get the same friendly answer."""

import re
import tomllib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from newsletter.config.pages import FormTable
from newsletter.web.public.form_snippet import form_snippet
from tests.frame.tree import ROOT
from tests.web.served import Project

MORE = """
[forms.chat]
title = "We’d <love> to have a chat"
text = "First paragraph.\\n\\nSecond & last."
thanks = "Thank you & bye."
embed_on = ["https://www.example.org"]
fields = [
  { name = "name", label = "Your name" },
  { name = "email", label = "Your address", kind = "email", help = "We answer to it." },
  { name = "about", label = "What about?", kind = "paragraph", required = false },
  { name = "when", label = "When?", kind = "choice", options = ["Mornings", "Evenings"] },
  { name = "where", label = "At?", required = false, kind = "choice", options = ["1", "2", "3", "4", "5", "6", "C"] },
  { name = "agreed", label = "Write to me", kind = "checkbox" },
  { name = "page", label = "Your page", kind = "url", required = false },
  { name = "phone", label = "Your number", kind = "phone", required = false },
]
"""
GOOD = {"name": "Ann", "email": "ann@example.com", "when": "Mornings", "agreed": "yes"}
SCRIPT = "\"'></textarea><script>alert(1)</script>{{ 7*7 }}"


class Elements(HTMLParser):
    """The elements of a page with their attributes, as a browser reads them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def named(self, name: str) -> dict[str, str | None]:
        return next(attributes for _, attributes in self.found if attributes.get("name") == name)


@pytest.fixture
def chat(tmp_path: Path, empty_file: Path) -> Project:
    path = tmp_path / "newsletter.db"
    path.write_bytes(empty_file.read_bytes())
    return Project(tmp_path / "project", f"sqlite:///{path}", more=MORE)


@pytest.fixture
def browser(chat: Project) -> Iterator[TestClient]:
    with chat.client() as client:
        yield client


def stamp_in(answer: Response) -> str:
    return str(Elements(answer.text).named("form-stamp")["value"])


def send(browser: TestClient, /, headers: dict[str, str] | None = None, **answers: str) -> Response:
    """Open the form, and send it filled in."""
    stamp = stamp_in(browser.get("/forms/chat"))
    return browser.post("/forms/chat", data={"form-stamp": stamp, **answers}, headers=headers)


def test_a_form_is_kept_and_the_team_is_written_to(project: Project) -> None:
    with project.client() as client:
        stamp = stamp_in(client.get("/forms/updates"))
        answers = {"email": "ann@example.com", "news": "We\r\nhave news."}
        answer = client.post("/forms/updates", data={"form-stamp": stamp, **answers})
    assert (answer.status_code, "We have your message" in answer.text) == (200, True)
    assert answer.headers["cache-control"] == "no-store"
    (entry,) = project.newsletter.forms.entries("updates")
    assert entry.answers == {"email": "ann@example.com", "news": "We\nhave news."}


def test_looking_changes_nothing(chat: Project, browser: TestClient) -> None:
    before = chat.rows()
    for ask in (browser.get, browser.head):
        assert ask("/forms/chat").status_code == 200
        assert ask("/forms/nothing").status_code == 404
    assert chat.rows() == before


def test_every_question_has_its_label_its_help_and_its_state_in_words(browser: TestClient) -> None:
    text = browser.get("/forms/chat").text
    page = Elements(text)
    labels = {attributes.get("for") for tag, attributes in page.found if tag == "label"}
    ids = [attributes["id"] for _, attributes in page.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in page.found:
        if tag in {"input", "select", "textarea"} and attributes.get("type") != "hidden":
            assert attributes["id"] in labels
        for target in (attributes.get("aria-describedby") or "").split():
            assert target in ids
    assert (text.count("(required)"), text.count("(optional)")) == (4, 4)
    assert page.named("email")["autocomplete"] == "email"
    assert page.named("name")["autocomplete"] == "name"
    assert page.named("phone")["type"] == "tel"
    assert "<love>" not in text
    assert "Second &amp; last." in text


def test_what_is_wrong_is_told_beside_each_question_and_nothing_typed_is_lost(
    chat: Project, browser: TestClient
) -> None:
    before = chat.rows()
    answer = send(browser, name=SCRIPT, email="ann", about=f"\n{SCRIPT}", where="C", page="javascript:alert(1)")
    assert answer.status_code == 422
    assert chat.rows() == before
    page = Elements(answer.text)
    links = [attributes["href"] for tag, attributes in page.found if tag == "a"]
    ids = {attributes.get("id") for _, attributes in page.found}
    wrong = ["#answer-email", "#answer-when-1", "#answer-agreed", "#answer-page"]
    assert [link for link in links if str(link).startswith("#answer")] == wrong
    assert {link[1:] for link in wrong} <= ids
    assert page.named("email")["aria-invalid"] == "true"
    assert page.named("email")["aria-describedby"] == "answer-email-help answer-email-problem"
    assert page.named("name")["value"] == SCRIPT
    assert [tag for tag, attributes in page.found if tag == "script" and "src" not in attributes] == []
    assert ("option", {"selected": None}) in page.found
    assert "&lt;/textarea&gt;&lt;script&gt;" in answer.text
    assert "Please check: " in answer.text[: answer.text.index("</title>")]


def test_a_robot_gets_the_same_friendly_answer(chat: Project, browser: TestClient) -> None:
    friendly = send(browser, **GOOD)
    before = chat.rows()
    trapped = send(browser, **{**GOOD, "name": "Robot", "web-page": "https://example.net"})
    assert trapped.text == friendly.text
    assert trapped.headers == friendly.headers
    assert chat.rows() == before


@pytest.mark.parametrize(
    ("headers", "stamp"),
    [({"Origin": "https://evil.example"}, True), ({}, False), ({"Origin": "https://www.example.org"}, False)],
)
def test_a_form_from_elsewhere_or_without_a_stamp_is_shown_once_more(
    chat: Project, browser: TestClient, headers: dict[str, str], stamp: bool
) -> None:
    before = chat.rows()
    again = send(browser, headers, **GOOD) if stamp else browser.post("/forms/chat", data=GOOD, headers=headers)
    assert again.status_code == 200
    page = Elements(again.text)
    assert "again" in {attributes.get("id") for _, attributes in page.found}
    assert page.named("name")["value"] == "Ann"
    assert "checked" in page.named("agreed")
    assert chat.rows() == before
    chat.clock.pass_(seconds=6)
    answer = browser.post("/forms/chat", data={**GOOD, "form-stamp": stamp_in(again)})
    assert "Thank you &amp; bye." in answer.text
    assert len(chat.newsletter.forms.entries("chat")) == 1


def test_a_script_on_a_site_that_is_named_may_send_without_leaving_its_page(chat: Project, browser: TestClient) -> None:
    asks = {"Origin": "https://www.example.org", "Accept": "application/json"}
    preflight = browser.options("/forms/chat", headers={**asks, "Access-Control-Request-Method": "POST"})
    assert preflight.headers["access-control-allow-origin"] == "https://www.example.org"
    stamp = browser.get("/forms/chat/challenge", headers=asks).json()["stamp"]
    wrong = browser.post("/forms/chat", data={**GOOD, "email": "ann"}, headers=asks)
    assert (wrong.status_code, list(wrong.json()["problems"])) == (422, ["email"])
    assert browser.post("/forms/chat", data=GOOD, headers=asks).json()["challenge"]["stamp"]
    answer = browser.post("/forms/chat", data={**GOOD, "form-stamp": stamp}, headers=asks)
    assert answer.json() == {"ok": True, "message": "Thank you & bye."}
    assert answer.headers["access-control-allow-origin"] == "https://www.example.org"
    assert "access-control-allow-credentials" not in answer.headers
    assert len(chat.newsletter.forms.entries("chat")) == 1


def test_a_script_on_any_other_site_reads_nothing_and_sends_nothing(chat: Project, browser: TestClient) -> None:
    asks = {"Origin": "https://evil.example", "Accept": "application/json"}
    given = browser.get("/forms/chat/challenge", headers=asks)
    answer = browser.post("/forms/chat", data={**GOOD, "form-stamp": given.json()["stamp"]}, headers=asks)
    for each in (given, answer, browser.options("/forms/chat", headers=asks)):
        assert "access-control-allow-origin" not in each.headers
    assert answer.status_code == 403
    assert chat.newsletter.forms.entries("chat") == []


def test_a_stamp_is_good_for_its_own_form_alone(chat: Project, browser: TestClient) -> None:
    stamp = stamp_in(browser.get("/forms/updates"))
    assert 'id="again"' in browser.post("/forms/chat", data={**GOOD, "form-stamp": stamp}).text
    assert chat.newsletter.forms.entries("chat") == []


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"\xff\xfe=\x00&name=%ff%00", "application/x-www-form-urlencoded"),
        (b"{", "application/json"),
        (
            b"--x\r\nContent-Disposition: form-data; name=name; filename=a\r\n\r\nx\r\n--x--",
            "multipart/form-data; boundary=x",
        ),
        (
            b"--x\r\nContent-Disposition: form-data; name=name\r\n\r\n\\ud800\r\n--x--\r\n",
            "multipart/form-data; boundary=x; charset=unicode_escape",
        ),
        (b"--y", "multipart/form-data; boundary=x"),
        (b"&".join(b"a%d=1" % number for number in range(500)), "application/x-www-form-urlencoded"),
    ],
)
def test_a_body_that_no_browser_sends_is_refused_in_a_page(browser: TestClient, body: bytes, kind: str) -> None:
    answer = browser.post("/forms/chat", content=body, headers={"Content-Type": kind})
    assert answer.status_code in {400, 422}
    assert "<h1" in answer.text


def test_the_snippet_for_other_sites_asks_the_same_questions(chat: Project) -> None:
    snippet = form_snippet(chat.newsletter.project.settings, "chat")
    page = Elements(snippet)
    assert ("form", {"action": "https://news.example.org/forms/chat", "method": "post"}) in page.found
    names = {attributes["name"] for _, attributes in page.found if "name" in attributes}
    assert names == {"name", "email", "about", "when", "where", "agreed", "page", "phone"}
    assert not re.search(r"<script|style=|\son\w+=", snippet)
    assert "<love>" not in snippet


def test_our_own_two_forms_can_be_filled_in() -> None:
    settings = tomllib.loads((ROOT / "newsletter.toml").read_text(encoding="utf-8"))
    assert set(settings["forms"]) == {"community-updates", "chat"}
    links = [each["url"] for each in (*settings["footer"]["links"], *settings["footer"]["social"])]
    for slug, table in settings["forms"].items():
        assert FormTable.model_validate(table).fields[1].kind == "email", "somebody can be answered"
        assert f"{settings['newsletter']['base_url']}/forms/{slug}" in links


def test_the_form_in_the_starter_works_when_its_marks_are_taken_away() -> None:
    text = (ROOT / "newsletter" / "starter" / "newsletter.toml").read_text(encoding="utf-8")
    marked = text[text.index("# [forms.") : text.index("[sending]")]
    table = tomllib.loads(re.sub(r"^# ", "", marked, flags=re.MULTILINE))["forms"]["news"]
    assert [ask.kind for ask in FormTable.model_validate(table).fields] == ["email", "paragraph", "checkbox"]
