"""Every edition can be read: on a phone, in the dark, with images off, without its style sheets; and asks nobody."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from newsletter.app import Newsletter
from newsletter.sending.building import NOBODY, preview_writer
from newsletter.sending.message import Reader
from newsletter.starter import start_project
from tests.pictures.chromium import Viewer

ROOT = Path(__file__).parents[2]
EDITIONS = sorted(
    path.parent
    for folder in ("editions", "tests/fixtures/editions", "newsletter/starter/editions")
    for path in ROOT.glob(f"{folder}/*/edition.yaml")
)


@dataclass(frozen=True)
class Page:
    """An edition as one reader gets it, with its pictures by address."""

    html: str
    pictures: dict[str, bytes]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Page]:
    """Every edition, composed once."""
    folder = tmp_path_factory.mktemp("pages") / "project"
    start_project(folder)
    for edition in EDITIONS:
        shutil.copytree(edition, folder / "editions" / edition.name, dirs_exist_ok=True)
    newsletter = Newsletter.open(folder, {})
    settings = newsletter.project.settings
    reader = Reader(0, 0, "reader@example.org", NOBODY)
    found = {}
    for edition in EDITIONS:
        composition, _ = newsletter.compose(edition.name)
        html = preview_writer(composition, settings, next(iter(settings.lists))).html_for(reader)
        base = settings.newsletter.base_url
        shown = {composition.address_of(picture, base): picture.content for picture in composition.pictures}
        found[edition.name] = Page(html, shown)
    return found


@pytest.mark.parametrize("name", [edition.name for edition in EDITIONS])
@pytest.mark.parametrize(
    "how",
    [
        pytest.param({"width": 640}, id="desk"),
        pytest.param({"width": 640, "scheme": "dark", "images": False}, id="desk, dark, images off"),
        pytest.param({"width": 375, "images": False}, id="phone, images off"),
        pytest.param({"width": 320}, id="small phone"),
        pytest.param({"width": 320, "scheme": "dark"}, id="small phone, dark"),
        pytest.param({"width": 320, "style": False}, id="small phone, style dropped"),
    ],
)
def test_an_edition_can_be_read(viewer: Viewer, pages: dict[str, Page], name: str, how: dict[str, Any]) -> None:
    page = pages[name]
    look = viewer.look(page.html, **how, pictures=page.pictures)
    assert len(look.texts) > 10
    assert look.problems() == []
