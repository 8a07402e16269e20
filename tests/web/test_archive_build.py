"""The archive as files: the same pages on a web server that runs no program."""

import json
import os
import re
import shutil
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element

import pytest

from newsletter.cli import run
from newsletter.errors import UsageError
from newsletter.web.public.files import LISTING, build_archive
from tests.web.publishing import folder_of, hold, parse, send, write
from tests.web.served import Project

BASE = "https://news.example.org"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, empty_file: Path) -> Project:
    """A project with three public editions, one that is held and one that is not public; nobody changes it."""
    folder = tmp_path_factory.mktemp("filled")
    shutil.copy(empty_file, folder / "newsletter.db")
    project = Project(folder / "project", f"sqlite:///{folder}/newsletter.db")
    write(project, "one", series="Champions", picture="teal", preheader="In short.")
    write(project, "two", series="Champions", language="ar", picture="red")
    write(project, "three")
    for slug in ("one", "two", "three"):
        send(project, slug)
        project.clock.pass_(days=30)
    write(project, "private", public="false", picture="blue")
    send(project, "private")
    write(project, "held", picture="green")
    hold(project, "held")
    return project


@pytest.fixture
def full(filled: Project, tmp_path: Path) -> Project:
    """A copy of it, to be changed."""
    shutil.copytree(filled.root.parent, tmp_path / "full")
    copy = Project(tmp_path / "full" / "project", f"sqlite:///{tmp_path}/full/newsletter.db")
    copy.clock.now = filled.clock.now
    return copy


def everything(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def page_file(folder: Path, address: str) -> Path:
    """The file that a plain web server finds at an address."""
    path = folder / address.lstrip("/")
    return path / "index.html" if path.is_dir() or not address.strip("/") else path


def links_of(page: Element) -> set[str]:
    found = {each.get(name) for each in page.iter() for name in ("href", "src")}
    return {each for each in found if each}


def test_every_page_is_the_one_that_is_served(full: Project, tmp_path: Path) -> None:
    out = tmp_path / "site"
    written = build_archive(full.newsletter, out)
    assert (written.editions, written.removed) == (3, ())
    addresses = ["/", "/archive", "/e/one", "/e/two", "/e/three", "/series/champions"]
    addresses += ["/feed.atom", "/feed.rss", "/feed.json", "/sitemap.xml", "/robots.txt", "/assets/article.css"]
    with full.client() as client:
        for address in addresses:
            served = client.get(address).text.replace('href="/subscribe', f'href="{BASE}/subscribe')
            assert page_file(out, address).read_text(encoding="utf-8") == served, address
        for path in (out / "images").iterdir():
            assert client.get(f"/images/{path.name}").content == path.read_bytes()
    assert len(list((out / "images").iterdir())) == 2
    assert {path.name for path in (out / "e").iterdir()} == {"one", "two", "three"}


def test_every_link_inside_leads_somewhere(full: Project, tmp_path: Path) -> None:
    out = tmp_path / "site"
    build_archive(full.newsletter, out)
    seen = set()
    for path in out.rglob("*.html"):
        for link in links_of(parse(path.read_bytes())):
            parts = urlsplit(link)
            if link.startswith(f"{BASE}/subscribe"):
                seen.add("a way to sign up, which needs the server")
                continue
            if parts.netloc in {"", "news.example.org"} and parts.path:
                seen.add(parts.path)
                assert page_file(out, parts.path).is_file(), f"{path.relative_to(out)} leads to {link}"
    assert "a way to sign up, which needs the server" in seen
    assert {"/", "/archive", "/e/two", "/series/champions", "/feed.rss", "/assets/pages.css"} <= seen
    for address in re.findall(r"<loc>https://news\.example\.org([^<]*)", (out / "sitemap.xml").read_text()):
        assert page_file(out, address).is_file()


def test_the_same_archive_gives_the_same_files(full: Project, tmp_path: Path) -> None:
    build_archive(full.newsletter, tmp_path / "a")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "a").rglob("*.html")}
    full.clock.pass_(days=400)
    build_archive(full.newsletter, tmp_path / "b")
    assert build_archive(full.newsletter, tmp_path / "a").changed == 0
    assert everything(tmp_path / "a") == everything(tmp_path / "b")
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_what_is_not_public_any_more_goes_and_other_things_stay(full: Project, tmp_path: Path) -> None:
    out = tmp_path / "site"
    build_archive(full.newsletter, out)
    (out / "CNAME").write_text("news.example.org\n")
    (out / "e" / "one" / "mine.txt").write_text("mine")
    for slug in ("one", "two"):
        full.newsletter.publications.withdraw(slug)
    removed = build_archive(full.newsletter, out).removed
    assert {"e/one/index.html", "e/two/index.html", "series/champions/index.html"} <= set(removed)
    assert {path.name for path in (out / "e").iterdir()} == {"one", "three"}
    assert (out / "CNAME").exists()
    assert (out / "e" / "one" / "mine.txt").exists()
    assert not (out / "images").exists()
    assert "/e/one" not in (out / "feed.atom").read_text()


def test_a_folder_with_other_things_is_refused_and_stays_as_it_is(here: Project, tmp_path: Path) -> None:
    for number, name in enumerate(("notes.txt", "index.html", ".git")):
        out = tmp_path / str(number)
        out.mkdir()
        (out / name).write_text("mine")
        with pytest.raises(UsageError, match="holds other things"):
            build_archive(here.newsletter, out)
        assert everything(out) == {name: b"mine"}
    with pytest.raises(UsageError, match="holds other things"):
        build_archive(here.newsletter, tmp_path / "0" / "notes.txt")


def test_a_file_that_somebody_put_where_a_page_belongs_is_not_overwritten(full: Project, tmp_path: Path) -> None:
    out = tmp_path / "site"
    build_archive(full.newsletter, out)
    write(full, "four")
    send(full, "four")
    (out / "e" / "four").mkdir()
    (out / "e" / "four" / "index.html").write_text("mine")
    with pytest.raises(UsageError, match="was not written by this command"):
        build_archive(full.newsletter, out)
    assert (out / "e" / "four" / "index.html").read_text() == "mine"


@pytest.mark.parametrize("line", ["../outside.txt", "/etc/hostname.txt", "e/../../outside.txt", "a/./b.txt"])
def test_a_list_of_files_that_somebody_changed_deletes_nothing_elsewhere(
    here: Project, tmp_path: Path, line: str
) -> None:
    out = tmp_path / "site"
    build_archive(here.newsletter, out)
    (tmp_path / "outside.txt").write_text("mine")
    with (out / LISTING).open("a") as listing:
        listing.write(f"{line}\n")
    with pytest.raises(UsageError, match="was changed"):
        build_archive(here.newsletter, out)
    assert (tmp_path / "outside.txt").exists()


# The commands


@pytest.fixture
def say(here: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]
    """Runs `newsletter archive …`; its exit code, and what it said."""
    for name in [name for name in os.environ if name.startswith("NEWSLETTER_")]:
        monkeypatch.delenv(name)
    for name, value in here.newsletter.project.environ.items():
        monkeypatch.setenv(name, value)

    def run_it(*arguments: object) -> tuple[int, str]:
        code = run(["archive", *map(str, arguments), "--project", str(here.root)])
        said = capsys.readouterr()
        return code, said.out + said.err

    return run_it


def test_the_commands_tell_publish_withdraw_and_build(here: Project, say, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    assert say("list") == (0, "No edition has a web page. It gets one when it is sent, unless it says public: false.\n")
    write(here, "one", "wrong.")
    code, said = say("publish", "one")
    assert (code, "has not been sent, and drafts are never shown" in said) == (1, True)
    send(here, "one")
    assert say("publish", "one") == (0, f"Nothing has changed: {BASE}/e/one\n")
    write(here, "one", "right.")
    assert json.loads(say("publish", "one", "--json")[1]) == {
        "edition": "one",
        "url": f"{BASE}/e/one",
        "changed": True,
    }
    listed = json.loads(say("list", "--json")[1])
    assert [(each["edition"], each["state"], each["corrected"]) for each in listed] == [("one", "shown", True)]
    code, said = say("build", tmp_path / "site", "--json")
    assert (code, json.loads(said)["editions"]) == (0, 1)
    assert "right." in (tmp_path / "site" / "e" / "one" / "index.html").read_text()
    assert say("withdraw", "one") == (0, "Withdrawn. To bring it back:  newsletter archive publish one\n")
    assert say("withdraw", "one")[0] == 2
    assert "withdrawn" in say("list")[1]
    code, said = say("build", tmp_path / "site")
    assert code == 0
    assert said.startswith("0 editions in ")
    assert not (tmp_path / "site" / "e").exists()
    assert say("build", here.root)[0] == 2
    assert say("publish", "nothing")[0] == 2
    assert (folder_of(here, "one") / "edition.yaml").exists()
