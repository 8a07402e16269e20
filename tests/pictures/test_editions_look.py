"""What everybody meets in an edition, however they read: structure for ears, and no gap where a block is hidden."""

import itertools
import shutil
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import pytest
from playwright.sync_api import Browser

from newsletter.app import Newsletter
from newsletter.rendering.composition import Composition
from newsletter.starter import start_project
from tests.oracle.dom import for_outlook
from tests.pictures.chromium import Viewer
from tests.rendering.composing import EVERY_KIND, Bench, page_of, tree

ROOT = Path(__file__).parents[2]
OWN = ("collection-and-use", "data-sharing")
FIXTURES = ("kitchen-sink", "kitchen-sink-arabic")


@pytest.fixture(scope="module")
def editions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Composition]:
    """Both editions of this repository and both kitchen sinks, composed once with the repository's settings."""
    root = tmp_path_factory.mktemp("look") / "project"
    start_project(root)
    shutil.copy(ROOT / "newsletter.toml", root)
    shutil.copytree(ROOT / "templates" / "images", root / "templates" / "images")
    for name in (*OWN, *FIXTURES):
        source = ROOT / ("editions" if name in OWN else "tests/fixtures/editions") / name
        shutil.copytree(source, root / "editions" / name)
    newsletter = Newsletter.open(root, {})
    return {name: newsletter.compose(name)[0] for name in (*OWN, *FIXTURES)}


def body_of(page: Element) -> Element:
    body = page.find("body")
    assert body is not None
    return body


@pytest.mark.parametrize("name", [*OWN, *FIXTURES])
def test_a_page_is_made_for_ears_too(editions: dict[str, Composition], name: str) -> None:
    """Language and direction, one title, alt texts, links with words, and no table that claims to hold data."""
    composition = editions[name]
    page = tree(page_of(composition))
    language, direction = ("ar", "rtl") if name.endswith("arabic") else (composition.language, "ltr")
    for element in (page, *body_of(page)):
        assert (element.get("lang"), element.get("dir")) == (language, direction)
    (title,) = page.iter("h1")
    assert "".join(title.itertext()).strip() == composition.title
    for image in page.iter("img"):
        assert image.get("alt") is not None
        assert not (image.get("alt") or "").endswith((".png", ".jpg", ".svg"))
    for link in page.iter("a"):
        inside = [image.get("alt") or "" for image in link.iter("img")]
        assert "".join([*link.itertext(), *inside]).strip()
    for seen in (page, tree(page_of(composition), for_outlook)):
        assert {table.get("role") for table in seen.iter("table")} <= {"presentation"}
        assert not list(seen.iter("th"))


@pytest.mark.parametrize("name", OWN)
def test_no_level_of_headings_is_skipped(editions: dict[str, Composition], name: str) -> None:
    levels = [int(element.tag[1]) for element in tree(page_of(editions[name])).iter() if _is_heading(element)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert len(levels) > 5


def _is_heading(element: Element) -> bool:
    return isinstance(element.tag, str) and element.tag in {"h1", "h2", "h3", "h4", "h5", "h6"}


@pytest.mark.parametrize("name", OWN)
def test_the_own_editions_are_far_from_being_cut(editions: dict[str, Composition], name: str) -> None:
    assert len(page_of(editions[name]).encode()) < 60_000


@pytest.mark.parametrize(
    "how",
    [
        {"width": 640, "scheme": "light"},
        {"width": 640, "scheme": "dark"},
        {"width": 640, "scheme": "light", "images": False},
        {"width": 640, "scheme": "light", "style": False},
        {"width": 375, "scheme": "light"},
        {"width": 375, "scheme": "dark"},
        {"width": 320, "scheme": "dark", "images": False},
        {"width": 320, "scheme": "light", "style": False},
    ],
    ids=lambda how: ", ".join(f"{name} {value}" for name, value in how.items()),
)
def test_everything_shown_can_be_read(viewer: Viewer, editions: dict[str, Composition], how: dict[str, Any]) -> None:
    """With all conditional blocks shown: contrast, size, no scrolling sideways, no request to anybody."""
    for name, composition in editions.items():
        pictures = {composition.address_of(picture, ""): picture.content for picture in composition.pictures}
        assert viewer.look(page_of(composition), **how, pictures=pictures).problems() == [], name


@pytest.mark.parametrize("name", OWN)
def test_outlook_tears_no_row_apart(viewer: Viewer, editions: dict[str, Composition], name: str) -> None:
    """It does so to rows higher than a sheet of paper, which is why blocks share a row only up to a height."""
    heights = viewer.run(lambda browser: _heights(browser, page_of(editions[name])))
    assert len(heights) > 5
    assert max(heights) < 1_800


def _heights(browser: Browser, page: str) -> list[int]:
    with browser.new_context(viewport={"width": 640, "height": 800}, offline=True) as context:
        opened = context.new_page()
        opened.set_content(page)
        rows: list[int] = opened.evaluate(
            "[...document.querySelectorAll('body > div > div')].map(row => row.offsetHeight)"
        )
        return rows


@pytest.mark.parametrize("width", [640, 320])
def test_what_is_hidden_leaves_no_gap(viewer: Viewer, tmp_path: Path, width: int) -> None:
    """The page is not one pixel higher than without the blocks."""
    around = [{"kind": "text", "body": "Before."}, {"kind": "text", "body": "After."}]
    hidden = [{**block, "when": "tags"} for block in EVERY_KIND]
    bench = Bench(tmp_path)
    with_hidden = bench.compose([around[0], *hidden, around[1]])
    without = bench.compose(around)
    height = viewer.look(page_of(without), width).height
    assert viewer.look(page_of(with_hidden, (False,)), width).height == height
    assert viewer.look(page_of(with_hidden, (True,)), width, images=False).height > 2 * height


def test_the_pictures_of_the_documents_stay_small() -> None:
    """Every clone carries them."""
    sizes = {path.name: path.stat().st_size for path in (ROOT / "docs" / "pictures").glob("*.png")}
    assert "readme.png" in sizes
    assert {name: size for name, size in sizes.items() if size > 250_000} == {}
