"""A project is found from anywhere inside it, and says where its things are."""

import os
import stat
import threading
from pathlib import Path

import pytest

from newsletter.errors import ConfigError, EditionNotFoundError, ProjectNotFoundError
from newsletter.project import Project, find_project, open_project

SETTINGS = """[newsletter]
name = "Our News"
base_url = "https://news.example.org"
[identity]
from = "Our News <news@example.org>"
postal_address = "1 Example Street"
[lists.community]
title = "Community"
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "our news"
    for slug in ("march", "april"):
        (folder / "editions" / slug).mkdir(parents=True)
        (folder / "editions" / slug / "edition.yaml").touch()
    (folder / "newsletter.toml").write_text(SETTINGS, encoding="utf-8")
    return folder


def opened(root: Path, **environ: str) -> Project:
    return open_project(root, environ)


def test_it_is_found_from_a_folder_inside(root):
    assert find_project(root / "editions" / "march") == root
    assert find_project(root) == root


def test_it_is_opened_from_where_we_are(root, monkeypatch):
    monkeypatch.chdir(root / "editions")
    assert open_project(None, {}).root == root


def test_without_one_the_error_says_how_to_make_one(tmp_path):
    with pytest.raises(ProjectNotFoundError, match="newsletter init DIR"):
        find_project(tmp_path)
    with pytest.raises(ProjectNotFoundError, match=r"newsletter init .*nowhere"):
        open_project(tmp_path / "nowhere", {})


def test_a_named_folder_must_be_the_project_itself(root):
    with pytest.raises(ProjectNotFoundError):
        open_project(root / "editions", {})


def test_the_settings_file_may_be_named_in_place_of_its_folder(root):
    assert open_project(root / "newsletter.toml", {}).root == root


def test_wrong_settings_are_told_on_opening(root):
    (root / "newsletter.toml").write_text(SETTINGS + "[brand]\nprimry = 1\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"newsletter\.toml:10:1: .*«primary»"):
        open_project(root, {})


def test_places(root):
    project = opened(root)
    assert project.templates == root / "templates"
    assert project.outbox == root / "outbox"
    assert project.database_url == f"sqlite:///{root}/subscribers/newsletter.db"
    assert project.edition_slugs() == ["april", "march"]
    assert project.edition_file("march") == root / "editions" / "march" / "edition.yaml"


def test_folders_without_an_edition_are_no_editions(root):
    (root / "editions" / "pictures").mkdir()
    (root / "editions" / ".hidden").mkdir()
    (root / "editions" / ".hidden" / "edition.yaml").touch()
    (root / "editions" / "notes.txt").touch()
    assert opened(root).edition_slugs() == ["april", "march"]


def test_a_project_without_editions_has_none(tmp_path):
    (tmp_path / "newsletter.toml").write_text(SETTINGS, encoding="utf-8")
    assert opened(tmp_path).edition_slugs() == []


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite:///data/x.db", "sqlite:///{root}/data/x.db"),
        ("sqlite:////var/lib/x.db", "sqlite:////var/lib/x.db"),
        ("postgres://me@db.example.org/news", "postgresql+psycopg://me@db.example.org/news"),
    ],
)
def test_a_database_lies_in_the_project_or_where_it_is_said(root, url, expected):
    assert opened(root, NEWSLETTER_DATABASE__URL=url).database_url == expected.format(root=root)


@pytest.mark.parametrize(
    "slug",
    [
        "../march",
        "march/",
        "/etc/passwd",
        "..",
        ".",
        "",
        "a\\b",
        "editions/march",
        "Märch",
        "a\nb",
        "march\n",
        "x" * 200,
    ],
)
def test_an_edition_cannot_be_named_by_a_path(root, slug):
    with pytest.raises(EditionNotFoundError):
        opened(root).edition_file(slug)


def test_a_path_to_an_edition_is_answered_with_its_name(root):
    with pytest.raises(EditionNotFoundError, match=r"Write march\."):
        opened(root).edition_file("editions/march/edition.yaml")


def test_a_folder_whose_name_cannot_stand_in_an_address_is_told_to_be_renamed(root):
    (root / "editions" / "My March").mkdir()
    (root / "editions" / "My March" / "edition.yaml").touch()
    with pytest.raises(EditionNotFoundError, match="Rename the folder editions/My March to my-march"):
        opened(root).edition_file("My March")


def test_an_edition_does_not_lead_out_of_the_project(root, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (root / "editions" / "linked").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(EditionNotFoundError, match="outside"):
        opened(root).edition_file("linked")


KEY = "k" * 40


def test_the_secret_key_of_the_environment_comes_first(root):
    assert opened(root, NEWSLETTER_SECRET_KEY=KEY).secret_key() == KEY.encode()
    assert not (root / "subscribers").exists()


def test_a_short_key_is_refused_and_not_shown(root):
    with pytest.raises(ConfigError, match="shorter than 32") as caught:
        opened(root, NEWSLETTER_SECRET_KEY="hunter2").secret_key()
    assert "hunter2" not in str(caught.value)


def test_the_secret_key_is_made_once_for_its_owner_only(root):
    key = opened(root).secret_key()
    path = root / "subscribers" / "secret.key"
    assert len(key) >= 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert opened(root).secret_key() == key
    assert [entry.name for entry in path.parent.iterdir()] == ["secret.key"]


def test_the_key_in_the_file_is_the_one_that_the_environment_would_give(root):
    key = opened(root).secret_key()
    kept = (root / "subscribers" / "secret.key").read_text(encoding="ascii")
    assert opened(root, NEWSLETTER_SECRET_KEY=kept).secret_key() == key


def test_many_at_once_make_one_key(root):
    project, keys, gate = opened(root), [], threading.Barrier(8)

    def ask() -> None:
        gate.wait()
        keys.append(project.secret_key())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 8
    assert len(set(keys)) == 1


@pytest.mark.skipif(os.name != "posix", reason="rights are told by modes on POSIX only")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_that_others_can_read_is_refused(root, mode):
    opened(root).secret_key()
    (root / "subscribers" / "secret.key").chmod(mode)
    with pytest.raises(ConfigError, match="chmod 600"):
        opened(root).secret_key()


def test_an_empty_key_file_is_refused(root):
    opened(root).secret_key()
    (root / "subscribers" / "secret.key").write_bytes(b"\n")
    with pytest.raises(ConfigError, match="shorter than 32"):
        opened(root).secret_key()


def test_a_folder_in_the_place_of_the_key_is_told(root):
    (root / "subscribers" / "secret.key").mkdir(parents=True)
    with pytest.raises(ConfigError, match="secret key"):
        opened(root).secret_key()


def test_a_key_that_cannot_be_made_is_told(root):
    (root / "subscribers").touch()
    with pytest.raises(ConfigError, match="NEWSLETTER_SECRET_KEY"):
        opened(root).secret_key()


def test_a_project_never_shows_its_environment(root):
    assert KEY not in repr(opened(root, NEWSLETTER_SECRET_KEY=KEY))
