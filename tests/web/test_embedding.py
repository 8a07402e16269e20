"""The form on other web sites: plain HTML that loads nothing; scripts of the sites that may hold it may ask."""

import html.parser
import json
import re

import pytest

from newsletter.cli import run
from newsletter.errors import ListNotFoundError, UsageError
from newsletter.web.public.embedding import write_snippet
from tests.web.served import Project

ANN = "ann@example.org"
ALLOWED = "https://www.example.org"
OTHERS = ["https://evil.example", "https://www.example.org.evil.example", "http://www.example.org", "null", "*"]
SCRIPT = {"Accept": "application/json"}


class Form(html.parser.HTMLParser):
    """What a browser finds in a snippet."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def find(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def fields_of(form: Form) -> dict[str, str]:
    return {str(each["name"]): each.get("value") or "" for each in form.find("input")}


def test_the_snippet_is_a_form_and_nothing_else(here: Project) -> None:
    form = Form(write_snippet(here.newsletter, "community"))
    [outer] = form.find("form")
    assert outer == {"action": "https://news.example.org/subscribe", "method": "post", "lang": "en", "dir": "ltr"}
    assert {tag for tag, _ in form.tags} <= {"form", "p", "label", "br", "input", "a", "button"}
    assert not any(name in attributes for _, attributes in form.tags for name in ("style", "src", "onclick"))
    [box] = [each for each in form.find("input") if each["type"] == "email"]
    assert [each["for"] for each in form.find("label")] == [box["id"]]


def test_a_list_that_is_not_open_has_no_snippet(here: Project) -> None:
    with pytest.raises(UsageError, match="sign_up = true"):
        write_snippet(here.newsletter, "donors")
    with pytest.raises(ListNotFoundError, match="community"):
        write_snippet(here.newsletter, "comunity")
    with pytest.raises(UsageError, match=r"no words in «xx» yet\. They have: ar, de, en"):
        write_snippet(here.newsletter, "community", "xx")


def test_the_command_prints_it_and_the_lists_are_shown_as_before(
    here: Project, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEWSLETTER_SECRET_KEY", here.newsletter.project.environ["NEWSLETTER_SECRET_KEY"])
    monkeypatch.setenv("NEWSLETTER_DATABASE__URL", here.newsletter.project.environ["NEWSLETTER_DATABASE__URL"])
    root = str(here.root)
    assert run(["lists", "embed", "community", "--project", root]) == 0
    said = capsys.readouterr()
    assert said.out.strip() == write_snippet(here.newsletter, "community").strip()
    assert f"May stand on: {ALLOWED}." in said.err
    assert run(["lists", "embed", "events", "--project", root, "--json"]) == 0
    said = capsys.readouterr()
    told = json.loads(said.out)
    assert (told["list"], told["embed_on"]) == ("events", [])
    assert told["action"] == "https://news.example.org/subscribe"
    assert 'value="events"' in told["html"]
    assert run(["lists", "embed", "events", "--project", root]) == 0
    assert "embed_on = [" in capsys.readouterr().err
    assert run(["lists", "embed", "donors", "--project", root]) == 2
    assert "sign_up = true" in capsys.readouterr().err
    assert run(["lists", "--project", root]) == 0
    assert capsys.readouterr().out.split()[:3] == ["list", "title", "people"]
    assert run(["lists", "--json", "--project", root]) == 0
    assert [one["list"] for one in json.loads(capsys.readouterr().out)] == ["community", "donors", "events"]


@pytest.mark.parametrize("origin", [ALLOWED, *OTHERS[:3]])
def test_what_comes_from_a_snippet_is_shown_again_on_our_page_and_nothing_is_lost(here: Project, origin: str) -> None:
    fields = fields_of(Form(write_snippet(here.newsletter, "community"))) | {"email": ANN}
    before = here.rows()
    with here.client() as client:
        ours = client.post("/subscribe", data=fields, headers={"Origin": origin})
        assert ours.status_code == 200
        assert here.rows() == before
        assert ANN in ours.text
        assert 'type="checkbox"' not in ours.text  # they came for this list
        here.clock.pass_(seconds=5)
        pressed = client.post("/subscribe", data=fields_of(Form(ours.text)), headers={"Origin": "null"})
    assert "Please look into your mailbox" in pressed.text
    assert here.status(ANN) == "pending"


def test_another_site_ticks_nothing_for_its_visitors(here: Project) -> None:
    with here.client() as client:
        fields = {"email": ANN, "list": ["community", "events"]}
        assert "checked" not in client.post("/subscribe", data=fields, headers={"Origin": OTHERS[0]}).text
        assert client.post("/subscribe", data=fields, headers={"Origin": "null"}).text.count("checked") == 2


def test_a_script_of_an_allowed_site_may_sign_up_without_leaving_its_page(here: Project) -> None:
    headers = {**SCRIPT, "Origin": ALLOWED}
    with here.client() as client:
        asked = client.get("/subscribe/challenge?list=community", headers=headers)
        told = asked.json()
        assert asked.headers["access-control-allow-origin"] == ALLOWED
        assert told["lists"] == [
            {"list": "community", "title": "Community", "description": "Stories, about once a month."}
        ]
        fields = {"email": ANN, "list": "community", "form-stamp": told["stamp"]}
        wrong = client.post("/subscribe", data={**fields, "email": "ann"}, headers=headers)
        assert wrong.status_code == 422
        assert "email" in wrong.json()["problems"]
        done = client.post("/subscribe", data=fields, headers=headers)
        assert done.status_code == 200
        assert done.json()["ok"] is True
        again = client.post("/subscribe", data=fields, headers=headers)
        assert again.status_code == 403
        assert again.json()["challenge"]["stamp"] != told["stamp"]
    for answer in (wrong, done, again):
        assert answer.headers["access-control-allow-origin"] == ALLOWED
        assert answer.headers["vary"] == "Origin"
        assert "access-control-allow-credentials" not in answer.headers
    [agreed] = here.newsletter.subscribers.history(ANN).agreements
    assert told["agreement"] in agreed.wording
    assert agreed.wording.endswith(f"[en, {ALLOWED}]")


@pytest.mark.parametrize("origin", OTHERS)
def test_a_script_of_any_other_site_reads_and_does_nothing(here: Project, origin: str) -> None:
    headers = {**SCRIPT, "Origin": origin}
    with here.client() as client:
        stamp = client.get("/subscribe/challenge").json()["stamp"]  # got by its own server
        answers = [
            client.get("/subscribe/challenge", headers=headers),
            client.options("/subscribe", headers={**headers, "Access-Control-Request-Method": "POST"}),
            client.post("/subscribe", data={"email": "ann"}, headers=headers),
        ]
        before = here.rows()
        fields = {"email": ANN, "list": "community", "form-stamp": stamp}
        if origin != "null":  # which tells nothing, and is what our own pages send
            refused = client.post("/subscribe", data=fields, headers=headers)
            answers.append(refused)
            assert refused.status_code == 403
            assert here.rows() == before
    for answer in answers:
        assert "access-control-allow-origin" not in answer.headers


def test_a_site_that_may_hold_one_list_may_not_hold_another(here: Project) -> None:
    headers = {**SCRIPT, "Origin": ALLOWED}
    with here.client() as client:
        assert (
            "access-control-allow-origin" not in client.get("/subscribe/challenge?list=events", headers=headers).headers
        )
        stamp = client.get("/subscribe/challenge", headers=headers).json()["stamp"]
        fields = {"email": ANN, "list": ["community", "events"], "form-stamp": stamp}
        refused = client.post("/subscribe", data=fields, headers=headers)
    assert refused.status_code == 403
    assert here.rows()["subscriber"] == []


def test_a_browser_may_ask_beforehand(here: Project) -> None:
    with here.client() as client:
        for path in ("/subscribe", "/subscribe/challenge"):
            answer = client.options(path, headers={"Origin": ALLOWED, "Access-Control-Request-Method": "POST"})
            assert answer.status_code == 204
            assert answer.headers["access-control-allow-origin"] == ALLOWED
            assert re.fullmatch(r"GET, POST", answer.headers["access-control-allow-methods"])
