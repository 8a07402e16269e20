"""What strangers try on readers: links for other purposes, other names, floods of letters, two things at once."""

import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from newsletter.database.outside import EventKind
from newsletter.feedback.events import Event, record
from newsletter.readers import LetterLink
from newsletter.sending.links import ReaderLink
from newsletter.sending.testing import TrialSigner
from newsletter.tokens import Signer
from newsletter.web.public import guards
from tests.web.served import Project

ADA = "ada@example.org"
PAGES = {"/u": "unsubscribe", "/p": "preferences", "/confirm": "confirm", "/me": "access", "/erase": "erase"}
PURPOSES = (*PAGES.values(), "undo", "message", "events", "letter", "substitution", "form-subscribe", "form-access")
DOINGS = ("", "leave", "leave-all", "undo", "save", "erase", "link")
NASTY = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{7*7}}"


def test_a_token_opens_the_page_that_it_was_made_for_and_no_other(here: Project) -> None:
    """Also one of a test message, which has the ids of a real reader, acts on no page."""
    ada = here.add_person(ADA, "community", first_name="Ada")
    here.newsletter.sign_ups.ask(ADA, {"events": "Yes."}, network="192.0.2.0/24")
    key, community = here.newsletter.project.secret_key(), here.list_id()
    shapes = [(ada, 1), (ada, community, 1), (ada, here.list_id("events"), 2), (1, 1, 0), (ada,), ()]
    real, trial = Signer(key), TrialSigner(key)
    later = here.clock.now.replace(year=2027)
    before = here.rows()
    with here.client() as client:
        for page, own in PAGES.items():
            for ids in shapes:
                strange = [real.sign(each, *ids, expires=later) for each in PURPOSES if each != own]
                for token in [*strange, trial.sign(own, *ids), trial.sign("undo", *ids)]:
                    done = DOINGS[len(token) % len(DOINGS)]
                    sent = {"do": done, "undo": token, "first_name": "Eve", "was": "community", "list": "events"}
                    answer = client.post(f"{page}/{token}", data=sent)
                    assert answer.status_code in {200, 404}, (page, answer.status_code)
                    assert answer.headers["cache-control"] == "no-store"
                    assert answer.headers["referrer-policy"] == "no-referrer"
                    assert "access-control-allow-origin" not in answer.headers
                    assert "Ada" not in answer.text
                    assert ADA not in answer.text
    assert here.rows() == before


def test_links_of_somebody_erased_never_reach_who_comes_after_them(project: Project) -> None:
    """SQLite gives the highest number again, if nobody tells it not to."""
    ada = project.add_person(ADA, "community")
    signer, later = Signer(project.newsletter.project.secret_key()), project.clock.now.replace(year=2027)
    reader = (ada, project.list_id(), 0)
    [left] = project.newsletter.readers.leave([(ReaderLink(*reader), "left")])
    assert left is not None
    project.newsletter.erase_person(ADA)
    eve = project.add_person("eve@example.org", "community")
    undo = signer.sign("undo", *reader[:2], left.record, expires=later)
    before = project.rows()
    with project.client() as client:
        client.post(f"/u/{signer.sign('unsubscribe', *reader)}", data={"do": "leave-all"})
        client.post(f"/u/{signer.sign('unsubscribe', *reader)}", data={"do": "undo", "undo": undo})
        client.post(f"/p/{signer.sign('preferences', *reader)}", data={"was": "community", "first_name": "Eve"})
        for number in range(3):
            client.post(f"/me/{signer.sign('access', ada, number, expires=later)}", data={"do": "erase"})
            client.post(f"/erase/{signer.sign('erase', ada, number, expires=later)}")
    assert eve != ada
    assert project.rows() == before


class Page(HTMLParser):
    """The elements of a page that do something, as a browser finds them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag in {"img", "iframe", "object", "style"} or (tag == "script" and not values.get("src")):
            self.found.append(tag)
        self.found += [name for name in values if name.startswith("on") or name == "style"]
        self.found += [value for value in values.values() if value and value.strip().lower().startswith("javascript:")]


def test_what_strangers_wrote_stays_text_on_every_page_of_a_reader(tmp_path: Path, empty_file: Path) -> None:
    """Names, attributes, tags, titles of lists, words of mail servers, answers, wordings, the visitor's own headers."""
    path = tmp_path / "newsletter.db"
    path.write_bytes(empty_file.read_bytes())
    more = f"[lists.nasty]\ntitle = '''{NASTY}'''\ndescription = '''{NASTY}'''\nsign_up = true\n"
    here = Project(tmp_path / "project", f"sqlite:///{path}", more=more)
    ada = here.add_person(ADA, "community", "nasty", first_name=NASTY, last_name=NASTY)
    here.newsletter.subscribers.set(ADA, {"attributes.field": NASTY})
    here.newsletter.subscribers.tag(ADA, [NASTY])
    here.newsletter.sign_ups.ask(ADA, {"events": NASTY}, network=NASTY)
    here.newsletter.forms.take("updates", {"email": ADA, "news": NASTY}, network=NASTY)
    now, key = here.clock.now, here.newsletter.project.secret_key()
    with here.newsletter.database() as database, database.write() as connection:
        told = Event(provider="smtp", key="1", kind=EventKind.BOUNCED, at=now, subscriber=ada, reason=NASTY, raw=NASTY)
        record(connection, told, now=now)
    signer, later, reader = Signer(key), now.replace(year=2027), (ada, here.list_id("nasty"), 0)
    tokens = {purpose: signer.sign(purpose, *reader) for purpose in ("unsubscribe", "preferences")}
    own = signer.sign("access", ada, 1, expires=later)
    asks = {"User-Agent": NASTY, "Accept-Language": NASTY, "Referer": NASTY, "X-Forwarded-For": NASTY}
    with here.client() as client:
        pages = [
            client.get(f"/u/{tokens['unsubscribe']}", headers=asks),
            client.get(f"/p/{tokens['preferences']}", headers=asks),
            client.post(f"/p/{tokens['preferences']}", data={"until": NASTY, "first_name": NASTY, "list": NASTY}),
            client.get(f"/me/{own}", headers=asks),
            client.get("/subscribe", params={"list": "nasty", "lang": NASTY}, headers=asks),
            client.post("/subscribe", data={"email": NASTY, "first_name": NASTY, "list": "nasty", "lang": NASTY}),
            client.post("/forms/updates", data={"email": NASTY, "news": NASTY}),
            client.post("/access", data={"email": NASTY}),
            client.get(f"/e/{NASTY.replace('/', '')}", headers=asks),
            client.post(f"/u/{tokens['unsubscribe']}", data={"do": "leave-all", "undo": NASTY}, headers=asks),
        ]
    assert [page.status_code for page in pages] == [200, 200, 422, 200, 200, 422, 422, 422, 404, 200]
    for page in pages:
        assert Page(page.text).found == [], page.url.path
        assert "<script>alert" not in page.text
    assert pages[3].text.count("&lt;script&gt;") >= 8  # it shows all of it


def test_how_long_an_answer_takes_tells_nothing(here: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Item 132: somebody new, who is written down, takes twice as long as somebody who is on the list."""
    monkeypatch.setattr(guards, "EVEN", 0.15)
    here.add_person(ADA, "community")
    with here.client() as client:
        for path in ("/subscribe", "/access"):
            for number, email in enumerate((ADA, "new@example.org")):
                page = client.get(path).text
                told = dict(re.findall(r'name="(form-[^"]+)" value="([^"]*)"', page))
                asked = {**told, "email": email, "list": "community"}
                began = time.monotonic()
                answer = client.post(path, data=asked)
                assert answer.status_code == 200
                assert 0.15 <= time.monotonic() - began < 3, (path, number)
    assert here.status("new@example.org") == "pending"


def test_one_mailbox_in_many_spellings_is_not_bombed(here: Project) -> None:
    """Item 133: many providers leave out dots and what follows a plus, and whoever floods a mailbox knows that."""
    spellings = [f"a.d.a+{number}@example.org" for number in range(20)] + ["a.da@example.org", "ada@example.org"]
    for spelling in spellings:
        here.newsletter.sign_ups.ask(spelling, {"community": "Yes."}, network="192.0.2.0/24")
    assert len(here.letters()) == 10
    here.newsletter.sign_ups.ask("bob@example.org", {"community": "Yes."}, network="192.0.2.0/24")
    assert len(here.letters()) == 11


def test_a_program_floods_no_mailbox_and_reaches_only_the_address_that_we_know(here: Project) -> None:
    """Two spellings that we take for one address may be two mailboxes: the link goes to the one that is on record."""
    here.add_person("rosa@example.org", "community")
    token = here.newsletter.access.create_token("site", ["subscribers:write"], lasts=None)
    asks = {"Authorization": f"Bearer {token}"}

    def add(client: TestClient, email: str) -> int:
        told = {"email": email, "list": "events", "consent": "Yes."}
        return client.post("/api/v1/subscribers", json=told, headers=asks).status_code

    with here.client() as client:
        assert add(client, "ro\u017fa@example.org") == 200  # a long s
        assert [message["To"] for message in here.letters()] == ["rosa@example.org"]
        statuses = [add(client, f"ada+{number}@example.org") for number in range(12)]
    assert statuses == [201] * 10 + [429] * 2
    assert len(here.letters()) == 11


def test_what_is_asked_for_four_times_at_once_is_done_once(project: Project) -> None:
    """Links by letter, taking leaving back, deleting: on each kind of database."""
    ada = project.add_person(ADA, "community")
    readers, link = project.newsletter.readers, ReaderLink(ada, project.list_id(), 0)
    with project.newsletter.kept_open(), ThreadPoolExecutor(4) as windows:

        def at_once(do: Callable[[], object]) -> list[bool]:
            return sorted(bool(each.result()) for each in [windows.submit(do) for _ in range(4)])

        at_once(lambda: readers.send_access(ADA))
        assert at_once(lambda: readers.ask_erasure(LetterLink(ada, 1))) == [False, False, False, True]
        assert [row[1] for row in project.rows()["letter"]] == ["'access'", "'erase'"]
        [left] = readers.leave([(link, "left")])
        assert left is not None
        undo = readers.undo_token(left) or ""
        assert at_once(lambda: readers.undo(ada, [undo, undo], "Yes.", link)) == [False, False, False, True]
        assert project.status(ADA) == "active"
        assert at_once(lambda: readers.erase(LetterLink(ada, 2)))[-1]
    assert project.rows()["subscriber"] == []
    assert len(project.rows()["suppression"]) == 1
