"""Pages to read in a real browser: nothing is refused, too wide or closed to people with disabilities."""

import shutil

import pytest
from playwright.sync_api import Browser

from tests.frame.tree import ROOT
from tests.pictures.chromium import Viewer
from tests.web.publishing import change_settings, send
from tests.web.served import Project, free_port
from tests.web.visiting import EVERYBODY, axe_script, visiting

EDITIONS = ("tests/fixtures/editions/kitchen-sink", "tests/fixtures/editions/kitchen-sink-arabic")


@pytest.mark.slow
def test_nothing_on_pages_to_read_troubles_anybody(here: Project, viewer: Viewer) -> None:
    port = free_port()
    change_settings(here, "https://news.example.org", f"http://127.0.0.1:{port}")
    compose = here.newsletter.compose
    here.newsletter.compose = lambda slug: (compose(slug)[0], ())  # type: ignore[method-assign]  # one is too long to send
    for edition in EDITIONS:
        name = edition.rpartition("/")[2]
        shutil.copytree(ROOT / edition, here.root / "editions" / name)
        send(here, name)
    axe = axe_script()
    paths = ["/", *(f"/e/{edition.rpartition('/')[2]}" for edition in EDITIONS)]

    def visit(browser: Browser) -> list[str]:
        troubles: list[str] = []
        for eyes in EVERYBODY:
            with visiting(browser, base, eyes) as visitor:
                for path in paths:
                    assert visitor.go(path) == 200
                    visitor.look(axe if eyes.scripts else None)
                troubles += visitor.troubles
        return troubles

    with here.server(port) as base:
        assert viewer.run(visit) == []
