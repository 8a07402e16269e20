"""What `build` writes into a folder: whole, the same each time, to be opened without a network."""

import html
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from newsletter.edition.files import read_edition
from newsletter.project import open_project
from newsletter.rendering.compose import compose
from newsletter.sending.building import NOBODY, Built, build
from newsletter.starter import start_project

NOW = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    start_project(tmp_path / "project")
    return tmp_path / "project"


def built(root: Path, out: Path, *, now: datetime = NOW, images: str = "embed", **about: object) -> Built:
    project = open_project(root, {"NEWSLETTER_SENDING__IMAGES": images})
    composition = compose(read_edition(project.edition_file("welcome"), project.root), project)
    return build(composition, project.settings, (), out, person={**NOBODY, **about}, now=now)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("images", ["embed", "link"])
def test_the_page_shows_its_pictures_from_the_folder(root: Path, tmp_path: Path, images: str) -> None:
    built(root, tmp_path / "out", images=images)
    page = (tmp_path / "out" / "edition.html").read_text(encoding="utf-8")
    sources = re.findall(r'<img[^>]* src="([^"]*)"', page)
    assert sources
    for source in sources:
        assert (tmp_path / "out" / html.unescape(source)).is_file()
    message = (tmp_path / "out" / "edition.eml").read_bytes()
    assert (b"cid:" in message) is (images == "embed")
    assert (b"multipart/related" in message) is (images == "embed")


def test_every_file_is_told_with_its_size(root: Path, tmp_path: Path) -> None:
    result = built(root, tmp_path / "out")
    assert {str(path.relative_to(tmp_path / "out")): size for path, size in result.files} == {
        name: len(content) for name, content in contents(tmp_path / "out").items()
    }


def test_building_again_gives_the_same_bytes_apart_from_the_date(root: Path, tmp_path: Path) -> None:
    first, second = built(root, tmp_path / "a"), built(root, tmp_path / "b", now=NOW + timedelta(days=1))
    assert first.digest == second.digest
    one, other = contents(tmp_path / "a"), contents(tmp_path / "b")
    changed = {name for name in one if one[name] != other[name]}
    assert changed <= {"edition.eml"}
    lines = zip(one["edition.eml"].split(b"\r\n"), other["edition.eml"].split(b"\r\n"), strict=True)
    assert {a.split(b":")[0] for a, b in lines if a != b} <= {b"Date", b"Message-ID"}
    built(root, tmp_path / "c")
    assert contents(tmp_path / "c") == one


def test_a_second_build_leaves_no_stale_picture_and_no_foreign_file_is_touched(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    built(root, out)
    (before,) = (out / "images").iterdir()
    (out / "images" / "mine.png").write_bytes(b"mine")
    (out / "notes.txt").write_text("mine")
    picture = root / "editions" / "welcome" / "images" / "letter.svg"
    drawing = picture.read_text()
    recoloured = re.sub(r'fill="#[0-9A-F]{6}"', 'fill="#AA3311"', drawing, count=1)
    assert recoloured != drawing
    picture.write_text(recoloured)
    built(root, out)
    names = {path.name for path in (out / "images").iterdir()}
    assert "mine.png" in names
    assert before.name not in names
    assert len(names) == 2
    assert (out / "notes.txt").read_text() == "mine"


def test_the_mjml_shows_slots_as_they_were_written(root: Path, tmp_path: Path) -> None:
    built(root, tmp_path / "out", first_name="Ana")
    assert '{{ first_name | default("friend") }}' in html.unescape((tmp_path / "out" / "edition.mjml").read_text())
    assert "Dear Ana," in (tmp_path / "out" / "edition.txt").read_text()


def test_a_value_cannot_show_a_file_of_the_folder(root: Path, tmp_path: Path) -> None:
    built(root, tmp_path / "out", first_name='<img src="x">')
    page = (tmp_path / "out" / "edition.html").read_text()
    assert '<img src="x">' not in page
    assert "&lt;img" in page


def test_a_previews_links_let_nobody_unsubscribe(root: Path, tmp_path: Path) -> None:
    from newsletter.errors import TokenError
    from newsletter.tokens import Signer

    built(root, tmp_path / "out")
    page = (tmp_path / "out" / "edition.html").read_text()
    tokens = re.findall(r'href="https://news\.example\.org/u/([^"/?]+)', page)
    assert tokens
    key = open_project(root, {}).secret_key()
    for token in tokens:
        with pytest.raises(TokenError):
            Signer(key).read("unsubscribe", token, now=NOW)


def test_a_folder_that_cannot_be_written_is_an_os_error(root: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OSError, match="out"):
        built(root, tmp_path / "out")
