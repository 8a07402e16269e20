"""Every page there is: asking for it, by GET or HEAD, changes nothing, whatever the link and however often."""

from collections.abc import Iterator
from typing import Any

import pytest

from newsletter.mailings import Wish
from newsletter.sending.testing import TrialSigner
from newsletter.tokens import Signer
from newsletter.web.public.application import ROUTERS
from newsletter.web.public.site import Site
from tests.web.served import Project


def routes(router: Any) -> Iterator[tuple[str, frozenset[str]]]:
    """The paths of a router, and of those in it, with their methods."""
    for route in router.routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from routes(inner)
        else:
            yield route.path, frozenset(route.methods or ())


def paths(project: Project) -> set[str]:
    """Every path that answers GET."""
    site = Site(project.newsletter)
    return {path for make in ROUTERS for path, methods in routes(make(site)) if "GET" in methods}


@pytest.fixture
def filled(project: Project) -> tuple[Project, dict[str, list[str]]]:
    """A project in which something has happened, and for each path addresses to ask for."""
    ada = project.add_person("ada@example.com", "community", first_name="Ada")
    bob = project.add_person("bob@example.com", "community", status="pending")
    project.add_edition("first", public="true", series="Champions")
    project.newsletter.mailings.send(Wish(edition="first", list_slug="community"))
    project.newsletter.sign_ups.ask("cleo@example.com", {"community": "Yes."}, network="192.0.2.0/24")
    project.newsletter.readers.send_access("ada@example.com")
    letters = {str(each["To"]): each.get_body(("plain",)).get_content() for each in project.letters()}  # type: ignore[union-attr]
    key, community = project.newsletter.project.secret_key(), project.list_id()
    real, trial = Signer(key), TrialSigner(key)

    def links(purpose: str, *ids: int) -> list[str]:
        return [real.sign(purpose, *ids), trial.sign(purpose, *ids), real.sign("other", *ids), "x", "A" * 60]

    reader = (ada, community, 1)
    confirm = next(text for to, text in letters.items() if "cleo" in to).partition("/confirm/")[2].split()[0]
    access = next(text.partition("/me/")[2].split()[0] for text in letters.values() if "/me/" in text)
    samples = {
        "/u/{token}": links("unsubscribe", *reader) + links("unsubscribe", bob, community, 1),
        "/p/{token}": links("preferences", *reader),
        "/confirm/{token}": [confirm, *links("confirm", *reader)],
        "/me/{token}": [access, *links("access", ada, 1)],
        "/me/{token}/data.json": [access],
        "/erase/{token}": links("erase", ada, 1),
        "/e/{slug}": ["first", "nothing"],
        "/series/{slug}": ["champions", "nothing"],
        "/e/{slug}/": ["first", "nothing"],
        "/series/{slug}/": ["champions", "nothing"],
        "/archive/{number}": ["1", "2", "x"],
        "/archive/{number}/": ["1", "2", "x"],
        "/forms/{slug}": ["updates", "nothing"],
        "/forms/{slug}/challenge": ["updates", "nothing"],
        "/images/{name}": ["nothing.png"],
        "/assets/{name}": ["pages.css", "nothing"],
    }
    return project, samples


def test_asking_for_any_page_changes_nothing(filled: tuple[Project, dict[str, list[str]]]) -> None:
    project, samples = filled
    before = project.rows()
    asked = []
    with project.client() as client:
        for path in sorted(paths(project)):
            start, _, _ = path.partition("{")
            _, _, end = path.partition("}")
            for each in samples.get(path, ["1"]) if "{" in path else [""]:
                address = f"{start}{each}{end}" if "{" in path else path
                for method in ("GET", "HEAD", "GET"):
                    answer = client.request(method, address, headers={"Sec-Purpose": "prefetch"})
                    assert answer.status_code < 500, (method, address, answer.status_code)
                    assert "set-cookie" not in answer.headers
                    assert method == "GET" or answer.content == b""
                asked.append((address, answer.status_code))
    assert project.rows() == before
    missing = {path for path in paths(project) if "{" in path and path not in samples and not path.startswith("/api/")}
    assert not missing, "these pages have no address to try"
    assert sum(status == 200 for _, status in asked) > 15, asked


def test_no_page_answers_with_a_redirect_to_where_the_visitor_says(here: Project) -> None:
    with here.client() as client:
        for path in (
            "//evil.example",
            "/%2F%2Fevil.example/..",
            "/subscribe?next=https://evil.example",
            "/\\evil.example",
        ):
            answer = client.get(path)
            assert answer.status_code not in {301, 302, 303, 307, 308}
            assert "location" not in answer.headers
            assert "https://evil.example" not in answer.text
