"""Drafts, tests, private and undone editions are never reachable, by any way."""

import asyncio
from typing import Any
from urllib.parse import unquote

import pytest

from newsletter.database.schema import MailingState
from newsletter.errors import EditionError
from newsletter.sending.ledger import plan
from newsletter.sending.mailings import change_state
from tests.web.publishing import (
    PLACES,
    hold,
    send,
    shown,
    try_out,
    work,
    write,
)
from tests.web.served import Project


def test_drafts_tests_private_and_undone_editions_are_never_reachable(project: Project) -> None:
    for slug in ("draft", "tried", "held", "undone", "private"):
        write(project, slug, f"The {slug} one.", picture="red", public="false" if slug == "private" else "true")
    try_out(project, "tried")
    send(project, "private")
    project.newsletter.mailings.cancel(hold(project, "undone"))
    hold(project, "held")
    with project.client() as client:
        for slug in ("draft", "tried", "held", "undone", "private"):
            assert not shown(client, slug), slug
            for path in (*PLACES, f"/e/{slug}", f"/e/{slug}/"):
                assert f"The {slug} one" not in client.get(path).text
        for slug in ("draft", "tried", "held", "undone"):
            with pytest.raises(EditionError, match="has not been sent"):
                project.newsletter.publications.publish(slug)
        with pytest.raises(EditionError, match="public: false"):
            project.newsletter.publications.publish("private")
        assert client.get("/e/private").status_code == 404


def test_a_mailing_that_was_cancelled_before_anything_left_shows_nothing(here: Project) -> None:
    """It had begun, but its worker was gone before the first message."""
    write(here, "stopped")
    mailing = hold(here, "stopped")
    with here.newsletter.database() as database, database.write() as connection:
        change_state(connection, mailing, MailingState.SENDING, started_at=here.clock.now)
        assert plan(connection, mailing, None) == 1
    with here.client() as client:
        assert not shown(client, "stopped")
        here.newsletter.mailings.cancel(mailing)
        assert not shown(client, "stopped")


TRICKS = (
    *(
        "/e/../newsletter.toml",
        "/e/%2e%2e",
        "/e/%2e%2e/%2e%2e/newsletter.toml",
        "/e/..%2f..%2fnewsletter.toml",
        "/e/..",
    ),
    *(
        "/e/one.",
        "/e/one%2e",
        "/e/ONE",
        "/e/One",
        "/e/one%00",
        "/e/one%20",
        "/e/%20one",
        "/e/one%0a",
        "/e/one;x",
        "/e/.",
    ),
    *(
        "/e/one%2f",
        "/e/one/..",
        "/e/one//",
        "/e//one",
        "/e/one/edition.yaml",
        "/e/one%5c",
        "/e/%EF%BD%8Fne",
        "/e/",
        "/e",
    ),
    *("/e/one/", "/images/", "/images/..", "/images/%2e%2e%2fnewsletter.toml", "/images/a.png", "/images/secret.key"),
    *("/images/A-0000000000.png", "/images/a-0000000000.png", "/images/a-0000000000.svg", "/series/", "/series/%2e%2e"),
    *("/series/x", "//evil.example/e/one", "/e//evil.example", "/e/%2f%2fevil.example/", "/archive//evil.example/"),
    *("/archive/..", "/archive/%2e%2e/e/one", "/editions/one/edition.yaml", "/e/one/images/a.png", "/archive/one"),
)


def ask(app: Any, path: str) -> int:
    """The status of a path that reaches the server as it is: clients tidy dots and slashes up before they ask."""
    said: list[int] = []
    scope = {
        "type": "http",
        "method": "GET",
        "scheme": "https",
        "http_version": "1.1",
        "query_string": b"",
        "path": unquote(path),
        "raw_path": path.encode(),
        "root_path": "",
        "client": ("192.0.2.1", 1),
        "headers": [(b"host", b"news.example.org")],
        "server": ("news.example.org", 443),
        "state": {},
    }

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send_(message: dict[str, Any]) -> None:
        said.extend([message["status"]] if message["type"] == "http.response.start" else [])

    asyncio.run(app(scope, receive, send_))
    return said[0]


def test_only_the_exact_name_of_an_edition_leads_anywhere(here: Project) -> None:
    write(here, "one", picture="teal")
    hold(here, "one")
    with here.client() as client:
        assert {path: status for path in TRICKS if (status := ask(client.app, path)) != 404} == {}
        here.clock.pass_(days=2)
        work(here)
        assert ask(client.app, "/e/one") == 200
        found = {path: status for path in TRICKS if (status := ask(client.app, path)) != 404}
    assert found == {"/e/one/": 308, "/e/one%2f": 308}


def test_an_address_with_a_slash_at_its_end_leads_to_the_page_and_nowhere_else(here: Project) -> None:
    """As files on a web server, pages are folders."""
    write(here, "one", series="S")
    send(here, "one")
    with here.client() as client:
        for path in ("/e/one", "/archive", "/series/s"):
            answer = client.get(f"{path}/")
            assert (answer.status_code, answer.headers["location"]) == (308, path)
        for path in ("/e/two/", "/series/t/", "//evil.example//", "/archive/x/"):
            assert client.get("https://news.example.org" + path).status_code == 404
